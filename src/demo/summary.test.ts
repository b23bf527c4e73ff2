import { describe, expect, it } from 'vitest'
import { claimsOf, type Outcome } from './outcome.ts'
import { summary } from './summary.ts'
import { lineWidth, paint } from './text.ts'

const told = (over: Partial<Outcome> = {}): Outcome => ({
  bare: { answered: 96, failed: 47 },
  users: { answered: 6_588, failed: 7 },
  acts: [{ answered: 464, failed: 0 }, { answered: 618, failed: 0 }, { answered: 1_684, failed: 7 }, { answered: 3_713, failed: 0 }],
  fates: {
    v2: { revision: 'v2', result: 'RolledBack', reason: 'ErrorRate', message: 'error-rate 100% of 213 requests, limit 1% exceeded', step: 'mirror', weight: 0 },
    v3: { revision: 'v3', result: 'RolledBack', reason: 'ErrorRate', message: 'error-rate 15.22% of 46 requests, limit 1% exceeded', step: 'few', weight: 5 },
    v4: { revision: 'v4', result: 'Promoted', reason: '', message: '', step: 'half', weight: 50 },
  },
  metV2: 0,
  stable: 'v4',
  oldPods: 0,
  analysed: ['958dbd6b'],
  serving: ['958dbd6b'],
  podName: 'service-c-v4-x',
  operatorRequests: 190,
  elapsedMs: 68_800,
  ...over,
})

const broken = (over: Partial<Outcome>) => claimsOf(told(over)).filter(({ holds }) => !holds).map(({ otherwise }) => otherwise)

describe('what came of the story', () => {
  it('is as told when every claim holds', () => {
    expect(broken({})).toEqual([])
  })

  it.each<readonly [string, Partial<Outcome>]>([
    ['without Serin 90 of 96 requests failed: about half were to', { bare: { answered: 96, failed: 90 } }],
    ['1 requests failed while v1 was adopted', { acts: [{ answered: 464, failed: 1 }, { answered: 618, failed: 0 }] }],
    ['3 users met it, and 0 of their requests failed', { metV2: 3 }],
    ['0 users met it, and 2 of their requests failed', { acts: [{ answered: 464, failed: 0 }, { answered: 618, failed: 2 }] }],
    ['v2 was to fail on copies alone: RolledBack at mirror Latency', { fates: { ...told().fates, v2: { ...told().fates.v2, reason: 'Latency' } } }],
    ['v3 was to fail among few users: RolledBack at mirror ErrorRate', { fates: { ...told().fates, v3: { ...told().fates.v3, step: 'mirror', weight: 0 } } }],
    ['66 of 6588 requests failed in the whole story', { users: { answered: 6_588, failed: 66 } }],
    ['v4 was to be promoted: nothing at half', { fates: { ...told().fates, v4: { ...told().fates.v4, result: 'nothing' } } }],
    ['v1 has 1 pods', { oldPods: 1 }],
    ['pods 958dbd6b were analysed, but 0000 serve', { serving: ['0000'] }],
  ])('says so when %s', (sentence, over) => {
    expect(broken(over)).toEqual([expect.stringContaining(sentence)])
    expect(summary(told(over), [], 80).map((line) => paint(line, false)).join('\n')).toContain('[not as told]')
  })

  it('tells when, what, why and how many users it cost, in any width', () => {
    const moments = [{ atMs: 29_600, reason: 'RolledBack', note: 'v3 rolled back: error-rate', warns: true }]
    const lines = summary(told(), moments, 120)
    expect(lines.map((line) => paint(line, false))).toContainEqual(expect.stringMatching(/^ 29\.6s {2}v3 rolled back at 5% +error-rate 15\.22% of 46 requests, limit 1% exceeded +7 of 1,684$/))
    for (const columns of [80, 100, 140]) expect(summary(told(), moments, columns).every((line) => lineWidth(line) === columns)).toBe(true)
  })

  it('puts both measured shares side by side', () => {
    const text = summary(told(), [], 100).map((line) => paint(line, false)).join('\n')
    expect(text).toMatch(/without Serin +█{20,}.* 49\.0% {2}47 of 96/)
    expect(text).toMatch(/with Serin +▏ +0\.11% {2}7 of 6,588/)
    expect(text).toContain('[as told]')
  })
})
