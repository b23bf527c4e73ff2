import type { Clock } from '../../runtime/clock.ts'
import type { Transport, TransportRequest } from '../../runtime/transport.ts'
import { compilePromql, PromqlError, type Query } from './promql.ts'
import type { Sample } from './request-metrics.ts'

/** What can be wrong with a Prometheus, for tests: unreachable, answering after a minute, not JSON, NaN everywhere, no data. */
export type PrometheusFault = 'down' | 'slow' | 'garbage' | 'nan' | 'empty'

type Request = { readonly method: string; readonly path: string; readonly body?: string; readonly signal?: AbortSignal }

/** An answer of the API. */
export type PrometheusAnswer = { readonly status: number; readonly body: string }

/** Prometheus' HTTP API over what its scrapes saw. */
export type PrometheusApi = {
  /** Set to break it, undefined to mend it. */
  fault: PrometheusFault | undefined
  /** Rejects where the fault is "down". */
  readonly answer: (request: Request) => Promise<PrometheusAnswer>
  /** The same as a transport with deadlines. */
  readonly transport: Transport
}

/** Answers /api/v1/query (GET or form POST) and the two health paths; everything else is 404. */
export function createPrometheusApi(clock: Clock, seriesAt: (atMs: number) => readonly Sample[]): PrometheusApi {
  const api: PrometheusApi = {
    fault: undefined,
    async answer({ method, path, body, signal }) {
      if (api.fault === 'down') throw new Error('connect ECONNREFUSED: Prometheus is down')
      if (api.fault === 'slow') await clock.sleep(60_000, signal)
      if (api.fault === 'garbage') return { status: 200, body: '<html>not what you asked for</html>' }
      const url = new URL(path, 'http://prometheus')
      const params = new URLSearchParams([...url.searchParams, ...new URLSearchParams(method === 'POST' ? body : '')])
      if (url.pathname.startsWith('/-/')) return { status: 200, body: 'Prometheus Server is Healthy.\n' }
      if (url.pathname !== '/api/v1/query') return failure(404, 'not_found', `the sandbox does not implement ${url.pathname}`)
      return query(params, clock.now(), (wanted, atMs) => spoiled(wanted(seriesAt(atMs)), api.fault))
    },
    async transport(request) {
      const { status, body } = await withDeadline(clock, request, (signal) => api.answer({ ...request, signal }))
      const lines = async function* () {
        yield* body.split('\n')
      }
      return { status, headers: { 'content-type': 'application/json' }, text: () => Promise.resolve(body), lines }
    },
  }
  return api
}

async function withDeadline<T>(
  clock: Clock,
  { timeoutMs, signal }: TransportRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const all = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal])
  const late = clock.sleep(timeoutMs, all).then((): never => {
    throw new Error(`no answer from Prometheus within ${timeoutMs} ms`)
  })
  try {
    return await Promise.race([work(all), late])
  } finally {
    done.abort(new Error('answered'))
  }
}

const failure = (status: number, errorType: string, error: string): PrometheusAnswer => ({
  status,
  body: JSON.stringify({ status: 'error', errorType, error }),
})

type Ask = (query: Query, atMs: number) => readonly Sample[]

function query(params: URLSearchParams, nowMs: number, ask: Ask): PrometheusAnswer {
  try {
    const atMs = timeOf(params.get('time') ?? String(nowMs / 1000))
    const points = ask(compilePromql(params.get('query') ?? ''), atMs)
    const result = points.map(({ labels, value }) => ({ metric: labels, value: [atMs / 1000, String(value)] }))
    return { status: 200, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) }
  } catch (error) {
    if (error instanceof PromqlError) return failure(400, 'bad_data', error.message)
    throw error
  }
}

/** Seconds or RFC 3339, in whole milliseconds, as Prometheus keeps time. */
function timeOf(text: string): number {
  const atMs = /^[\d.]+$/.test(text) ? Math.round(Number(text) * 1000) : Date.parse(text)
  if (Number.isNaN(atMs)) throw new PromqlError(`invalid parameter "time": cannot parse "${text}"`)
  return atMs
}

function spoiled(points: readonly Sample[], fault: PrometheusFault | undefined): readonly Sample[] {
  if (fault === 'empty') return []
  return fault === 'nan' ? points.map(({ labels }) => ({ labels, value: NaN })) : points
}
