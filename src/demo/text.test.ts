import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bar, count, cut, fit, lineWidth, paint, percent, type Span, type Tone, widthOf, wrap } from './text.ts'

const tone = fc.constantFrom<Tone>('plain', 'dim', 'bad', 'goodBadge')
const text = fc.string({ unit: fc.constantFrom('a', ' ', 'é', '漢', '🚀', '✔', 'e\u0301', '━') })
const line = fc.array(fc.tuple(tone, text) as fc.Arbitrary<Span>, { maxLength: 5 })
const columns = fc.integer({ min: 0, max: 40 })

describe('text on a terminal', () => {
  it('counts wide characters as two columns and marks as none', () => {
    expect(['abc', '漢字', '🚀', 'e\u0301', '✔ ▁█'].map(widthOf)).toEqual([3, 4, 2, 1, 4])
  })

  it('fits into exactly as many columns as there are', () => {
    fc.assert(fc.property(line, columns, (spans, room) => lineWidth(fit(spans, room)) === room))
  })

  it('is never wider than it may be once cut, and untouched where it fits', () => {
    fc.assert(fc.property(text, columns, (words, room) => widthOf(cut(words, room)) <= room && (widthOf(words) > room || cut(words, room) === words)))
  })

  it('wraps between words without losing any', () => {
    const sentence = fc.array(fc.constantFrom('v3', 'rolled', 'back:', '4.17%'), { minLength: 1, maxLength: 20 }).map((words) => words.join(' '))
    fc.assert(fc.property(sentence, fc.integer({ min: 6, max: 40 }), (words, room) => {
      const lines = wrap(words, room)
      return lines.join(' ') === words && lines.every((each) => widthOf(each) <= room)
    }))
  })

  it('has no escape byte without colour, and shows a badge in brackets of the same width', () => {
    expect(paint([['badBadge', ' Failed '], ['bad', ' v3']], false)).toBe('[Failed] v3')
    expect(paint([['badBadge', ' Failed '], ['plain', ' v3']], true)).toBe('\u001B[1;7;31m Failed \u001B[0m v3')
  })

  it('shows the least share as something and no share as nothing', () => {
    expect([0, 0.001, 0.5, 0.53, 1, 2].map((share) => bar(share, 8))).toEqual(['        ', '▏       ', '████    ', '████▎   ', '████████', '████████'])
  })

  it('writes numbers for people', () => {
    expect([0, 999, 6521, 1234567].map(count)).toEqual(['0', '999', '6,521', '1,234,567'])
    expect([0, 0.00046, 0.0952, 0.1277, 0.503, 1].map(percent)).toEqual(['0.00%', '0.05%', '9.52%', '12.8%', '50.3%', '100%'])
  })
})
