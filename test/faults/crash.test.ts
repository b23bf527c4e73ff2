import { describe, it } from 'vitest'
import { befallEveryWrite, MOST_MS } from './every-write.ts'

describe('an operator that dies', () => {
  it('before any of its writes is followed by one that ends where it would have', () => befallEveryWrite('crash-before'), MOST_MS)
  it('after any of its writes, unanswered, is followed by one that ends where it would have', () => befallEveryWrite('crash-after'), MOST_MS)
})
