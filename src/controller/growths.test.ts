import { describe, expect, it } from 'vitest'
import { Growths } from './growths.ts'

const MINUTE = 60_000

describe('growth of a revision', () => {
  const after = (...sizes: readonly number[]) => {
    const growths = new Growths()
    sizes.forEach((replicas, index) => growths.scaled('a/b', { revision: 'v2', replicas }, index * MINUTE))
    return growths
  }

  it('step by step is nobody else’s doing', () => {
    expect(after(1, 3, 5, 10).repeated('a/b', 4 * MINUTE)).toEqual({})
  })

  it('to a size that it had already is: somebody took it back', () => {
    expect(after(3, 3, 3, 2).repeated('a/b', 4 * MINUTE)).toEqual({ v2: 3 })
  })

  it('is forgotten after ten minutes', () => {
    expect(after(3, 3, 3).repeated('a/b', 20 * MINUTE)).toEqual({})
  })
})
