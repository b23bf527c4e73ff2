import { sha256 } from '../canary/sha256.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { isOwn, rulesOf, type Rules } from './destination-rules.ts'
import { hostCovers, resolvedHost, serviceHost } from './host-name.ts'
import { listOf, olderFirst, specOf, textOf, textsOf, type Json } from './json.ts'
import { annotated, type Annotated } from './ledger-annotation.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { firstNamed, isManaged } from './managed-route.ts'
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

/** One VirtualService before it is decided which of its routes are managed. */
export type Draft = Omit<VirtualService, 'routes'> & { readonly routes: readonly Omit<HttpRoute, 'managed'>[] }

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
