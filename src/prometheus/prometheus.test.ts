import nock from 'nock'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { nodeTransport } from '../kubernetes/transport.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { createPrometheus } from './prometheus.ts'

const HOST = 'http://prometheus.test:9090'
const SECRET = 'Bearer very-secret'

const prometheusAt = (baseUrl: string, timeoutMs = 2_000) =>
  createPrometheus({
    transport: nodeTransport({ baseUrl, clock: systemClock, headers: () => Promise.resolve({ authorization: SECRET }) }),
    timeoutMs,
  })

const success = (resultType: string, result: unknown, more: object = {}) => ({
  status: 'success',
  data: { resultType, result },
  ...more,
})
const vector = (...values: readonly string[]) =>
  success(
    'vector',
    values.map((value, index) => ({ metric: { __name__: 'up', pod: `pod-${index}` }, value: [1_700_000_000.5, value] })),
  )

const answering = (status: number, body: string | object) => {
  nock(HOST)
    .get('/api/v1/query')
    .query(true)
    .reply(status, typeof body === 'string' ? body : JSON.stringify(body))
  return prometheusAt(HOST)
}

beforeAll(() => {
  nock.disableNetConnect()
  nock.enableNetConnect('127.0.0.1')
  return () => nock.restore()
})

afterEach(() => {
  expect(nock.pendingMocks()).toEqual([])
  nock.cleanAll()
})

describe('a query for one number', () => {
  it.each([
    ['one sample', vector('0.25'), { kind: 'value', value: 0.25, timeMs: 1_700_000_000_500 }],
    ['a scalar', success('scalar', [1_700_000_000, '3']), { kind: 'value', value: 3, timeMs: 1_700_000_000_000 }],
    ['an infinite scalar', success('scalar', [1_700_000_000, '-Inf']), { kind: 'inf', sign: -1 }],
    ['nothing', vector(), { kind: 'empty' }],
    ['NaN', vector('NaN'), { kind: 'nan' }],
    ['+Inf', vector('+Inf'), { kind: 'inf', sign: 1 }],
    ['-Inf', vector('-Inf'), { kind: 'inf', sign: -1 }],
    ['several series', vector('1', '2', '3'), { kind: 'several', count: 3 }],
    ['an info, which changes no number', success('vector', [], { infos: ['metric might not be a counter'] }), { kind: 'empty' }],
  ])('tells %s apart', async (_, body, expected) => {
    expect(await answering(200, body).queryNumber('up')).toEqual(expected)
  })

  it.each([
    ['a proxy’s HTML with 503', 503, '<html>no healthy upstream</html>', /HTTP 503.*no healthy upstream/],
    ['a login page with 200', 200, '<html>please log in</html>', /HTTP 200.*please log in/],
    ['JSON that is cut', 200, '{"status":"success","data":{"resultType":"vec', /HTTP 200, and no answer of Prometheus/],
    ['an empty body', 200, '', /HTTP 200, and no answer of Prometheus/],
    [
      'a refused expression',
      400,
      { status: 'error', errorType: 'bad_data', error: 'parse error: unexpected )' },
      /HTTP 400: bad_data: parse error: unexpected \)/,
    ],
    [
      'a query that timed out in Prometheus',
      503,
      { status: 'error', errorType: 'timeout', error: 'query timed out' },
      /HTTP 503: timeout/,
    ],
    [
      'a partial answer',
      200,
      success('vector', [], { warnings: ['store gateway 3 unreachable'] }),
      /store gateway 3 unreachable/,
    ],
    [
      'native histograms',
      200,
      success('vector', [{ metric: {}, histogram: [1, { count: '3', sum: '1', buckets: [] }] }]),
      /native histograms/,
    ],
    ['a range', 200, success('matrix', [{ metric: {}, values: [[1, '2']] }]), /yields a matrix/],
    ['an answer without data', 200, { status: 'success' }, /without a result/],
  ])('answers %s with an error that tells', async (_, status, body, message) => {
    const answer = await answering(status, body).queryNumber('up')
    expect(answer).toEqual({ kind: 'error', message: expect.stringMatching(message) })
  })

  it('answers a server that stays silent with an error, at the deadline and without the credentials', async () => {
    nock(HOST).get('/api/v1/query').query(true).delay(400).reply(200, vector('1'))
    const answer = await prometheusAt(HOST, 50).queryNumber('up')
    expect(answer).toEqual({ kind: 'error', message: expect.stringContaining('no answer within 50 ms') })
    expect(JSON.stringify(answer)).not.toContain('secret')
  })

  it('answers a refused connection and an aborted query with an error', async () => {
    expect(await prometheusAt('http://127.0.0.1:1').queryNumber('up')).toEqual({
      kind: 'error',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    const aborted = await prometheusAt(HOST).queryNumber('up', undefined, AbortSignal.abort(new Error('shutting down')))
    expect(aborted).toEqual({ kind: 'error', message: 'shutting down' })
  })
})

describe('a query for a vector', () => {
  it('keeps every series with its labels, NaN and infinities as they are', async () => {
    const answer = await answering(200, vector('1', 'NaN', '+Inf')).queryVector('up')
    const timeMs = 1_700_000_000_500
    expect(answer).toEqual({
      kind: 'vector',
      samples: [
        { labels: { pod: 'pod-0' }, value: 1, timeMs },
        { labels: { pod: 'pod-1' }, value: Number.NaN, timeMs },
        { labels: { pod: 'pod-2' }, value: Number.POSITIVE_INFINITY, timeMs },
      ],
    })
  })

  it('asks for the time given, for the server’s own where none is, below a path prefix and with the credentials', async () => {
    const scope = nock(HOST, { reqheaders: { authorization: SECRET } })
    scope.get('/select/api/v1/query').query({ query: 'up{a="b c"}', time: '1700000000.25' }).reply(200, vector('1'))
    scope.get('/select/api/v1/query').query({ query: 'up' }).reply(200, vector('2'))
    const prometheus = prometheusAt(`${HOST}/select/`)
    expect(await prometheus.queryNumber('up{a="b c"}', 1_700_000_000_250)).toMatchObject({ value: 1 })
    expect(await prometheus.queryNumber('up')).toMatchObject({ value: 2 })
  })

  it('sends a long query in the body, where no proxy cuts it', async () => {
    const query = `sum(up{pod=~"${'x'.repeat(3_000)}"})`
    nock(HOST).post('/api/v1/query', { query, time: '1' }).reply(200, vector('1'))
    expect(await prometheusAt(HOST).queryNumber(query, 1_000)).toMatchObject({ kind: 'value' })
  })
})
