import { controllerReference, type ControllerParts } from './controllers.ts'
import { at, fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'
import { isReady, isServing } from './route-pods.ts'

const endpointSlices = 'endpointslices.discovery.k8s.io'

/** Keeps one EndpointSlice per Service with a selector: the addresses of the pods it selects, ready or not. */
export const runEndpointSlices = (parts: ControllerParts): void => {
  const { store, turns } = parts
  const ask = ({ metadata: { namespace = '', name } }: KubeObject): void =>
    turns.ask(`endpoints ${namespace} ${name}`, () => reconcile(parts, namespace, name))
  store.subscribe(({ object }) => ask(object), 'services')
  store.subscribe(({ object, previous = object }) => {
    const services = store.list('services', object.metadata.namespace)
    for (const service of services) if (selects(service, object) || selects(service, previous)) ask(service)
  }, 'pods')
}

const selects = (service: KubeObject, { metadata: { labels } }: KubeObject): boolean => {
  const pairs = Object.entries(fieldsAt(service, 'spec', 'selector'))
  return pairs.length > 0 && pairs.every(([key, value]) => labels?.[key] === value)
}

const reconcile = ({ store, writes }: ControllerParts, namespace: string, name: string): void => {
  const service = store.get('services', namespace, name)
  if (service === undefined || at(service, 'spec', 'selector') === undefined) return
  const pods = store
    .list('pods', namespace)
    .filter((pod) => selects(service, pod) && textAt(pod, 'status', 'podIP') !== '')
    .toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))
  const ports = listAt(service, 'spec', 'ports').map((port) => slicePort(port, pods[0]))
  const body = { addressType: 'IPv4', endpoints: pods.map(endpointOf), ports }
  const slice = store.ownedBy(service.metadata.uid ?? '').find(({ resource }) => resource === endpointSlices)?.object
  if (slice !== undefined) return void writes.commit(endpointSlices, slice, { ...slice, ...body })
  const manager = 'endpointslice-controller.k8s.io'
  const labels = { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': manager }
  const metadata = { generateName: `${name}-`, labels, ownerReferences: [controllerReference(service)] }
  writes.make(endpointSlices, namespace, { ...body, metadata })
}

const endpointOf = (pod: KubeObject): Fields => {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata
  return {
    addresses: [textAt(pod, 'status', 'podIP')],
    conditions: { ready: isReady(pod), serving: isServing(pod), terminating: deletionTimestamp !== undefined },
    nodeName: textAt(pod, 'spec', 'nodeName'),
    targetRef: { kind: 'Pod', name, namespace, uid },
  }
}

const slicePort = (port: unknown, pod: KubeObject | undefined): Fields => {
  const target = at(port, 'targetPort') ?? at(port, 'port')
  const exposed = listAt(pod, 'spec', 'containers').flatMap((container) => listAt(container, 'ports'))
  const named = exposed.filter(isFields).find(({ name }) => name === target)
  const number = typeof target === 'number' ? target : named?.['containerPort']
  return { name: textAt(port, 'name'), protocol: textAt(port, 'protocol'), port: number, appProtocol: at(port, 'appProtocol') }
}
