import { type PrometheusConnectionOptions, PrometheusDriver } from 'prometheus-query'
import type { Transport } from '../runtime/transport.ts'

/** What a driver is made of. */
export type DriverOptions = {
  readonly transport: Transport
  /** Deadline of a query, milliseconds. */
  readonly timeoutMs: number
  readonly headers?: Readonly<Record<string, string>>
}

type AxiosRequest = Parameters<NonNullable<PrometheusConnectionOptions['requestInterceptor']>['onFulfilled']>[0]
type AxiosResponse = Parameters<NonNullable<PrometheusConnectionOptions['responseInterceptor']>['onFulfilled']>[0]
type JsonObject = Readonly<Record<string, unknown>>

/** Beyond this many characters a query travels in the body: proxies cut longer URLs. */
const MAX_QUERY_STRING = 2_000

/**
 * A prometheus-query driver for one query. It opens no socket of its own, and what the package would blur (infinities,
 * warnings, histograms, answers of proxies) reaches its caller as a number that parses or as a failure that tells.
 */
export const createDriver = (
  options: DriverOptions,
  at: { readonly serverTime: boolean; readonly signal?: AbortSignal },
): PrometheusDriver =>
  new PrometheusDriver({
    // Only the path counts: the transport knows the server.
    endpoint: 'http://prometheus',
    timeout: options.timeoutMs,
    requestInterceptor: {
      onFulfilled: (request) => {
        const parameters = new URLSearchParams(String(request.params))
        // The package fills in this machine's time where none is asked for.
        if (at.serverTime) parameters.delete('time')
        request.adapter = () => send(options, request, parameters.toString(), at.signal)
        return request
      },
    },
    responseInterceptor: {
      onFulfilled: (response) => ({ ...response, data: checkedAnswer(response) }),
    },
  })

const send = async (
  options: DriverOptions,
  request: AxiosRequest,
  query: string,
  signal?: AbortSignal,
): Promise<AxiosResponse> => {
  const path = new URL(`${request.baseURL ?? ''}${request.url ?? ''}`).pathname
  const inBody = query.length > MAX_QUERY_STRING
  const response = await options.transport({
    ...(inBody ? { method: 'POST', path, body: query } : { method: 'GET', path: `${path}?${query}` }),
    headers: {
      accept: 'application/json',
      ...(inBody ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...options.headers,
    },
    timeoutMs: options.timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  })
  return { data: await response.text(), status: response.status, statusText: '', headers: {}, config: request }
}

const checkedAnswer = ({ status, data }: AxiosResponse): JsonObject => {
  // Axios has parsed the body where it is JSON, and left it a string where not.
  const answer: unknown = data
  if (!isObject(answer) || typeof answer['status'] !== 'string') {
    throw new Error(`HTTP ${status}, and no answer of Prometheus: ${String(answer).slice(0, 100)}`)
  }
  if (answer['status'] !== 'success')
    throw new Error(`HTTP ${status}: ${String(answer['errorType'])}: ${String(answer['error'])}`)
  const { warnings } = answer
  if (Array.isArray(warnings) && warnings.length > 0) throw new Error(`Prometheus warns: ${warnings.join('; ')}`)
  const { data: content } = answer
  if (!isObject(content) || !Array.isArray(content['result'])) throw new Error('an answer of Prometheus without a result')
  return { ...answer, data: { ...content, result: content['result'].map(readableSample) } }
}

const readableSample = (sample: unknown): unknown => {
  if (!isObject(sample)) return sample
  if ('histogram' in sample) throw new Error('the query yields native histograms, not numbers')
  const { value } = sample
  return Array.isArray(value) ? { ...sample, value: [value[0], String(value[1]).replace(/^([+-]?)Inf$/, '$1Infinity')] } : sample
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
