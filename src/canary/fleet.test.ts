import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitted, slotRefusal, type Limits, type Member } from './fleet.ts'

const member = (key: string, over: Partial<Member> = {}): Member => ({ key, namespace: key.split('/')[0] ?? '', isUnderWay: false, waitsSince: undefined, ...over })
const runs = (key: string) => member(key, { isUnderWay: true })
const waits = (key: string, waitsSince: number) => member(key, { waitsSince })
const limits = (cluster: number, namespace = Infinity): Limits => ({ cluster, namespace })

describe('a slot', () => {
  it.each<[string, readonly Member[], Limits, readonly string[]]>([
    ['goes to nobody while there is none', [runs('a/1'), waits('a/2', 5)], limits(1), []],
    ['goes to whoever came first', [waits('a/2', 5), waits('a/3', 4), member('a/1')], limits(1), ['a/3']],
    ['goes by name where two came at once', [waits('a/3', 4), waits('a/2', 4)], limits(1), ['a/2']],
    ['is not held up by one that waits for its own namespace', [runs('a/1'), waits('a/2', 1), waits('b/1', 2)], limits(2, 1), ['b/1']],
    ['is one of several', [runs('a/1'), waits('a/2', 1), waits('a/3', 2), waits('a/4', 3)], limits(3), ['a/2', 'a/3']],
    ['is not made by more under way than the limit', [runs('a/1'), runs('a/2'), waits('a/3', 1)], limits(1), []],
    ['is no matter without limits', [runs('a/1'), waits('a/2', 1)], limits(Infinity), ['a/2']],
  ])('%s', (_, members, limit, expected) => {
    expect([...admitted(members, limit)]).toEqual(expected)
  })

  it.each<[readonly Member[], Limits, string | undefined]>([
    [[runs('a/1'), runs('b/1'), runs('a/2')], limits(3), 'waits for a free slot: 3 of 3 rollouts under way (1, 2, b/1)'],
    [[runs('a/1'), runs('b/1')], limits(3, 1), 'waits for a free slot: 1 of 1 rollouts under way in this namespace (1)'],
    [[waits('a/1', 1)], limits(1), 'waits for a free slot: others have waited longer (1)'],
    [Array.from({ length: 7 }, (_, index) => runs(`a/${index}`)), limits(5), 'waits for a free slot: 7 of 5 rollouts under way (0, 1, 2, 3, 4 and 2 more)'],
    [[waits('a/1', 1)], limits(2), undefined],
  ])('that cannot be had is said: %#', (members, limit, expected) => {
    expect(slotRefusal([...members, waits('a/me', 2)], limit, member('a/me'))).toBe(expected)
  })

  const members = fc.uniqueArray(fc.record({ key: fc.constantFrom(...'abc'.split('').flatMap((space) => [1, 2, 3, 4].map((name) => `${space}/${name}`))), isUnderWay: fc.boolean(), waitsSince: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }) }), { selector: ({ key }) => key })
    .map((all) => all.map(({ key, ...rest }) => member(key, rest)))
  const some = fc.record({ cluster: fc.integer({ min: 1, max: 6 }), namespace: fc.integer({ min: 1, max: 3 }) })

  it('is never one too many, is never left free while one could take it, and is refused with a reason to everybody else', () => {
    fc.assert(fc.property(members, some, (all, limit) => {
      const may = admitted(all, limit)
      const after = all.filter(({ key, isUnderWay }) => isUnderWay || may.has(key))
      const before = all.filter(({ isUnderWay }) => isUnderWay)
      const within = (some: readonly Member[], most: number, least: number) => some.length <= Math.max(most, least)
      expect(within(after, limit.cluster, before.length)).toBe(true)
      for (const space of ['a', 'b', 'c']) {
        const of = (some: readonly Member[]) => some.filter(({ namespace }) => namespace === space)
        expect(within(of(after), limit.namespace, of(before).length)).toBe(true)
      }
      for (const each of all.filter(({ key, isUnderWay, waitsSince }) => !isUnderWay && waitsSince !== undefined && !may.has(key))) {
        expect(after.length >= limit.cluster || after.filter(({ namespace }) => namespace === each.namespace).length >= limit.namespace).toBe(true)
        expect(slotRefusal(all, limit, each)).toMatch(/^waits for a free slot: .*\(.+\)$/)
      }
    }))
  })
})
