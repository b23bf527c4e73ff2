import type { CanaryStatus } from '../api/canary.ts'
import type { EventNote } from './decision.ts'
import { isEventReason } from './event-reasons.ts'

const TROUBLES = ['Stalled', 'Degraded']

/**
 * What people must hear of, told from the difference between two statuses: once, and also where the pass that made the
 * difference could not tell it, because one of its writes was refused or the process died.
 */
export function turns(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  return [...rolledBack(before, after), ...promoted(before, after), ...troubles(before, after)]
}

function rolledBack(before: CanaryStatus | undefined, { failed }: CanaryStatus): readonly EventNote[] {
  const told = failed === undefined || (before?.failed?.revision === failed.revision && before.failed.at === failed.at)
  return told || before === undefined ? [] : [{ type: 'Warning', reason: 'RolledBack', note: `${failed.revision} rolled back: ${failed.message ?? failed.reason ?? ''}` }]
}

function promoted(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  const [last] = after.history
  if (before?.stableRevision === undefined || before.stableRevision === after.stableRevision || last?.result !== 'Promoted') return []
  return [{ type: 'Normal', reason: 'Promoted', note: `${last.revision} is stable; ${before.stableRevision} stands by at full size for a while` }]
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
