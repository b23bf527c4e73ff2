import { at, fieldsAt, listAt } from './json.ts'
import type { KubeObject } from './objects.ts'
import { anchoredRegex } from './route-match.ts'
import { keyOf } from './route-objects.ts'

/** A shape of accepted fields: what is not named is refused; `true` accepts whatever is below. */
type Shape = true | { readonly [field: string]: Shape }

const accepts = (fields: string): Readonly<Record<string, Shape>> =>
  Object.fromEntries(fields.split(' ').map((field) => [field, true as const]))

const stringMatch = accepts('exact prefix regex')
const stringMatches: Shape = { '*': stringMatch }

// Of these, timeouts, retries, ports, traffic policies, Gateways and PeerAuthentications change nothing here.
const SHAPES: Readonly<Record<string, Shape>> = {
  VirtualService: {
    ...accepts('hosts gateways exportTo'),
    http: {
      ...accepts('name delegate timeout retries mirror mirrorPercentage mirrors'),
      match: {
        ...accepts('name sourceLabels sourceNamespace gateways statPrefix'),
        uri: stringMatch,
        method: stringMatch,
        authority: stringMatch,
        headers: stringMatches,
        withoutHeaders: stringMatches,
        queryParams: stringMatches,
      },
      route: { ...accepts('destination weight'), headers: { response: { add: { '*': true } } } },
      fault: { abort: accepts('httpStatus percentage') },
    },
  },
  DestinationRule: accepts('host exportTo trafficPolicy subsets'),
  Gateway: { selector: true, servers: accepts('name hosts port') },
  PeerAuthentication: true,
  AuthorizationPolicy: {
    ...accepts('selector action'),
    rules: {
      from: { source: accepts('principals notPrincipals namespaces notNamespaces') },
      to: { operation: accepts('methods notMethods paths notPaths hosts notHosts') },
    },
  },
}

/**
 * Why the mesh does not do all that an object asks for, in a sentence; undefined where it does. Knows Istio's and the
 * Gateway API's kinds and Services; other kinds are none of the mesh's business.
 */
export function unsupported(object: KubeObject): string | undefined {
  const reason = reasonFor(object)
  return reason === undefined ? undefined : `${object.kind} ${keyOf(object)}: ${reason}`
}

function reasonFor({ apiVersion, kind, spec }: KubeObject): string | undefined {
  if (kind === 'Service' && at(spec, 'type') === 'ExternalName') return 'the mesh has no ExternalName'
  if (!/\.istio\.io\/|^gateway\./.test(apiVersion)) return undefined
  const shape = SHAPES[kind]
  if (shape === undefined) return 'the mesh does not implement this kind'
  const path = refusedPath(spec, shape, 'spec')
  if (path !== undefined) return `the mesh does not implement ${path}`
  if (kind === 'AuthorizationPolicy' && !['ALLOW', 'DENY', undefined].includes(at(spec, 'action') as string | undefined))
    return 'the mesh knows the actions ALLOW and DENY only'
  return kind === 'VirtualService' ? routeReason(listAt(spec, 'http')) : undefined
}

function routeReason(routes: readonly unknown[]): string | undefined {
  const both = routes.some((route) => at(route, 'mirror') !== undefined && at(route, 'mirrors') !== undefined)
  if (both) return 'mirror and mirrors exclude each other'
  const unreadable = regexes(routes).find((pattern) => {
    try {
      return anchoredRegex(pattern) === undefined
    } catch {
      return true
    }
  })
  return unreadable === undefined ? headerReason(routes) : `the mesh cannot read the regular expression ${unreadable}`
}

function headerReason(routes: readonly unknown[]): string | undefined {
  const added = routes.flatMap((route) => listAt(route, 'route')).flatMap((entry) => Object.values(fieldsAt(entry, 'headers', 'response', 'add')))
  const command = added.find((value) => String(value).replaceAll('%%', '').includes('%'))
  const matches = routes.flatMap((route) => listAt(route, 'match'))
  const names = matches.flatMap((match) => Object.keys({ ...fieldsAt(match, 'headers'), ...fieldsAt(match, 'withoutHeaders') }))
  const claim = names.find((name) => name.startsWith('@'))
  if (command !== undefined) return `the mesh does not fill a command of Envoy's into a header: ${JSON.stringify(command)}`
  return claim === undefined ? undefined : `the mesh verifies no JWT, and so knows nothing of ${claim}`
}

const regexes = (value: unknown): readonly string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]: [string, unknown]) => (key === 'regex' ? [String(inner)] : regexes(inner)))

function refusedPath(value: unknown, shape: Shape, path: string): string | undefined {
  if (shape === true || typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value) as readonly [string, unknown][]) {
    const below = Array.isArray(value) ? shape : (shape[key] ?? shape['*'])
    const name = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`
    const refused = below === undefined ? name : refusedPath(inner, below, name)
    if (refused !== undefined) return refused
  }
  return undefined
}
