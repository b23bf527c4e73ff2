import { anchoredRegex } from './route-regex.ts'
import type { HttpMatch, StringMap, StringMatch } from './route-objects.ts'

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
  readonly gateways: readonly string[]
}

/** A compiled condition. */
export type Predicate = (input: MatchInput) => boolean

type Test = (value: string | undefined) => boolean

/** Compiles a list of matches, any of which is enough; an absent or empty list matches everything. */
export function compileMatches(matches: readonly HttpMatch[] | undefined, gatewayName: (written: string) => string): Predicate {
  if (matches === undefined || matches.length === 0) return () => true
  const predicates = matches.map((match) => compileMatch(match, gatewayName))
  return (input) => predicates.some((predicate) => predicate(input))
}

function compileMatch(match: HttpMatch, gatewayName: (written: string) => string): Predicate {
  const parts: Predicate[] = [
    ...one(match.uri, (input) => pathOf(input)),
    ...one(match.method, (input) => input.method),
    ...one(match.authority, (input) => input.host),
    ...each(match.headers, (input, name) => input.headers[name.toLowerCase()]),
    ...each(match.withoutHeaders, (input, name) => input.headers[name.toLowerCase()]).map(not),
    ...each(match.queryParams, (input, name) => new URLSearchParams(input.path.split('?')[1]).get(name) ?? undefined),
    ...Object.entries(match.sourceLabels ?? {}).map(
      ([key, value]): Predicate =>
        (input) =>
          input.labels[key] === value,
    ),
  ]
  const { gateways, sourceNamespace, port } = match
  if (sourceNamespace !== undefined) parts.push((input) => input.namespace === sourceNamespace)
  if (port !== undefined) parts.push((input) => Number(/:(\d+)$/.exec(input.host)?.[1] ?? 80) === port)
  if (gateways !== undefined && gateways.length > 0) {
    const names = gateways.map(gatewayName)
    parts.push((input) => input.gateways.some((gateway) => names.includes(gateway)))
  }
  return (input) => parts.every((part) => part(input))
}

const not =
  (predicate: Predicate): Predicate =>
  (input) =>
    !predicate(input)

const pathOf = (input: MatchInput): string => input.path.split('?', 1)[0] ?? ''

function one(match: StringMatch | undefined, read: (input: MatchInput) => string | undefined): readonly Predicate[] {
  if (match === undefined) return []
  const test = compileString(match)
  return [(input) => test(read(input))]
}

const each = (
  matches: Readonly<Record<string, StringMatch>> | undefined,
  read: (input: MatchInput, name: string) => string | undefined,
): readonly Predicate[] => Object.entries(matches ?? {}).flatMap(([name, match]) => one(match, (input) => read(input, name)))

function compileString({ exact, prefix, regex }: StringMatch): Test {
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
