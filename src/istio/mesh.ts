import { hasMeshHost, rootsOf } from './delegates.ts'
import { isOwn, rulesOf, type Rules } from './destination-rules.ts'
import { serviceHost } from './host-name.ts'
import { httpRoute, mirrorList, type HttpRoute } from './http-route.ts'
import { listOf, olderFirst, specOf, textsOf, type Json } from './json.ts'
import { annotated, type Annotated } from './ledger-annotation.ts'
import { firstNamed, isManaged } from './managed-route.ts'
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
  /** It carries a ledger of another object, or was recorded in status and carries none. */
  readonly lost: boolean
  readonly routes: readonly (HttpRoute & { readonly managed: boolean })[]
}

/** A VirtualService before it is decided which of its routes are managed. */
export type Draft = Omit<VirtualService, 'routes'> & { readonly routes: readonly HttpRoute[] }

/** Reads what stands. Linear in the objects given. */
export function readMesh(input: MeshInput): Mesh {
  const fqdn = serviceHost(input)
  const rules = rulesOf(input)
  const reach = reachOf(input, rules)
  const drafts = input.virtualServices.toSorted(olderFirst)
    .map((object) => draftOf(object, { input, reach }))
    .filter((draft) => draft.mesh || draft.ledger !== undefined || draft.lost || concerns(draft, reach))
  const namedAtFirst = firstNamed(drafts)
  const ledgers = drafts.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger]))
  const newest = ledgers.toSorted((a, b) => b.promotions - a.promotions)[0]
  const stable = newest?.stable ?? input.stable ?? namedAtFirst
  const services = drafts.map((draft) => ({
    ...draft,
    routes: draft.routes.map((route) => ({ ...route, managed: isManaged(route, draft, { input, stable }) })),
  }))
  return { input, fqdn, rules, reach, services, stable, namedAtFirst }
}

function draftOf(object: KubeObject, { input, reach }: Pick<Mesh, 'input' | 'reach'>): Draft {
  const { name, namespace = '' } = object.metadata
  const spec = specOf(object)
  const annotations = annotated(object, input)
  const isRecorded = input.records.some((record) => record.namespace === namespace && record.name === name)
  const routes = listOf(spec['http']).map((raw, index) => httpRoute(raw, index, (destination) => reach(destination, namespace)))
  return {
    ...annotations,
    object, namespace, name, spec, routes,
    own: isOwn(input, object),
    near: namespace === input.canary.namespace,
    mesh: routes.length > 0 && speakersOf(object, input).some((one) => hasMeshHost(one, input)),
    lost: isRecorded && annotations.ledger === undefined && annotations.otherCanary === undefined,
  }
}

/** Whose hosts and gateways count: its own, or those of the roots where it is a delegate. */
const speakersOf = (object: KubeObject, input: MeshInput): readonly KubeObject[] => {
  const { name, namespace = '' } = object.metadata
  return textsOf(specOf(object)['hosts']).length > 0 ? [object] : rootsOf(input, { namespace, name }).map((root) => root.object)
}

/** Something of it is for the Service, be it a route, a mirror, or a TCP or TLS route. */
function concerns({ routes, spec, namespace }: Draft, reach: Reach): boolean {
  const isFor = ({ destination }: Json) => reach(destination, namespace) !== undefined
  return routes.some(({ touches, raw }) => touches || mirrorList(raw).some(isFor)) ||
    ['tcp', 'tls'].some((field) => listOf(spec[field]).some(({ route }) => listOf(route).some(isFor)))
}
