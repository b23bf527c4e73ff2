import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { counted, destinationRule, failed, fiveSigma, openShop, sourceOf, subset, to, virtualService, type Service, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.close())

type Weights = Readonly<Record<string, number | undefined>>

/** A Service with both subsets, and a route to them. */
async function routed(weights: Weights, more: object = {}): Promise<Service> {
  const service = await shop.service()
  await shop.apply(destinationRule(service, ['v1', 'v2']))
  await shop.spread()
  await shop.apply(virtualService(service, [{ ...to(service, weights), ...more }]))
  await shop.spread()
  return service
}

describe('weights', () => {
  test.each<[string, Weights, number]>([
    ['30 and 30 are half and half', { v1: 30, v2: 30 }, 0.5],
    ['1 and 999 are a thousandth', { v1: 999, v2: 1 }, 0.001],
    ['90 and 10 are a tenth', { v1: 90, v2: 10 }, 0.1],
  ])('need no sum of 100: %s', async (_, weights, share) => {
    const answers = await shop.many(await routed(weights), { ms: 2000 })
    const { v1 = 0, v2 = 0 } = counted(answers)
    const { least, most } = fiveSigma(share, answers.length)
    expect(v1 + v2).toBe(answers.length)
    expect(v2).toBeGreaterThanOrEqual(least)
    expect(v2).toBeLessThanOrEqual(most)
  })

  test.each<[string, Weights, string]>([
    ['an entry with 0 beside others gets nothing', { v1: 100, v2: 0 }, 'v1'],
    ['a lone entry gets everything, with 0 as well', { v2: 0 }, 'v2'],
    ['an entry without weight beside weighted ones gets nothing', { v2: undefined, v1: 10 }, 'v1'],
  ])('%s', async (_, weights, only) => {
    const answers = await shop.many(await routed(weights))
    expect(counted(answers)).toEqual({ [only]: answers.length })
  })

  test('that are all 0 are refused by the proxy, and with them every later change of any route, until they are mended', async () => {
    const [service, other] = [await routed({ v1: 100 }), await routed({ v1: 100 })]
    const change = async (wrong: Weights) => {
      await shop.apply(virtualService(service, [to(service, wrong)]))
      await shop.sleep(500)
    }
    await change({ v1: 0, v2: 0 })
    await shop.apply(virtualService(other, [to(other, { v2: 100 })]))
    await shop.sleep(500)
    expect(sourceOf(await shop.ask(service))).toBe('v1')
    expect(sourceOf(await shop.ask(other))).toBe('v1')
    await change({ v1: 0, v2: 1 })
    expect(sourceOf(await shop.ask(service))).toBe('v2')
    expect(sourceOf(await shop.ask(other))).toBe('v2')
  })

  test('of one subset named twice add up', async () => {
    const service = await routed({ v1: 50, v2: 50 })
    await shop.apply(virtualService(service, [{ route: [...to(service, { v1: 25, v2: 50 }).route, ...to(service, { v1: 25 }).route] }]))
    await shop.spread()
    const answers = await shop.many(service)
    const { least, most } = fiveSigma(0.5, answers.length)
    expect(failed(answers)).toEqual([])
    expect(counted(answers)['v1']).toBeGreaterThanOrEqual(least)
    expect(counted(answers)['v1']).toBeLessThanOrEqual(most)
  })
})

describe.each([
  ['without retries of its own', {}],
  ['with retries, which rescue none', { retries: { attempts: 5, retryOn: '5xx' } }],
])('a share of a route, %s,', (_, retries) => {
  test('for a subset that no rule defines is answered 503 at once, with nothing in it', async () => {
    const service = await routed({ v1: 90, v9: 10 }, retries)
    const answers = await shop.many(service)
    const { least, most } = fiveSigma(0.1, answers.length)
    expect(counted(answers)).toMatchObject({ v1: expect.any(Number), 503: expect.any(Number) })
    expect(failed(answers).length).toBeGreaterThanOrEqual(least)
    expect(failed(answers).length).toBeLessThanOrEqual(most)
    expect(Math.max(...failed(answers).map(({ ms }) => ms))).toBeLessThan(1000)
    await shop.apply(virtualService(service, [{ ...to(service, { v9: undefined }), ...retries }]))
    await shop.spread()
    expect(await shop.ask(service)).toMatchObject({ status: 503, body: '' })
  })

  test('for a subset without pods is answered 503 at once, in words', async () => {
    const service = await routed({ v1: 50, v9: 50 }, retries)
    await shop.apply(destinationRule(service, [], { subsets: [subset('v1'), subset('v9')] }))
    await shop.spread()
    const answers = await shop.many(service)
    const { least, most } = fiveSigma(0.5, answers.length)
    expect(failed(answers).length).toBeGreaterThanOrEqual(least)
    expect(failed(answers).length).toBeLessThanOrEqual(most)
    expect(Math.max(...failed(answers).map(({ ms }) => ms))).toBeLessThan(1000)
    await shop.apply(virtualService(service, [{ ...to(service, { v9: undefined }), ...retries }]))
    await shop.spread()
    const answer = await shop.ask(service)
    expect(sourceOf(answer)).toBe('503')
    expect(answer.body).toContain('no healthy upstream')
  })
})
