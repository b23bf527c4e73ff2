import type { KubeObject } from './objects.ts'
import { keyOf, namespaceOf, specOf } from './route-objects.ts'
import type { StringMap } from './route-objects.ts'

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
  /** "mesh" for a sidecar, "namespace/name" of each Gateway served for a gateway. */
  readonly gateways: readonly string[]
}

type PodSpec = { readonly serviceAccountName?: string }
type PodStatus = { readonly podIP?: string; readonly conditions?: readonly { readonly type: string; readonly status: string }[] }

/** What Istio makes of a Pod object. */
export function workloadOf(pod: KubeObject): Workload {
  const labels = pod.metadata.labels ?? {}
  const namespace = namespaceOf(pod)
  const workload = ownerOf(pod)
  return {
    key: keyOf(pod),
    pod: pod.metadata.name,
    namespace,
    labels,
    workload,
    app: labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload,
    version:
      labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest',
    principal: `cluster.local/ns/${namespace}/sa/${specOf<PodSpec>(pod).serviceAccountName ?? 'default'}`,
    gateways: ['mesh'],
  }
}

/** Whether the pod is an endpoint of its Services: Ready, and not being deleted. */
export function isReady(pod: KubeObject): boolean {
  const { conditions } = (pod['status'] ?? {}) as PodStatus
  return (
    pod.metadata.deletionTimestamp === undefined &&
    conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  )
}

/** The Deployment behind a ReplicaSet, else the controlling owner, else the pod itself. */
function ownerOf(pod: KubeObject): string {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true) ?? pod.metadata.ownerReferences?.[0]
  if (owner === undefined) return pod.metadata.name
  const suffix = `-${pod.metadata.labels?.['pod-template-hash'] ?? ''}`
  return owner.kind === 'ReplicaSet' && owner.name.endsWith(suffix) ? owner.name.slice(0, -suffix.length) : owner.name
}
