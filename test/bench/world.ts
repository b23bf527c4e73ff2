import type { KubeObject as StoredObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import { Objects } from '../lab/objects.ts'
import { canaryOf, namespaceOf, serviceOf, versionOf, virtualServiceOf, type Member, type Pace } from './fleet.ts'
import type { Journal } from './journal.ts'
import type { ScriptedPrometheus } from './scripted-prometheus.ts'

/** An API server and a Prometheus, with a fleet that nobody operates yet. */
export type World = {
  readonly fleet: readonly Member[]
  readonly journal: Journal
  readonly prometheus: ScriptedPrometheus
  /** Where the API server is: its http URL, or the path of a kubeconfig. */
  readonly kubernetes: string
  readonly prometheusUrl: string
  /** Creates an object as a user does; throws where the server refuses. */
  readonly create: (object: KubeObject) => Promise<void>
  /** Resolves with true once `done` holds and the journal knows what led to it, with false after `mostMs`. */
  readonly until: (done: () => boolean, mostMs: number) => Promise<boolean>
  readonly close: () => Promise<void>
}

/** A World's `create` on that API server. */
export function creating(transport: Transport): World['create'] {
  const objects = new Objects(transport)
  return (object) => objects.apply(object as unknown as StoredObject)
}

/** Creates what the users of a fleet have before they know of Serin, and their Canaries. */
export async function populate(create: World['create'], fleet: readonly Member[], pace: Pace): Promise<void> {
  for (const name of new Set(fleet.map(({ namespace }) => namespace))) await create(namespaceOf(name))
  for (const member of fleet) await Promise.all([serviceOf(member), versionOf(member, 'v1'), virtualServiceOf(member), canaryOf(member, pace)].map(create))
}

/** A World's `until`, where the journal comes `lagMs` after what happens. */
export const untilWith = (lagMs: number): World['until'] => async (done, mostMs) => {
  for (const deadline = systemClock.monotonic() + mostMs; !done(); await systemClock.sleep(20)) if (systemClock.monotonic() > deadline) return false
  await systemClock.sleep(lagMs)
  return true
}

/** The made-up traffic follows the routes. */
export function routesOf({ resource, object }: StoreEvent, prometheus: ScriptedPrometheus): void {
  if (resource !== 'virtualservices.networking.istio.io') return
  const { http } = object['spec'] as { readonly http: readonly { readonly route: readonly { readonly destination: { readonly subset?: string } }[] }[] }
  const versions = http.flatMap(({ route }) => route.map(({ destination }) => destination.subset?.replace('serin-', '') ?? 'v1'))
  prometheus.routed(`${object.metadata.name}.${object.metadata.namespace}.svc.cluster.local`, versions)
}
