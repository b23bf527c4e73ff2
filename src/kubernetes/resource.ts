import { splitKey } from '../runtime/object.ts'

/** A kind of object as its URL names it. The core group is the empty string. */
export type Resource = {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

const namespaced = (group: string, version: string, plural: string, kind: string): Resource => ({
  group,
  version,
  plural,
  kind,
  namespaced: true,
})

const clusterScoped = (group: string, version: string, plural: string, kind: string): Resource => ({
  ...namespaced(group, version, plural, kind),
  namespaced: false,
})

const SERIN = ['serin.dev', 'v1beta1'] as const
const ISTIO = ['networking.istio.io', 'v1'] as const

/** Every resource that Serin reads or writes. */
export const resources = {
  canaries: namespaced(...SERIN, 'canaries', 'Canary'),
  canaryActions: namespaced(...SERIN, 'canaryactions', 'CanaryAction'),
  deployments: namespaced('apps', 'v1', 'deployments', 'Deployment'),
  pods: namespaced('', 'v1', 'pods', 'Pod'),
  services: namespaced('', 'v1', 'services', 'Service'),
  configMaps: namespaced('', 'v1', 'configmaps', 'ConfigMap'),
  secrets: namespaced('', 'v1', 'secrets', 'Secret'),
  namespaces: clusterScoped('', 'v1', 'namespaces', 'Namespace'),
  virtualServices: namespaced(...ISTIO, 'virtualservices', 'VirtualService'),
  destinationRules: namespaced(...ISTIO, 'destinationrules', 'DestinationRule'),
  autoscalers: namespaced('autoscaling', 'v2', 'horizontalpodautoscalers', 'HorizontalPodAutoscaler'),
  httpRoutes: namespaced('gateway.networking.k8s.io', 'v1', 'httproutes', 'HTTPRoute'),
  leases: namespaced('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  events: namespaced('events.k8s.io', 'v1', 'events', 'Event'),
  customResourceDefinitions: clusterScoped('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition'),
} satisfies Record<string, Resource>

/** "apps/v1", or "v1" for the core group. */
export const apiVersionOf = ({ group, version }: Resource): string => (group === '' ? version : `${group}/${version}`)

/** "deployments.apps", or "pods" for the core group. */
export const resourceName = ({ group, plural }: Resource): string => (group === '' ? plural : `${plural}.${group}`)

/** The path of all objects, or of those in one namespace. */
export const collectionPath = (resource: Resource, namespace?: string): string => {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  return `${root}${scope}/${resource.plural}`
}

/** The path of the object under a "namespace/name" key, or of one of its subresources. */
export const objectPath = (resource: Resource, key: string, subresource?: string): string => {
  const { namespace, name } = splitKey(key)
  const object = `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`
  return subresource === undefined ? object : `${object}/${subresource}`
}
