import { at, fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import { controllerReference, type ControllerParts } from './garbage.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { isReady } from './kubelet.ts'
import type { Change } from './store.ts'

const endpointSlices: ResourceName = 'endpointslices.discovery.k8s.io'

type Pair = readonly [string, string]

/** Keeps one EndpointSlice per Service with a selector: the addresses of the pods it selects, ready or not. */
export class EndpointSlices {
  readonly #parts: ControllerParts
  /** Service names by namespace and one label that all their pods carry. */
  readonly #bySelector = new Map<string, Set<string>>()

  constructor(parts: ControllerParts) {
    this.#parts = parts
    parts.store.subscribe((change) => this.#seen(change))
  }

  #seen({ resource, type, object, previous }: Change): void {
    const { namespace = '', name } = object.metadata
    if (resource === 'services') {
      if (previous !== undefined) this.#bySelector.get(selectorKey(previous))?.delete(name)
      if (type !== 'DELETED') this.#remember(object)
      this.#ask(namespace, name)
    }
    if (resource !== 'pods') return
    const pairs: readonly Pair[] = [object, ...(previous === undefined ? [] : [previous])].flatMap((pod) =>
      Object.entries(pod.metadata.labels ?? {}),
    )
    const services = pairs.flatMap(([key, value]) => [...(this.#bySelector.get(`${namespace} ${key}=${value}`) ?? [])])
    for (const service of new Set(services)) this.#ask(namespace, service)
  }

  #remember(service: KubeObject): void {
    const key = selectorKey(service)
    const names = this.#bySelector.get(key) ?? new Set<string>()
    this.#bySelector.set(key, names.add(service.metadata.name))
  }

  #ask(namespace: string, name: string): void {
    this.#parts.turns.ask(`endpoints ${namespace} ${name}`, () => this.#reconcile(namespace, name))
  }

  #reconcile(namespace: string, name: string): void {
    const { store, writes } = this.#parts
    const service = store.get('services', namespace, name)
    const first = service === undefined ? undefined : selectorPairs(service)[0]
    if (service === undefined || first === undefined) return
    const pods = store
      .list('pods', namespace, first)
      .filter((pod) => selects(service, pod) && textAt(pod, 'status', 'podIP') !== '')
    const body = {
      addressType: 'IPv4',
      endpoints: pods.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name)).map(endpointOf),
      ports: listAt(service, 'spec', 'ports').map((port) => slicePort(port, pods[0])),
    }
    const slice = store.ownedBy(service.metadata.uid ?? '').find(({ resource }) => resource === endpointSlices)?.object
    if (slice !== undefined) writes.commit(endpointSlices, slice, { ...slice, ...body })
    else {
      const labels = {
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      }
      writes.make(endpointSlices, namespace, {
        ...body,
        metadata: { generateName: `${name}-`, labels, ownerReferences: [controllerReference(service)] },
      })
    }
  }
}

const selectorPairs = (service: KubeObject): readonly Pair[] =>
  Object.entries(fieldsAt(service, 'spec', 'selector'))
    .map(([key, value]): Pair => [key, String(value)])
    .toSorted(([a], [b]) => (a < b ? -1 : 1))

const selectorKey = (service: KubeObject): string => {
  const [first] = selectorPairs(service)
  return first === undefined ? '' : `${service.metadata.namespace ?? ''} ${first[0]}=${first[1]}`
}

const selects = (service: KubeObject, pod: KubeObject): boolean =>
  selectorPairs(service).every(([key, value]) => pod.metadata.labels?.[key] === value)

const endpointOf = (pod: KubeObject): Fields => {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata
  const serving = listAt(pod, 'status', 'conditions').some(
    (known) => at(known, 'type') === 'Ready' && at(known, 'status') === 'True',
  )
  return {
    addresses: [textAt(pod, 'status', 'podIP')],
    conditions: { ready: isReady(pod), serving, terminating: deletionTimestamp !== undefined },
    nodeName: textAt(pod, 'spec', 'nodeName'),
    targetRef: { kind: 'Pod', name, namespace, uid },
  }
}

const slicePort = (port: unknown, pod: KubeObject | undefined): Fields => {
  const target = at(port, 'targetPort') ?? at(port, 'port')
  const named = listAt(pod, 'spec', 'containers')
    .flatMap((container) => listAt(container, 'ports'))
    .filter(isFields)
    .find(({ name }) => name === target)
  const appProtocol = textAt(port, 'appProtocol')
  return {
    name: textAt(port, 'name'),
    protocol: textAt(port, 'protocol'),
    port: typeof target === 'number' ? target : named?.['containerPort'],
    ...(appProtocol !== '' && { appProtocol }),
  }
}
