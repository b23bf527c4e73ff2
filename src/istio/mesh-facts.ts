import { EVERY_POD, type MeshFacts, type RouteFacts, type RuleFacts } from '../canary/world.ts'
import { desiredSpec, stampsOf, standingSubsets } from './desired-rule.ts'
import { audienceOf } from './export-to.ts'
import { sameJson, specOf } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import { readMesh, type Mesh, type VirtualService } from './mesh.ts'
import { refusalsOf } from './refusals.ts'
import { driftOf } from './route-drift.ts'
import { listReach, mirrorReach } from './route-reach.ts'

/** What the VirtualServices and DestinationRules say about the Canary's Service. Total: any input has facts. */
export function meshFacts(input: MeshInput): MeshFacts {
  const mesh = readMesh(input)
  const covered = mesh.services.some((service) => covers(service, mesh))
  return {
    refusals: refusalsOf(mesh),
    routes: mesh.services.filter(isKnown).map((service) => routeFacts(service, mesh)),
    rule: ruleFacts(mesh),
    covered,
    namedAtFirst: mesh.namedAtFirst,
    reached: unique([
      ...(covered ? [] : [EVERY_POD]),
      ...mesh.services.flatMap((service) => service.routes.flatMap((route) => [...listReach(route, service, mesh), ...mirrorReach(route, service, mesh)])),
    ]),
    namedByUser: unique(mesh.services.flatMap((service) => service.routes.filter(({ copy }) => copy === undefined)
      .flatMap((route) => [...(route.managed ? [] : listReach(route, service, mesh)), ...mirrorReach(route, service, mesh)]))
      .filter((revision) => revision !== EVERY_POD)),
  }
}

const isKnown = (service: VirtualService): boolean =>
  service.near && (service.ledger !== undefined || service.lost || service.routes.some((route) => route.managed))

function routeFacts(service: VirtualService, mesh: Mesh): RouteFacts {
  const managed = service.routes.filter((route) => route.managed)
  return {
    record: { namespace: service.namespace, name: service.name, mode: service.own ? 'Own' : 'Route', httpRoutes: managed.map(({ id }) => id) },
    uid: service.object.metadata.uid ?? '',
    resourceVersion: service.object.metadata.resourceVersion ?? '',
    own: service.own,
    mesh: service.mesh,
    ledger: service.ledger,
    lost: service.lost,
    content: driftOf(service, mesh),
    reaches: unique([
      ...managed.flatMap((route) => listReach(route, service, mesh)),
      ...service.routes.filter(({ copy }) => copy !== undefined).flatMap((route) => [...listReach(route, service, mesh), ...mirrorReach(route, service, mesh)]),
    ]),
  }
}

function ruleFacts(mesh: Mesh): RuleFacts {
  const { own } = mesh.rules
  const stamps = stampsOf(own?.metadata.annotations)
  return {
    exists: own !== undefined,
    uid: own?.metadata.uid,
    resourceVersion: own?.metadata.resourceVersion,
    subsets: standingSubsets(mesh),
    conform: own !== undefined && sameJson(specOf(own), desiredSpec(mesh, Object.keys(stamps))),
  }
}

/** Somebody's route for the host, that callers in the Service's own namespace see. */
function covers({ mesh, spec, namespace }: VirtualService, { input: { canary } }: Mesh): boolean {
  const audience = audienceOf(spec['exportTo'], namespace)
  return mesh && (audience === 'all' || audience.has(canary.namespace))
}

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)].sort()
