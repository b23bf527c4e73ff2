import type { Fields } from './json.ts'
import type { ResourceName } from './objects.ts'
import type { Cause } from './refusals.ts'
import type { Schema } from './schema.ts'

/** A printer column whose cell a JSONPath finds. */
export type Column = { readonly name: string; readonly type: string; readonly jsonPath: string; readonly priority?: number }

/** Where the numbers of a scale subresource are, as JSONPaths. */
export type ScalePaths = {
  readonly specReplicasPath: string
  readonly statusReplicasPath: string
  readonly labelSelectorPath?: string
}

/** One served version of a kind. */
export type KindVersion = {
  readonly name: string
  readonly schema?: Schema
  /** What the schema finds wrong with an object. */
  readonly check?: (object: Fields) => readonly Cause[]
  readonly columns?: readonly Column[]
  readonly status: boolean
  readonly scale?: ScalePaths
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
  /** Defined by a CustomResourceDefinition: schema-checked, no strategic merge. */
  readonly custom: boolean
  /** Whether a PUT must name the version that it replaces. */
  readonly conditional: boolean
  /** Changes of what metadata.generation counts. */
  readonly generation: false | 'spec' | 'spec and annotations'
  /** Where its objects are kept; two kinds may share one shelf. */
  readonly resource: ResourceName
  /** apiVersion of the objects kept. */
  readonly stored: string
  readonly versions: readonly KindVersion[]
}

/** A kind in the version that a path names. */
export type Endpoint = { readonly kind: Kind; readonly version: KindVersion }

/** "group/version", or the version alone for the core group. */
export const groupVersion = (group: string, version: string): string => (group === '' ? version : `${group}/${version}`)

/** The store's name for a resource. */
export const resourceName = (group: string, plural: string): ResourceName => (group === '' ? plural : `${plural}.${group}`)

const builtIn = (apiVersion: string, kind: string, shortNames = '', more: Partial<Kind> & Partial<KindVersion> = {}): Kind => {
  const [name = '', group = ''] = apiVersion.split('/').toReversed()
  const { status = false, scale, ...traits } = more
  const singular = kind.toLowerCase()
  const plural = `${singular}s`
  return {
    group,
    kind,
    plural,
    singular,
    shortNames: shortNames.split(' ').filter((each) => each !== ''),
    categories: [],
    namespaced: true,
    custom: false,
    conditional: false,
    generation: false,
    resource: resourceName(group, plural),
    stored: apiVersion,
    versions: [{ name, status, ...(scale !== undefined && { scale }) }],
    ...traits,
  }
}

const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.spec.selector' }
const categories = ['all']
const workload = { categories, generation: 'spec', status: true, scale } as const

/** The kinds that need no CustomResourceDefinition. */
const builtInKinds: readonly Kind[] = [
  builtIn('v1', 'Namespace', 'ns', { namespaced: false, status: true }),
  builtIn('v1', 'Pod', 'po', { categories, status: true }),
  builtIn('v1', 'Service', 'svc', { categories, status: true }),
  builtIn('v1', 'ServiceAccount', 'sa'),
  builtIn('v1', 'ConfigMap', 'cm'),
  builtIn('v1', 'Secret'),
  builtIn('v1', 'ResourceQuota', 'quota', { status: true }),
  builtIn('v1', 'Event', 'ev'),
  builtIn('events.k8s.io/v1', 'Event', 'ev', { resource: 'events', stored: 'v1' }),
  builtIn('apps/v1', 'Deployment', 'deploy', { ...workload, generation: 'spec and annotations' }),
  builtIn('apps/v1', 'ReplicaSet', 'rs', workload),
  builtIn('discovery.k8s.io/v1', 'EndpointSlice', '', { generation: 'spec' }),
  builtIn('coordination.k8s.io/v1', 'Lease', '', { conditional: true }),
  builtIn('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'crd', { namespaced: false, generation: 'spec', status: true }),
]

/** The kinds served at this moment. */
export class Kinds {
  readonly #byName = new Map<string, Kind>()

  constructor() {
    for (const kind of builtInKinds) this.define(kind)
  }

  /** Serves a kind, in place of the one of the same name. */
  define(kind: Kind): void {
    this.#byName.set(resourceName(kind.group, kind.plural), kind)
  }

  /** Stops serving a kind. */
  remove({ group, plural }: Kind): void {
    this.#byName.delete(resourceName(group, plural))
  }

  /** The kind behind a group, version and plural name. */
  endpoint(group: string, version: string, plural: string): Endpoint | undefined {
    const kind = this.of(resourceName(group, plural))
    const found = kind?.versions.find(({ name }) => name === version)
    return kind && found && { kind, version: found }
  }

  /** The kind whose objects are kept under a resource name. */
  of(resource: ResourceName): Kind | undefined {
    return this.#byName.get(resource)
  }

  /** All kinds, oldest first. */
  list(): readonly Kind[] {
    return [...this.#byName.values()]
  }
}
