import { resolvedHost } from '../istio/host-name.ts'
import { jsonOf, labelsOf, listOf, textOf, textsOf, type Json } from '../istio/json.ts'
import type { KubeObject } from '../runtime/object.ts'

/** Files an object under what a VirtualService or DestinationRule may mean by a wildcard. */
export const WILDCARD = '*'

/** One label of one namespace, as an index key. */
export const labelKey = (namespace: string, name: string, value: string): string => `${namespace}|${name}=${value}`

const keysOf = (namespace: string, labels: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(labels).map(([name, value]) => labelKey(namespace, name, value))

const spaceOf = ({ metadata }: KubeObject): string => metadata.namespace ?? ''

export const namespaceOf = (object: KubeObject): readonly string[] => [spaceOf(object)]

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
  const name = textOf(jsonOf(jsonOf(canary['spec'])['service'])['name'])
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

const destinationsOf = (route: Json): readonly string[] =>
  [...listOf(route['route']).map((entry) => jsonOf(entry['destination'])), jsonOf(route['mirror']), ...listOf(route['mirrors']).map((entry) => jsonOf(entry['destination']))].flatMap(
    (destination) => textsOf([destination['host']]),
  )
