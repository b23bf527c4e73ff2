import type { Clock } from '../../runtime/clock.ts'
import type { Transport } from '../../runtime/transport.ts'
import { compilePromql } from './promql.ts'
import { promqlDurationMs } from './promql-syntax.ts'
import { PromqlError } from './promql-values.ts'
import type { Evaluate, PromqlValue } from './promql-values.ts'
import { seriesKey } from './tsdb.ts'
import type { Labels, Tsdb } from './tsdb.ts'

/** What can be wrong with a Prometheus, for tests: unreachable, answering after a minute, not JSON, NaN everywhere, no data. */
export type PrometheusFault = 'down' | 'slow' | 'garbage' | 'nan' | 'empty'

/** A request to the API: path with query, and a form for POST. */
export type ApiRequest = {
  readonly method: string
  readonly path: string
  readonly body?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** An answer of the API. */
export type ApiResponse = { readonly status: number; readonly body: string }

/** Prometheus' HTTP API over a database. */
export type PrometheusApi = {
  /** Set to break it, undefined to mend it. */
  fault: PrometheusFault | undefined
  /** Rejects where the fault is "down". */
  readonly answer: (request: ApiRequest) => Promise<ApiResponse>
  /** The same as a transport with deadlines. */
  readonly transport: Transport
}

/** Answers query and query_range (GET or form POST) and the two health paths; everything else is 404. */
export function createPrometheusApi({ clock, tsdb }: { readonly clock: Clock; readonly tsdb: Tsdb }): PrometheusApi {
  const api: PrometheusApi = {
    fault: undefined,
    async answer({ method, path, body, signal }) {
      if (api.fault === 'down') throw new Error('connect ECONNREFUSED: Prometheus is down')
      if (api.fault === 'slow') await clock.sleep(60_000, signal)
      if (api.fault === 'garbage') return { status: 200, body: '<html>not what you asked for</html>' }
      const url = new URL(path, 'http://prometheus')
      const params = new URLSearchParams([...url.searchParams, ...new URLSearchParams(method === 'POST' ? body : '')])
      return respond({ path: url.pathname, params, tsdb, nowMs: clock.now(), fault: api.fault })
    },
    async transport(request) {
      const { status, body } = await withDeadline(clock, request, (signal) => api.answer({ ...request, signal }))
      return {
        status,
        headers: { 'content-type': 'application/json' },
        text: () => Promise.resolve(body),
        async *lines() {
          yield* body.split('\n')
        },
      }
    },
  }
  return api
}

async function withDeadline<T>(
  clock: Clock,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const all = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal])
  const late = clock
    .sleep(timeoutMs, all)
    .then(() => Promise.reject(new Error(`no answer from Prometheus within ${timeoutMs} ms`)))
  try {
    return await Promise.race([work(all), late])
  } finally {
    done.abort(new Error('answered'))
  }
}

type Question = {
  readonly path: string
  readonly params: URLSearchParams
  readonly tsdb: Tsdb
  readonly nowMs: number
  readonly fault: PrometheusFault | undefined
}

function respond(question: Question): ApiResponse {
  if (question.path === '/-/healthy' || question.path === '/-/ready')
    return { status: 200, body: 'Prometheus Server is Healthy.\n' }
  const query = QUERIES[question.path]
  if (query === undefined) return failure(404, 'not_found', `this engine does not implement ${question.path}`)
  try {
    return { status: 200, body: JSON.stringify({ status: 'success', data: query(question) }) }
  } catch (error) {
    if (error instanceof PromqlError) return failure(400, 'bad_data', error.message)
    throw error
  }
}

const failure = (status: number, errorType: string, error: string): ApiResponse => ({
  status,
  body: JSON.stringify({ status: 'error', errorType, error }),
})

const QUERIES: Readonly<Record<string, (question: Question) => unknown>> = {
  '/api/v1/query'(question) {
    const atMs = timeParameter(question, 'time') ?? question.nowMs
    const value = spoiled(expression(question)(atMs), question.fault)
    const pair = (number: number) => [atMs / 1000, formatted(number)]
    if (value.kind === 'scalar') return { resultType: 'scalar', result: pair(value.value) }
    if (value.kind === 'vector')
      return { resultType: 'vector', result: value.points.map((point) => ({ metric: point.labels, value: pair(point.value) })) }
    const result = value.ranges.map(({ labels, times, values }) => ({
      metric: labels,
      values: values.map((number, index) => [(times[index] ?? 0) / 1000, formatted(number)]),
    }))
    return { resultType: 'matrix', result }
  },
  '/api/v1/query_range'(question) {
    const [startMs, endMs, stepMs] = [required(question, 'start'), required(question, 'end'), required(question, 'step')]
    if (stepMs <= 0 || (endMs - startMs) / stepMs > 11_000)
      throw new PromqlError('exceeded maximum resolution of 11,000 points per timeseries, or zero step')
    const evaluate = expression(question)
    const rows = new Map<string, { readonly metric: Labels; readonly values: [number, string][] }>()
    for (let atMs = startMs; atMs <= endMs; atMs += stepMs) {
      for (const { labels, value } of vectorOf(spoiled(evaluate(atMs), question.fault))) {
        const row = rows.get(seriesKey(labels)) ?? { metric: labels, values: [] }
        rows.set(seriesKey(labels), row)
        row.values.push([atMs / 1000, formatted(value)])
      }
    }
    return { resultType: 'matrix', result: [...rows.values()] }
  },
}

function vectorOf(value: PromqlValue): readonly { readonly labels: Labels; readonly value: number }[] {
  if (value.kind === 'matrix')
    throw new PromqlError('invalid expression type "range vector" for range query, must be Scalar or instant Vector')
  return value.kind === 'scalar' ? [{ labels: {}, value: value.value }] : value.points
}

function spoiled(value: PromqlValue, fault: PrometheusFault | undefined): PromqlValue {
  if (fault === 'empty') return { kind: 'vector', points: [] }
  if (fault !== 'nan' || value.kind === 'matrix') return value
  return value.kind === 'scalar'
    ? { ...value, value: NaN }
    : { ...value, points: value.points.map(({ labels }) => ({ labels, value: NaN })) }
}

function expression({ tsdb, params }: Question): Evaluate {
  return compilePromql(tsdb, params.get('query') ?? '')
}

function required(question: Question, name: string): number {
  const value = timeParameter(question, name)
  if (value === undefined) throw new PromqlError(`invalid parameter "${name}": it is missing`)
  return value
}

/** Seconds, a duration such as 15s, or RFC 3339, in milliseconds. */
function timeParameter({ params }: Question, name: string): number | undefined {
  const text = params.get(name)
  if (text === null || text === '') return undefined
  if (/^(\d+[a-z]+)+$/.test(text)) return promqlDurationMs(text)
  const value = /^[\d.]+$/.test(text) ? Number(text) * 1000 : Date.parse(text)
  if (Number.isNaN(value)) throw new PromqlError(`invalid parameter "${name}": cannot parse "${text}"`)
  return value
}

/** Numbers as Prometheus writes them. */
const formatted = (value: number): string => (value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value))
