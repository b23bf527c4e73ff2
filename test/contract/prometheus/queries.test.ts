import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countsQuery, durationsQuery, meshAnswersQuery } from '../../../src/analysis/query.ts'
import { growths, marksOf } from '../../../src/analysis/tally.ts'
import { CALLER, openShop, subset, destinationRule, to, virtualService, type Service, type Shop } from '../mesh/shop.ts'
import { samplesOf, sumOf } from '../queries.ts'

let shop: Shop
let service: Service
beforeAll(async () => {
  shop = await openShop({ v1: {}, faulty: { env: { ERROR_RATE: '1', ERROR_CODE: '500' } } })
  service = await shop.service()
  await shop.apply(destinationRule(service, [], { subsets: ['v1', 'faulty', 'empty'].map((name) => subset(name)) }))
  await shop.spread()
  await route('v1')
})
afterAll(() => shop.close())

const REQUESTS = 23
/** Two scrapes and their longest duration. */
const SCRAPED_MS = 2500

async function route(version: string, more: object = {}): Promise<void> {
  await shop.apply(virtualService(service, [{ ...to(service, { [version]: undefined }), ...more }]))
  await shop.spread()
}

const send = (requests = REQUESTS, host = service.host) => Promise.all(Array.from({ length: requests }, () => shop.request(CALLER, { host })))

/** What a query's series grew by meanwhile. */
async function grown(query: string, act: () => Promise<unknown>) {
  await shop.sleep(SCRAPED_MS)
  const marks = marksOf(await samplesOf(shop, query))
  await act()
  await shop.sleep(SCRAPED_MS)
  return growths(await samplesOf(shop, query), marks).filter(({ by }) => by > 0)
}

describe('the counts', () => {
  test('are told for each reporting pod and side, by workload and answer, and grow by what was sent', async () => {
    const growth = await grown(countsQuery([service.host]), async () => {
      await send()
      await route('faulty')
      await send()
      await route('v1')
    })
    const callers = await shop.call('GET', `/api/v1/namespaces/${shop.callers}/pods`)
    const caller = (callers.body as unknown as { items: readonly { metadata: { name: string } }[] }).items[0]?.metadata.name
    const told = growth.map(({ labels, by }) => `${['reporter', 'pod', 'destination_workload', 'destination_workload_namespace', 'response_code', 'response_flags'].map((label) => labels[label]?.replace(/^(shop-\w+)-.*/, '$1')).join(' ')} ${by}`)
    expect(new Set(told)).toEqual(new Set([['shop-faulty', 500], ['shop-v1', 200]].flatMap(([workload, code]) => [
      `source ${caller} ${workload} ${shop.namespace} ${code} - ${REQUESTS}`,
      `destination ${workload} ${workload} ${shop.namespace} ${code} - ${REQUESTS}`,
    ])))
    expect(told).toHaveLength(4)
    expect(new Set(growth.map(({ labels }) => labels['instance'])).size).toBe(3)
  })

  test('are of exactly the Services asked for: a dot is a dot', async () => {
    expect(await sumOf(shop, countsQuery([service.host]))).toBeGreaterThan(0)
    expect(await samplesOf(shop, countsQuery([service.host.replaceAll('-', '.')]))).toEqual([])
    expect(await samplesOf(shop, countsQuery([service.host.slice(1), `${service.host}x`]))).toEqual([])
  })

  test('begin at 0 again with a new process of the proxy, which is told from what was there before', async () => {
    const query = countsQuery([service.host])
    const source = async () => (await samplesOf(shop, query)).filter(({ labels }) => labels['reporter'] === 'source' && labels['response_code'] === '200')
    await send()
    await shop.sleep(SCRAPED_MS)
    const before = await source()
    await shop.resetCounters(CALLER)
    await send(REQUESTS - 1)
    const after = await shop.until('the counter to have begun anew', async () => {
      const now = await source()
      return now.length === 1 && (now[0]?.value ?? 0) === REQUESTS - 1 ? now : undefined
    })
    expect(before.map(({ value }) => value)).toEqual([expect.any(Number)])
    expect(before[0]?.value).toBeGreaterThanOrEqual(REQUESTS)
    expect(growths(after, marksOf(before)).map(({ by }) => by)).toEqual([REQUESTS - 1])
  })

  test('of a pod that is gone are gone after seconds, not minutes, and can still be asked for as of before', async () => {
    await shop.workload('leaver', { app: 'leaver' })
    const from = { deployment: 'leaver', namespace: shop.namespace }
    await shop.until('the leaver to be answered', async () => ((await shop.ask(service, { timeoutMs: 500 }, from)).status === 200 ? true : undefined))
    const query = `sum by (pod) (istio_requests_total{namespace="${shop.namespace}",pod=~"leaver-.+"})`
    await shop.until('its counters', async () => ((await samplesOf(shop, query)).length === 1 ? true : undefined))
    const presentMs = shop.now()
    await shop.sleep(1000)
    await shop.scale('leaver', 0)
    const goneMs = await shop.until('its counters to be gone', async () => ((await samplesOf(shop, query)).length === 0 ? shop.now() : undefined))
    expect(goneMs - presentMs).toBeLessThan(60_000)
    expect((await samplesOf(shop, query, presentMs)).length).toBe(1)
  })
})

describe('the durations', () => {
  test('are cumulative buckets, the last of which counts every request', async () => {
    const growth = (await grown(durationsQuery([service.host]), async () => {
      await send()
      await shop.sleep(6000)
    })).filter(({ labels }) => labels['reporter'] === 'source')
    const buckets = growth.map(({ labels, by }) => ({ upTo: Number((labels['le'] ?? '').replace('+Inf', 'Infinity')), by })).toSorted((a, b) => a.upTo - b.upTo)
    expect(buckets.at(-1)).toEqual({ upTo: Infinity, by: REQUESTS })
    expect(buckets.map(({ by }) => by)).toEqual(buckets.map(({ by }) => by).toSorted((a, b) => a - b))
  })

  test('come after the counts, never before them, and agree with them in the end', async () => {
    const matchers = `{reporter="source",response_code="200",destination_service="${service.host}"}`
    const look = async (): Promise<readonly [number, number]> => {
      const atMs = shop.now() - 100
      return [await sumOf(shop, `istio_requests_total${matchers}`, atMs), await sumOf(shop, `istio_request_duration_milliseconds_count${matchers}`, atMs)]
    }
    await shop.sleep(7000)
    const before = await look()
    const load = shop.many(service, { rps: 50, ms: 3000 })
    const looks: (readonly [number, number])[] = []
    await shop.until('durations to agree with counts', async () => {
      await shop.sleep(200)
      const [counts, durations] = await look()
      looks.push([counts - before[0], durations - before[1]])
      return durations - before[1] === (await load).length ? true : undefined
    })
    expect(looks.filter(([counts, durations]) => durations > counts)).toEqual([])
    expect(looks.filter(([counts, durations]) => durations < counts).length).toBeGreaterThan(0)
  })
})

describe("the mesh's own answers", () => {
  test('are NC, UH and NR of every host as callers wrote it, and neither a fault that the user injects nor what an app says', async () => {
    const short = `${service.name}.${shop.namespace}`
    const growth = await grown(meshAnswersQuery(), async () => {
      await send()
      await route('undefined')
      await send(REQUESTS, short)
      await route('empty')
      await send()
      await route('faulty')
      await send()
      await route('v1', { match: [{ uri: { exact: '/elsewhere' } }] })
      await send(REQUESTS, short)
      await route('v1', { fault: { abort: { httpStatus: 503, percentage: { value: 100 } } } })
      await send()
      await route('v1')
    })
    const told = growth.filter(({ labels }) => labels['source_workload_namespace'] === shop.callers && labels['destination_service']?.startsWith(service.name))
    expect(Object.fromEntries(told.map(({ labels, by }) => [`${labels['response_flags']} ${labels['destination_service']}`, by]))).toEqual({
      [`UH ${service.host}`]: REQUESTS,
      [`NC ${short}`]: REQUESTS,
      [`NR ${short}`]: REQUESTS,
    })
  })
})
