import type { CanaryStatus } from '../api/canary.ts'
import type { EventNote } from './decision.ts'

const TOLD = ['Stalled', 'Degraded']

/** A Warning for each trouble that a condition says now and did not say before: once, not at every pass. */
export function troubles(before: CanaryStatus | undefined, after: CanaryStatus): readonly EventNote[] {
  return after.conditions.flatMap((condition): EventNote[] => {
    const known = before?.conditions.find(({ type }) => type === condition.type)
    const said = known?.status === 'True' && known.reason === condition.reason
    if (!TOLD.includes(condition.type) || condition.status !== 'True' || said) return []
    return [{ type: 'Warning', reason: condition.reason, note: condition.message }]
  })
}
