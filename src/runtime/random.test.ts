import { expect, it } from 'vitest'
import { seededRandom } from './random.ts'

it('yields the same numbers for the same seed, others for another, spread over [0, 1)', () => {
  const draw = (seed: string) => Array.from({ length: 2_000 }, seededRandom(seed))
  const numbers = draw('pod-1')
  expect(numbers).toEqual(draw('pod-1'))
  expect(numbers).not.toEqual(draw('pod-2'))
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
  for (let tenth = 0; tenth < 10; tenth++) {
    expect(numbers.filter((number) => Math.floor(number * 10) === tenth).length).toBeGreaterThan(150)
  }
})
