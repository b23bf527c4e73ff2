import type { Settings, Step } from '../../src/api/settings.ts'
import { D, P, type Wishes } from './objects.ts'

/** What one walk is about: what the Canary's spec says, beside what people change in it on the way. */
export type Style = {
  readonly source: 'versions' | 'target'
  /** A gateway has a VirtualService of its own. */
  readonly gate: boolean
  /** Users stay with the version that they met. */
  readonly affinity: boolean
  /** Tests reach the canary before users do. */
  readonly preview: boolean
  /** Of the canary in each step; undefined: its share of stable's. */
  readonly canaryReplicas: number | undefined
  /** The first step begins before any pod. */
  readonly gated: boolean
  /** Somebody must approve the first step. */
  readonly approval: boolean
  /** An autoscaler sets the Canary's size. */
  readonly scaled: boolean
  /** Now and then windows are closed, and every slot is taken. */
  readonly windows: boolean
}

export const PLAIN: Style = { source: 'versions', gate: true, affinity: false, preview: false, canaryReplicas: undefined, gated: false, approval: false, scaled: false, windows: false }

const step = (weight: number, index: number): Step =>
  ({ name: `step-${index + 1}`, weight, match: [], mirror: undefined, forMs: 20_000, minRequests: 10, approval: false, deadlineMs: undefined })

const GATE: Step = { ...step(0, 0), name: 'gate', replicas: { pods: 0 }, minRequests: 0 }

const TESTERS = [{ headers: { 'x-tester': { exact: 'yes' } } }]

const source = ({ source: kind, canaryReplicas }: Style, replicas: number | undefined): Settings['source'] =>
  kind === 'versions'
    ? { kind, selector: { app: 'web' } }
    : { kind, name: 'web', replicas, canaryReplicas: canaryReplicas === undefined ? undefined : { pods: canaryReplicas }, ignoreAnnotations: ['restarts'], trackConfig: 'None', historyLimit: 1 }

export const settingsWith = (style: Style, { desired, suspend, approval, replicas }: Wishes): Settings => ({
  source: source(style, replicas),
  versionLabel: 'version',
  desired,
  service: 'web',
  httpRoutes: undefined,
  delegate: undefined,
  port: undefined,
  propagationMs: P,
  drainMs: D,
  sessionAffinity: style.affinity ? { cookie: 'web', attributes: '; Max-Age=3600; Path=/' } : undefined,
  preview: style.preview ? { service: 'web-preview', match: TESTERS } : { service: undefined, match: [] },
  steps: [...(style.gated ? [GATE] : []), ...[10, 50].map(step)].map((each, index) => ({ ...each, approval: approval && index === 0 })),
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
