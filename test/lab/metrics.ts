import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { KubeObject as Pod } from '../../src/sandbox/objects.ts'
import { isReady } from '../../src/sandbox/route-pods.ts'
import type { Objects } from './objects.ts'

/** What a metrics server serves, as objects: an autoscaler that lists them cannot tell. */
const POD_METRICS = {
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
  metadata: { name: 'pods.metrics.k8s.io', annotations: { 'api-approved.kubernetes.io': 'unapproved, stands in for a metrics server' } },
  spec: {
    group: 'metrics.k8s.io', scope: 'Namespaced', names: { kind: 'PodMetrics', listKind: 'PodMetricsList', plural: 'pods', singular: 'podmetrics' },
    versions: [{ name: 'v1beta1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
  },
} as unknown as KubeObject

/** Thousandths of a core that a pod uses, of all that are ready. */
export type Usage = (pod: Pod, ready: readonly Pod[]) => number

/** Measures the ready pods of one namespace twice a second; what it gives ends that, and with it the API. */
export async function serveMetrics(objects: Objects, namespace: string, usage: Usage): Promise<() => Promise<void>> {
  await objects.apply(POD_METRICS)
  await objects.served(['metrics.k8s.io/v1beta1/pods'])
  const stop = new AbortController()
  const measuring = measure(objects, namespace, usage, stop.signal)
  return async () => {
    stop.abort(new Error('enough'))
    await measuring
    await objects.call('DELETE', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${POD_METRICS.metadata.name}`)
  }
}

async function measure(objects: Objects, namespace: string, usage: Usage, signal: AbortSignal): Promise<void> {
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`
  const listed = async (at: string) => ((await objects.call('GET', at)).body as unknown as { items: readonly Pod[] }).items
  for (; !signal.aborted; await systemClock.sleep(500)) {
    const [pods, measured] = await Promise.all([listed(`/api/v1/namespaces/${namespace}/pods`), listed(path)])
    const ready = pods.filter(isReady)
    await Promise.all(ready.map(async (pod) => {
      const { name, labels } = pod.metadata
      const containers = [{ name: 'app', usage: { cpu: `${Math.round(usage(pod, ready))}m`, memory: '1Mi' } }]
      const metrics = { apiVersion: 'metrics.k8s.io/v1beta1', kind: 'PodMetrics', metadata: { name, labels }, timestamp: new Date().toISOString(), window: '1s', containers }
      const { status } = await objects.call('PATCH', `${path}/${name}`, metrics, 'application/merge-patch+json')
      if (status === 404) await objects.call('POST', path, metrics)
    }))
    const gone = measured.filter(({ metadata }) => !ready.some((pod) => pod.metadata.name === metadata.name))
    await Promise.all(gone.map(({ metadata }) => objects.call('DELETE', `${path}/${metadata.name}`)))
  }
}
