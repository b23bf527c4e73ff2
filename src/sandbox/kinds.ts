import { listAt, type Fields } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import type { Cause } from './refusals.ts'
import type { Schema } from './schema.ts'

/** A printer column whose cell a JSONPath finds. */
export type Column = {
  readonly name: string
  readonly type: string
  readonly jsonPath: string
  readonly priority?: number
  readonly description?: string
}

/** One served version of a kind. */
export type KindVersion = {
  readonly name: string
  readonly schema?: Schema
  /** What the schema finds wrong with an object. */
  readonly check?: (object: Fields) => readonly Cause[]
  readonly columns?: readonly Column[]
  readonly status: boolean
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string; readonly labelSelectorPath?: string }
}

/** A kind that the API server serves, built in or defined by a CustomResourceDefinition. */
export type Kind = {
  readonly group: string
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  /** Defined by a CustomResourceDefinition: schema-checked, no strategic merge, no unconditional update. */
  readonly custom: boolean
  /** Whether metadata.generation counts changes of the spec. */
  readonly generation: boolean
  /** Where its objects are kept; two kinds may share one shelf. */
  readonly resource: ResourceName
  readonly storageVersion: string
  readonly versions: readonly KindVersion[]
}

/** A kind in the version that a path names. */
export type Endpoint = { readonly kind: Kind; readonly version: KindVersion }

/** "group/version", or the version alone for the core group. */
export const groupVersion = (group: string, version: string): string => (group === '' ? version : `${group}/${version}`)

/** The store's name for a resource. */
export const resourceName = (group: string, plural: string): ResourceName => (group === '' ? plural : `${plural}.${group}`)

type Traits = Partial<Pick<Kind, 'shortNames' | 'categories' | 'namespaced' | 'generation' | 'resource'>> & Partial<KindVersion>

const builtIn = (apiVersion: string, kind: string, plural: string, traits: Traits = {}): Kind => {
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  const { shortNames = [], categories = [], namespaced = true, generation = false, status = false, scale } = traits
  const resource = traits.resource ?? resourceName(group, plural)
  const versions = [{ name: version, status, ...(scale !== undefined && { scale }) }]
  const names = { group, kind, plural, singular: kind.toLowerCase(), shortNames, categories, resource }
  return { ...names, namespaced, custom: false, generation, storageVersion: version, versions }
}

const all = ['all']
const replicas = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.spec.selector',
}
const workload = { categories: all, generation: true, status: true, scale: replicas }

/** The kinds that need no CustomResourceDefinition. */
export const builtInKinds: readonly Kind[] = [
  builtIn('v1', 'Namespace', 'namespaces', { shortNames: ['ns'], namespaced: false, status: true }),
  builtIn('v1', 'Pod', 'pods', { shortNames: ['po'], categories: all, status: true }),
  builtIn('v1', 'Service', 'services', { shortNames: ['svc'], categories: all, status: true }),
  builtIn('v1', 'ServiceAccount', 'serviceaccounts', { shortNames: ['sa'] }),
  builtIn('v1', 'ConfigMap', 'configmaps', { shortNames: ['cm'] }),
  builtIn('v1', 'Secret', 'secrets'),
  builtIn('v1', 'Event', 'events', { shortNames: ['ev'] }),
  builtIn('events.k8s.io/v1', 'Event', 'events', { shortNames: ['ev'], resource: 'events' }),
  builtIn('apps/v1', 'Deployment', 'deployments', { shortNames: ['deploy'], ...workload }),
  builtIn('apps/v1', 'ReplicaSet', 'replicasets', { shortNames: ['rs'], ...workload }),
  builtIn('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', { generation: true }),
  builtIn('coordination.k8s.io/v1', 'Lease', 'leases'),
  builtIn('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', {
    shortNames: ['crd', 'crds'],
    namespaced: false,
    generation: true,
    status: true,
  }),
]

/** The kinds served at this moment. */
export class Kinds {
  readonly #byPath = new Map<string, Endpoint>()
  readonly #byPlural = new Map<string, Kind>()

  constructor() {
    for (const kind of builtInKinds) this.define(kind)
  }

  /** Serves a kind, in place of the one of the same name. */
  define(kind: Kind): void {
    this.remove(kind)
    this.#byPlural.set(resourceName(kind.group, kind.plural), kind)
    for (const version of kind.versions) this.#byPath.set(path(kind.group, version.name, kind.plural), { kind, version })
  }

  /** Stops serving a kind. */
  remove(kind: Pick<Kind, 'group' | 'plural'>): void {
    const name = resourceName(kind.group, kind.plural)
    for (const version of this.#byPlural.get(name)?.versions ?? [])
      this.#byPath.delete(path(kind.group, version.name, kind.plural))
    this.#byPlural.delete(name)
  }

  /** The kind behind a group, version and plural name. */
  endpoint(group: string, version: string, plural: string): Endpoint | undefined {
    return this.#byPath.get(path(group, version, plural))
  }

  /** The kind whose objects are kept under a resource name. */
  of(resource: ResourceName): Kind | undefined {
    return this.#byPlural.get(resource)
  }

  /** All kinds, oldest first. */
  list(): readonly Kind[] {
    return [...this.#byPlural.values()]
  }
}

const path = (group: string, version: string, plural: string): string => `${group}/${version}/${plural}`

/** The apiVersion that an object has in the store. */
export const storedApiVersion = (kind: Kind): string =>
  kind.resource === 'events' ? 'v1' : groupVersion(kind.group, kind.storageVersion)

/** Whether an object is on its way out and nothing holds it any longer. */
export const mayVanish = ({ kind, metadata, spec }: KubeObject): boolean => {
  const held = kind === 'Namespace' ? listAt(spec, 'finalizers') : []
  const finalizers = [...(metadata.finalizers ?? []), ...held]
  return (
    metadata.deletionTimestamp !== undefined && finalizers.length === 0 && (metadata['deletionGracePeriodSeconds'] ?? 0) === 0
  )
}
