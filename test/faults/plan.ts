import type { Transport, TransportRequest, TransportResponse } from '../../src/runtime/transport.ts'
import type { VirtualClock } from '../../src/runtime/virtual-clock.ts'
import type { Process } from '../harness.ts'

/**
 * What happens to one write: the operator dies before it or after it, the server refuses it, its answer is lost, or it
 * hangs for longer than anybody waits, and lands late.
 */
export type Fault = 'crash-before' | 'crash-after' | '409' | '429' | '500' | 'lost-answer' | 'lands-late'

export const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', '409', '429', '500', 'lost-answer', 'lands-late']

export type Plan = { readonly fault: Fault; readonly write: number }

const LATE_MS = 20_000

/** Counts the writes of every process of the operator, and does to one of them what the plan says. */
export class Saboteur {
  /** What was written, in order: "PATCH deployments/service-c-v2". */
  readonly writes: string[] = []
  readonly #clock: VirtualClock
  readonly #plan: Plan | undefined
  /** The process that is to die, and what starts the next. */
  victim: Process | undefined
  onDeath: () => void = () => undefined

  constructor(clock: VirtualClock, plan: Plan | undefined) {
    this.#clock = clock
    this.#plan = plan
  }

  readonly through = (transport: Transport): Transport => async (request) => {
    if (request.method === 'GET') return transport(request)
    const isIt = this.writes.length === this.#plan?.write
    this.writes.push(nameOf(request))
    return isIt && this.#plan !== undefined ? this.#spoil(this.#plan.fault, transport, request) : transport(request)
  }

  async #spoil(fault: Fault, transport: Transport, request: TransportRequest): Promise<TransportResponse> {
    switch (fault) {
      case 'crash-before':
        return this.#die()
      case 'crash-after':
        await transport(request)
        return this.#die()
      case 'lost-answer':
        await transport(request)
        throw new Error('the connection was reset before the response')
      case 'lands-late':
        void this.#clock.sleep(LATE_MS).then(() => transport(request))
        await this.#clock.sleep(request.timeoutMs)
        throw new Error(`no response within ${request.timeoutMs} ms`)
      case '409':
      case '429':
      case '500':
        return refusal(Number(fault))
      default:
        return fault satisfies never
    }
  }

  async #die(): Promise<never> {
    this.victim?.kill()
    this.onDeath()
    throw new Error('killed at this write')
  }
}

const REASONS: Readonly<Record<number, string>> = { 409: 'Conflict', 429: 'TooManyRequests', 500: 'InternalError' }

function refusal(status: number): TransportResponse {
  const text = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: REASONS[status], message: 'the request was made to fail', code: status })
  const headers = { 'content-type': 'application/json', ...(status === 429 ? { 'retry-after': '1' } : {}) }
  return { status, headers, text: () => Promise.resolve(text), async *lines() { yield text } }
}

/** "PATCH deployments/service-c-v2", without the random part of an event's name. */
function nameOf({ method, path, body = '' }: TransportRequest): string {
  const place = path.replace(/^.*\/namespaces\/[^/]+\//, '').replace(/(events\/)?([\w-]+)\.[0-9a-f]{16,}$/, '$1$2')
  const reason = /"reason":"(\w+)"/.exec(place.startsWith('events') ? body : '')?.[1]
  return `${method} ${place}${reason === undefined ? '' : ` ${reason}`}`
}
