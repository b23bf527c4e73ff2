import type { Canary } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { serviceHost } from '../istio/host-name.ts'
import { jsonOf, labelsOf } from '../istio/json.ts'
import type { MeshInput } from '../istio/mesh-input.ts'
import { resources, type Resource } from '../kubernetes/resource.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { labelKey, templateLabels, WILDCARD } from './indexes.ts'
import { previewServicesOf } from './preview-service.ts'
import { rivalsOf } from './rivals.ts'
import type { Stores } from './sources.ts'

/** The objects that one pass looks at: from the caches, or read live where a decision rests on them. */
export type Snapshot = {
  readonly canary: Canary
  readonly service: KubeObject | undefined
  readonly deployments: readonly KubeObject[]
  readonly pods: readonly KubeObject[]
  readonly virtualServices: readonly KubeObject[]
  readonly destinationRules: readonly KubeObject[]
  readonly httpRoutes: readonly KubeObject[]
  /** Of the target or of the Canary; of the versions. */
  readonly autoscalers: readonly KubeObject[]
  /** The other Canaries whose ledgers are theirs. */
  readonly others: readonly string[]
  /** Services of the Canary's own making, or under the name of one. */
  readonly previewServices: readonly KubeObject[]
  readonly actions: readonly KubeObject[]
}

export type Surroundings = { readonly rootNamespace: string; readonly clusterDomain: string }

/** The newer of what a cache has and what was written last; a key that is named is looked up even where the cache has nothing. */
export type Newest = (resource: Resource, objects: readonly KubeObject[], ...named: readonly string[]) => readonly KubeObject[]

/** Everything the caches hold that concerns one Canary, and what was written since. */
export function snapshotOf(stores: Stores, canary: Canary, settings: Settings, { clusterDomain, newest }: Surroundings & { readonly newest: Newest }): Snapshot {
  const { namespace } = canary.metadata
  const own = `${namespace}/serin-${settings.service}`
  const made = (canary.status?.routes ?? []).flatMap(({ mode, name }) => (mode === 'Delegate' ? [name] : []))
  const delegates = [...new Set([...(settings.delegate === undefined ? [] : [settings.delegate]), ...made])].map((name) => `${namespace}/${name}`)
  const service = stores.services.get(`${namespace}/${settings.service}`)
  const fqdn = serviceHost({ canary: canary.metadata, settings, clusterDomain } as MeshInput)
  const routed = (store: Stores['virtualServices']) => [...new Set([...store.by('host', fqdn), ...store.by('host', WILDCARD)])]
  const deployments = newest(resources.deployments, deploymentsOf(stores, namespace, settings), ...revisionsMade(canary, settings))
  return {
    canary,
    service,
    deployments,
    pods: byLabels(stores.pods, namespace, selectorOf(service), (pod) => pod.metadata.labels ?? {}),
    virtualServices: newest(resources.virtualServices, withRoots(stores, routed(stores.virtualServices), delegates), own, ...delegates),
    destinationRules: newest(resources.destinationRules, routed(stores.destinationRules), own),
    httpRoutes: stores.httpRoutes.by('namespace', namespace),
    previewServices: previewServicesOf(stores, canary, settings, newest),
    autoscalers: autoscalersOf(stores, canary.metadata, settings, deployments),
    others: rivalsOf(stores.canaries, canary as unknown as KubeObject).others,
    actions: newest(resources.canaryActions, stores.canaryActions.by('canary', keyOf(canary))),
  }
}

const deploymentsOf = ({ deployments }: Stores, namespace: string, { source }: Settings): readonly KubeObject[] =>
  source.kind === 'target' ? deployments.by('target', `${namespace}/${source.name}`) : byLabels(deployments, namespace, source.selector, templateLabels)

/** The Deployments of revisions that may have been made just now, before any cache has heard of them. */
const revisionsMade = ({ metadata: { namespace }, status }: Canary, { source }: Settings): readonly string[] => {
  const revisions = [status?.observedTarget?.revision, status?.stableRevision, status?.rollout?.revision].filter((revision) => revision !== undefined)
  return source.kind === 'target' ? revisions.map((revision) => `${namespace}/${source.name}-${revision}`) : []
}

function autoscalersOf({ autoscalers }: Stores, { namespace, name }: Canary['metadata'], { source }: Settings, deployments: readonly KubeObject[]): readonly KubeObject[] {
  if (source.kind === 'versions') return deployments.flatMap((deployment) => autoscalers.by('scaled', `Deployment ${keyOf(deployment)}`))
  return [...autoscalers.by('scaled', `Deployment ${namespace}/${source.name}`), ...autoscalers.by('scaled', `Canary ${namespace}/${name}`)]
}

/** The delegates, whoever made them, and the roots that name it, whatever their hosts. */
const withRoots = ({ virtualServices }: Stores, found: readonly KubeObject[], keys: readonly string[]): readonly KubeObject[] => {
  const named = keys.flatMap((key) => [virtualServices.get(key), ...virtualServices.by('delegate', key)])
  return [...new Set([...found, ...named.filter((object) => object !== undefined)])]
}

const selectorOf = (service: KubeObject | undefined): Readonly<Record<string, string>> => labelsOf(jsonOf(service?.['spec'])['selector'])

/** Whether labels have all that is wanted. */
export const includes = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value)

function byLabels(store: Stores['pods'], namespace: string, wanted: Readonly<Record<string, string>>, labelsOfObject: (object: KubeObject) => Readonly<Record<string, string>>) {
  const keys = Object.entries(wanted).map(([name, value]) => labelKey(namespace, name, value))
  const fewest = keys.map((key) => store.by('label', key)).reduce<readonly KubeObject[] | undefined>((few, next) => (few === undefined || next.length < few.length ? next : few), undefined)
  return (fewest ?? []).filter((object) => includes(labelsOfObject(object), wanted))
}
