import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Exposure } from '../canary/ledger.ts'
import { withAffinity } from '../canary/steps.ts'
import { settings } from './mesh.fixture.ts'
import { ownsCookie, remembered, stayingWithCanary, stickyGroups, withoutCookie } from './sticky-routes.ts'

const sticky = settings({ sessionAffinity: { cookie: 'shop', attributes: '; Max-Age=60; Path=/a%20b' } })
const bare = (weight: number, step: number): Exposure => ({ revision: 'v2', weight, match: [], step, plan: 'p' })

/** The exposures of a rollout with these weights. */
const raised = (weights: readonly number[]): readonly Exposure[] =>
  weights.reduce<readonly Exposure[]>((all, weight, step) => [...all, withAffinity(bare(weight, step), all.at(-1), { settings: sticky, rollout: 'r' })], [])

describe('users who stay with the version that they met', () => {
  it('are, after every raise, as great a share as its weight, whichever step they came in first', () => {
    const weights = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 6 }).map((all) => all.toSorted((a, b) => a - b))
    fc.assert(fc.property(weights, (all) => {
      const exposures = raised(all)
      for (const [first, { weight: from }] of exposures.entries()) {
        // Of those who came first at this step and then only at the last one.
        const last = exposures.at(-1)
        const group = last && stickyGroups(last).find(({ match }) => match.cookies?.['shop']?.exact?.endsWith(`-stable-${from * 100}`))
        const again = first === exposures.length - 1 ? 0 : (group?.percent ?? NaN)
        expect(from + ((100 - from) * again) / 100).toBeCloseTo(last?.weight ?? NaN)
      }
    }))
  })

  it('are none where no share is given, or all', () => {
    expect(raised([0, 0, 100]).map((exposure) => [stickyGroups(exposure), stayingWithCanary(exposure)])).toEqual([[[], []], [[], []], [[], []]])
    expect(stickyGroups(bare(50, 0))).toEqual([])
  })

  it('are drawn once at a weight that is written twice', () => {
    expect(raised([10, 10, 30, 30]).map(({ sticky: one }) => one?.drawn)).toEqual([[], [], [10], [10]])
  })

  it('get a cookie with their answer, and the user’s entry comes back without it', () => {
    const [exposure = bare(0, 0)] = raised([20])
    const entries = [
      { destination: { host: 'a', subset: 'serin-v1' }, weight: 80, headers: { request: { set: { a: 'b' } }, response: { add: { c: 'd' } } } },
      { destination: { host: 'a', subset: 'serin-v2' }, weight: 20 },
      { destination: { host: 'other' }, weight: 5 },
    ]
    const given = remembered(entries, exposure, 'v1')
    expect(given[0]).toMatchObject({ headers: { request: { set: { a: 'b' } }, response: { add: { c: 'd', 'set-cookie': expect.stringMatching(/^shop=serin-[0-9a-f]{10}-stable-2000; Max-Age=60; Path=\/a%%20b$/) } } } })
    expect(given[1]).toMatchObject({ headers: { response: { add: { 'set-cookie': expect.stringMatching(/^shop=serin-[0-9a-f]{10}-canary;/) } } } })
    expect(given[2]).toBe(entries[2])
    expect(given.map(withoutCookie)).toEqual(entries)
    expect(withoutCookie({ headers: { response: { add: { 'set-cookie': 'a=b' } } } })).toEqual({ headers: { response: { add: { 'set-cookie': 'a=b' } } } })
  })

  it.each([
    [{ add: { 'Set-Cookie': 'a=b' } }, true], [{ set: { 'set-cookie': 'a=b' } }, true], [{ remove: ['SET-COOKIE'] }, true], [{ add: { a: 'b' }, remove: ['c'] }, false],
  ])('stand in the way of a destination’s own cookie: %j', (response, expected) => {
    expect(ownsCookie({ headers: { response } })).toBe(expected)
  })
})
