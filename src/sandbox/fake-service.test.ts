import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { createFakeService } from './fake-service.ts'
import type { App } from './fake-service.ts'
import { pod } from './mesh.fixture.ts'

const request = { method: 'GET', host: 'app', path: '/shop', headers: { 'x-tester': 'yes' } }
const nobody: App = () => Promise.reject(new Error('no upstream expected'))

const created = (env: Record<string, string>, clock = new VirtualClock(), call = nobody) =>
  createFakeService(pod('app', 'v3', env), { clock, random: () => 0.5, signal: new AbortController().signal, call })

describe('the fake service', () => {
  it.each([
    ['0.05', 20],
    ['0.2', 5],
    ['0.3', 3],
    ['0.4', 2],
    ['0.5', 2],
    ['0.6', 1],
    ['1', 1],
    ['0', Infinity],
  ])('of error rate %s fails every %d. request', async (rate, every) => {
    const app = created({ ERROR_RATE: rate, ERROR_CODE: '503' })
    for (let count = 1; count <= 40; count += 1) expect((await app(request)).status).toBe(count % every === 0 ? 503 : 200)
  })

  it('fails only the methods it is told to, and counts only those', async () => {
    const app = created({ ERROR_RATE: '0.5', ERROR_METHODS: 'POST, put' })
    const statuses: number[] = []
    for (const method of ['POST', 'GET', 'GET', 'PUT', 'GET', 'POST', 'POST'])
      statuses.push((await app({ ...request, method })).status)
    expect(statuses).toEqual([200, 200, 200, 500, 200, 200, 500])
  })

  it("calls its upstreams in order with the caller's method, path and headers, and fails when one is not 200", async () => {
    const calls: unknown[] = []
    const app = created({ NAME: 'front', UPSTREAM_URIS: 'http://b, http://c/x' }, undefined, (call) => {
      calls.push(call)
      return Promise.resolve({ status: call.host === 'b' ? 204 : 200, headers: {}, body: '{"name":"up"}' })
    })
    const answer = await app({ ...request, method: 'POST' })
    expect(calls).toEqual([
      { host: 'b', method: 'POST', path: '/shop', headers: request.headers },
      { host: 'c', method: 'POST', path: '/x/shop', headers: request.headers },
    ])
    expect(answer).toMatchObject({ status: 500, headers: { 'x-version': 'v3' } })
    expect(JSON.parse(answer.body)).toMatchObject({
      name: 'front',
      code: 500,
      upstream_calls: { 'http://b': { name: 'up', code: 204 }, 'http://c/x': { code: 200 } },
    })
  })

  it('takes the time it is told to, less what its upstreams took', async () => {
    const clock = new VirtualClock()
    const upstream: App = () => clock.sleep(30).then(() => ({ status: 200, headers: {}, body: '' }))
    const app = created({ TIMING_50_PERCENTILE: '100ms', TIMING_VARIANCE: '20', UPSTREAM_URIS: 'http://b' }, clock, upstream)
    const answer = app(request)
    await clock.advance(1000)
    expect((JSON.parse((await answer).body) as { duration: string }).duration).toBe('110.000ms')
  })
})
