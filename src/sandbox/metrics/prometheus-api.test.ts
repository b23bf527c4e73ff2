import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { createPrometheusApi } from './prometheus-api.ts'

async function recorded() {
  const clock = new VirtualClock()
  await clock.advance(60_000)
  const api = createPrometheusApi(clock, (atMs) => [{ labels: { __name__: 'c', v: 'v1' }, value: (atMs - clock.now()) / 1000 }])
  const ask = async (path: string, params: Record<string, string> = {}, method: 'GET' | 'POST' = 'GET') => {
    const form = new URLSearchParams(params).toString()
    const response = await api.transport(
      method === 'GET' ? { method, path: `${path}?${form}`, timeoutMs: 5000 } : { method, path, body: form, timeoutMs: 5000 },
    )
    return { status: response.status, body: JSON.parse(await response.text()) as unknown }
  }
  return { clock, api, ask, seconds: clock.now() / 1000 }
}

describe('the Prometheus API', () => {
  it("answers instant queries by GET and POST in Prometheus' own form", async () => {
    const { ask, seconds } = await recorded()
    const vector = (at: number) => {
      const result = [{ metric: { v: 'v1' }, value: [at, String(at - seconds)] }]
      return { status: 200, body: { status: 'success', data: { resultType: 'vector', result } } }
    }
    expect(await ask('/api/v1/query', { query: 'sum by (v) (c)' })).toEqual(vector(seconds))
    const earlier = { query: 'sum by (v) (c)', time: String(seconds - 3) }
    expect(await ask('/api/v1/query', earlier, 'POST')).toEqual(vector(seconds - 3))
    const time = new Date(seconds * 1000).toISOString()
    expect(await ask('/api/v1/query', { query: 'sum by (v) (c)', time })).toEqual(vector(seconds))
  })

  it('refuses what it does not know', async () => {
    const { ask } = await recorded()
    const bad = { status: 400, body: { status: 'error', errorType: 'bad_data' } }
    expect(await ask('/api/v1/query', { query: 'topk(1, c)' })).toMatchObject(bad)
    expect(await ask('/api/v1/query', { query: 'c', time: 'noon' })).toMatchObject(bad)
    expect(await ask('/api/v1/query_range')).toMatchObject({ status: 404 })
  })

  it('breaks in every way a test asks for', async () => {
    const { clock, api, ask } = await recorded()
    const query = () => ask('/api/v1/query', { query: 'sum(c)' })
    api.fault = 'down'
    await expect(query()).rejects.toThrow('is down')
    api.fault = 'garbage'
    await expect(query()).rejects.toThrow(SyntaxError)
    api.fault = 'nan'
    expect(await query()).toMatchObject({ body: { data: { result: [{ value: [expect.anything(), 'NaN'] }] } } })
    api.fault = 'empty'
    expect(await query()).toMatchObject({ status: 200, body: { data: { result: [] } } })
    api.fault = 'slow'
    const late = expect(query()).rejects.toThrow('within 5000 ms')
    await clock.advance(5000)
    await late
    api.fault = undefined
    expect(await query()).toMatchObject({ status: 200 })
  })
})
