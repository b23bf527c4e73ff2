import { resolvedHost } from '../istio/host-name.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resourceName, resources, type Resource } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { KubeObject } from '../runtime/object.ts'
import { PartialReflector, type Reflecting } from '../runtime/partial-reflector.ts'
import { Reflector } from '../runtime/reflector.ts'
import { createStore, type IndexFunction, type Store } from '../runtime/store.ts'
import { delegateOfCanary, delegatesOf, hostsOf, labelKeys, namespaceOf, previewKeys, scaledBy, servicesOf, targetOfCanary, targetsOf } from './indexes.ts'
import { pruneAutoscaler, pruneConfig, pruneDeployment, pruneManagedFields, prunePod } from './prune.ts'
import { claimsOf } from './rivals.ts'
import { ownersOf } from './preview-service.ts'
import { canaryOf } from './canary-actions.ts'

/** Every kind of object that Serin watches. */
export type Stores = {
  readonly canaries: Store
  readonly canaryActions: Store
  readonly deployments: Store
  readonly pods: Store
  readonly services: Store
  readonly virtualServices: Store
  readonly destinationRules: Store
  readonly httpRoutes: Store
  readonly autoscalers: Store
  readonly configMaps: Store
  /** Empty where they may not be read. */
  readonly secrets: Store
}

export type SourceOptions = {
  readonly client: KubernetesClient
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly clusterDomain: string
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[]
  readonly trackSecrets: boolean
}

export type Sources = {
  readonly stores: Stores
  readonly reflectors: readonly Reflecting[]
}

type Source = { readonly resource: Resource; readonly prune: (object: KubeObject) => KubeObject; readonly indexes: Readonly<Record<string, IndexFunction<KubeObject>>>; readonly optional?: boolean; readonly metadataOnly?: true; /** Never asked for. */ readonly off?: boolean; /** Read of every namespace, whatever is watched: a rule or route elsewhere decides here too. What is not seen where that is forbidden. */ readonly everywhere?: string }

/** The watches, all on one screen: what is kept of each object, and what it is found by. */
export function createSources(options: SourceOptions): Sources {
  const { clusterDomain } = options
  const routed = (object: KubeObject) => hostsOf(object, clusterDomain)
  const table: Readonly<Record<keyof Stores, Source>> = {
    canaries: { resource: resources.canaries, prune: pruneManagedFields, indexes: { service: (object) => servicesOf(object, (name, namespace) => resolvedHost(name, namespace, clusterDomain)), selector: labelKeys.ofCanary, target: targetOfCanary, namespace: namespaceOf, claim: claimsOf, delegate: delegateOfCanary, preview: previewKeys } },
    canaryActions: { resource: resources.canaryActions, prune: pruneManagedFields, indexes: { canary: (object) => [canaryOf(object)] }, optional: true },
    deployments: { resource: resources.deployments, prune: pruneDeployment, indexes: { label: labelKeys.ofTemplate, target: targetsOf } },
    pods: { resource: resources.pods, prune: prunePod, indexes: { label: labelKeys.ofObject } },
    services: { resource: resources.services, prune: pruneManagedFields, indexes: { owner: ownersOf } },
    virtualServices: { resource: resources.virtualServices, prune: pruneManagedFields, indexes: { host: routed, delegate: delegatesOf }, everywhere: 'routes to a Service from other namespaces, and a second VirtualService for its host there, are not refused' },
    destinationRules: { resource: resources.destinationRules, prune: pruneManagedFields, indexes: { host: routed }, everywhere: 'rules of other namespaces and of the root namespace are neither refused nor copied: keep TLS settings of meshes out of them' },
    httpRoutes: { resource: resources.httpRoutes, prune: pruneManagedFields, indexes: { namespace: namespaceOf }, optional: true, everywhere: 'HTTPRoutes of other namespaces are not seen' },
    // KEDA scales through autoscalers of its own making.
    autoscalers: { resource: resources.autoscalers, prune: pruneAutoscaler, indexes: { scaled: scaledBy }, optional: true },
    configMaps: { resource: resources.configMaps, prune: pruneConfig, indexes: {}, metadataOnly: true },
    secrets: { resource: resources.secrets, prune: pruneConfig, indexes: {}, metadataOnly: true, off: !options.trackSecrets },
  }
  const made = Object.entries(table).map(([name, source]) => ({ name, ...reflected(name, source, options) }))
  return {
    stores: Object.fromEntries(made.map(({ name, store }) => [name, store])) as Stores,
    reflectors: made.flatMap(({ reflectors }) => reflectors),
  }
}

function reflected(name: string, source: Source, options: SourceOptions): { readonly store: Store; readonly reflectors: readonly Reflecting[] } {
  const { resource, prune, indexes, optional, metadataOnly = false, off, everywhere } = source
  const { client, clock, log, random, namespaces } = options
  const { store, writer } = createStore({ log, indexes })
  const within = (namespace?: string): Reflector => new Reflector({
    name: namespace === undefined ? name : `${name} in ${namespace}`,
    listWatch: client.listWatch(resource, { metadataOnly, ...(namespace === undefined ? {} : { namespace }) }),
    writer: { ...writer, replace: (objects) => writer.replace(objects, namespace) },
    prune, clock, log, random, ...(optional === true ? { optional } : {}),
  })
  if (off === true) return { store, reflectors: [] }
  if (namespaces.length === 0) return { store, reflectors: [within()] }
  const parts = namespaces.map(within)
  if (everywhere === undefined) return { store, reflectors: parts }
  const onForbidden = () => log.warn({ resource: resourceName(resource), namespaces, off: everywhere }, 'may be read in the watched namespaces only: what others have there is not seen')
  return { store, reflectors: [new PartialReflector({ listWatch: client.listWatch(resource, {}), whole: within(), parts, onForbidden, clock, random })] }
}
