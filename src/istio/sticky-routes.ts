import type { HTTPMatch } from '../api/canary.ts'
import type { Exposure } from '../canary/ledger.ts'
import { jsonOf, textOf, without, type Json } from './json.ts'
import { subsetName } from './subset-name.ts'

/** Users who have met a version already, by their cookie, and the canary's percent of their requests. */
export type Group = { readonly match: HTTPMatch; readonly percent: number; readonly known: boolean }

/**
 * Who is not drawn like a new user, first match first: those who met the canary, those who were drawn for stable at
 * this weight, and those who were at a lower one. A raise from p to q percent draws these again with odds
 * (q - p) / (100 - p), so that q percent of all have met the canary afterwards.
 */
export function stickyGroups({ weight, sticky }: Exposure): readonly Group[] {
  if (sticky === undefined || weight <= 0 || weight >= 100) return []
  const having = (value: string): HTTPMatch => ({ cookies: { [sticky.cookie]: { exact: value } } })
  return [
    { match: having(canaryValue(sticky)), percent: 100, known: true },
    { match: having(stableValue(sticky, weight)), percent: 0, known: true },
    ...sticky.drawn.filter((before) => before < weight).map((before) => (
      { match: having(stableValue(sticky, before)), percent: (100 * (weight - before)) / (100 - before), known: false }
    )),
  ]
}

/** The requests of users who stay with the canary. */
export const stayingWithCanary = (exposure: Exposure): readonly HTTPMatch[] =>
  stickyGroups(exposure).filter(({ percent }) => percent === 100).map(({ match }) => match)

/** The list, each answer of which tells the user's browser the version that was drawn. */
export function remembered(list: readonly Json[], { weight, sticky, revision }: Exposure, stable: string): readonly Json[] {
  if (sticky === undefined || weight <= 0 || weight >= 100) return list
  const values = new Map([[subsetName(stable), stableValue(sticky, weight)], [subsetName(revision), canaryValue(sticky)]])
  return list.map((entry) => {
    const value = values.get(textOf(jsonOf(entry['destination'])['subset']) ?? '')
    // In a header's value Envoy reads a single % as the beginning of a command.
    return value === undefined ? entry : withCookie(entry, `${sticky.cookie}=${value}${sticky.attributes}`.replaceAll('%', '%%'))
  })
}

const canaryValue = ({ id }: { readonly id: string }): string => `serin-${id}-canary`
const stableValue = ({ id }: { readonly id: string }, weight: number): string => `serin-${id}-stable-${Math.round(weight * 100)}`

const OURS = /^[^=;]+=serin-[0-9a-f]{10}-/

function withCookie(entry: Json, cookie: string): Json {
  const headers = jsonOf(entry['headers'])
  const response = jsonOf(headers['response'])
  return { ...entry, headers: { ...headers, response: { ...response, add: { ...jsonOf(response['add']), 'set-cookie': cookie } } } }
}

/** The entry as it was before `remembered`. */
export function withoutCookie(entry: Json): Json {
  const headers = jsonOf(entry['headers'])
  const response = jsonOf(headers['response'])
  const add = jsonOf(response['add'])
  if (!OURS.test(textOf(add['set-cookie']) ?? '')) return entry
  return { ...without(entry, 'headers'), ...kept('headers', { ...without(headers, 'response'), ...kept('response', { ...without(response, 'add'), ...kept('add', without(add, 'set-cookie')) }) }) }
}

const kept = (field: string, value: Json): Json => (Object.keys(value).length === 0 ? {} : { [field]: value })

/** Whether an entry of the user's gives out or takes away cookies itself: a destination has room for one. */
export function ownsCookie(entry: Json): boolean {
  const response = jsonOf(jsonOf(entry['headers'])['response'])
  const named = [...Object.keys(jsonOf(response['add'])), ...Object.keys(jsonOf(response['set'])), ...(Array.isArray(response['remove']) ? response['remove'] : [])]
  return named.some((name) => String(name).toLowerCase() === 'set-cookie')
}
