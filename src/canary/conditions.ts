import type { Condition } from '../api/canary.ts'
import type { Hold } from './decision.ts'
import type { EventReason } from './event-reasons.ts'
import { isContested, isNamed, tombstoneOf, type Facts } from './facts.ts'
import { noStablePod } from './fit.ts'
import { stableAnswers, startHold, whyRollBack } from './guards.ts'
import { isTargetContested } from './target.ts'
import { knownHash } from './versions.ts'
import { instant } from './instant.ts'

type State = readonly [status: Condition['status'], reason: string, message: string]

/**
 * kstatus' Ready, Reconciling and Stalled, and Serin's own Promoted and Degraded. Ready says that stable answers, not
 * that a rollout has ended: for that there are Promoted (True, Unknown under way, False failed) and Reconciling.
 */
export function conditionsOf(facts: Facts, hold: Hold | undefined): readonly Condition[] {
  const states: Readonly<Record<string, State>> = {
    Ready: ready(facts),
    Reconciling: reconciling(facts, hold),
    Stalled: hold?.stalled === undefined ? ['False', 'NotStalled', ''] : ['True', hold.stalled, hold.message],
    Promoted: promoted(facts),
    Degraded: degraded(facts),
  }
  return Object.entries(states).map(([type, state]) => condition(facts, type, state))
}

/** One condition, with the time of its last change of status kept. */
export function condition({ world }: Pick<Facts, 'world'>, type: string, [status, reason, message]: State): Condition {
  const before = world.status?.conditions.find((known) => known.type === type)
  const since = before?.status === status ? before.lastTransitionTime : instant(world.now)
  return { type, status, reason, message, lastTransitionTime: since }
}

function ready(facts: Facts): State {
  if (!facts.adopted) return ['False', 'Initializing', 'routes are not pinned to a stable version yet']
  return stableAnswers(facts) ? ['True', 'Serving', `${facts.s ?? ''} serves`] : ['False', 'NoStableEndpoint', noStablePod(facts)]
}

const MOVING: ReadonlySet<Facts['phase']> = new Set(['Initializing', 'Progressing', 'Promoting', 'RollingBack'])
/** What Serin itself can do nothing about. */
const AWAITED: ReadonlySet<Hold['waitingFor']> = new Set(['Person', 'Approval', 'Window'])

function reconciling(facts: Facts, hold: Hold | undefined): State {
  const { phase, world } = facts
  if (phase === 'Waiting' && startHold(facts)?.queued === true) return ['True', 'WaitingForSlot', '']
  const isHeld = hold?.stalled !== undefined || AWAITED.has(hold?.waitingFor) || world.settings.suspend
  return isHeld || !MOVING.has(phase) ? ['False', phase, ''] : ['True', phase, '']
}

function promoted(facts: Facts): State {
  const { phase, t, c } = facts
  if (phase === 'Idle') return servesAsPromoted(facts)
  const tombstone = tombstoneOf(facts) ?? (t === undefined ? undefined : facts.ledger.failed[t.revision])
  if (phase === 'Failed' || phase === 'RollingBack') return ['False', tombstone?.reason ?? 'Failed', tombstone?.message ?? '']
  return ['Unknown', phase, c === undefined ? '' : `${c.revision} is being rolled out`]
}

/** What was changed in place was not promoted: whoever waits for that must not hear of it. */
function servesAsPromoted(facts: Facts): State {
  const bypassed = changedInPlace(facts)
  return bypassed === undefined ? ['True', 'Promoted', `${facts.s ?? ''} is stable`] : ['Unknown', ...bypassed]
}

function degraded(facts: Facts): State {
  const found = noWayBack(facts) ?? contested(facts) ?? targetContested(facts) ?? refused(facts) ?? changedInPlace(facts) ?? blind(facts) ?? reachedInTheDark(facts)
  return found === undefined ? ['False', 'AsExpected', ''] : ['True', ...found]
}

type Trouble = readonly [reason: EventReason, message: string] | undefined

function noWayBack(facts: Facts): Trouble {
  if (!facts.adopted || stableAnswers(facts)) return undefined
  const failing = facts.c !== undefined && isNamed(facts, facts.c.revision) && whyRollBack(facts) !== undefined
  return ['NoStableEndpoint', failing ? `the canary fails and there is no way back: ${noStablePod(facts)}` : noStablePod(facts)]
}

const contested = (facts: Facts): Trouble => (isContested(facts) ? ['RouteContested', 'others keep changing the managed routes: see docs/gitops.md'] : undefined)

const targetContested = (facts: Facts): Trouble =>
  isTargetContested(facts)
    ? ['ReplicasContested', `somebody keeps giving ${facts.world.target?.name ?? ''} pods, which no route reaches: take spec.replicas out of what is applied, and point scalers at the Canary`]
    : undefined

/** At rest nobody asks for a release, and nobody would hear that the next one will be refused. */
function refused({ phase, world }: Facts): Trouble {
  const refusal = phase === 'Idle' || phase === 'Failed' ? world.mesh.refusals[0] : undefined
  return refusal && [refusal.reason, refusal.message]
}

/** What was opened, and analysed, is not what runs under stable's name. */
function changedInPlace({ adopted, stable, seen, ledger }: Facts): Trouble {
  const opened = stable && ledger.open[stable.revision]?.hash
  if (!adopted || stable === undefined || opened === undefined || opened === '' || knownHash(seen, stable) === opened) return undefined
  return ['StableChangedInPlace', `the template of ${stable.name} was changed while it serves: nothing was analysed; make it a version of its own`]
}

const blind = ({ world }: Facts): Trouble =>
  world.evidence.blindSince === undefined ? undefined : ['PrometheusBlind', `no check has seen anything since ${instant(world.evidence.blindSince)}`]

const reachedInTheDark = ({ world }: Facts): Trouble =>
  world.evidence.darkReached === undefined ? undefined : ['DarkPodsReached', world.evidence.darkReached]
