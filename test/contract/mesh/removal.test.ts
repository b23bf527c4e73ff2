import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differs } from '../differences.ts'
import { counted, debounced, destinationRule, failed, openShop, to, undebounced, virtualService, type Service, type Shop } from './shop.ts'

let shop: Shop
let service: Service
beforeAll(async () => {
  const abrupt = { annotations: { 'lab.serin.dev/end': 'abrupt' } }
  shop = await openShop({ v1: {}, abrupt: { replicas: 2, ...abrupt }, graceful: { replicas: 2 } })
  service = await shop.service()
  await shop.apply(destinationRule(service, ['v1', 'abrupt', 'graceful']))
  await debounced(shop)
})
afterAll(async () => {
  await undebounced(shop)
  await shop.close()
})

const WAIT_MS = 600

const route = (weights: Readonly<Record<string, number>>, more: object = {}) => shop.apply(virtualService(service, [{ ...to(service, weights), ...more }]))

/** Half of the requests, with this many pods ready. */
async function serving(version: string, replicas: number): Promise<void> {
  await shop.workload(`shop-${version}`, { app: 'shop', version, replicas, ...(version === 'abrupt' ? { annotations: { 'lab.serin.dev/end': 'abrupt' } } : {}) })
  await route({ v1: 50, [version]: 50 })
  await shop.spread()
}

async function during(...steps: readonly (() => Promise<void>)[]) {
  const load = shop.many(service, { ms: WAIT_MS * (steps.length + 1) })
  for (const step of steps) {
    await shop.sleep(WAIT_MS)
    await step()
  }
  return load
}

describe.each(['abrupt', 'graceful'])('pods of a version whose end is %s', (version) => {
  test('are gone without an error, all at once, when its weight went to 0 before and that has spread', async () => {
    await serving(version, 2)
    const answers = await during(() => route({ v1: 100, [version]: 0 }), () => shop.scale(`shop-${version}`, 0))
    expect(failed(answers)).toEqual([])
    expect(counted(answers)[version]).toBeGreaterThan(0)
  })

  test.each([
    ['no retries', {}],
    ['retries, which rescue none', { retries: { attempts: 5, retryOn: '5xx,reset' } }],
  ])('that are gone while a route names them cost its share until the route leaves them, with %s', async (_, retries) => {
    await serving(version, 1)
    await route({ v1: 50, [version]: 50 }, retries)
    await shop.spread()
    const answers = await during(() => shop.scale(`shop-${version}`, 0), () => route({ v1: 100, [version]: 0 }))
    expect(failed(answers).length).toBeGreaterThan(0)
    expect(new Set(failed(answers).map(({ status }) => status))).toEqual(new Set([503]))
    const last = answers.at(-1)?.at ?? 0
    expect(failed(answers).filter(({ at }) => at > last - WAIT_MS / 4)).toEqual([])
  })
})

describe('scaling down a version that serves', () => {
  const shrunk = async (version: string) => {
    await serving(version, 2)
    await route({ [version]: 100 })
    await shop.spread()
    return failed(await during(() => shop.scale(`shop-${version}`, 1)))
  }

  test('costs requests where its apps end abruptly', async () => {
    expect((await shrunk('abrupt')).length).toBeGreaterThan(0)
  })

  test('costs none where they end gracefully', async () => {
    const lost = await shrunk('graceful')
    if (differs(shop, 'graceful end')) expect(lost.length).toBeGreaterThan(0)
    else expect(lost).toEqual([])
  })
})
