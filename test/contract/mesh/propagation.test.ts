import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { counted, debounced, destinationRule, failed, openShop, to, undebounced, virtualService, type Service, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.close())

/** Longer than istiod and Envoy need on an idle mesh. */
const WAIT_MS = 500

const rule = (service: Service, ...versions: readonly string[]) => destinationRule(service, versions)
const route = (service: Service, weights: Readonly<Record<string, number>>, more: object = {}) => virtualService(service, [{ ...to(service, weights), ...more }])

/** A Service all of whose requests go to subset v1, and the rule has no other. */
async function pinned(...versions: readonly string[]): Promise<Service> {
  const service = await shop.service()
  await shop.apply(rule(service, ...versions))
  await shop.spread()
  await shop.apply(route(service, { v1: 100 }))
  await shop.spread()
  return service
}

/** What a load saw while these were written, half a second apart; the first half a second after its start. */
async function during(service: Service, ...writes: readonly (() => Promise<void>)[]) {
  const load = shop.many(service, { ms: WAIT_MS * (writes.length + 1) })
  for (const write of writes) {
    await shop.sleep(WAIT_MS)
    await write()
  }
  return load
}

describe('a new subset', () => {
  test('whose rule has spread before the route is written costs no request', async () => {
    const service = await pinned('v1')
    const answers = await during(service, () => shop.apply(rule(service, 'v1', 'v2')), () => shop.apply(route(service, { v1: 50, v2: 50 })))
    expect(failed(answers)).toEqual([])
    expect(counted(answers)['v2']).toBeGreaterThan(0)
  })

  test('whose route spreads before its rule costs its whole share until the rule comes', async () => {
    const service = await pinned('v1')
    const answers = await during(service, () => shop.apply(route(service, { v1: 50, v2: 50 })), () => shop.apply(rule(service, 'v1', 'v2')))
    expect(new Set(failed(answers).map(({ status, version }) => `${status} ${version}`))).toEqual(new Set(['503 ']))
    expect(counted(answers)['v2']).toBeGreaterThan(0)
    const last = answers.at(-1)?.at ?? 0
    expect(failed(answers).filter(({ at }) => at > last - WAIT_MS / 4)).toEqual([])
  })
})

describe('a subset that is taken away', () => {
  test('after the route has left it and that has spread costs no request', async () => {
    const service = await pinned('v1', 'v2')
    await shop.apply(route(service, { v1: 50, v2: 50 }))
    await shop.spread()
    const answers = await during(service, () => shop.apply(route(service, { v1: 100 })), () => shop.apply(rule(service, 'v1')))
    expect(failed(answers)).toEqual([])
    expect(counted(answers)['v2']).toBeGreaterThan(0)
  })

  test('while the route names it costs its whole share until the route leaves it', async () => {
    const service = await pinned('v1', 'v2')
    await shop.apply(route(service, { v1: 50, v2: 50 }))
    await shop.spread()
    const answers = await during(service, () => shop.apply(rule(service, 'v1')), () => shop.apply(route(service, { v1: 100 })))
    expect(new Set(failed(answers).map(({ status, version }) => `${status} ${version}`))).toEqual(new Set(['503 ']))
    const last = answers.at(-1)?.at ?? 0
    expect(failed(answers).filter(({ at }) => at > last - WAIT_MS / 4)).toEqual([])
  })
})

test('routes that change while requests are under way, short and long, cost nothing', async () => {
  const service = await pinned('v1', 'v2')
  const loads = [shop.many(service, { rps: 100, ms: 3000 }), shop.many(service, { rps: 10, ms: 2500, path: '/?sleep=400' })]
  for (let change = 1; change <= 14; change++) {
    await shop.sleep(200)
    const weights = { v1: 100 - change * 7, v2: change * 7 }
    const copied = change % 2 === 0 ? {} : { mirrors: [{ destination: { host: service.host, subset: 'v2' }, percentage: { value: 50 } }] }
    const testers = change % 3 === 0 ? [{ match: [{ headers: { 'x-tester': { exact: 'yes' } } }], ...to(service, { v2: 100 }) }] : []
    await shop.apply(virtualService(service, [...testers, { ...to(service, weights), ...copied }]))
  }
  for (const answers of await Promise.all(loads)) {
    expect(failed(answers)).toEqual([])
    expect(Object.keys(counted(answers)).toSorted()).toEqual(['v1', 'v2'])
  }
})

test('on a busy mesh the wait for quiet starts again at every change of anybody, and a rollback waits with it', async () => {
  const [service, other] = [await pinned('v1', 'v2'), await pinned('v1', 'v2')]
  await shop.apply(route(service, { v2: 100 }))
  await shop.spread()
  await debounced(shop)
  try {
    const load = shop.many(service, { rps: 100, ms: 4000 })
    await shop.sleep(300)
    // The first change may still be pushed alone.
    await shop.apply(route(other, { v1: 100, v2: 1 }))
    const rolledBackAt = shop.now()
    await shop.apply(route(service, { v1: 100 }))
    const writes: Promise<void>[] = []
    while (shop.now() < rolledBackAt + 2000) {
      await shop.sleep(40)
      // Nobody waits for answers: a slow one would be the quiet that istiod waits for.
      writes.push(shop.apply(route(other, { v1: 100, v2: writes.length + 2 })))
    }
    await Promise.all(writes)
    const answers = await load
    const bad = answers.filter(({ version }) => version === 'v2').map(({ at }) => at)
    expect(failed(answers)).toEqual([])
    // Three times what it takes where nobody else changes anything.
    expect(Math.max(...bad) - rolledBackAt).toBeGreaterThan(300)
    expect(answers.at(-1)?.version).toBe('v1')
  } finally {
    await undebounced(shop)
  }
})
