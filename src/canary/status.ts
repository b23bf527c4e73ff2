import type { CanaryPhase, CanaryStatus, CheckStatus, RevisionStatus, RolloutStatus } from '../api/canary.ts'
import { formatDuration } from '../api/duration.ts'
import { formatPercent } from '../api/percent.ts'
import { conditionsOf } from './conditions.ts'
import type { Decision, Hold } from './decision.ts'
import { defined } from './defined.ts'
import { isTold, stepIndexOf, stepShown } from './due-checks.ts'
import { type Facts, tombstoneOf, workload } from './facts.ts'
import { floorKnown, noStablePod } from './fit.ts'
import { stableAnswers, startHold } from './guards.ts'
import { instant } from './instant.ts'
import { analysisSkipped } from './people.ts'
import { unbegun } from './unbegun.ts'
import type { Check, Workload, World } from './world.ts'

/** The status to show: everything that can be derived is derived anew, so that it can never drift from the objects. */
export function projected(before: Facts, after: Facts, decision: Decision): CanaryStatus {
  const { world } = after
  const carried = world.status
  const begins = decision.change.stepStarted === true || (carried?.rollout !== undefined && !isTold(after))
  const rollout = rolloutNow(after, decision.hold, begins)
  return defined({
    observedTarget: targetNow(after),
    phase: phaseShown(after),
    message: messageOf(after, decision).slice(0, 1024),
    step: rollout && stepShown(after),
    weight: formatPercent(after.c === undefined ? 0 : (after.exposure?.weight ?? 0)),
    ...stableNow(before, after),
    ...canaryNow(after),
    waits: waitsNow(after, rollout, decision.hold),
    paused: carried?.paused,
    previous: carried?.previous,
    seen: seenNow(after),
    ...scaleShown(after),
    rollout,
    failed: failedLast(after),
    routes: recorded(after),
    checks: checksNow(after, begins),
    history: [...unbegun(before), ...carried?.history ?? []].slice(0, MOST_HISTORY),
    conditions: conditionsOf(after, decision.hold),
  })
}

const MOST_HISTORY = 10

/** What the API has room for; more is refused before anything moves. */
const MOST_RECORDED = 32

/** A route is recorded once it carries a ledger: one that was never pinned cannot have lost it. */
const recorded = ({ world }: Facts): CanaryStatus['routes'] =>
  world.mesh.routes.filter(({ record, ledger, lost }) => record.name !== '' && (ledger !== undefined || lost)).map(({ record }) => record).slice(0, MOST_RECORDED)

/** Those of the step that stands; once the rollout is over, the ones that decided. */
function checksNow({ c, phase, world }: Facts, begins: boolean): CanaryStatus['checks'] {
  const over = c === undefined || phase === 'RollingBack'
  if (over && world.evidence.checks.length === 0) return world.status?.checks ?? []
  if (over) return world.evidence.checks.map(checkShown)
  return begins ? [] : world.evidence.checks.map(checkShown)
}

const phaseShown = ({ world, phase }: Facts): CanaryPhase => (world.settings.suspend && phase !== 'Terminating' ? 'Suspended' : phase)

function messageOf(facts: Facts, { hold, reason, action }: Decision): string {
  if (facts.phase === 'RollingBack') return `${tombstoneOf(facts)?.message ?? 'rolled back'}; ${(hold ?? { message: reason }).message}`
  const atRest = restingMessage(facts)
  return hold?.message ?? atRest ?? (action.kind === 'none' ? (facts.world.status?.message ?? reason) : reason)
}

function restingMessage(facts: Facts): string | undefined {
  if (facts.phase === 'Failed') return failureShown(facts)
  if (facts.phase === 'Waiting') return startHold(facts)?.message
  if (facts.phase !== 'Idle') return undefined
  return stableAnswers(facts) ? `${String(facts.s)} serves` : noStablePod(facts)
}

function failureShown(facts: Facts): string {
  const { revision, message } = failedLast(facts) ?? { revision: 'a version', message: '' }
  return `${revision} failed: ${message ?? ''}; ${String(facts.s)} serves${scaledByOthers(facts, revision)}`
}

/** Its pods are whoever's who started them: they are left alone, and stay where no route of ours leads. */
function scaledByOthers({ world: { workloads } }: Facts, revision: string): string {
  const failed = workload(workloads, revision)
  return failed === undefined || failed.replicas === 0 ? '' : `; somebody scaled ${failed.name} to ${failed.replicas}: no managed route leads there until it changes or is named anew`
}

/** What this status speaks of: the Deployment of what should serve, as it was seen. */
function targetNow({ t, world: { workloads, target: made } }: Facts): CanaryStatus['observedTarget'] {
  const target = made ?? workload(workloads, t?.revision)
  const { hash, config = {} } = made ?? {}
  const content = { ...(hash === undefined ? {} : { hash }), ...(Object.keys(config).length === 0 ? {} : { config }) }
  return t && target && { name: target.name, uid: target.uid, generation: target.generation, revision: t.revision, ...content }
}

function stableNow(before: Facts, { adopted, s, stable, exposure, world }: Facts) {
  if (!adopted || s === undefined) return {}
  const since = before.s === s ? world.status?.stable?.since : undefined
  return { stableRevision: s, stable: revisionOf(s, stable, 100 - (exposure?.weight ?? 0), since ?? instant(world.now)) }
}

function canaryNow({ c, canary, exposure, world }: Facts) {
  if (c === undefined) return {}
  return { canaryRevision: c.revision, canary: revisionOf(c.revision, canary, exposure?.weight ?? 0, world.status?.rollout?.startedAt ?? instant(world.now)) }
}

const revisionOf = (revision: string, deployment: Workload | undefined, weight: number, since: string): RevisionStatus =>
  defined({ revision, workload: deployment?.name, weight: formatPercent(weight), replicas: deployment?.replicas, readyReplicas: deployment?.ready, since })

/** A step that begins starts its clock anew, also where the write that began it could not say so. */
function rolloutNow(facts: Facts, hold: Hold | undefined, begins: boolean): RolloutStatus | undefined {
  const { world } = facts
  const rollout = facts.c === undefined ? undefined : world.status?.rollout
  if (rollout === undefined) return undefined
  const { steps } = world.settings
  const waitingFor = begins ? undefined : (hold ?? rollout).waitingFor
  const stepIndex = stepIndexOf(facts)
  return defined({
    revision: rollout.revision,
    stepIndex,
    stepName: steps[stepIndex]?.name,
    steps: steps.length,
    startedAt: rollout.startedAt,
    ...(begins ? { stepStartedAt: instant(world.now), observed: '0s' } : { stepStartedAt: rollout.stepStartedAt, observed: observedNow(world) }),
    stableReplicas: floorKnown(facts),
    asked: rollout.asked,
    approvals: rollout.approvals,
    skips: rollout.skips,
    analysisSkipped: analysisSkipped(facts),
    waitingFor,
    until: waitingFor === 'Pods' ? podsUntil(facts, rollout) : (untilOf(hold) ?? (waitingFor === 'Propagation' ? rollout.until : undefined)),
  })
}

const ADMISSIONS = ['Window', 'Slot']

/** A window or a slot that is waited for, and since when the release has waited for either: its place in line. */
function waitsNow(facts: Facts, rollout: RolloutStatus | undefined, given: Hold | undefined): CanaryStatus['waits'] {
  const hold = facts.phase === 'Waiting' ? startHold(facts) : given
  const isWindow = facts.phase === 'Waiting' ? hold?.waitingFor === 'Window' : rollout?.waitingFor === 'Window'
  if (!isWindow && hold?.queued !== true) return []
  const before = facts.world.status?.waits.find((wait) => ADMISSIONS.includes(wait.for))
  return [defined({ for: isWindow ? 'Window' : 'Slot', since: before?.since ?? instant(facts.world.now), until: untilOf(hold) })]
}

const observedNow = ({ evidence }: World): string => formatDuration(Math.floor(evidence.observedMs / 1000) * 1000)

const untilOf = (hold: Hold | undefined): string | undefined => (hold?.until === undefined ? undefined : instant(hold.until))

/** The progress deadline runs from the moment pods were first waited for, whoever restarts, or is ready for a moment, in between. */
const podsUntil = ({ world }: Facts, { until }: RolloutStatus): string => until ?? instant(world.now + world.settings.progressDeadlineMs)

/** What scalers read through /scale: stable alone, whatever else runs. */
function scaleShown({ stable, world: { settings } }: Facts) {
  if (stable === undefined || settings.source.kind !== 'target') return {}
  return { replicas: stable.replicas, selector: stable.selector }
}

function failedLast({ ledger }: Facts): CanaryStatus['failed'] {
  const latest = Object.entries(ledger.failed).filter(([, { retried }]) => retried === undefined).sort(([, a], [, b]) => b.at - a.at)[0]
  if (latest === undefined) return undefined
  const [revision, { hash, reason, message, at }] = latest
  return { revision, hash, reason, message, at: instant(at) }
}

function seenNow(facts: Facts): CanaryStatus['seen'] {
  if (!facts.adopted) return []
  return facts.seen.map((entry) => {
    const tombstone = facts.ledger.failed[entry.revision]
    return defined({ ...entry, failed: tombstone?.hash === entry.hash && tombstone.retried === undefined ? tombstone.reason : undefined })
  })
}

const checkShown = ({ name, verdict, value, bound, requests, needed, failures, dryRun, message, at }: Check): CheckStatus =>
  defined({ name, verdict, value, bound, requests, needed, failures, dryRun: dryRun ? true : undefined, message: message.slice(0, 256), time: instant(at) })
