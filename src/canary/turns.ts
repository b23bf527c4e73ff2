import type { CanaryStatus } from '../api/canary.ts'
import type { EventNote } from './decision.ts'
import { isEventReason, type ReasonOf } from './event-reasons.ts'
import { movedConfig } from './tracked-config.ts'

const TROUBLES = ['Stalled', 'Degraded']

/**
 * What people must hear of, told from the difference between two statuses: once, and also where the pass that made the
 * difference could not tell it, because one of its writes was refused or the process died.
 */
export function turns(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  return [...configChanged(before, after), ...rolledBack(before, after), ...promoted(before, after), ...neverBegun(before, after), ...waiting(before, after), ...troubles(before, after)]
}

/** Names alone: what the objects say is nobody's business here. */
function configChanged(before: CanaryStatus | undefined, { observedTarget: now }: CanaryStatus): readonly EventNote[] {
  const known = before?.observedTarget
  const moved = now === undefined || known?.uid !== now.uid || known.revision === now.revision ? [] : movedConfig(known.config, now.config)
  return moved.length === 0 ? [] : [{ type: 'Normal', reason: 'ConfigChanged', note: `${moved.slice(0, MOST_NAMED).join(', ')}${moved.length > MOST_NAMED ? ' and others' : ''} changed: with it ${now?.name ?? ''} stands for revision ${now?.revision ?? ''}` }]
}

const MOST_NAMED = 3

function rolledBack(before: CanaryStatus | undefined, { failed }: CanaryStatus): readonly EventNote[] {
  const told = failed === undefined || (before?.failed?.revision === failed.revision && before.failed.at === failed.at)
  return told || before === undefined ? [] : [{ type: 'Warning', reason: failed.reason === 'Aborted' ? 'Aborted' : 'RolledBack', note: `${failed.revision} rolled back: ${failed.message ?? failed.reason ?? ''}` }]
}

function promoted(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  const [last] = after.history
  if (before?.stableRevision === undefined || before.stableRevision === after.stableRevision || last?.result !== 'Promoted') return []
  return [{ type: 'Normal', reason: 'Promoted', note: `${last.revision} is stable; ${before.stableRevision} stands by at full size for a while` }]
}

const WAITS: Readonly<Record<string, ReasonOf<'Normal'>>> = { Window: 'WindowClosed', Slot: 'WaitingForSlot' }

function waiting(before: CanaryStatus | undefined, { waits, message = '' }: CanaryStatus): readonly EventNote[] {
  const begun = waits.filter((wait) => before?.waits.some((known) => known.for === wait.for) !== true)
  return begun.flatMap((wait) => WAITS[wait.for] ?? []).map((reason) => ({ type: 'Normal', reason, note: message }))
}

/** A release that never began has no start: told from its entry, since no row of the machine ended it. */
function neverBegun(before: CanaryStatus | undefined, { history }: CanaryStatus): readonly EventNote[] {
  const isKnown = ({ revision, endedAt }: CanaryStatus['history'][number]) => before?.history.some((known) => known.revision === revision && known.endedAt === endedAt) === true
  return history.filter((entry) => entry.startedAt === undefined && !isKnown(entry))
    .map(({ revision, message }) => ({ type: 'Normal', reason: 'Superseded', note: `${revision}: ${message ?? ''}` }))
}

/** A condition says a trouble now that it did not say before. */
function troubles(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  return after.conditions.flatMap((condition): EventNote[] => {
    const known = before?.conditions.find(({ type }) => type === condition.type)
    const said = known?.status === 'True' && known.reason === condition.reason
    if (!TROUBLES.includes(condition.type) || condition.status !== 'True' || said || !isEventReason(condition.reason)) return []
    return [{ type: 'Warning', reason: condition.reason, note: condition.message }]
  })
}
