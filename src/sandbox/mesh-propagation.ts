import type { Clock } from '../runtime/clock.ts'
import type { ClusterReader, KubeObject, StoreEvent } from './objects.ts'
import { keyOf, ROUTE_RESOURCES, specOf, type RouteObjects, type VirtualServiceSpec } from './route-objects.ts'
import { isReady } from './route-pods.ts'
import { createRouteView, type RouteView } from './route-view.ts'

/** istiod's: quiet time before a push, which every further change starts again; the longest such wait; and the push itself. */
const [DEBOUNCE_MS, DEBOUNCE_MAX_MS, PUSH_MS] = [100, 10_000, 10] as const

type Options = {
  readonly clock: Clock
  readonly cluster: ClusterReader
  readonly signal: AbortSignal
  /** Told of every object that is new or changed, before it has any effect. */
  readonly onChange: (object: KubeObject) => void
}

/** What the proxies know now: the cluster as it was at the last push. */
export type PropagatedView = { readonly current: () => RouteView }

/** Follows the cluster as istiod does. The objects that are there at the start are known at once. */
export function createPropagatedView({ clock, cluster, signal, onChange }: Options): PropagatedView {
  const digests = new Map<string, string>()
  let accepted = snapshot(cluster)
  let view = createRouteView(accepted)
  let firstChange: number | undefined
  let lastChange = 0

  const push = async () => {
    const due = () => Math.min(lastChange + DEBOUNCE_MS, (firstChange ?? 0) + DEBOUNCE_MAX_MS)
    while (clock.monotonic() < due()) await clock.sleep(due() - clock.monotonic(), signal)
    firstChange = undefined
    const pushed = snapshot(cluster)
    // All hosts of a port share one table: a proxy that refuses one of its routes keeps the whole of what it had.
    accepted = pushed[ROUTES].some(isRefused) ? { ...pushed, [ROUTES]: accepted[ROUTES] } : pushed
    const next = createRouteView(accepted)
    await clock.sleep(PUSH_MS, signal)
    view = next
  }
  const changed = (event: StoreEvent) => {
    if (!isChange(digests, event)) return
    if (event.type !== 'DELETED') onChange(event.object)
    lastChange = clock.monotonic()
    if (firstChange !== undefined) return
    firstChange = lastChange
    push().catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
  for (const resource of ROUTE_RESOURCES) {
    for (const object of cluster.list(resource)) {
      isChange(digests, { type: 'ADDED', resource, object })
      onChange(object)
    }
  }
  signal.addEventListener('abort', cluster.subscribe(changed), { once: true })
  return { current: () => view }
}

const snapshot = (cluster: ClusterReader): RouteObjects =>
  Object.fromEntries(ROUTE_RESOURCES.map((resource) => [resource, cluster.list(resource)])) as RouteObjects

const ROUTES = 'virtualservices.networking.istio.io'

/** Istio leaves out entries with weight 0, and Envoy wants at least one of several. */
const isRefused = (object: KubeObject): boolean =>
  (specOf<VirtualServiceSpec>(object).http ?? []).some(({ route = [] }) => route.length > 1 && route.every(({ weight = 0 }) => weight === 0))

/** istiod pushes for a changed spec, not for an annotation of somebody's or a pod's heartbeat. */
function isChange(digests: Map<string, string>, { type, resource, object }: StoreEvent): boolean {
  if (!ROUTE_RESOURCES.some((known) => known === resource)) return false
  const key = `${resource} ${keyOf(object)}`
  if (type === 'DELETED') return digests.delete(key)
  const { labels = {}, annotations = {}, uid } = object.metadata
  const istioOwn = Object.entries({ ...labels, ...annotations }).filter(([name]) => name.includes('istio.io'))
  const digest = JSON.stringify(resource === 'pods' ? [uid, isReady(object), labels] : [uid, object['spec'], istioOwn])
  const known = digests.get(key) === digest
  digests.set(key, digest)
  return !known
}
