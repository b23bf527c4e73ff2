import type { CanaryStatus } from '../../src/api/canary.ts'
import type { Settings } from '../../src/api/settings.ts'
import type { Pass } from '../../src/canary/decide.ts'
import { isTargetAction, type Action, type RouteWrite } from '../../src/canary/decision.ts'
import type { Exposure, Ledger } from '../../src/canary/ledger.ts'
import { canonicalJson } from '../../src/canary/template-hash.ts'
import { EVERY_POD, NO_EVIDENCE, type ActionFacts, type Evidence, type RouteFacts, type Workload, type World } from '../../src/canary/world.ts'
import { Ages } from '../../src/controller/ages.ts'

/**
 * A small model of everything around the decision core: objects with versions, proxies that see routes, subsets and
 * endpoints each with a delay of its own, processes with caches of their own, writes that hang and land late.
 */
export const P = 15_000
export const D = 10_000

/** The route lists of a VirtualService, as far as they matter here. */
export type Lists =
  | { readonly kind: 'open' }
  | { readonly kind: 'rendered'; readonly stable: string; readonly exposure: Exposure | undefined }
  | { readonly kind: 'user'; readonly revision: string }

export type Route = { readonly uid: string; readonly own: boolean; readonly lists: Lists; readonly original: Lists; readonly ledger: Ledger | undefined }
export type Rule = { readonly uid: string; readonly subsets: Readonly<Record<string, string>>; readonly conform: boolean }
export type Deployment = { readonly uid: string; readonly generation: number; readonly hash: string; readonly replicas: number; readonly ready: boolean; readonly since: number; readonly stamp: string | undefined; readonly floor: Workload['floor']; readonly createdAt: number }
export type Versioned<T> = { readonly rv: number; readonly value: T | undefined }

/** A CanaryAction, and whether it has its answer. */
export type Asked = ActionFacts & { readonly result?: string }

export type Objects = {
  readonly user: Versioned<Route>
  readonly own: Versioned<Route>
  /** The user's for a gateway: another object, another proxy. */
  readonly gate: Versioned<Route>
  readonly rule: Versioned<Rule>
  readonly canary: Versioned<{ readonly status: CanaryStatus | undefined; readonly desired: string | undefined; readonly suspend: boolean; readonly approval: boolean }>
  readonly actions: Versioned<readonly Asked[]>
  readonly deployments: Readonly<Record<string, Versioned<Deployment>>>
}

type Wishes = { readonly desired: string | undefined; readonly suspend: boolean; readonly approval: boolean }

export const settingsWith = ({ desired, suspend, approval }: Wishes): Settings => ({
  source: { kind: 'versions', selector: { app: 'web' } },
  versionLabel: 'version',
  desired,
  service: 'web',
  httpRoutes: undefined,
  delegate: undefined,
  port: undefined,
  propagationMs: P,
  drainMs: D,
  sessionAffinity: undefined,
  preview: { service: undefined, match: [] },
  steps: [10, 50].map((weight, index) => ({ name: `step-${index + 1}`, weight, match: [], mirror: undefined, forMs: 20_000, minRequests: 10, approval: approval && index === 0, deadlineMs: undefined })),
  clock: { kind: 'interval', everyMs: 10_000 },
  analysis: { failureThreshold: 2, initialDelayMs: 0, noData: 'Hold', metrics: [{ name: 'error-rate', kind: 'error-rate', max: 0.01, percentile: 99, statusCodes: ['5xx'], grpcStatus: [], failureThreshold: 2, minRequests: undefined, dryRun: false }] },
  windows: [],
  progressDeadlineMs: 600_000,
  previousDelayMs: 120_000,
  failedDelayMs: 0,
  rollbackWindowMs: 300_000,
  onDelete: 'Restore',
  suspend,
  skipAnalysis: false,
})

export const reachOf = (lists: Lists): readonly string[] => {
  switch (lists.kind) {
    case 'open':
      return [EVERY_POD]
    case 'user':
      return [lists.revision]
    case 'rendered':
      return [...(lists.exposure?.weight === 100 ? [] : [lists.stable]), ...(lists.exposure === undefined ? [] : [lists.exposure.revision])]
    default:
      return lists satisfies never
  }
}

/** The names that the routes go by, and the object that each is. */
const ROUTES = { web: 'user', 'serin-web': 'own', edge: 'gate' } as const

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
    originals: [],
  }
}

/** The World as one process sees it through these objects, on its own clocks. */
export function worldFrom(objects: Objects, process: Process, now: number, verdict: Verdict): World {
  const { canary, rule, deployments } = objects
  const { status, ...wishes } = canary.value ?? { status: undefined, desired: undefined, suspend: false, approval: false }
  const routes = Object.entries(ROUTES).map(([name, object]) => [name, objects[object]] as const)
  const standing = routes.flatMap(([name, { value, rv }]) => (value === undefined ? [] : [routeFacts(name, value, status, rv)]))
  const workloads = Object.entries(deployments).flatMap(([revision, { value }]) => (value === undefined ? [] : [workloadFrom(revision, value)]))
  const mono = now + process.skewMs
  const age = (name: string, content: unknown) => process.ages.observe(name, { content: canonicalJson(content ?? null), generation: 0 }, mono)
  const subsets = Object.entries(rule.value?.subsets ?? {})
  return {
    canary: { namespace: 'test', name: 'web' },
    settings: settingsWith(wishes),
    status,
    now: now + process.wallSkewMs,
    workloads,
    endpoints: Object.fromEntries(workloads.map(({ revision, ready }) => [revision, ready])),
    growths: {},
    previews: {},
    mesh: {
      refusals: [],
      routes: standing,
      rule: { exists: rule.value !== undefined, uid: rule.value?.uid, resourceVersion: String(rule.rv), subsets: rule.value?.subsets ?? {}, conform: rule.value?.conform ?? false },
      covered: standing.some(({ mesh }) => mesh),
      delegateMissing: false,
      namedAtFirst: undefined,
      reached: [...new Set([...(standing.some(({ mesh }) => mesh) ? [] : [EVERY_POD]), ...standing.flatMap(({ reaches }) => reaches)])],
      namedByUser: [],
    },
    ages: {
      routes: age('routes', routes.map(([, { value }]) => value && [value.uid, value.lists])),
      subsets: Object.fromEntries(subsets.map(([revision, stamp]) => [revision, age(`subset ${revision}`, [rule.value?.uid, stamp, rule.value?.conform])])),
      ready: Object.fromEntries(Object.entries(deployments).map(([revision, { value }]) => [revision, age(`ready ${revision}`, [value?.uid, value?.ready, value?.since, value?.replicas])])),
    },
    evidence: standing.some(({ ledger }) => ledger?.exposure !== undefined) ? evidenceFor(verdict) : NO_EVIDENCE,
    // Now and then windows are closed, and every slot is taken.
    closed: now % 600_000 < 60_000 ? { message: 'window closed', until: now - (now % 600_000) + 60_000 } : undefined,
    noSlot: now % 700_000 < 50_000 ? 'waits for a free slot' : undefined,
    actions: (objects.actions.value ?? []).filter(({ result }) => result === undefined),
    stale: process.behind(objects) ?? olderTarget(workloads, status),
  }
}

/** As src/controller/observe does it: protocol rule 9. */
const olderTarget = (workloads: readonly Workload[], status: CanaryStatus | undefined): string | undefined =>
  workloads.some(({ uid, generation }) => status?.seen.some((entry) => entry.uid === uid && entry.generation > generation)) ? 'older than observed' : undefined

const workloadFrom = (revision: string, value: Deployment): Workload => ({
  revision,
  name: `web-${revision}`,
  uid: value.uid,
  generation: value.generation,
  createdAt: value.createdAt,
  hash: value.hash,
  skipAnalysis: false,
  stamp: value.stamp,
  floor: value.floor,
  replicas: value.replicas,
  ready: value.ready ? value.replicas : 0,
  settled: true,
  trouble: undefined,
})

export type Verdict = 'pass' | 'fail' | 'unsure'

function evidenceFor(verdict: Verdict): Evidence {
  const check = { name: 'error-rate', value: '0%', bound: '1%', requests: 100, needed: 0, failureThreshold: 2, dryRun: false, message: verdict, at: 0 }
  if (verdict === 'pass') return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'Pass', failures: 0 }] }
  if (verdict === 'fail') return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'Fail', failures: 2 }] }
  return { ...NO_EVIDENCE, observedMs: 1e9, checks: [{ ...check, verdict: 'NotEnoughEvidence', failures: 0 }] }
}

/** One operator process: its caches, its clocks, and what it wrote last. */
export class Process {
  readonly ages = new Ages()
  readonly written: Record<string, number> = {}
  cache: Objects
  readonly skewMs: number
  readonly wallSkewMs: number
  busyUntil = 0

  constructor(cache: Objects, skewMs: number, wallSkewMs: number) {
    this.cache = cache
    this.skewMs = skewMs
    this.wallSkewMs = wallSkewMs
  }

  behind(objects: Objects): string | undefined {
    const older = Object.entries(this.written).find(([name, rv]) => rvOf(objects, name) < rv)
    return older && `the cache has not seen the write of ${older[0]}`
  }
}

export const rvOf = (objects: Objects, name: string): number => {
  if (name === 'user' || name === 'own' || name === 'gate' || name === 'rule' || name === 'canary' || name === 'actions') return objects[name].rv
  return objects.deployments[name]?.rv ?? 0
}

/** One write of one object, to land now or later. */
export type Write = {
  readonly object: string
  /** What it was computed from. */
  readonly rv: number
  readonly apply: (objects: Objects) => unknown
  readonly decidedAt: number
  readonly route?: RouteWrite
  readonly scale?: { readonly revision: string; readonly from: number; readonly to: number }
  readonly subsets?: Readonly<Record<string, string>>
}

/** The guarded writes that an action consists of. */
export function writesOf(action: Action, seen: Objects, now: number, uid: () => string): readonly Write[] {
  if (isTargetAction(action)) throw new Error(`${action.kind} is for targets only`)
  switch (action.kind) {
    case 'none':
    case 'status':
    case 'preview':
      return []
    case 'restore-routes':
    case 'remove-rule':
    case 'finalizer':
      throw new Error(`${action.kind} is for Canaries that go`)
    case 'routes':
      return [
        ...action.writes.map(({ name, write }): Write => {
          const object = ROUTES[name as keyof typeof ROUTES]
          return { object, rv: seen[object].rv, decidedAt: now, route: write, apply: (objects) => withRoute(objects[object].value, write) }
        }),
        ...(action.own === undefined ? [] : [{ object: 'own', rv: -1, decidedAt: now, route: action.own, apply: () => madeRoute(uid(), action.own as RouteWrite) }]),
      ]
    case 'remove-own-route':
      return [{ object: 'own', rv: seen.own.rv, decidedAt: now, apply: () => undefined }]
    case 'rule':
      return [{ object: 'rule', rv: seen.rule.value === undefined ? -1 : seen.rule.rv, decidedAt: now, subsets: action.subsets, apply: (objects) => ({ uid: objects.rule.value?.uid ?? uid(), subsets: action.subsets, conform: true }) }]
    case 'workload':
      return [workloadWrite(action, seen, now)]
    default:
      return action satisfies never
  }
}

function workloadWrite(action: Extract<Action, { kind: 'workload' }>, seen: Objects, now: number): Write {
  const cached = seen.deployments[action.revision]
  const from = cached?.value?.replicas ?? 0
  return {
    object: action.revision,
    rv: cached?.rv ?? -1,
    decidedAt: now,
    scale: { revision: action.revision, from, to: action.replicas ?? from },
    apply: (objects) => {
      const value = objects.deployments[action.revision]?.value
      if (value === undefined) return undefined
      const replicas = action.replicas ?? value.replicas
      return {
        ...value,
        replicas,
        generation: value.generation + (replicas === value.replicas ? 0 : 1),
        since: replicas === value.replicas ? value.since : now,
        stamp: action.stamp === null ? undefined : (action.stamp ?? value.stamp),
        floor: action.floor ?? value.floor,
      }
    },
  }
}

function withRoute(route: Route | undefined, { ledger, lists, adopt }: RouteWrite): Route | undefined {
  if (route === undefined) return undefined
  const written: Ledger = { ...ledger, uid: route.uid }
  if (!lists) return { ...route, ledger: written }
  return { ...route, ledger: written, original: adopt ? route.lists : route.original, lists: { kind: 'rendered', stable: ledger.stable, exposure: ledger.exposure } }
}

const madeRoute = (uid: string, { ledger }: RouteWrite): Route => {
  const lists: Lists = { kind: 'rendered', stable: ledger.stable, exposure: ledger.exposure }
  return { uid, own: true, lists, original: lists, ledger: { ...ledger, uid } }
}

/** Takes a rule of the protocol out: what the core sees, or what it says, is changed as if the rule were not there. */
export type Mutation = { readonly world?: (world: World) => World; readonly pass?: (pass: Pass, world: World) => Pass; readonly stale?: false; readonly live?: false; /** What happens how often, and how many writes land late, where that rule matters. */ readonly weights?: Readonly<Record<string, number>>; readonly hangs?: number }
