import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exposureOf, isPromoting, placeOf, planOf, podsNeeded, reworded } from './steps.ts'
import { settings } from './world.fixture.ts'

const exposure = (over = {}) => ({ ...exposureOf(settings(), 'v2', 0), ...over })

describe('the pods that an exposure needs', () => {
  it.each([
    [{ weight: 5 }, 10, 1],
    [{ weight: 25 }, 10, 3],
    [{ weight: 100 }, 10, 10],
    [{ weight: 10, mirror: { percent: 100, match: [] } }, 10, 10],
    [{ weight: 0, match: [{ headers: { 'x-tester': { exact: 'yes' } } }] }, 10, 1],
    [{ weight: 0, match: [{ uri: { prefix: '/' } }] }, 10, 10],
    [{ weight: 5 }, 0, 1],
  ] as const)('%j of %i are %i', (over, stable, pods) => {
    expect(podsNeeded(exposure(over), stable)).toBe(pods)
  })

  it('carry their share, and never more than all', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 1000 }), (weight, stable) => {
      const pods = podsNeeded(exposure({ weight }), stable)
      expect(pods).toBeGreaterThanOrEqual((stable * weight) / 100)
      expect(pods).toBeLessThanOrEqual(stable)
    }))
  })
})

describe('what tests reach', () => {
  const [gate, first] = [{ replicas: { pods: 0 }, weight: 0 }, {}].map((over, index) => ({ ...settings().steps[index]!, ...over }))
  const preview = { service: undefined, match: [{ headers: { 'x-tester': { exact: 'yes' } } }] }
  const wanted = settings({ preview, steps: [gate!, first!] })

  it('is nothing in a step without pods, and the canary in every other', () => {
    expect([0, 1, 2].map((step) => exposureOf(wanted, 'v2', step).preview)).toEqual([undefined, preview.match, preview.match])
    expect(reworded(exposureOf(wanted, 'v2', 0), wanted, 'v2@now')).toBeUndefined()
  })
})

describe('an edit of the steps', () => {
  const edited = settings({ steps: settings().steps.slice(1) })

  it('has another plan, and the present weight its place in it', () => {
    expect(planOf(edited)).not.toBe(planOf(settings()))
    expect([5, 25, 30, 60].map((weight) => placeOf(edited, weight))).toEqual([-1, 0, 0, 1])
  })

  it('takes a promotion that has begun for a last step that must pass once more', () => {
    const last = exposureOf(settings(), 'v2', 3)
    expect(isPromoting(settings(), last)).toBe(true)
    expect(isPromoting(edited, last)).toBe(false)
  })
})
