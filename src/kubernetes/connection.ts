import { backoffMs } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { asError } from '../runtime/failure.ts'
import type { WatchEvent } from '../runtime/list-watch.ts'
import type { Transport, TransportRequest, TransportResponse } from '../runtime/transport.ts'
import { type Attempt, KubernetesError, UnknownOutcomeError } from './errors.ts'
import { resourceName } from './resource.ts'
import { failureOfAnswer, type JsonObject, parseObject } from './status.ts'
import { watchEvents } from './watch.ts'

/** What a connection is made of. */
export type ConnectionOptions = {
  readonly transport: Transport
  readonly clock: Clock
  /** Yields [0, 1), to spread retries. */
  readonly random: () => number
  /** Deadline of each operation, all retries of a read included, milliseconds. */
  readonly timeoutMs: number
  readonly userAgent?: string
  /** Called after every request, for metrics. */
  readonly onRequest?: (report: RequestReport) => void
}

/** How one request ended; without an answer there is no status. */
export type RequestReport = {
  readonly method: string
  readonly resource: string
  readonly status: number | undefined
  readonly durationMs: number
}

/** The body of a write. */
export type WriteBody = {
  readonly method: TransportRequest['method']
  readonly path: string
  readonly contentType: string
  readonly body: unknown
}

/** Requests to one API server. Refusals throw KubernetesError, missing answers UnknownOutcomeError. */
export type Connection = {
  /** Repeats what the server was too busy for, or did not answer, as long as the deadline allows. */
  readonly read: (attempt: Attempt, path: string, signal?: AbortSignal) => Promise<JsonObject>
  /** Sends once. */
  readonly write: (attempt: Attempt, body: WriteBody, signal?: AbortSignal) => Promise<JsonObject>
  readonly watch: (attempt: Attempt, path: string, signal: AbortSignal) => AsyncIterable<WatchEvent>
}

const MAX_ATTEMPTS = 5
const RETRY = { baseMs: 100, maxMs: 5_000 }

/** A connection over a transport. */
export const createConnection = (options: ConnectionOptions): Connection => {
  const { clock, random, timeoutMs } = options

  const read: Connection['read'] = async (attempt, path, signal) => {
    const deadline = clock.monotonic() + timeoutMs
    for (let failures = 1; ; failures++) {
      const leftMs = deadline - clock.monotonic()
      try {
        return await exchange(options, attempt, { method: 'GET', path, timeoutMs: leftMs, ...signalled(signal) }, parseBody)
      } catch (error) {
        const waitMs = retryDelay(error) ?? backoffMs(RETRY, failures, random)
        const hopeless = !isWorthRepeating(error) || failures === MAX_ATTEMPTS || clock.monotonic() + waitMs >= deadline
        if (hopeless || signal?.aborted === true) throw error
        await clock.sleep(waitMs, signal)
      }
    }
  }

  return {
    read,
    write: (attempt, { method, path, contentType, body }, signal) => {
      const headers = { 'content-type': contentType }
      const request = { method, path, headers, body: JSON.stringify(body), timeoutMs, ...signalled(signal) }
      return exchange(options, attempt, request, parseBody)
    },
    watch: async function* (attempt, path, signal) {
      const opened = await exchange(options, attempt, { method: 'GET', path, timeoutMs, signal }, (response) =>
        Promise.resolve(response),
      )
      yield* watchEvents(opened.lines(), attempt)
    },
  }
}

const exchange = async <T>(
  { transport, clock, userAgent = 'serin', onRequest }: ConnectionOptions,
  attempt: Attempt,
  request: TransportRequest,
  receive: (response: TransportResponse) => Promise<T>,
): Promise<T> => {
  const startedAt = clock.monotonic()
  let status: number | undefined
  try {
    const headers = { accept: attempt.accept ?? 'application/json', 'user-agent': userAgent, ...request.headers }
    const response = await transport({ ...request, headers })
    status = response.status
    if (status >= 300) throw new KubernetesError(attempt, failureOfAnswer(response, await response.text()))
    return await receive(response)
  } catch (thrown) {
    if (thrown instanceof KubernetesError) throw thrown
    throw new UnknownOutcomeError(attempt, asError(thrown))
  } finally {
    const resource = resourceName(attempt.resource)
    onRequest?.({ method: attempt.method, resource, status, durationMs: clock.monotonic() - startedAt })
  }
}

const parseBody = async (response: TransportResponse): Promise<JsonObject> => parseObject(await response.text())

const signalled = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal })

const isWorthRepeating = (error: unknown): boolean =>
  error instanceof UnknownOutcomeError || (error instanceof KubernetesError && (error.status === 429 || error.status >= 500))

const retryDelay = (error: unknown): number | undefined => (error instanceof KubernetesError ? error.retryAfterMs : undefined)
