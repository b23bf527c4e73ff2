import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'

describe('durations', () => {
  it.each([
    ['0s', 0], ['500ms', 500], ['30s', 30_000], ['90m', 5_400_000],
    ['1h30m', 5_400_000], ['1h1m1s1ms', 3_661_001], ['1s1h', 3_601_000],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each(['', '5', '-5s', '1.5s', '5 s', '5d', '100000s', '1s1s1s1s1s'])('"%s" is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration like 30s, 5m or 1h30m`)
  })

  it('come back as they were written', () => {
    fc.assert(fc.property(fc.nat(99_999 * 3_600_000), (milliseconds) => {
      expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds)
    }))
  })

  it('are written short and whole', () => {
    expect([90_000, 0, -5, 1.6, 3_600_000].map(formatDuration)).toEqual(['1m30s', '0s', '0s', '2ms', '1h'])
  })
})
