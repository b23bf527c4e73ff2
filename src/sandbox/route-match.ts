import type { HttpMatch, StringMap, StringMatch } from './route-objects.ts'

/** Where a proxy stands: beside a pod, or at the edge, where one ingress gateway serves every Gateway. */
export type Side = 'mesh' | 'gateway'

/** The side that a name in a list of gateways means. */
export const sideOf = (gateway: string): Side => (gateway === 'mesh' ? 'mesh' : 'gateway')

/** What a match may look at: the request, and who sends it. */
export type MatchInput = {
  readonly method: string
  readonly host: string
  /** With its query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: StringMap
  readonly labels: StringMap
  readonly namespace: string
  readonly side: Side
}

/** A compiled condition. */
export type Predicate = (input: MatchInput) => boolean

/** Compiles a list of matches, any of which is enough; an absent or empty list matches everything. */
export function compileMatches(matches: readonly HttpMatch[] = []): Predicate {
  if (matches.length === 0) return () => true
  const predicates = matches.map(compileMatch)
  return (input) => predicates.some((predicate) => predicate(input))
}

type Read = (input: MatchInput, name: string) => string | undefined

const header: Read = ({ headers }, name) => headers[name.toLowerCase()]
const parameter: Read = ({ path }, name) => new URLSearchParams(path.split('?')[1]).get(name) ?? undefined

function compileMatch(match: HttpMatch): Predicate {
  const { uri, method, authority, sourceNamespace, gateways = [] } = match
  const labels = Object.entries(match.sourceLabels ?? {})
  const tests: readonly Predicate[] = [
    ...each({ ...(uri && { uri }) }, ({ path }) => path.split('?', 1)[0]),
    ...each({ ...(method && { method }) }, (input) => input.method),
    ...each({ ...(authority && { authority }) }, ({ host }) => host),
    ...each(match.headers, header),
    ...each(match.withoutHeaders, header).map((test): Predicate => (input) => !test(input)),
    ...each(match.queryParams, parameter),
    (input) => labels.every(([key, value]) => input.labels[key] === value),
    ({ namespace }) => sourceNamespace === undefined || namespace === sourceNamespace,
    ({ side }) => gateways.length === 0 || gateways.map(sideOf).includes(side),
  ]
  return (input) => tests.every((test) => test(input))
}

const each = (matches: Readonly<Record<string, StringMatch>> = {}, read: Read): readonly Predicate[] =>
  Object.entries(matches).map(([name, match]) => {
    const fits = compileString(match)
    return (input) => fits(read(input, name))
  })

function compileString({ exact, prefix, regex }: StringMatch): (value: string | undefined) => boolean {
  if (exact !== undefined) return (value) => value === exact
  if (prefix !== undefined) return (value) => value?.startsWith(prefix) === true
  if (regex === undefined) return (value) => value !== undefined
  const expression = readable(regex)
  return (value) => value !== undefined && expression?.test(value) === true
}

/** An expression that cannot be read matches nothing here; `unsupported` says so when it is written. */
function readable(pattern: string): RegExp | undefined {
  try {
    return anchoredRegex(pattern)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * An RE2 pattern that must match the whole value, as Envoy and Prometheus read theirs. Leading flags such as `(?i)` are
 * understood; throws a SyntaxError where JavaScript cannot read the rest.
 */
export function anchoredRegex(pattern: string): RegExp {
  const [, flags = '', rest = pattern] = /^\(\?([ims]+)\)(.*)$/s.exec(pattern) ?? []
  const unicode = /\\p/i.test(rest) ? 'u' : ''
  return new RegExp(`^(?:${rest.replaceAll('(?P<', '(?<')})$`, flags + unicode)
}
