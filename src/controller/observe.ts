import type { Canary } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { stepKey } from '../canary/due-checks.ts'
import { factsOf } from '../canary/facts.ts'
import { NO_EVIDENCE, type Evidence, type Refusal, type RouteFacts, type Workload, type World } from '../canary/world.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { serviceHost } from '../istio/host-name.ts'
import { jsonOf, labelsOf, listOf, textOf } from '../istio/json.ts'
import { meshFacts } from '../istio/mesh-facts.ts'
import type { MeshInput } from '../istio/mesh-input.ts'
import { routesContent } from '../istio/route-content.ts'
import { resources, type Resource } from '../kubernetes/resource.ts'
import type { KubeObject } from '../runtime/object.ts'
import type { Ages } from './ages.ts'
import { labelKey, templateLabels, WILDCARD } from './indexes.ts'
import { troubleOfWorkload } from './pod-trouble.ts'
import { isAmbient } from './prune.ts'
import type { Stores } from './sources.ts'
import { FLOOR, STAMP } from './stamps.ts'

/** The objects that one pass looks at: from the caches, or read live where a decision rests on them. */
export type Snapshot = {
  readonly canary: Canary
  readonly service: KubeObject | undefined
  readonly deployments: readonly KubeObject[]
  readonly pods: readonly KubeObject[]
  readonly virtualServices: readonly KubeObject[]
  readonly destinationRules: readonly KubeObject[]
  readonly httpRoutes: readonly KubeObject[]
}

export type Surroundings = { readonly rootNamespace: string; readonly clusterDomain: string }

/** The World of a pass, and what its writes are made from. */
export type Observation = { readonly world: World; readonly input: MeshInput; readonly snapshot: Snapshot }

export type ObserveOptions = {
  readonly settings: Settings
  readonly surroundings: Surroundings
  readonly ages: Ages
  readonly now: number
  readonly monotonicMs: number
  readonly evidence: (step: string) => Evidence | undefined
  readonly growths: Readonly<Record<string, number>>
}

/** The newer of what a cache has and what was written last; a key that is named is looked up even where the cache has nothing. */
export type Newest = (resource: Resource, objects: readonly KubeObject[], ...named: readonly string[]) => readonly KubeObject[]

/** Everything the caches hold that concerns one Canary, and what was written since. */
export function snapshotOf(stores: Stores, canary: Canary, settings: Settings, { clusterDomain, newest }: Surroundings & { readonly newest: Newest }): Snapshot {
  const { namespace } = canary.metadata
  const own = `${namespace}/serin-${settings.service}`
  const service = stores.services.get(`${namespace}/${settings.service}`)
  const fqdn = serviceHost({ canary: canary.metadata, settings, clusterDomain } as MeshInput)
  const routed = (store: Stores['virtualServices']) => [...new Set([...store.by('host', fqdn), ...store.by('host', WILDCARD)])]
  return {
    canary,
    service,
    deployments: newest(resources.deployments, byLabels(stores.deployments, namespace, settings.selector, templateLabels)),
    pods: byLabels(stores.pods, namespace, selectorOf(service), (pod) => pod.metadata.labels ?? {}),
    virtualServices: newest(resources.virtualServices, routed(stores.virtualServices), own),
    destinationRules: newest(resources.destinationRules, routed(stores.destinationRules), own),
    httpRoutes: stores.httpRoutes.by('namespace', namespace),
  }
}

/** Gathers the facts. It reads no clock and asks nobody. */
export function observe(snapshot: Snapshot, options: ObserveOptions): Observation {
  const { canary } = snapshot
  const { settings, surroundings, ages, now, monotonicMs } = options
  const versions = versionsOf(snapshot.deployments, settings)
  const input: MeshInput = {
    canary: canary.metadata,
    settings,
    service: snapshot.service,
    virtualServices: snapshot.virtualServices,
    destinationRules: snapshot.destinationRules,
    httpRoutes: snapshot.httpRoutes,
    revisions: versions.map((deployment) => ({ revision: revisionOf(deployment, settings), labels: templateLabels(deployment) })),
    records: canary.status?.routes ?? [],
    stable: canary.status?.stableRevision,
    ...surroundings,
  }
  const mesh = meshFacts(input)
  const workloads = versions.map((deployment) => workloadOf(deployment, snapshot.pods, settings))
  const routes = { content: routesContent(input), generation: sumOf(snapshot.virtualServices) }
  const world: World = {
    settings,
    status: canary.status,
    now,
    workloads,
    endpoints: endpointsOf(snapshot.pods, settings),
    mesh: { ...mesh, refusals: [...mesh.refusals, ...refusalsOf(snapshot, versions, settings), ...tooMany(mesh.routes)] },
    ages: {
      routes: ages.observe('routes', routes, monotonicMs),
      subsets: agesOf(subsetsSeen(input), (name, seen) => ages.observe(`subset ${name}`, seen, monotonicMs)),
      ready: agesOf(readySeen(versions, snapshot.pods, settings), (name, seen) => ages.observe(`ready ${name}`, seen, monotonicMs)),
    },
    growths: options.growths,
    evidence: NO_EVIDENCE,
    stale: olderTarget(workloads, canary),
  }
  return { world: { ...world, evidence: options.evidence(stepKey(factsOf(world))) ?? NO_EVIDENCE }, input, snapshot }
}

/** Of two Deployments with one version the older counts; the other is refused by name. */
function versionsOf(deployments: readonly KubeObject[], settings: Settings): readonly KubeObject[] {
  const oldestFirst = [...deployments].sort((a, b) => createdAt(a) - createdAt(b) || (a.metadata.name < b.metadata.name ? -1 : 1))
  const taken = new Set<string>()
  return oldestFirst.filter((deployment) => {
    const revision = revisionOf(deployment, settings)
    if (revision === '' || taken.has(revision)) return false
    taken.add(revision)
    return true
  })
}

const revisionOf = (deployment: KubeObject, settings: Settings): string => templateLabels(deployment)[settings.versionLabel] ?? ''

const createdAt = ({ metadata }: KubeObject): number => Date.parse(metadata.creationTimestamp ?? '') || 0

const sumOf = (objects: readonly KubeObject[]): number => objects.reduce((sum, { metadata }) => sum + (metadata.generation ?? 0), 0)

function workloadOf(deployment: KubeObject, pods: readonly KubeObject[], settings: Settings): Workload {
  const { metadata } = deployment
  const replicas = Number(jsonOf(deployment['spec'])['replicas'] ?? 1)
  const floor = floorOf(metadata.annotations?.[FLOOR])
  return {
    revision: revisionOf(deployment, settings),
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    createdAt: createdAt(deployment),
    hash: textOf(deployment['templateHash']) ?? '',
    stamp: metadata.annotations?.[STAMP],
    floor,
    replicas,
    ready: readyPods(revisionOf(deployment, settings), pods, settings).length,
    settled: isSettled(deployment, replicas),
    trouble: troubleOfWorkload(deployment, podsOf(revisionOf(deployment, settings), pods, settings)),
  }
}

/** Its controller has seen this very spec, and every pod there is belongs to it. */
function isSettled(deployment: KubeObject, replicas: number): boolean {
  const status = jsonOf(deployment['status'])
  const [observed, all, updated] = [status['observedGeneration'], status['replicas'], status['updatedReplicas']].map((value) => Number(value ?? 0))
  return observed !== undefined && observed >= (deployment.metadata.generation ?? 0) && all === replicas && updated === replicas
}

function floorOf(text: string | undefined): Workload['floor'] {
  const match = /^(\d+) (.+)$/.exec(text ?? '')
  return match?.[1] === undefined || match[2] === undefined ? undefined : { replicas: Number(match[1]), rollout: match[2] }
}

function endpointsOf(pods: readonly KubeObject[], settings: Settings): Readonly<Record<string, number>> {
  const revisions = new Set(pods.map((pod) => pod.metadata.labels?.[settings.versionLabel] ?? ''))
  return Object.fromEntries([...revisions].map((revision) => [revision, readyPods(revision, pods, settings).length]))
}

/** Exactly what the revision's subset selects: a Deployment's own selector may be wider. */
const readyPods = (revision: string, pods: readonly KubeObject[], settings: Settings): readonly KubeObject[] =>
  podsOf(revision, pods, settings).filter((pod) => pod['ready'] === true)

const podsOf = (revision: string, pods: readonly KubeObject[], { versionLabel }: Settings): readonly KubeObject[] =>
  pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined && metadata.labels?.[versionLabel] === revision)

const selectorOf = (service: KubeObject | undefined): Readonly<Record<string, string>> => labelsOf(jsonOf(service?.['spec'])['selector'])

const includes = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value)

function byLabels(store: Stores['pods'], namespace: string, wanted: Readonly<Record<string, string>>, labelsOfObject: (object: KubeObject) => Readonly<Record<string, string>>) {
  const keys = Object.entries(wanted).map(([name, value]) => labelKey(namespace, name, value))
  const fewest = keys.map((key) => store.by('label', key)).reduce<readonly KubeObject[] | undefined>((few, next) => (few === undefined || next.length < few.length ? next : few), undefined)
  return (fewest ?? []).filter((object) => includes(labelsOfObject(object), wanted))
}

/** A subset as proxies see it, and the rollout it was stamped for. */
function subsetsSeen(input: MeshInput): ReadonlyMap<string, { content: string; generation: number }> {
  const own = input.destinationRules.find(({ metadata }) => metadata.name === `serin-${input.settings.service}` && metadata.namespace === input.canary.namespace)
  const { subsets, ...rest } = jsonOf(own?.['spec'])
  const stamps = own?.metadata.annotations?.['serin.dev/stamps'] ?? ''
  const shared = canonicalJson([own?.metadata.uid, rest, input.destinationRules.filter((rule) => rule !== own).map((rule) => rule['spec'])])
  return new Map(listOf(subsets).map((subset) => {
    const revision = labelsOf(subset['labels'])[input.settings.versionLabel] ?? ''
    const stamp = labelsOf(jsonOf(parsedStamps(stamps)))[revision] ?? ''
    return [revision, { content: canonicalJson([subset, stamp, shared]), generation: own?.metadata.generation ?? 0 }]
  }))
}

function parsedStamps(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text) as unknown
  } catch {
    // Somebody's edit: no stamp at all, and the rule is written again.
    return {}
  }
}

function readySeen(versions: readonly KubeObject[], pods: readonly KubeObject[], settings: Settings): ReadonlyMap<string, { content: string; generation: number }> {
  return new Map(versions.map((deployment) => {
    const revision = revisionOf(deployment, settings)
    const ready = readyPods(revision, pods, settings).map((pod) => `${pod.metadata.uid}@${String(pod['readySince'])}`).sort()
    return [revision, { content: ready.join(), generation: 0 }]
  }))
}

function agesOf<T>(seen: ReadonlyMap<string, T>, age: (name: string, seen: T) => number): Readonly<Record<string, number>> {
  return Object.fromEntries([...seen].map(([name, value]) => [name, age(name, value)]))
}

/** Row 0: a Deployment that is older than what status has seen of it. */
function olderTarget(workloads: readonly Workload[], { status }: Canary): string | undefined {
  const older = workloads.find((workload) => status?.seen.some((entry) => entry.uid === workload.uid && entry.generation > workload.generation))
  return older && `the cache of Deployment ${older.name} is older than what was seen before`
}

const MOST_ROUTES = { objects: 32, inOne: 64 }

/** Status has room for so many: without their record nobody could tell a lost annotation from a new route. */
function tooMany(routes: readonly RouteFacts[]): readonly Refusal[] {
  const crowded = routes.find(({ record }) => (record.httpRoutes?.length ?? 0) > MOST_ROUTES.inOne)
  if (crowded === undefined && routes.length <= MOST_ROUTES.objects) return []
  const what = crowded === undefined ? `${routes.length} VirtualServices have` : `VirtualService ${crowded.record.name} has more than ${MOST_ROUTES.inOne}`
  return [{ reason: 'TooManyRoutes', message: `${what} routes to the Service: name those to manage in spec.traffic.httpRoutes, or join them` }]
}

const MOST_VERSIONS = 32

/** What only the pods and Deployments can tell: refused before anything moves. A rollout under way is another matter. */
function refusalsOf({ canary, deployments, pods, service }: Snapshot, versions: readonly KubeObject[], settings: Settings): readonly Refusal[] {
  if (service === undefined) return []
  const label = settings.versionLabel
  const known = new Set([...versions.map((deployment) => revisionOf(deployment, settings)), ...(canary.status?.seen ?? []).map(({ revision }) => revision)])
  const double = deployments.find((deployment) => !versions.includes(deployment))
  const foreign = pods.find(({ metadata }) => metadata.deletionTimestamp === undefined && !known.has(metadata.labels?.[label] ?? ''))
  const ambient = pods.find(isAmbient)
  const refusals: readonly (Refusal | undefined)[] = [
    double && { reason: 'DuplicateVersion', message: `Deployment ${double.metadata.name} has the same ${label} as another one, or none: give each version's pods a ${label} label of its own` },
    versions.length <= MOST_VERSIONS ? undefined : { reason: 'TooManyVersions', message: `${versions.length} Deployments match spec.versions.selector, ${MOST_VERSIONS} are remembered: delete those that will not come back` },
    foreign && { reason: 'ForeignEndpoints', message: `Service ${service.metadata.name} also selects pod ${foreign.metadata.name}, which belongs to no version: pinning the routes would silently drop it; take it out of the Service, or label its Deployment as a version` },
    ambient && { reason: 'AmbientMode', message: `pod ${ambient.metadata.name} is in an ambient mesh, where no VirtualService of a sidecar applies: Serin needs sidecars` },
  ]
  return refusals.filter((refusal) => refusal !== undefined)
}
