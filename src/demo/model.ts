import type { CanaryStatus, CheckStatus } from '../api/canary.ts'
import { parseDuration } from '../api/duration.ts'
import { formatPercent, parsePercent } from '../api/percent.ts'
import type { Metric, Step } from '../api/settings.ts'
import type { Load } from '../sandbox/load.ts'
import type { VersionTally } from '../sandbox/mesh-tally.ts'
import type { Chronicle, Moment } from './chronicle.ts'
import { type Counts, countsOf, failedShare } from './outcome.ts'

/** All that a frame shows. */
export type Model = {
  /** The present act, from 1; 0 before the first. */
  readonly act: number
  readonly acts: readonly Act[]
  readonly elapsedMs: number
  readonly users: Stream | undefined
  readonly bare: Stream | undefined
  readonly canary: CanaryView | undefined
  readonly gates: readonly Gate[]
  readonly versions: readonly VersionView[]
  readonly moments: readonly Moment[]
}

/** A part of the story. */
export type Act = {
  readonly title: string
  readonly tells: string
  /** What users got in it; undefined before it has ended. */
  readonly users: Counts | undefined
}

/** Requests as those who send them see them. */
export type Stream = Counts & {
  /** Requests sent in the last whole second. */
  readonly rps: number
  /** The share that failed in each of the last seconds, oldest first. */
  readonly shares: readonly number[]
}

/** The Canary, and how far its release has come. */
export type CanaryView = {
  readonly phase: CanaryStatus['phase']
  readonly message: string
  readonly revision: string | undefined
  /** "mirror", "5%" and so on; promotion is the last. */
  readonly steps: readonly string[]
  /** The present step, or the last one begun; -1 before the first. */
  readonly at: number
  /** How much of it is done, 0 to 1. */
  readonly done: number
  readonly failed: boolean
}

/** A metric, and what was last said of it. */
export type Gate = { readonly name: string; readonly bound: string; readonly check: CheckStatus | undefined }

export type Role = 'stable' | 'canary' | 'dark' | 'failed' | 'standby' | 'retired' | 'waiting'

/** One version of the Service. */
export type VersionView = VersionTally & {
  readonly role: Role
  readonly pods: number
  readonly ready: number
  /** Share of the users' requests, 0 to 1. */
  readonly weight: number
}

/** What a load looks like from outside, at `nowMs` since the epoch. */
export function streamOf(load: Load, nowMs: number): Stream {
  const whole = load.history().filter(({ atMs }) => atMs + 1000 <= nowMs)
  return {
    ...countsOf(load.total()),
    rps: whole.find(({ atMs }) => atMs + 2000 > nowMs)?.sent ?? 0,
    shares: whole.map((second) => failedShare(countsOf(second))),
  }
}

/** The Canary as the screen shows it; undefined before it has a status. */
export function canaryOf(chronicle: Chronicle): CanaryView | undefined {
  const { live: status, settings } = chronicle
  if (status === undefined || settings === undefined) return undefined
  const { phase, message = '', rollout } = status
  const failed = phase === 'Failed' || phase === 'RollingBack'
  const revision = revisionOf(status)
  return {
    phase,
    message,
    revision,
    steps: [...settings.steps.map(stepLabel), 'promoted'],
    at: revision === undefined ? -1 : placeOf(status, settings.steps.length) ?? chronicle.reached(revision),
    done: failed ? 1 : doneOf(status, settings.steps[rollout?.stepIndex ?? 0]),
    failed,
  }
}

/** The version whose release is, or was last, under way. */
const revisionOf = ({ rollout, phase, failed, history }: CanaryStatus): string | undefined =>
  rollout?.revision ?? (phase === 'Failed' ? failed?.revision : history[0]?.revision)

/** Where a release stands that has passed every step. */
function placeOf({ phase, history }: CanaryStatus, steps: number): number | undefined {
  if (phase === 'Promoting') return steps
  return phase === 'Idle' && history[0]?.result === 'Promoted' ? steps + 1 : undefined
}

const stepLabel = ({ name, weight, mirror, match }: Step): string =>
  weight > 0 ? formatPercent(weight) : mirror === undefined && match.length === 0 ? 'dark' : name

/** A step is done when it was observed for long enough and every gate has its requests: the lesser share counts. */
function doneOf({ rollout, checks }: CanaryStatus, step: Step | undefined): number {
  if (rollout === undefined || step === undefined || step.forMs === 0) return 0
  const observed = parseDuration(rollout.observed ?? '0s') / step.forMs
  const evidence = checks.map(({ requests = 0, needed = 0 }) => (requests + needed === 0 ? 1 : requests / (requests + needed)))
  return Math.min(1, observed, ...evidence)
}

/** Every gate of the Canary, with its last verdict where it has one. */
export const gatesOf = ({ settings, checks }: Chronicle): readonly Gate[] =>
  (settings?.analysis.metrics ?? []).map((metric) => ({
    name: metric.kind === 'latency' ? `${metric.name} p${metric.percentile}` : metric.name,
    bound: boundOf(metric),
    check: checks.find(({ name }) => name === metric.name),
  }))

const boundOf = ({ kind, max }: Metric): string => (kind === 'latency' ? `${max}ms` : formatPercent(max * 100))

/** What the cluster and the mesh know of one version. */
export type VersionFacts = Pick<VersionView, 'version' | 'pods' | 'ready'> & { readonly tally: VersionTally | undefined }

/** A version with its place in the release. */
export function versionOf(status: CanaryStatus | undefined, { version, pods, ready, tally }: VersionFacts): VersionView {
  const none = { workload: '', requests: 0, errors: 0, mirrored: 0, mirroredErrors: 0 }
  const weight = version === status?.stableRevision ? status.stable?.weight : version === status?.canaryRevision ? status.canary?.weight : undefined
  return { ...none, ...tally, version, pods, ready, role: roleOf(status, version, pods), weight: parsePercent(weight ?? '0%') / 100 }
}

function roleOf(status: CanaryStatus | undefined, version: string, pods: number): Role {
  if (status === undefined) return 'waiting'
  const { stableRevision, canaryRevision, previous, seen, step } = status
  const roles = [
    ['stable', version === stableRevision],
    ['failed', seen.some(({ revision, failed }) => revision === version && failed !== undefined)],
    ['dark', version === canaryRevision && step?.startsWith('0/') === true],
    ['canary', version === canaryRevision],
    ['standby', version === previous?.revision],
    ['retired', pods === 0],
  ] as const
  return roles.find(([, holds]) => holds)?.[0] ?? 'waiting'
}
