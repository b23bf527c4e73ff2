import { describe, it } from 'vitest'
import { befallEveryWrite, isNoEvent, MOST_MS } from './every-write.ts'

describe('a write without an answer', () => {
  it('that happened all the same, whichever it is, changes nothing in the end', () => befallEveryWrite('lost-answer', isNoEvent), MOST_MS)
  it('that hangs and lands 20 s late, whichever it is, changes nothing in the end', () => befallEveryWrite('lands-late', isNoEvent), MOST_MS)
})
