import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { growths, marksOf, tallied, total, type Marks, type Sample } from './tally.ts'

const sample = (pod: string, value: number, code = '200'): Sample => ({ labels: { pod, response_code: code }, value })
const sum = (samples: readonly Sample[], marks: Marks = new Map()) => total(tallied(new Map(), growths(samples, marks)), () => true)

describe('what counters grew by', () => {
  it('is differenced per reporting pod: a caller that goes away is no burst, and one that restarts counts from 0', () => {
    const marks = marksOf([sample('a', 100), sample('b', 50)])
    expect(sum([sample('a', 103)], marks)).toBe(3)
    expect(sum([sample('a', 103), sample('b', 7)], marks)).toBe(3 + 7)
  })

  it('counts a series that was born since from 0', () => {
    expect(sum([sample('a', 100), sample('c', 4)], marksOf([sample('a', 100)]))).toBe(4)
  })

  it('keeps the mark of a series that is late, so that it is not counted twice', () => {
    const first = marksOf([sample('a', 10), sample('b', 20)])
    const second = marksOf([sample('a', 11)], first)
    expect(sum([sample('a', 11), sample('b', 22)], second)).toBe(2)
  })

  it('adds up to the same however often one looks', () => {
    const increments = fc.array(fc.array(fc.nat(100), { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 20 })
    fc.assert(fc.property(increments, (rounds) => {
      let marks = marksOf(['a', 'b', 'c'].map((pod) => sample(pod, 0)))
      let tally = tallied(new Map(), [])
      const values = [0, 0, 0]
      for (const round of rounds) {
        round.forEach((by, index) => (values[index] = (values[index] ?? 0) + by))
        const now = values.map((value, index) => sample('abc'.charAt(index), value))
        tally = tallied(tally, growths(now, marks))
        marks = marksOf(now, marks)
      }
      expect(total(tally, () => true)).toBe(rounds.flat().reduce((a, b) => a + b, 0))
    }))
  })

  it('never comes out negative or not a number, whatever Prometheus says', () => {
    const odd = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity))
    fc.assert(fc.property(fc.array(fc.tuple(odd, odd)), (pairs) => {
      const marks = marksOf(pairs.map(([before], index) => sample(String(index), before)))
      for (const { by } of growths(pairs.map(([, after], index) => sample(String(index), after)), marks)) expect(by).toBeGreaterThanOrEqual(0)
    }))
  })
})
