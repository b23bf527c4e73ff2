import type { Clock } from '../runtime/clock.ts'
import type { ClusterReader, KubeObject, StoreEvent } from './objects.ts'
import { keyOf, ROUTE_RESOURCES, type RouteObjects } from './route-objects.ts'
import { isReady } from './route-pods.ts'
import { createRouteView, type RouteView } from './route-view.ts'

/** How long a change takes to reach the proxies, milliseconds. */
export type PropagationOptions = {
  /** Quiet time after a change before it is pushed; every further change starts it again. Default 100. */
  readonly debounceMs?: number
  /** A push is not put off for longer than this. Default 10,000. */
  readonly debounceMaxMs?: number
  /** From a lone change to its effect, the quiet time included. Default 110. */
  readonly propagationMs?: () => number
}

type Options = PropagationOptions & {
  readonly clock: Clock
  readonly cluster: ClusterReader
  readonly signal: AbortSignal
  /** Told of every object that is new or changed, before it has any effect. */
  readonly onChange: (object: KubeObject) => void
}

/** What the proxies know now: the cluster as it was at the last push. */
export type PropagatedView = { readonly current: () => RouteView }

/** Follows the cluster as istiod does. The objects that are there at the start are known at once. */
export function createPropagatedView(options: Options): PropagatedView {
  const { clock, cluster, signal, onChange, debounceMs = 100, debounceMaxMs = 10_000, propagationMs = () => 110 } = options
  const digests = new Map<string, string>()
  let view = createRouteView(snapshot(cluster))
  let firstChange: number | undefined
  let lastChange = 0
  let [pushes, applied] = [0, 0]

  const push = async () => {
    const due = () => Math.min(lastChange + debounceMs, (firstChange ?? 0) + debounceMaxMs)
    while (clock.monotonic() < due()) await clock.sleep(due() - clock.monotonic(), signal)
    firstChange = undefined
    const [next, order] = [createRouteView(snapshot(cluster)), ++pushes]
    await clock.sleep(Math.max(0, propagationMs() - debounceMs), signal)
    // A slow push must not undo a later one that overtook it.
    if (order < applied) return
    applied = order
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
