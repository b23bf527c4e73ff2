import { sha256 } from '../canary/sha256.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { EVERY_POD } from '../canary/world.ts'
import { isOwn, rulesOf, type Rules } from './destination-rules.ts'
import { hostCovers, resolvedHost, serviceHost } from './host-name.ts'
import { jsonOf, listOf, olderFirst, specOf, textOf, textsOf, type Json } from './json.ts'
import { annotated, type Annotated } from './ledger-annotation.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { reachOf, type Reach } from './reach.ts'

/** The VirtualServices and DestinationRules around one Service, read once. */
export type Mesh = {
  readonly input: MeshInput
  readonly fqdn: string
  readonly rules: Rules
  readonly reach: Reach
  /** Those that have the host or name the Service, oldest first. */
  readonly services: readonly VirtualService[]
  /** The stable revision by the newest ledger, else by status, else by the routes. */
  readonly stable: string | undefined
  /** The revision that the routes name while none has a ledger. */
  readonly namedAtFirst: string | undefined
}

/** One VirtualService. */
export type VirtualService = Annotated & {
  readonly object: KubeObject
  readonly namespace: string
  readonly name: string
  readonly spec: Json
  readonly own: boolean
  /** In the Canary's namespace: its routes can be managed. */
  readonly near: boolean
  /** It decides for callers in the mesh. */
  readonly mesh: boolean
  readonly lost: boolean
  readonly routes: readonly HttpRoute[]
}

/** One entry of `spec.http`. */
export type HttpRoute = {
  readonly index: number
  /** Its name, or a hash of its match: the same wherever it stands in the list. */
  readonly id: string
  readonly raw: Json
  readonly list: readonly Json[]
  /** Set where Serin inserted it: what for, and beside which route. */
  readonly copy: { readonly kind: 'match' | 'mirror'; readonly of: string } | undefined
  /** Some destination is the Service. */
  readonly touches: boolean
  readonly managed: boolean
}

type Draft = Omit<VirtualService, 'routes'> & { readonly routes: readonly Omit<HttpRoute, 'managed'>[] }

/** Reads what stands. Linear in the objects given. */
export function readMesh(input: MeshInput): Mesh {
  const fqdn = serviceHost(input)
  const rules = rulesOf(input)
  const reach = reachOf(input, rules)
  const drafts = [...input.virtualServices].sort(olderFirst).map((object) => draftOf(object, { input, fqdn, reach }))
    .filter((draft) => draft.mesh || draft.ledger !== undefined || draft.lost || concerns(draft, reach))
  const namedAtFirst = firstNamed(drafts, reach)
  const ledgers = drafts.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger]))
  const newest = ledgers.reduce((best, next) => (next.promotions > (best?.promotions ?? -1) ? next : best), ledgers[0])
  const stable = newest?.stable ?? input.stable ?? namedAtFirst
  const services = drafts.map((draft) => ({ ...draft, routes: draft.routes.map((route) => ({ ...route, managed: isManaged(route, draft, { input, reach, stable }) })) }))
  return { input, fqdn, rules, reach, services, stable, namedAtFirst }
}

/** Whether a destination is for the Service. */
export const isOurs = (destination: unknown, namespace: string, { reach }: Pick<Mesh, 'reach'>): boolean => reach(destination, namespace) !== undefined

/** What Serin inserted directly before a route, in order. */
export function copiesBefore({ id, index }: HttpRoute, { routes }: VirtualService): readonly HttpRoute[] {
  const start = routes.slice(0, index).findLastIndex(({ copy }) => copy?.of !== id) + 1
  return routes.slice(start, index)
}

/** The saved original of a managed route. */
export const originalOf = ({ id }: HttpRoute, { saved }: Pick<VirtualService, 'saved'>): readonly Json[] | undefined => saved?.[id] ?? undefined

/** Where the mirrored requests of a route go. */
export const mirrorsOf = (raw: Json): readonly unknown[] =>
  [...(raw['mirror'] === undefined ? [] : [raw['mirror']]), ...listOf(raw['mirrors']).map((mirror) => mirror['destination'])]

function draftOf(object: KubeObject, { input, fqdn, reach }: Pick<Mesh, 'input' | 'fqdn' | 'reach'>): Draft {
  const { name, namespace = '' } = object.metadata
  const spec = specOf(object)
  const gateways = textsOf(spec['gateways'])
  const hosts = textsOf(spec['hosts']).map((host) => resolvedHost(host, namespace, input.clusterDomain))
  const annotations = annotated(object, input)
  const recorded = input.records.some((record) => record.namespace === namespace && record.name === name)
  return {
    ...annotations,
    object, namespace, name, spec,
    own: isOwn(input, object),
    near: namespace === input.canary.namespace,
    mesh: (gateways.length === 0 || gateways.includes('mesh')) && hosts.some((host) => hostCovers(host, fqdn)) && listOf(spec['http']).length > 0,
    lost: annotations.copied || (recorded && annotations.ledger === undefined),
    routes: listOf(spec['http']).map((raw, index) => routeOf(raw, index, namespace, reach)),
  }
}

const COPY = /^serin-(match|mirror)-(.*)-\d+$/

function routeOf(raw: Json, index: number, namespace: string, reach: Reach): Omit<HttpRoute, 'managed'> {
  const id = textOf(raw['name']) ?? unnamedId(raw['match'])
  const list = listOf(raw['route'])
  const [, kind, of = ''] = COPY.exec(id) ?? []
  return {
    index, id, raw, list,
    copy: kind === 'match' || kind === 'mirror' ? { kind, of } : undefined,
    touches: list.some(({ destination }) => reach(destination, namespace) !== undefined),
  }
}

const unnamedId = (match: unknown): string => (listOf(match).length === 0 ? 'default' : sha256(canonicalJson(match)).slice(0, 10))

/** Something of it is for the Service, be it a route, a mirror, or a TCP or TLS route. */
function concerns(draft: Draft, reach: Reach): boolean {
  const isFor = (destination: unknown) => reach(destination, draft.namespace) !== undefined
  const others = [...listOf(draft.spec['tcp']), ...listOf(draft.spec['tls'])]
  return draft.routes.some((route) => route.touches || mirrorsOf(route.raw).some(isFor)) ||
    others.some((route) => listOf(route['route']).some(({ destination }) => isFor(destination)))
}

/** What all routes name that name one revision; where they differ, what those for all requests name. */
function firstNamed(drafts: readonly Draft[], reach: Reach): string | undefined {
  const routes = drafts.filter((draft) => draft.near && draft.ledger === undefined).flatMap((draft) => draft.routes
    .filter((route) => route.copy === undefined)
    .map((route) => ({ route, named: route.list.flatMap(({ destination }) => reach(destination, draft.namespace) ?? []) })))
  const only = (chosen: typeof routes) => {
    const revisions = new Set(chosen.flatMap(({ named }) => named).filter((revision) => revision !== EVERY_POD))
    return revisions.size === 1 ? [...revisions][0] : undefined
  }
  return only(routes) ?? only(routes.filter(({ route }) => listOf(route.raw['match']).length === 0))
}

function isManaged(
  route: Omit<HttpRoute, 'managed'>, draft: Draft, { input, reach, stable }: Pick<Mesh, 'input' | 'reach' | 'stable'>,
): boolean {
  if (!draft.near || route.copy !== undefined || route.list.length === 0) return false
  const record = input.records.find(({ namespace, name }) => namespace === draft.namespace && name === draft.name)
  const known = draft.saved?.[route.id]
  if ((known !== undefined && known !== null) || (draft.saved === undefined && record?.httpRoutes?.includes(route.id) === true)) return true
  if (!route.touches || !isListed(route.raw, draft, input)) return false
  const own = route.list.map(({ destination }) => jsonOf(destination)).filter((destination) => reach(destination, draft.namespace) !== undefined)
  const selectsStable = (destination: Json) => stable !== undefined && reach(destination, draft.namespace)?.includes(stable) === true
  return own.some(({ subset }) => subset === undefined) || (known === undefined && own.some(selectsStable))
}

/** Whether `traffic.httpRoutes` lets the route be managed; it says nothing of our own. */
export const isListed = (raw: Json, { own }: Pick<VirtualService, 'own'>, { settings: { httpRoutes } }: MeshInput): boolean =>
  own || httpRoutes === undefined || httpRoutes.includes(textOf(raw['name']) ?? '')
