import { resolvedHost } from '../istio/host-name.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources, type Resource } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { KubeObject } from '../runtime/object.ts'
import { Reflector } from '../runtime/reflector.ts'
import { createStore, type IndexFunction, type Store } from '../runtime/store.ts'
import { canaryOf } from './canary-actions.ts'
import { hostsOf, labelKeys, namespaceOf, servicesOf } from './indexes.ts'
import { pruneDeployment, prunePod, pruneManagedFields } from './prune.ts'

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
}

export type SourceOptions = {
  readonly client: KubernetesClient
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly clusterDomain: string
  /** Undefined: the whole cluster. */
  readonly namespace: string | undefined
}

export type Sources = {
  readonly stores: Stores
  readonly reflectors: readonly Reflector[]
}

type Source = { readonly resource: Resource; readonly prune: (object: KubeObject) => KubeObject; readonly indexes: Readonly<Record<string, IndexFunction<KubeObject>>>; readonly optional?: boolean; /** Read of every namespace, whatever is watched: a rule or route elsewhere decides here too. */ readonly everywhere?: boolean }

/** The watches, all on one screen: what is kept of each object, and what it is found by. */
export function createSources(options: SourceOptions): Sources {
  const { clusterDomain } = options
  const routed = (object: KubeObject) => hostsOf(object, clusterDomain)
  const table: Readonly<Record<keyof Stores, Source>> = {
    canaries: { resource: resources.canaries, prune: pruneManagedFields, indexes: { service: (object) => servicesOf(object, (name, namespace) => resolvedHost(name, namespace, clusterDomain)), selector: labelKeys.ofCanary, namespace: namespaceOf } },
    canaryActions: { resource: resources.canaryActions, prune: pruneManagedFields, indexes: { canary: (object) => [canaryOf(object)] }, optional: true },
    deployments: { resource: resources.deployments, prune: pruneDeployment, indexes: { label: labelKeys.ofTemplate } },
    pods: { resource: resources.pods, prune: prunePod, indexes: { label: labelKeys.ofObject } },
    services: { resource: resources.services, prune: pruneManagedFields, indexes: {} },
    virtualServices: { resource: resources.virtualServices, prune: pruneManagedFields, indexes: { host: routed }, everywhere: true },
    destinationRules: { resource: resources.destinationRules, prune: pruneManagedFields, indexes: { host: routed }, everywhere: true },
    httpRoutes: { resource: resources.httpRoutes, prune: pruneManagedFields, indexes: { namespace: namespaceOf }, optional: true, everywhere: true },
  }
  const made = Object.entries(table).map(([name, source]) => ({ name, ...reflected(name, source, options) }))
  return {
    stores: Object.fromEntries(made.map(({ name, store }) => [name, store])) as Stores,
    reflectors: made.map(({ reflector }) => reflector),
  }
}

function reflected(name: string, { resource, prune, indexes, optional, everywhere }: Source, options: SourceOptions) {
  const { client, clock, log, random, namespace } = options
  const { store, writer } = createStore({ log, indexes })
  const listWatch = client.listWatch(resource, namespace === undefined || everywhere === true ? {} : { namespace })
  return { store, reflector: new Reflector({ name, listWatch, writer, prune, clock, log, random, ...(optional === true ? { optional } : {}) }) }
}
