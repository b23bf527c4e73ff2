import { describe, it } from 'vitest'
import { virtualService } from '../fixtures.ts'
import { befallEveryWrite, endAsUndisturbed, isNoEvent, MOST_MS } from './every-write.ts'
import type { Fault } from './saboteur.ts'

const FAULTS: readonly (readonly [Fault, string])[] = [
  ['crash-before', 'dies before any write'], ['crash-after', 'dies after any write, unanswered,'], ['409', 'is refused any write as a conflict'],
  ['500', 'has any write answered with an error'], ['lands-late', 'has any write land 20 s late'], ['stale-caches', 'decides on caches that stand still'],
]

/** Nothing fences a creation: one that lands after the Canary is gone stays (docs/protocol.md). */
const isFenced = (write: string): boolean => !write.startsWith('POST')

describe.each(['target-deleted', 'versions-deleted'] as const)('a Canary is deleted (%s) while its operator', (of) => {
  it.each(FAULTS)('%s: %s and it ends as it would have', (fault) => befallEveryWrite(fault, fault === 'lands-late' ? isFenced : isNoEvent, { of, objects: [virtualService()] }), MOST_MS)
  it('has a second beside it', () => endAsUndisturbed([{ name: 'two leaders', leaders: 2 }], { of, objects: [virtualService()] }), MOST_MS)
})
