import type { CanaryPhase, CanaryStatus, CheckStatus, RevisionStatus, RolloutStatus } from '../api/canary.ts'
import { formatDuration } from '../api/duration.ts'
import { formatPercent } from '../api/percent.ts'
import { conditionsOf } from './conditions.ts'
import type { Decision, Hold } from './decision.ts'
import { stepShown } from './due-checks.ts'
import { floorOf, type Facts } from './facts.ts'
import { stableLast } from './versions.ts'
import type { Check, Workload } from './world.ts'

/** The status to show: everything that can be derived is derived anew, so that it can never drift from the objects. */
export function projected(before: Facts, after: Facts, decision: Decision): CanaryStatus {
  const { world, s, c, exposure, seen } = after
  const weight = exposure?.weight ?? 0
  const carried = world.status
  const ordered = decision.change.last === undefined ? seen : stableLast(seen, decision.change.last)
  const begins = decision.change.stepStarted === true || (carried?.rollout !== undefined && carried.step !== stepShown(after))
  const rollout = rolloutNow(after, decision.hold, begins)
  const failed = failedLast(after)
  return {
    phase: phaseShown(after),
    message: messageOf(after, decision).slice(0, 1024),
    ...(rollout === undefined ? {} : { step: stepShown(after) }),
    weight: formatPercent(weight),
    ...(s === undefined || !after.adopted ? {} : { stableRevision: s, stable: revisionOf(after.stable, s, formatPercent(100 - weight), before.s === s ? carried?.stable?.since : undefined, world.now) }),
    ...(c === undefined ? {} : { canaryRevision: c.revision, canary: revisionOf(after.canary, c.revision, formatPercent(weight), carried?.rollout?.startedAt, world.now) }),
    waits: [],
    ...(carried?.previous === undefined ? {} : { previous: carried.previous }),
    seen: after.adopted ? ordered.map((entry) => withFailure(after, entry)) : [],
    ...(rollout === undefined ? {} : { rollout }),
    ...(failed === undefined ? {} : { failed }),
    routes: world.mesh.routes.filter(({ record }) => record.name !== '').map(({ record }) => record),
    checks: c === undefined ? (carried?.checks ?? []) : begins ? [] : world.evidence.checks.map(checkShown),
    history: carried?.history ?? [],
    conditions: conditionsOf(after, decision.hold),
  }
}

function phaseShown({ world, phase }: Facts): CanaryPhase {
  return world.settings.suspend ? 'Suspended' : phase
}

function messageOf(facts: Facts, { hold, reason, action }: Decision): string {
  if (hold !== undefined) return hold.message
  if (facts.phase === 'Idle') return `${facts.s ?? ''} serves`
  if (facts.phase === 'Failed') {
    const failed = failedLast(facts)
    return `${failed?.revision ?? ''} failed: ${failed?.message ?? failed?.reason ?? ''}; ${facts.s ?? ''} serves`
  }
  return action.kind === 'none' ? (facts.world.status?.message ?? reason) : reason
}

function revisionOf(deployment: Workload | undefined, revision: string, weight: string, since: string | undefined, now: number): RevisionStatus {
  return {
    revision,
    ...(deployment === undefined ? {} : { workload: deployment.name, replicas: deployment.replicas, readyReplicas: deployment.ready }),
    weight,
    since: since ?? new Date(now).toISOString(),
  }
}

/** A step that begins starts its clock anew, also where the write that began it could not say so. */
function rolloutNow(facts: Facts, hold: Hold | undefined, begins: boolean): RolloutStatus | undefined {
  const { world, exposure } = facts
  const rollout = facts.c === undefined ? undefined : world.status?.rollout
  if (rollout === undefined) return undefined
  const { waitingFor: before, until: since, ...kept } = rollout
  const floor = floorOf(facts)
  const waitingFor = begins ? undefined : hold === undefined ? before : hold.waitingFor
  const until = waitingFor === 'Pods' ? podsUntil(facts, before, since) : hold?.until === undefined ? undefined : new Date(hold.until).toISOString()
  const stepIndex = Math.min(Math.max(exposure?.step ?? 0, 0), world.settings.steps.length - 1)
  const stepName = world.settings.steps[stepIndex]?.name
  return {
    ...kept,
    stepIndex,
    ...(stepName === undefined ? {} : { stepName }),
    steps: world.settings.steps.length,
    ...(begins ? { stepStartedAt: new Date(world.now).toISOString() } : {}),
    observed: begins ? '0s' : formatDuration(Math.floor(world.evidence.observedMs / 1000) * 1000),
    ...(floor === undefined ? {} : { stableReplicas: floor }),
    ...(waitingFor === undefined ? {} : { waitingFor }),
    ...(until === undefined ? {} : { until }),
  }
}

/** The progress deadline runs from the moment pods were first waited for, whoever restarts in between. */
function podsUntil({ world }: Facts, before: RolloutStatus['waitingFor'], since: string | undefined): string {
  return before === 'Pods' && since !== undefined ? since : new Date(world.now + world.settings.progressDeadlineMs).toISOString()
}

function failedLast({ ledger, world }: Facts): CanaryStatus['failed'] {
  const latest = Object.entries(ledger.failed).sort(([, a], [, b]) => b.at - a.at)[0]
  if (latest === undefined) return undefined
  const [revision, { hash, reason, message, at }] = latest
  const shown = world.status?.failed?.revision === revision && world.status.failed.hash === hash ? world.status.failed.at : undefined
  return { revision, hash, reason, message, at: shown ?? new Date(at).toISOString() }
}

function withFailure({ ledger }: Facts, entry: CanaryStatus['seen'][number]): CanaryStatus['seen'][number] {
  const { failed: _old, ...kept } = entry
  const tombstone = ledger.failed[entry.revision]
  return tombstone === undefined || tombstone.hash !== entry.hash ? kept : { ...kept, failed: tombstone.reason }
}

const checkShown = (check: Check): CheckStatus => ({
  name: check.name,
  verdict: check.verdict,
  ...(check.value === undefined ? {} : { value: check.value }),
  bound: check.bound,
  requests: check.requests,
  needed: check.needed,
  failures: check.failures,
  ...(check.dryRun ? { dryRun: true } : {}),
  message: check.message.slice(0, 256),
  time: new Date(check.at).toISOString(),
})
