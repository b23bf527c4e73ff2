import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPrometheus } from '../../../src/prometheus/prometheus.ts'
import type { Transport } from '../../../src/runtime/transport.ts'
import { differs } from '../differences.ts'
import { openShop, type Shop } from '../mesh/shop.ts'
import { prometheusOf, sumOf } from '../queries.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
  const service = await shop.service()
  await shop.many(service, { rps: 50 })
  await shop.until('counters of both versions', async () => ((await prometheusOf(shop).queryNumber(byVersion())).kind === 'several' ? true : undefined))
})
afterAll(() => shop.close())

const received = () => `istio_requests_total{reporter="destination",namespace="${shop.namespace}"}`
const byVersion = () => `sum by (destination_version) (${received()})`

describe('a query for one number reads', () => {
  test('a value, and the time that it was asked for', async () => {
    await shop.sleep(2500)
    const atMs = shop.now() - 1000
    const answer = await prometheusOf(shop).queryNumber(`sum(${received()})`, atMs)
    expect(answer).toEqual({ kind: 'value', value: expect.any(Number), timeMs: atMs })
    expect(await sumOf(shop, `sum(${received()})`)).toBeGreaterThan(0)
  })

  test('nothing, where no series has what was asked for', async () => {
    expect(await prometheusOf(shop).queryNumber('istio_requests_total{destination_version="never"}')).toEqual({ kind: 'empty' })
    expect(await prometheusOf(shop).queryNumber('sum(istio_requests_total{destination_version="never"})')).toEqual({ kind: 'empty' })
  })

  test('several series as their number', async () => {
    expect(await prometheusOf(shop).queryNumber(byVersion())).toEqual({ kind: 'several', count: 2 })
  })

  test.each([
    ['NaN, as of nothing divided by nothing', () => `sum(${received()}) * 0 / 0`, { kind: 'nan' }],
    ['+Inf, as of something divided by nothing', () => `sum(${received()}) / 0`, { kind: 'inf', sign: 1 }],
    ['-Inf', () => `-sum(${received()}) / 0`, { kind: 'inf', sign: -1 }],
    ['a scalar', () => 'scalar(vector(3)) + 1', { kind: 'value', value: 4, timeMs: expect.any(Number) }],
    ['a quantile of no observations as NaN', () => `histogram_quantile(0.9, sum by (le) (istio_request_duration_milliseconds_bucket{namespace="${shop.namespace}"}) * 0)`, { kind: 'nan' }],
  ])('%s', async (_, promql, expected) => {
    const answer = await prometheusOf(shop).queryNumber(promql())
    expect(answer).toEqual(differs(shop, 'general PromQL') ? { kind: 'error', message: expect.stringMatching(/^HTTP 400: bad_data: /) } : expected)
  })
})

describe('an error', () => {
  test.each([
    ['a query that does not parse', 'sum('],
    ['a regular expression that does not', 'sum(istio_requests_total{pod=~"("})'],
    ['a selector of everything', '{pod=~".*"}'],
  ])('of %s is told with the words of Prometheus', async (_, promql) => {
    expect(await prometheusOf(shop).queryNumber(promql)).toEqual({ kind: 'error', message: expect.stringMatching(/^HTTP 400: bad_data: .{10}/) })
  })

  test('is what a query is that takes too long for the server', async () => {
    // A nanosecond: what any evaluation takes.
    const hurried: Transport = (request) => shop.prometheus({ ...request, path: `${request.path}&timeout=0.000000001` })
    const answer = await createPrometheus({ transport: hurried, timeoutMs: 5000 }).queryNumber(byVersion())
    expect(answer).toEqual(differs(shop, 'general PromQL') ? { kind: 'several', count: 2 } : { kind: 'error', message: expect.stringMatching(/^HTTP 503: timeout: /) })
  })

  test('is what an address is where nobody answers for Prometheus', async () => {
    const elsewhere: Transport = (request) => shop.prometheus({ ...request, path: request.path.replace('/api/v1/', '/api/v9/') })
    expect(await createPrometheus({ transport: elsewhere, timeoutMs: 5000 }).queryNumber(byVersion())).toEqual({ kind: 'error', message: expect.stringMatching(/404/) })
  })
})
