import type { Canary } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { stepKey } from '../canary/due-checks.ts'
import { factsOf } from '../canary/facts.ts'
import { NO_EVIDENCE, type Evidence, type Refusal, type RouteFacts, type TargetFacts, type Workload, type World } from '../canary/world.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { jsonOf, labelsOf, listOf } from '../istio/json.ts'
import { meshFacts } from '../istio/mesh-facts.ts'
import type { MeshInput } from '../istio/mesh-input.ts'
import { previewRefusals, previewsOf } from '../istio/preview-service.ts'
import { routesContent } from '../istio/route-content.ts'
import { revisionOfSubset, subsetLabels } from '../istio/subset-name.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import type { Ages } from './ages.ts'
import type { TargetConfig } from './config-tracker.ts'
import { scaledBy, templateLabels } from './indexes.ts'
import { actionsAsked } from './canary-actions.ts'
import { workloadRefusals } from './workload-refusals.ts'
import { FINALIZER } from './leaving.ts'
import { includes, type Snapshot, type Surroundings } from './snapshot.ts'
import { labelsToBe, ownPodsOf, revisionOf, revisionsIn, targetAsWorkload, targetFacts, targetIn, workloadOf } from './workloads.ts'

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
  readonly closed: World['closed']
  readonly noSlot: World['noSlot']
  readonly leaving: World['leaving']
  /** What the target is configured with. */
  readonly configOf: (target: KubeObject) => TargetConfig
}

/** Gathers the facts. It reads no clock and asks nobody. */
export function observe(snapshot: Snapshot, options: ObserveOptions): Observation {
  const { canary } = snapshot
  const { settings, surroundings, ages, now, monotonicMs } = options
  const { versions, target, configured, made, workloads } = revisionsNow(snapshot, options)
  const input: MeshInput = {
    canary: canary.metadata,
    settings,
    service: snapshot.service,
    virtualServices: snapshot.virtualServices,
    destinationRules: snapshot.destinationRules,
    httpRoutes: snapshot.httpRoutes,
    revisions: labelledRevisions(versions, target, settings),
    others: snapshot.others,
    records: canary.status?.routes ?? [],
    stable: canary.status?.stableRevision,
    ...surroundings,
  }
  const mesh = meshFacts(input)
  const { uid = '' } = canary.metadata
  const routes = { content: routesContent(input), generation: sumOf(snapshot.virtualServices) }
  const world: World = {
    canary: { namespace: canary.metadata.namespace, name: canary.metadata.name },
    settings,
    status: canary.status,
    now,
    workloads,
    ...(target === undefined ? {} : { target: target.facts }),
    endpoints: { ...endpointsOf(snapshot.pods, settings), ...Object.fromEntries(workloads.slice(made.length).map(({ revision, ready }) => [revision, ready])) },
    mesh: { ...mesh, refusals: [...mesh.refusals, ...workloadRefusals(snapshot, versions, settings), ...tooMany(mesh.routes), ...previewRefusals(input, snapshot.previewServices, uid), ...refusedConfig(configured, target?.facts, workloads)] },
    previews: previewsOf(input, snapshot.previewServices, uid),
    ages: {
      routes: ages.observe('routes', routes, monotonicMs),
      subsets: agesOf(subsetsSeen(input), (name, seen) => ages.observe(`subset ${name}`, seen, monotonicMs)),
      ready: agesOf(readySeen(workloads, snapshot.pods, settings), (name, seen) => ages.observe(`ready ${name}`, seen, monotonicMs)),
    },
    growths: options.growths,
    scaled: snapshot.autoscalers.some((autoscaler) => scaledBy(autoscaler).includes(`Canary ${canary.metadata.namespace}/${canary.metadata.name}`)),
    autoscaled: autoscaledIn(versions, snapshot),
    evidence: NO_EVIDENCE,
    actions: actionsAsked(snapshot.actions),
    closed: options.closed,
    noSlot: options.noSlot,
    ...(options.leaving === undefined ? {} : { leaving: options.leaving }),
    finalizer: canary.metadata.finalizers?.includes(FINALIZER) === true,
    stale: olderTarget(target === undefined ? made : [...made, target.facts], canary),
  }
  return { world: { ...world, evidence: options.evidence(stepKey(factsOf(world))) ?? NO_EVIDENCE }, input, snapshot }
}

type Source = { readonly object: KubeObject; readonly facts: TargetFacts }

/** The target, the revisions that are made, and beside them, while the Canary is being deleted, the target's own pods. */
function revisionsNow({ deployments, pods, canary }: Snapshot, { settings, leaving, configOf }: ObserveOptions) {
  const versions = revisionsIn(deployments, settings)
  const object = targetIn(deployments, settings)
  const configured = object && configOf(object)
  const seen = { config: configured?.config, known: canary.status?.observedTarget, own: leaving && object && ownPodsOf(object, pods) }
  const facts = object && targetFacts(object, settings, seen)
  const target: Source | undefined = object && facts && { object, facts }
  const made = versions.map((deployment) => workloadOf(deployment, podsOf(revisionOf(deployment, settings), pods, settings), settings))
  const own = facts?.own
  const workloads = object === undefined || own === undefined ? made : [...made, targetAsWorkload(object, own, podsOf(own, pods, settings), settings)]
  return { versions, target, configured, made, workloads }
}

/** Every revision with the labels of its pods; the target's too before it is made. */
function labelledRevisions(versions: readonly KubeObject[], target: Source | undefined, settings: Settings): MeshInput['revisions'] {
  const standing = versions.map((deployment) => ({ revision: revisionOf(deployment, settings), labels: templateLabels(deployment) }))
  if (target === undefined) return standing
  const { object, facts: { revision: wanted, own } } = target
  const unmade = wanted === undefined || standing.some(({ revision }) => revision === wanted) ? [] : [{ revision: wanted, labels: labelsToBe(object, wanted, settings) }]
  return [...standing, ...unmade, ...(own === undefined ? [] : [{ revision: own, labels: { ...templateLabels(object), ...subsetLabels(own, settings) } }])]
}

/** A revision that stands has what it needs. */
function refusedConfig(configured: TargetConfig | undefined, facts: World['target'], workloads: readonly Workload[]): readonly Refusal[] {
  const isMade = workloads.some(({ revision, replicas }) => revision === facts?.revision && replicas > 0)
  return [...(configured?.refusals ?? []), ...(isMade ? [] : (configured?.absent ?? []))]
}

const autoscaledIn = (versions: readonly KubeObject[], { autoscalers }: Snapshot): readonly string[] => {
  const scaled = new Set(autoscalers.flatMap(scaledBy))
  return versions.filter((deployment) => scaled.has(`Deployment ${keyOf(deployment)}`)).map(({ metadata }) => metadata.name)
}

const sumOf = (objects: readonly KubeObject[]): number => objects.reduce((sum, { metadata }) => sum + (metadata.generation ?? 0), 0)

function endpointsOf(pods: readonly KubeObject[], settings: Settings): Readonly<Record<string, number>> {
  const revisions = new Set(pods.map((pod) => pod.metadata.labels?.[settings.versionLabel] ?? ''))
  return Object.fromEntries([...revisions].map((revision) => [revision, readyPods(revision, pods, settings).length]))
}

/** Exactly what the revision's subset selects: a Deployment's own selector may be wider. */
const readyPods = (revision: string, pods: readonly KubeObject[], settings: Settings): readonly KubeObject[] =>
  podsOf(revision, pods, settings).filter((pod) => pod['ready'] === true)

function podsOf(revision: string, pods: readonly KubeObject[], settings: Settings): readonly KubeObject[] {
  const selected = subsetLabels(revision, settings)
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined && includes(metadata.labels ?? {}, selected))
}

/** A subset as proxies see it, and the rollout it was stamped for. */
function subsetsSeen(input: MeshInput): ReadonlyMap<string, { content: string; generation: number }> {
  const own = input.destinationRules.find(({ metadata }) => metadata.name === `serin-${input.settings.service}` && metadata.namespace === input.canary.namespace)
  const { subsets, ...rest } = jsonOf(own?.['spec'])
  const stamps = own?.metadata.annotations?.['serin.dev/stamps'] ?? ''
  const shared = canonicalJson([own?.metadata.uid, rest, input.destinationRules.filter((rule) => rule !== own).map((rule) => rule['spec'])])
  return new Map(listOf(subsets).map((subset) => {
    const revision = revisionOfSubset(labelsOf(subset['labels']), input.settings)
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

function readySeen(workloads: readonly Workload[], pods: readonly KubeObject[], settings: Settings): ReadonlyMap<string, { content: string; generation: number }> {
  return new Map(workloads.map(({ revision }) => {
    const ready = readyPods(revision, pods, settings).map((pod) => `${pod.metadata.uid}@${String(pod['readySince'])}`).sort()
    return [revision, { content: ready.join(), generation: 0 }]
  }))
}

function agesOf<T>(seen: ReadonlyMap<string, T>, age: (name: string, seen: T) => number): Readonly<Record<string, number>> {
  return Object.fromEntries([...seen].map(([name, value]) => [name, age(name, value)]))
}

/** Row 0: a Deployment that is older than what status has seen of it. */
function olderTarget(workloads: readonly Pick<Workload, 'uid' | 'generation' | 'name'>[], { status }: Canary): string | undefined {
  const known = [...(status?.seen ?? []), ...(status?.observedTarget === undefined ? [] : [status.observedTarget])]
  const older = workloads.find((workload) => known.some((entry) => entry.uid === workload.uid && entry.generation > workload.generation))
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
