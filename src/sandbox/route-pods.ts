import { at, listAt, textAt } from './json.ts'
import type { KubeObject } from './objects.ts'
import type { Side } from './route-match.ts'
import { keyOf, namespaceOf, type StringMap } from './route-objects.ts'

/** A pod or a gateway as its proxy presents it to others. */
export type Workload = {
  /** "namespace/name" of the pod. */
  readonly key: string
  readonly pod: string
  readonly namespace: string
  readonly labels: StringMap
  /** The owner's name, as in Istio's metrics. */
  readonly workload: string
  readonly app: string
  readonly version: string
  /** SPIFFE name without its scheme. */
  readonly principal: string
  readonly side: Side
}

/** What Istio makes of a Pod object. */
export function workloadOf(pod: KubeObject): Workload {
  const { labels = {}, name } = pod.metadata
  const namespace = namespaceOf(pod)
  const workload = ownerOf(pod)
  const app = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload
  const revision = labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version']
  const version = revision ?? labels['version'] ?? 'latest'
  const principal = `cluster.local/ns/${namespace}/sa/${textAt(pod, 'spec', 'serviceAccountName') || 'default'}`
  return { key: keyOf(pod), pod: name, namespace, labels, workload, app, version, principal, side: 'mesh' }
}

/** Whether the pod is an endpoint of its Services: Ready, and not being deleted. */
export const isReady = (pod: KubeObject): boolean => pod.metadata.deletionTimestamp === undefined && isServing(pod)

/** Whether the pod's Ready condition is True, on its way out or not. */
export const isServing = (pod: KubeObject): boolean =>
  listAt(pod, 'status', 'conditions').some((known) => at(known, 'type') === 'Ready' && at(known, 'status') === 'True')

/** The Deployment behind a ReplicaSet, else the controlling owner, else the pod itself. */
function ownerOf({ metadata: { name, labels, ownerReferences = [] } }: KubeObject): string {
  const owner = ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0]
  if (owner === undefined) return name
  const suffix = `-${labels?.['pod-template-hash'] ?? ''}`
  return owner.kind === 'ReplicaSet' && owner.name.endsWith(suffix) ? owner.name.slice(0, -suffix.length) : owner.name
}
