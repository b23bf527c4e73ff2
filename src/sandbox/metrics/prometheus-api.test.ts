import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { createPrometheusApi } from './prometheus-api.ts'
import { createTsdb } from './tsdb.ts'

async function recorded() {
  const clock = new VirtualClock()
  const state = { value: 0 }
  const labels = { __name__: 'c', v: 'v1' }
  const tsdb = createTsdb({ clock, targets: () => [{ labels: { pod: 'p' }, collect: () => [{ labels, value: state.value++ }] }] })
  const stop = new AbortController()
  const running = tsdb.run(stop.signal)
  await clock.advance(10_000)
  stop.abort(new Error('enough'))
  await running
  const api = createPrometheusApi({ clock, tsdb })
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
    const vector = {
      status: 200,
      body: { status: 'success', data: { resultType: 'vector', result: [{ metric: { v: 'v1' }, value: [seconds, '9'] }] } },
    }
    expect(await ask('/api/v1/query', { query: 'sum by (v) (c)' })).toEqual(vector)
    expect(await ask('/api/v1/query', { query: 'sum by (v) (c)' }, 'POST')).toEqual(vector)
    expect(await ask('/api/v1/query', { query: '1 / 0', time: '17.5' })).toMatchObject({
      body: { data: { resultType: 'scalar', result: [17.5, '+Inf'] } },
    })
    expect(await ask('/api/v1/query', { query: 'c[2s]' })).toMatchObject({
      body: {
        data: {
          resultType: 'matrix',
          result: [
            {
              metric: { __name__: 'c' },
              values: [
                [seconds - 1, '8'],
                [seconds, '9'],
              ],
            },
          ],
        },
      },
    })
  })

  it('answers range queries step by step', async () => {
    const { ask, seconds } = await recorded()
    const { body } = await ask('/api/v1/query_range', {
      query: 'c',
      start: String(seconds - 4),
      end: new Date(seconds * 1000).toISOString(),
      step: '2s',
    })
    expect(body).toMatchObject({
      data: {
        resultType: 'matrix',
        result: [
          {
            metric: { pod: 'p' },
            values: [
              [seconds - 4, '5'],
              [seconds - 2, '7'],
              [seconds, '9'],
            ],
          },
        ],
      },
    })
  })

  it('refuses what it does not know', async () => {
    const { ask } = await recorded()
    expect(await ask('/api/v1/query', { query: 'topk(1, c)' })).toMatchObject({
      status: 400,
      body: { status: 'error', errorType: 'bad_data' },
    })
    expect(await ask('/api/v1/query_range', { query: 'c', start: '1', end: '2' })).toMatchObject({ status: 400 })
    expect(await ask('/api/v1/series')).toMatchObject({ status: 404 })
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
