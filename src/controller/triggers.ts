import { resourceName, resources } from '../kubernetes/resource.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { resolvedHost } from '../istio/host-name.ts'
import { revisionLabel } from '../api/settings.ts'
import { delegatesOf, deploymentOf, hostsOf, labelKey, labelKeys, scaledBy, targetsOf, WILDCARD } from './indexes.ts'
import { canaryOf } from './canary-actions.ts'
import type { OwnWrites } from './own-writes.ts'
import { claimsOf } from './rivals.ts'
import type { Stores } from './sources.ts'

/** Which Canaries a change concerns: every watch, and whom it wakes, on one screen. Returns the way to stop it. */
export function wireTriggers(stores: Stores, clusterDomain: string, wake: (key: string) => void, writes: OwnWrites): () => void {
  const { canaries } = stores
  const all = (found: readonly KubeObject[]) => found.map(keyOf)
  const byService = (host: string) => all(host === WILDCARD ? canaries.list() : canaries.by('service', host))
  const byLabels = (keys: readonly string[]) => keys.flatMap((key) => all(canaries.by('selector', key)))
  const byTarget = (deployment: KubeObject) => targetsOf(deployment).flatMap((key) => all(canaries.by('target', key)))
  /** A pod of a revision that Serin made carries its name; one of the target itself is known by its ReplicaSet's. */
  const ofPod = (pod: KubeObject) => {
    const revision = pod.metadata.labels?.[revisionLabel]
    if (revision !== undefined) return stores.deployments.by('label', labelKey(pod.metadata.namespace ?? '', revisionLabel, revision)).flatMap(byTarget)
    return all(canaries.by('target', `${pod.metadata.namespace ?? ''}/${deploymentOf(pod) ?? ''}`))
  }
  const ofScaled = (scaled: string) => {
    const [kind, key = ''] = scaled.split(' ')
    if (kind === 'Canary') return [key]
    const deployment = stores.deployments.get(key)
    return [...all(canaries.by('target', key)), ...(deployment === undefined ? [] : byLabels(labelKeys.ofTemplate(deployment)))]
  }
  const bySpace = ({ metadata }: KubeObject) => all(canaries.by('namespace', metadata.namespace ?? ''))
  const routed = (object: KubeObject) => hostsOf(object, clusterDomain).flatMap(byService)
  const delegated = (object: KubeObject) => [keyOf(object), ...delegatesOf(object)].flatMap((key) => all(canaries.by('delegate', key)))
  const rivals = (object: KubeObject) => claimsOf(object).flatMap((claim) => all(canaries.by('claim', claim)))
  const table = [
    [stores.canaries, resources.canaries, (object: KubeObject) => [keyOf(object), ...rivals(object)]],
    [stores.canaryActions, resources.canaryActions, (object: KubeObject) => [canaryOf(object)]],
    [stores.deployments, resources.deployments, (object: KubeObject) => [...byLabels(labelKeys.ofTemplate(object)), ...byTarget(object)]],
    [stores.pods, resources.pods, (object: KubeObject) => [...byLabels(labelKeys.ofObject(object)), ...ofPod(object)]],
    [stores.services, resources.services, (object: KubeObject) => [...byService(resolvedHost(object.metadata.name, object.metadata.namespace ?? '', clusterDomain)), ...all(canaries.by('preview', keyOf(object)))]],
    [stores.virtualServices, resources.virtualServices, (object: KubeObject) => [...routed(object), ...delegated(object)]],
    [stores.destinationRules, resources.destinationRules, routed],
    [stores.httpRoutes, resources.httpRoutes, bySpace],
    [stores.autoscalers, resources.autoscalers, (object: KubeObject) => scaledBy(object).flatMap(ofScaled)],
  ] as const
  const stops = table.map(([store, resource, concerned]) => store.onChange((next, previous) => {
    if (next === undefined && previous !== undefined) writes.gone(`${resourceName(resource)} ${keyOf(previous)}`, previous.metadata.uid)
    const keys = [next, previous].flatMap((object) => (object === undefined ? [] : concerned(object)))
    for (const key of new Set(keys)) wake(key)
  }))
  return () => stops.forEach((stop) => stop())
}
