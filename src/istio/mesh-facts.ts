import { EVERY_POD, type MeshFacts, type RouteFacts, type RuleFacts } from '../canary/world.ts'
import { desiredSpec, stampsOf, standingSubsets } from './desired-rule.ts'
import { delegateOf, isDelegateMissing, isMadeDelegate } from './delegates.ts'
import { audienceOf } from './export-to.ts'
import { originalOf, type HttpRoute } from './http-route.ts'
import { listOf, sameJson, specOf, type Json } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import { readMesh, type Mesh, type VirtualService } from './mesh.ts'
import { refusalsOf } from './refusals.ts'
import { driftOf } from './route-drift.ts'
import { sharesOf } from './route-list.ts'

/** What the VirtualServices and DestinationRules say about the Canary's Service. Total: any input has facts. */
export function meshFacts(input: MeshInput): MeshFacts {
  const mesh = readMesh(input)
  const covered = mesh.services.some((service) => covers(service, mesh))
  const routes = mesh.services.flatMap((service) => service.routes)
  const byUser = routes.filter(({ copy }) => copy === undefined)
    .flatMap(({ managed, reached, mirrored }) => [...(managed ? [] : reached), ...mirrored])
  return {
    refusals: refusalsOf(mesh),
    routes: mesh.services.filter(isKnown).map((service) => routeFacts(service, mesh)),
    rule: ruleFacts(mesh),
    covered,
    delegateMissing: isDelegateMissing(input),
    namedAtFirst: mesh.namedAtFirst,
    reached: unique([...(covered ? [] : [EVERY_POD]), ...mesh.services.flatMap((service) => tcpReached(service, mesh)), ...routes.flatMap(({ reached, mirrored }) => [...reached, ...mirrored])]),
    namedByUser: unique(byUser.filter((revision) => revision !== EVERY_POD)),
  }
}

const isKnown = (service: VirtualService): boolean =>
  service.near && (service.ledger !== undefined || service.lost || service.routes.some((route) => route.managed))

function routeFacts(service: VirtualService, mesh: Mesh): RouteFacts {
  const { namespace, name, own, ledger, lost, object: { metadata } } = service
  const managed = service.routes.filter((route) => route.managed)
  const copies = service.routes.filter(({ copy }) => copy !== undefined)
  const reaches = [...[...managed, ...copies].flatMap(({ reached }) => reached), ...copies.flatMap(({ mirrored }) => mirrored)]
  return {
    record: { namespace, name, mode: own ? 'Own' : isMadeDelegate(mesh.input, service.object) ? 'Delegate' : 'Route', httpRoutes: managed.map(({ id }) => id) },
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    own,
    mesh: service.mesh,
    ledger,
    lost,
    content: driftOf(service, mesh),
    reaches: unique(reaches),
    originals: own ? [] : managed.flatMap((route) => serving(originalOf(route, service) ?? route.list, service, mesh)),
  }
}

/** Where each destination of a list that gets requests and is for the Service leads. */
const serving = (list: readonly Json[], { namespace }: VirtualService, { reach }: Mesh): readonly (readonly string[])[] =>
  list.filter((_entry, i) => sharesOf(list)[i] !== 0).flatMap(({ destination }) => {
    const reached = reach(destination, namespace)
    return reached === undefined ? [] : [reached]
  })

function ruleFacts(mesh: Mesh): RuleFacts {
  const { own } = mesh.rules
  const stamped = Object.keys(stampsOf(own?.metadata.annotations))
  return {
    exists: own !== undefined,
    uid: own?.metadata.uid,
    resourceVersion: own?.metadata.resourceVersion,
    subsets: standingSubsets(mesh),
    conform: own !== undefined && sameJson(specOf(own), desiredSpec(mesh, stamped)),
  }
}

/**
 * Somebody's route for the host, that callers in the Service's own namespace see. A route whose delegate is missing counts
 * for nothing: Istio drops it, and where it was the only one, all pods are reached.
 */
function covers({ mesh, spec, namespace, routes }: VirtualService, { input }: Mesh): boolean {
  const audience = audienceOf(spec['exportTo'], namespace)
  const isStanding = ({ raw }: HttpRoute) => {
    const delegate = delegateOf(raw, namespace)
    return delegate === undefined || isWanted(delegate, input) ||
      input.virtualServices.some(({ metadata }) => metadata.namespace === delegate.namespace && metadata.name === delegate.name)
  }
  return mesh && routes.some(isStanding) && (audience === 'all' || audience.has(input.canary.namespace))
}

/** Where the delegate that Serin makes is missing, it is made again at once. */
const isWanted = ({ namespace, name }: { readonly namespace: string; readonly name: string }, { canary, settings }: MeshInput): boolean =>
  namespace === canary.namespace && name === settings.delegate

/** Where the routes by connection of our own go. */
const tcpReached = ({ own, spec, namespace }: VirtualService, { reach }: Mesh): readonly string[] =>
  own ? listOf(spec['tcp']).flatMap(({ route }) => listOf(route)).flatMap(({ destination }) => reach(destination, namespace) ?? []) : []

const unique = (revisions: readonly string[]): readonly string[] => [...new Set(revisions)].sort()
