import fc from 'fast-check'
import { expect, it } from 'vitest'
import { subsetName } from './subset-name.ts'

const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

it('names a subset after its revision where that is a short DNS label, else after its beginning and its hash', () => {
  expect(subsetName('v1')).toBe('serin-v1')
  expect(subsetName('a'.repeat(57))).toBe(`serin-${'a'.repeat(57)}`)
  expect(subsetName('1.4.2_rc1')).toMatch(/^serin-1-4-2-rc1-[0-9a-f]{10}$/)
  expect(subsetName('a'.repeat(58))).toMatch(/^serin-a{46}-[0-9a-f]{10}$/)
})

it('is a DNS label for every label value, and another one for another revision', () => {
  fc.assert(fc.property(fc.stringMatching(LABEL_VALUE), fc.stringMatching(LABEL_VALUE), (a, b) => {
    expect(subsetName(a)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
    expect(subsetName(a) === subsetName(b)).toBe(a === b)
  }))
})
