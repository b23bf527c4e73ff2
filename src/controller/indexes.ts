import { delegateOf } from '../istio/delegates.ts'
import { resolvedHost } from '../istio/host-name.ts'
import { jsonOf, labelsOf, listOf, textOf, textsOf, type Json } from '../istio/json.ts'
import type { KubeObject } from '../runtime/object.ts'
import { TARGET } from './stamps.ts'

/** Files an object under what a VirtualService or DestinationRule may mean by a wildcard. */
export const WILDCARD = '*'

/** One label of one namespace, as an index key. */
export const labelKey = (namespace: string, name: string, value: string): string => `${namespace}|${name}=${value}`

const keysOf = (namespace: string, labels: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(labels).map(([name, value]) => labelKey(namespace, name, value))

const spaceOf = ({ metadata }: KubeObject): string => metadata.namespace ?? ''

export const namespaceOf = (object: KubeObject): readonly string[] => [spaceOf(object)]

/** Files a Deployment under the target it is, or was made of. */
export const targetsOf = (deployment: KubeObject): readonly string[] =>
  [deployment.metadata.name, ...textsOf([deployment.metadata.annotations?.[TARGET]])].map((name) => `${spaceOf(deployment)}/${name}`)

/** Files a Canary under its target. */
export const targetOfCanary = (canary: KubeObject): readonly string[] =>
  textsOf([jsonOf(jsonOf(canary['spec'])['targetRef'])['name']]).map((name) => `${spaceOf(canary)}/${name}`)

/** Files an autoscaler under what it scales: "Deployment namespace/name". */
export function scaledBy(autoscaler: KubeObject): readonly string[] {
  const { kind, name } = jsonOf(jsonOf(autoscaler['spec'])['scaleTargetRef'])
  return textOf(kind) === undefined || textOf(name) === undefined ? [] : [`${String(kind)} ${spaceOf(autoscaler)}/${String(name)}`]
}

/** The labels that objects are found by. */
export const labelKeys = {
  ofObject: (object: KubeObject) => keysOf(spaceOf(object), object.metadata.labels ?? {}),
  ofTemplate: (object: KubeObject) => keysOf(spaceOf(object), templateLabels(object)),
  /** The first of its selector is enough: the rest is compared. */
  ofCanary: (object: KubeObject) => keysOf(spaceOf(object), selectorOf(object)).slice(0, 1),
}

export const templateLabels = (deployment: KubeObject): Readonly<Record<string, string>> =>
  labelsOf(jsonOf(jsonOf(jsonOf(deployment['spec'])['template'])['metadata'])['labels'])

const selectorOf = (canary: KubeObject): Readonly<Record<string, string>> =>
  labelsOf(jsonOf(jsonOf(jsonOf(canary['spec'])['versions'])['selector'])['matchLabels'])

/** The Service of a Canary, by its full name. */
export const servicesOf = (canary: KubeObject, fqdn: (name: string, namespace: string) => string): readonly string[] => {
  const { service, targetRef } = jsonOf(canary['spec'])
  const name = textOf(jsonOf(service)['name']) ?? textOf(jsonOf(targetRef)['name'])
  return name === undefined ? [] : [fqdn(name, spaceOf(canary))]
}

/** The preview Service of a Canary, as a key. */
export const previewKeys = (canary: KubeObject): readonly string[] => {
  const name = textOf(jsonOf(jsonOf(canary['spec'])['preview'])['service'])
  return name === undefined ? [] : [`${spaceOf(canary)}/${name}`]
}

/** Every host that a VirtualService or DestinationRule speaks of, in full; a wildcard stands for all. */
export function hostsOf(object: KubeObject, clusterDomain: string): readonly string[] {
  const spec = jsonOf(object['spec'])
  const written = [...textsOf(spec['hosts']), ...textsOf([spec['host']]), ...['http', 'tcp', 'tls'].flatMap((field) => listOf(spec[field]).flatMap(destinationsOf))]
  return [...new Set(written.map((host) => (host.startsWith('*') ? WILDCARD : resolvedHost(host, spaceOf(object), clusterDomain))))]
}

/** The delegate that a Canary wants, "namespace/name". */
export const delegateOfCanary = (canary: KubeObject): readonly string[] =>
  textsOf([jsonOf(jsonOf(canary['spec'])['traffic'])['delegate']]).map((name) => `${spaceOf(canary)}/${name}`)

/** The delegates that a VirtualService hands requests to, "namespace/name". */
export const delegatesOf = (object: KubeObject): readonly string[] =>
  listOf(jsonOf(object['spec'])['http']).flatMap((raw) => delegateOf(raw, spaceOf(object)) ?? []).map(({ namespace, name }) => `${namespace}/${name}`)

const destinationsOf = (route: Json): readonly string[] =>
  [...listOf(route['route']).map((entry) => jsonOf(entry['destination'])), jsonOf(route['mirror']), ...listOf(route['mirrors']).map((entry) => jsonOf(entry['destination']))].flatMap(
    (destination) => textsOf([destination['host']]),
  )

/** The Deployment of a pod, by the name of its ReplicaSet. */
export function deploymentOf(pod: KubeObject): string | undefined {
  const hash = pod.metadata.labels?.['pod-template-hash']
  const replicaSet = textOf(pod['replicaSet'])
  return hash !== undefined && replicaSet?.endsWith(`-${hash}`) === true ? replicaSet.slice(0, -hash.length - 1) : undefined
}
