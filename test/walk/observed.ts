import type { CanaryStatus } from '../../src/api/canary.ts'
import { canonicalJson } from '../../src/canary/template-hash.ts'
import { EVERY_POD, NO_EVIDENCE, type Evidence, type RouteFacts, type TargetFacts, type Workload, type World } from '../../src/canary/world.ts'
import type { Cluster, Verdict } from './cluster.ts'
import { ownPods, reachOf, ROUTES, type Deployment, type Objects, type Route, type Target } from './objects.ts'
import type { Process } from './process.ts'
import { settingsWith } from './style.ts'

/** The World as one process sees it through these objects, on its own clocks. */
export function worldFrom(objects: Objects, process: Process, { style, now, verdict }: Pick<Cluster, 'style' | 'now' | 'verdict'>): World {
  const { canary, rule, deployments } = objects
  const { status, finalizer, ...wishes } = canary.value ?? { status: undefined, desired: undefined, suspend: false, approval: false, replicas: undefined, finalizer: false }
  const settings = settingsWith(style, wishes)
  const routes = Object.entries(ROUTES).map(([name, object]) => [name, objects[object]] as const)
  const standing = routes.flatMap(([name, { value, rv }]) => (value === undefined ? [] : [routeFacts(name, value, status, rv)]))
  const made = Object.entries(deployments).flatMap(([revision, { value }]) => (value === undefined || value.orphaned ? [] : [workloadFrom(revision, value)]))
  const orphans = Object.entries(deployments).flatMap(([revision, { value }]) => (value?.orphaned === true ? [[revision, readyOf(value)] as const] : []))
  const leaving = canary.value?.deletedAt === undefined ? undefined : { uid: 'uid-canary', since: canary.value.deletedAt, seenAt: canary.value.deletedAt, orphan: undefined }
  const target = objects.target.value && targetFrom(objects.target.value, leaving !== undefined)
  const workloads = target?.own === undefined || objects.target.value === undefined ? made : [...made, targetAsWorkload(target.own, objects.target.value)]
  const covered = standing.some(({ mesh }) => mesh)
  return {
    canary: { namespace: 'test', name: 'web' },
    settings,
    status,
    now: now + process.wallSkewMs,
    workloads,
    ...(target === undefined ? {} : { target }),
    scaled: style.scaled,
    endpoints: Object.fromEntries([...orphans, ...workloads.map(({ revision, ready }) => [revision, ready] as const)]),
    growths: process.growths.repeated('web', now + process.skewMs),
    previews: objects.preview.value === undefined ? {} : { 'web-preview': objects.preview.value },
    mesh: {
      refusals: [],
      routes: standing,
      rule: { exists: rule.value !== undefined, uid: rule.value?.uid, resourceVersion: String(rule.rv), subsets: rule.value?.subsets ?? {}, conform: rule.value?.conform ?? false },
      covered,
      delegateMissing: false,
      namedAtFirst: undefined,
      reached: [...new Set([...(covered ? [] : [EVERY_POD]), ...standing.flatMap(({ reaches }) => reaches)])],
      namedByUser: [],
    },
    ages: agesOf(objects, process, now),
    evidence: standing.some(({ ledger }) => ledger?.exposure !== undefined) ? evidenceFor(verdict) : NO_EVIDENCE,
    closed: style.windows && now % 600_000 < 60_000 ? { message: 'window closed', until: now - (now % 600_000) + 60_000 } : undefined,
    noSlot: style.windows && now % 700_000 < 50_000 ? 'waits for a free slot' : undefined,
    actions: (objects.actions.value ?? []).filter(({ result }) => result === undefined),
    finalizer,
    ...(leaving === undefined ? {} : { leaving }),
    stale: process.behind(objects) ?? olderTarget(made, target, status),
  }
}

function agesOf(objects: Objects, process: Process, now: number): World['ages'] {
  const age = (name: string, content: unknown, generation = 0) => process.ages.observe(name, { content: canonicalJson(content ?? null), generation }, now + process.skewMs)
  const rule = objects.rule.value
  const target = objects.target.value
  const routes = Object.values(ROUTES).map((object) => objects[object].value)
  return {
    routes: age('routes', routes.map((value) => value && [value.uid, value.lists]), routes.reduce((sum, value) => sum + (value?.generation ?? 0), 0)),
    subsets: Object.fromEntries(Object.entries(rule?.subsets ?? {}).map(([revision, stamp]) => [revision, age(`subset ${revision}`, [rule?.uid, stamp, rule?.conform], rule?.generation)])),
    ready: {
      ...Object.fromEntries(Object.entries(objects.deployments).map(([revision, { value }]) => [revision, age(`ready ${revision}`, [value?.uid, value?.ready, value?.since, value?.started])])),
      ...(target === undefined ? {} : { [ownPods(target)]: age(`ready ${ownPods(target)}`, [target.uid, target.since, target.started]) }),
    },
  }
}

const contentOf = ({ lists, original, ledger }: Route): RouteFacts['content'] => {
  if (ledger === undefined) return 'unpinned'
  if (lists.kind === 'rendered')
    return lists.stable === ledger.stable && canonicalJson(lists.exposure ?? null) === canonicalJson(ledger.exposure ?? null) ? 'ours' : 'beyond'
  if (canonicalJson(lists) === canonicalJson(original)) return 'original'
  return lists.kind === 'user' && lists.revision === ledger.stable ? 'lower' : 'beyond'
}

function routeFacts(name: string, route: Route, status: CanaryStatus | undefined, rv: number): RouteFacts {
  const believed = route.ledger?.uid === route.uid ? route.ledger : undefined
  const recorded = status?.routes.some((record) => record.name === name) === true && status.stableRevision !== undefined
  return {
    record: { namespace: 'test', name, mode: route.own ? 'Own' : 'Route' },
    uid: route.uid,
    resourceVersion: String(rv),
    own: route.own,
    mesh: name !== 'edge',
    ledger: believed,
    lost: believed === undefined && (recorded || route.ledger !== undefined),
    content: believed === undefined ? 'unpinned' : contentOf(route),
    reaches: reachOf(route.lists),
    originals: route.own ? [] : [reachOf(route.ledger === undefined ? route.lists : route.original)],
  }
}

/** As src/controller/observe does it: protocol rule 9. */
function olderTarget(workloads: readonly Workload[], target: TargetFacts | undefined, status: CanaryStatus | undefined): string | undefined {
  const known = [...(status?.seen ?? []), ...(status?.observedTarget === undefined ? [] : [status.observedTarget])]
  const seen = target === undefined ? workloads : [...workloads, target]
  return seen.some(({ uid, generation }) => known.some((entry) => entry.uid === uid && entry.generation > generation)) ? 'older than observed' : undefined
}

const targetFrom = (target: Target, isLeaving: boolean): TargetFacts => {
  const { uid, generation, template, restarts, replicas, takenOver, stamp } = target
  return { name: 'web', uid, generation, revision: template, replicas, takenOver, restarts: { restarts }, ...(isLeaving ? { own: ownPods(target), stamp } : {}) }
}

/** While the Canary is being deleted, its own pods are a revision like any other. */
const targetAsWorkload = (own: string, { uid, generation, replicas, started, stamp, restarts }: Target): Workload => ({
  revision: own, name: 'web', uid, generation, createdAt: 0, hash: own, restarts: { restarts }, skipAnalysis: false, stamp, floor: undefined, replicas, ready: started, settled: started === replicas, trouble: undefined,
})

const readyOf = ({ ready, started }: Deployment): number => (ready ? started : 0)

const workloadFrom = (revision: string, value: Deployment): Workload => ({
  revision,
  name: `web-${revision}`,
  uid: value.uid,
  generation: value.generation,
  createdAt: value.createdAt,
  hash: value.hash,
  restarts: { restarts: value.restarts },
  skipAnalysis: false,
  stamp: value.stamp,
  floor: value.floor,
  replicas: value.replicas,
  ready: readyOf(value),
  settled: true,
  trouble: undefined,
})

function evidenceFor(verdict: Verdict): Evidence {
  const check = { name: 'error-rate', value: '0%', bound: '1%', requests: 100, needed: 0, failureThreshold: 2, dryRun: false, message: verdict, at: 0 }
  if (verdict === 'pass') return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'Pass', failures: 0 }] }
  if (verdict === 'fail') return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'Fail', failures: 2 }] }
  return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'NotEnoughEvidence', failures: 0 }] }
}
