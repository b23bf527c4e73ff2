import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextRun, scheduleProblem } from './schedule.ts'

const at = (text: string) => Date.parse(text)

describe('a schedule', () => {
  it.each([
    ['*/30 * * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:00:30Z'],
    ['*/30 * * * * *', '2026-01-01T00:00:29.999Z', '2026-01-01T00:00:30Z'],
    ['0 9 * * 1-5', '2026-01-02T09:00:00Z', '2026-01-05T09:00:00Z'],
    ['59 59 23 31 12 *', '2026-06-01T00:00:00Z', '2026-12-31T23:59:59Z'],
    ['45,15 18,6 * * *', '2026-01-01T00:00:00Z', '2026-01-01T06:15:00Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ])('%s after %s comes at %s, in UTC', (expression, after, next) => {
    expect(nextRun(expression, at(after))).toBe(at(next))
  })

  it('comes strictly later, every time', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 4e12 }), (after) => {
      const next = nextRun('*/7 * * * * *', after) ?? 0
      expect(next).toBeGreaterThan(after)
      expect(next - after).toBeLessThanOrEqual(7000)
    }), { numRuns: 50 })
  })

  it('that cannot be read, or never comes, is refused with what to write instead', () => {
    expect(scheduleProblem('every minute')).toContain('write 5 or 6 fields')
    expect(scheduleProblem('0 0 31 2 *')).toContain('never comes')
    expect(scheduleProblem('*/30 * * * * *')).toBeUndefined()
  })
})
