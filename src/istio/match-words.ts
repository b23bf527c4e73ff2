import type { HTTPMatch, StringMatch } from '../api/canary.ts'
import type { Json } from './json.ts'

/** How Istio names the claims of a JWT that a RequestAuthentication has verified. */
const CLAIM = '@request.auth.claims'

const claimHeader = (path: string): string => `${CLAIM}${path.startsWith('[') ? '' : '.'}${path}`

/** The same condition as a match of Istio's: cookies and claims are headers there. */
export function istioMatch({ cookies = {}, claims = {}, headers, ...rest }: HTTPMatch): Json {
  const added = [
    ...Object.entries(cookies).map(([name, match]) => ['cookie', { regex: cookieRegex(name, match) }] as const),
    ...Object.entries(claims).map(([path, match]) => [claimHeader(path), match] as const),
  ]
  const all = { ...headers, ...Object.fromEntries(added) }
  return { ...rest, ...(headers === undefined && added.length === 0 ? {} : { headers: all }) }
}

/** The field of ours that became this field of Istio's: "headers.cookie" was "cookies.beta". */
export function writtenAs({ cookies = {}, claims = {} }: HTTPMatch, field: string): string {
  const [cookie] = Object.keys(cookies)
  if (field === 'headers.cookie' && cookie !== undefined) return `cookies.${cookie}`
  const claim = Object.keys(claims).find((path) => field === `headers.${claimHeader(path)}`)
  return claim === undefined ? field : `claims.${claim}`
}

/** A pattern for the whole Cookie header in which one cookie has this value; RFC 6265 separates them by "; ". */
const cookieRegex = (name: string, match: StringMatch): string => `(.*;\\s*)?${quoted(name)}=${valuePattern(match)}(;.*)?`

function valuePattern({ exact, prefix, regex = '' }: StringMatch): string {
  if (exact !== undefined) return quoted(exact)
  return prefix === undefined ? `(${regex})` : `${quoted(prefix)}[^;]*`
}

/** The text itself, as RE2 and JavaScript read it. */
const quoted = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
