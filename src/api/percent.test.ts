import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPercent, parsePercent } from './percent.ts'

describe('percentages', () => {
  it('come back as they were written, to two digits', () => {
    fc.assert(fc.property(fc.nat(10_000), (hundredths) => {
      expect(parsePercent(formatPercent(hundredths / 100))).toBe(hundredths / 100)
    }))
  })

  it('are integers or text', () => {
    expect([parsePercent(5), parsePercent('5%'), parsePercent('2.50%'), parsePercent('100.00%')]).toEqual([5, 5, 2.5, 100])
  })

  it.each(['5', '101%', '100.01%', '1.234%', '-1%', '%'])('"%s" is refused', (text) => {
    expect(() => parsePercent(text)).toThrow(`"${text}" is not a percentage`)
  })

  it('are rounded for people', () => {
    expect([formatPercent(33.3333), formatPercent(25), formatPercent(0.1 * 3)]).toEqual(['33.33%', '25%', '0.3%'])
  })
})
