import type { KubeObject } from './objects.ts'
import { keyOf } from './route-objects.ts'
import { anchoredRegex } from './route-regex.ts'

/** A shape of accepted fields: what is not named is refused; `true` accepts whatever is below. */
type Shape = true | { readonly [field: string]: Shape }

const STRING_MATCH: Shape = { exact: true, prefix: true, regex: true }
const STRING_MATCHES: Shape = { '*': STRING_MATCH }
const HTTP_MATCH: Shape = {
  name: true,
  uri: STRING_MATCH,
  method: STRING_MATCH,
  authority: STRING_MATCH,
  headers: STRING_MATCHES,
  withoutHeaders: STRING_MATCHES,
  queryParams: STRING_MATCHES,
  sourceLabels: true,
  sourceNamespace: true,
  gateways: true,
  port: true,
  statPrefix: true,
}

/** Fields that are accepted and change nothing here, by kind. */
export const IGNORED_FIELDS = {
  VirtualService: ['http[].timeout', 'http[].retries', 'http[].route[].destination.port', 'http[].mirror.port'],
  DestinationRule: ['trafficPolicy', 'subsets[].trafficPolicy'],
  Gateway: ['servers[].port'],
  PeerAuthentication: ['spec'],
} as const

const SHAPES: Readonly<Record<string, Shape>> = {
  VirtualService: {
    hosts: true,
    gateways: true,
    exportTo: true,
    http: {
      name: true,
      match: HTTP_MATCH,
      route: { destination: true, weight: true, headers: true },
      delegate: true,
      headers: true,
      rewrite: { uri: true, authority: true },
      timeout: true,
      retries: true,
      mirror: true,
      mirrorPercentage: true,
      mirrors: true,
      fault: { abort: { httpStatus: true, percentage: true }, delay: { fixedDelay: true, percentage: true } },
    },
  },
  DestinationRule: { host: true, exportTo: true, trafficPolicy: true, subsets: true, workloadSelector: true },
  Gateway: { selector: true, servers: { name: true, hosts: true, port: true } },
  PeerAuthentication: true,
  AuthorizationPolicy: {
    selector: true,
    action: true,
    rules: {
      from: { source: { principals: true, notPrincipals: true, namespaces: true, notNamespaces: true } },
      to: { operation: { methods: true, notMethods: true, paths: true, notPaths: true } },
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

function reasonFor({ apiVersion, kind, ...object }: KubeObject): string | undefined {
  const spec: unknown = object['spec'] ?? {}
  if (kind === 'Service' && readField(spec, 'type') === 'ExternalName') return 'the mesh has no ExternalName'
  if (!/\.istio\.io\/|^gateway\./.test(apiVersion)) return undefined
  const shape = SHAPES[kind]
  if (shape === undefined) return 'the mesh does not implement this kind'
  const path = refusedPath(spec, shape, 'spec')
  return path === undefined ? CHECKS[kind]?.(spec) : `the mesh does not implement ${path}`
}

const CHECKS: Readonly<Record<string, (spec: unknown) => string | undefined>> = {
  VirtualService: routeReason,
  AuthorizationPolicy: (spec) =>
    ['ALLOW', 'DENY', undefined].some((known) => known === readField(spec, 'action'))
      ? undefined
      : 'the mesh knows the actions ALLOW and DENY only',
}

function routeReason(spec: unknown): string | undefined {
  const routes = asList(readField(spec, 'http'))
  if (routes.some((route) => readField(route, 'mirror') !== undefined && readField(route, 'mirrors') !== undefined))
    return 'mirror and mirrors exclude each other'
  return regexes(routes.map((route) => readField(route, 'match')))
    .map(regexReason)
    .find((reason) => reason !== undefined)
}

function regexReason(pattern: string): string | undefined {
  try {
    anchoredRegex(pattern)
    return undefined
  } catch (error) {
    return `the mesh cannot read the regular expression ${pattern}: ${String(error)}`
  }
}

function regexes(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'regex' && typeof inner === 'string' ? [inner] : regexes(inner),
  )
}

function refusedPath(value: unknown, shape: Shape, path: string): string | undefined {
  if (shape === true || typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  for (const [key, inner] of entries) {
    const below = Array.isArray(value) ? shape : (shape[key] ?? shape['*'])
    const name = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`
    const refused = below === undefined ? name : refusedPath(inner, below, name)
    if (refused !== undefined) return refused
  }
  return undefined
}

const readField = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null && field in value ? (value as Record<string, unknown>)[field] : undefined

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
