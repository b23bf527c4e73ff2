import type { CanaryStatus } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import type { Exposure, Ledger } from './ledger.ts'
import { exposureOf } from './steps.ts'
import { NO_EVIDENCE, type Check, type MeshFacts, type RouteFacts, type Workload, type World } from './world.ts'

export type Overrides = Omit<Partial<World>, 'mesh'> & { readonly mesh?: Partial<MeshFacts> }

export const NOW = Date.UTC(2026, 0, 1, 12)
export const P = 15_000
export const D = 30_000
const STARTED = '2026-01-01T11:00:00.000Z'
export const ROLLOUT = `v2@${STARTED}`

export const settings = (over: Partial<Settings> = {}): Settings => ({
  source: { kind: 'versions', selector: { app: 'web' } },
  versionLabel: 'version',
  desired: undefined,
  service: 'web',
  httpRoutes: undefined,
  delegate: undefined,
  port: undefined,
  propagationMs: P,
  drainMs: D,
  sessionAffinity: undefined,
  preview: { service: undefined, match: [] },
  steps: [5, 25, 50].map((weight, index) => ({ name: `step-${index + 1}`, weight, match: [], mirror: undefined, forMs: 60_000, minRequests: 50, approval: false, deadlineMs: undefined })),
  clock: { kind: 'interval', everyMs: 30_000 },
  analysis: { failureThreshold: 2, initialDelayMs: 0, noData: 'Hold', metrics: [{ name: 'error-rate', kind: 'error-rate', max: 0.01, percentile: 99, statusCodes: ['5xx'], grpcStatus: [], failureThreshold: 2, minRequests: undefined, dryRun: false }] },
  windows: [],
  progressDeadlineMs: 600_000,
  previousDelayMs: 600_000,
  failedDelayMs: 0,
  onDelete: 'Restore',
  rollbackWindowMs: 0,
  suspend: false,
  skipAnalysis: false,
  ...over,
})

export const workloadOf = (revision: string, over: Partial<Workload> = {}): Workload => ({
  revision,
  name: `web-${revision}`,
  uid: `uid-${revision}`,
  generation: 1,
  createdAt: NOW - 3_600_000,
  hash: `hash-${revision}`,
  skipAnalysis: false,
  stamp: undefined,
  floor: undefined,
  replicas: 4,
  ready: 4,
  settled: true,
  trouble: undefined,
  ...over,
})

export const ledgerOf = (over: Partial<Ledger> = {}): Ledger => ({
  uid: 'uid-vs',
  stable: 'v1',
  promotions: 0,
  open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' } },
  failed: {},
  ...over,
})

export const routeOf = (ledger: Ledger | undefined, over: Partial<RouteFacts> = {}): RouteFacts => ({
  record: { namespace: 'test', name: 'web', mode: 'Route' },
  uid: 'uid-vs',
  resourceVersion: '1',
  own: false,
  mesh: true,
  ledger,
  lost: false,
  content: ledger === undefined ? 'unpinned' : 'ours',
  originals: [],
  reaches: ledger === undefined ? ['*'] : [ledger.stable, ...(ledger.exposure === undefined ? [] : [ledger.exposure.revision])],
  ...over,
})

const seen = (revision: string) => ({ revision, uid: `uid-${revision}`, hash: `hash-${revision}`, generation: 1, since: STARTED })

export const statusOf = (over: Partial<CanaryStatus> = {}): CanaryStatus => ({
  phase: 'Idle',
  waits: [],
  stableRevision: 'v1',
  seen: [seen('v1')],
  routes: [],
  checks: [],
  history: [],
  conditions: [],
  ...over,
})

export const checkOf = (verdict: Check['verdict'], failures = 0): Check => ({
  name: 'error-rate', verdict, value: '0%', bound: '1%', requests: 100, needed: 0, failures, failureThreshold: 2, dryRun: false, message: `error-rate says ${verdict}`, at: NOW,
})

/** Everything stood for an hour; v1 is stable, and alone. */
export function idleWorld(over: Overrides = {}): World {
  const routes = over.mesh?.routes ?? [routeOf(ledgerOf())]
  const workloads = over.workloads ?? [workloadOf('v1', { stamp: 'v1@adoption' })]
  return {
    canary: { namespace: 'test', name: 'web' },
    settings: settings(),
    status: statusOf(),
    now: NOW,
    workloads,
    endpoints: Object.fromEntries(workloads.map(({ revision, ready }) => [revision, ready])),
    ages: { routes: 3_600_000, subsets: { v1: 3_600_000, v2: 3_600_000, v3: 3_600_000 }, ready: { v1: 3_600_000, v2: 3_600_000, v3: 3_600_000 } },
    growths: {},
    previews: {},
    evidence: NO_EVIDENCE,
    closed: undefined,
    noSlot: undefined,
    actions: [],
    stale: undefined,
    ...over,
    mesh: {
      refusals: [],
      routes,
      rule: { exists: true, uid: 'uid-dr', resourceVersion: '1', subsets: { v1: 'v1@adoption' }, conform: true },
      covered: routes.some(({ mesh }) => mesh),
      delegateMissing: false,
      namedAtFirst: undefined,
      reached: routes.flatMap(({ reaches }) => reaches),
      namedByUser: [],
      ...over.mesh,
    },
  }
}

/** v2 is being rolled out: open, stamped, with a subset, exposed as `step` says (-1: dark), its checks passing. */
export function rollingWorld(step: number, over: Overrides = {}): World {
  const wanted = over.settings ?? settings()
  const exposure: Exposure | undefined = step < 0 ? undefined : exposureOf(wanted, 'v2', step)
  const ledger = ledgerOf({ open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' }, v2: { rollout: ROLLOUT, hash: 'hash-v2' } }, ...(exposure === undefined ? {} : { exposure }) })
  const total = wanted.steps.length
  return idleWorld({
    settings: wanted,
    status: statusOf({
      phase: 'Progressing',
      step: `${Math.min(step + 1, total)}/${total}`,
      seen: [seen('v1'), seen('v2')],
      rollout: { revision: 'v2', stepIndex: Math.max(0, Math.min(step, total - 1)), startedAt: STARTED, stepStartedAt: STARTED, observed: '0s' },
    }),
    workloads: [workloadOf('v1', { stamp: 'v1@adoption', floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: ROLLOUT })],
    evidence: step < 0 ? NO_EVIDENCE : { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Pass')] },
    ...over,
    mesh: {
      routes: [routeOf(ledger)],
      rule: { exists: true, uid: 'uid-dr', resourceVersion: '1', subsets: { v1: 'v1@adoption', v2: ROLLOUT }, conform: true },
      ...over.mesh,
    },
  })
}
