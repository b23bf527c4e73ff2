import { describe, it } from 'vitest'
import { befallEveryWrite, isNoEvent, MOST_MS } from './every-write.ts'

describe('a write that the API server refuses', () => {
  it('as a conflict, whichever it is, is decided again and changes nothing in the end', () => befallEveryWrite('409', isNoEvent), MOST_MS)
  it('as one too many, whichever it is, is decided again and changes nothing in the end', () => befallEveryWrite('429', isNoEvent), MOST_MS)
  it('with an error of its own, whichever it is, is decided again and changes nothing in the end', () => befallEveryWrite('500', isNoEvent), MOST_MS)
})
