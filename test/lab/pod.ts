import type { KubeObject } from '../../src/runtime/object.ts'
import type { KubeObject as Stored } from '../../src/sandbox/objects.ts'
import { withEnvironment } from '../../src/sandbox/pod-environment.ts'

/** What the node reads of a Pod. */
export type Pod = KubeObject & {
  readonly spec: {
    readonly nodeName?: string
    readonly serviceAccountName?: string
    readonly terminationGracePeriodSeconds?: number
    readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never'
    readonly containers: readonly Container[]
  }
  readonly status?: { readonly phase?: string; readonly podIP?: string }
}

export type Container = {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } } }[]
  readonly ports?: readonly { readonly containerPort: number }[]
  readonly readinessProbe?: { readonly httpGet?: { readonly path: string; readonly port: number | string } }
}

/** How the app of a pod ends: annotation on the pod; graceful unless it says abrupt. */
export const END_ANNOTATION = 'lab.serin.dev/end'

export const labelsOf = ({ metadata }: KubeObject): Readonly<Record<string, string>> => metadata.labels ?? {}

export const isGateway = (pod: KubeObject): boolean => labelsOf(pod)['istio'] === 'ingressgateway'

/** As Istio's injector decides, but for namespaces: every pod gets one that does not refuse it. */
export const hasSidecar = (pod: KubeObject): boolean => !isGateway(pod) && labelsOf(pod)['sidecar.istio.io/inject'] !== 'false'

/** "serin-operator" runs as itself; everything else is the fake service. */
export const runsOperator = ({ spec }: Pod): boolean => spec.containers.some(({ image }) => /(^|\/)serin([:@]|$)/.test(image))

/** It has an end: a Job's pod. */
export const isTask = ({ spec }: Pod): boolean => spec.restartPolicy === 'Never' || spec.restartPolicy === 'OnFailure'

/** The name of the Deployment that made it. */
export function workloadOf(pod: KubeObject): string {
  const hash = labelsOf(pod)['pod-template-hash']
  const owner = pod.metadata.ownerReferences?.[0]?.name ?? pod.metadata.name
  return hash !== undefined && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner
}

/** Environment of a container, fields of the pod filled in. */
export function environment({ env = [] }: Container, pod: Pod, address: string): Readonly<Record<string, string>> {
  const fields: Readonly<Record<string, string>> = {
    'metadata.name': pod.metadata.name, 'metadata.namespace': pod.metadata.namespace ?? '', 'status.podIP': address, 'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
  }
  return Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''] ?? '']))
}

/** What a pod's variables are taken from. */
export type ListConfig = (namespace: string, resource: 'configmaps' | 'secrets') => Promise<readonly KubeObject[]>

/** The pod with the variables written out that come from ConfigMaps and Secrets, where they are all there. */
export async function configured(pod: Pod, list: ListConfig): Promise<Pod | undefined> {
  if (!/"(configMap|secret)(Key)?Ref"/.test(JSON.stringify(pod.spec.containers))) return pod
  const { namespace = '' } = pod.metadata
  const [configmaps, secrets] = await Promise.all([list(namespace, 'configmaps'), list(namespace, 'secrets')])
  const found = withEnvironment(pod as unknown as Stored, (resource, name) => (resource === 'secrets' ? secrets : configmaps).find(({ metadata }) => metadata.name === name) as Stored | undefined)
  return 'lack' in found ? undefined : (found as unknown as Pod)
}
