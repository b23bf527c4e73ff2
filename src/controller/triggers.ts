import { resourceName, resources } from '../kubernetes/resource.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { resolvedHost } from '../istio/host-name.ts'
import { canaryOf } from './canary-actions.ts'
import { hostsOf, labelKeys, WILDCARD } from './indexes.ts'
import type { OwnWrites } from './own-writes.ts'
import type { Stores } from './sources.ts'

/** Which Canaries a change concerns: every watch, and whom it wakes, on one screen. Returns the way to stop it. */
export function wireTriggers(stores: Stores, clusterDomain: string, wake: (key: string) => void, writes: OwnWrites): () => void {
  const { canaries } = stores
  const all = (found: readonly KubeObject[]) => found.map(keyOf)
  const byService = (host: string) => all(host === WILDCARD ? canaries.list() : canaries.by('service', host))
  const byLabels = (keys: readonly string[]) => keys.flatMap((key) => all(canaries.by('selector', key)))
  const bySpace = ({ metadata }: KubeObject) => all(canaries.by('namespace', metadata.namespace ?? ''))
  const routed = (object: KubeObject) => hostsOf(object, clusterDomain).flatMap(byService)
  const table = [
    [stores.canaries, resources.canaries, (object: KubeObject) => [keyOf(object)]],
    [stores.canaryActions, resources.canaryActions, (object: KubeObject) => [canaryOf(object)]],
    [stores.deployments, resources.deployments, (object: KubeObject) => byLabels(labelKeys.ofTemplate(object))],
    [stores.pods, resources.pods, (object: KubeObject) => byLabels(labelKeys.ofObject(object))],
    [stores.services, resources.services, ({ metadata }: KubeObject) => byService(resolvedHost(metadata.name, metadata.namespace ?? '', clusterDomain))],
    [stores.virtualServices, resources.virtualServices, routed],
    [stores.destinationRules, resources.destinationRules, routed],
    [stores.httpRoutes, resources.httpRoutes, bySpace],
  ] as const
  const stops = table.map(([store, resource, concerned]) => store.onChange((next, previous) => {
    if (next === undefined && previous !== undefined) writes.gone(`${resourceName(resource)} ${keyOf(previous)}`, previous.metadata.uid)
    const keys = [next, previous].flatMap((object) => (object === undefined ? [] : concerned(object)))
    for (const key of new Set(keys)) wake(key)
  }))
  return () => stops.forEach((stop) => stop())
}
