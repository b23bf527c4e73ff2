import type { Clock } from '../../src/runtime/clock.ts'
import type { Transport, TransportRequest, TransportResponse } from '../../src/runtime/transport.ts'
import type { Faults } from '../../src/sandbox/cluster.ts'

/**
 * What happens to one write: the operator dies before it, after it, or while it is under way and lands all the same;
 * the server refuses it, its answer is lost, it hangs for longer than anybody waits and lands late, or every watch
 * falls behind from then on for a while.
 */
export type Fault = 'crash-before' | 'crash-after' | 'orphaned' | '409' | '429' | '500' | 'lost-answer' | 'lands-late' | 'stale-caches'

/** When a late write lands, milliseconds after it was sent. */
export const LATE_MS = 20_000
const ORPHAN_MS = 4_000
const STALE_MS = 4_000

/** What a saboteur needs of the surroundings. */
export type Surroundings = {
  readonly clock: Clock
  readonly faults: Pick<Faults, 'pauseWatches' | 'resumeWatches'>
  /** The fault of the write of this number, if any. */
  readonly fate: (write: number) => Fault | undefined
  /** Ends the process that writes, and starts the next. */
  readonly kill: () => void
}

/** Counts the writes of every process of the operator, and does to each what its fate is. */
export class Saboteur {
  /** What was written, in order: "PATCH deployments/service-c-v2". */
  readonly writes: string[] = []
  readonly #surroundings: Surroundings

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  readonly through = (transport: Transport): Transport => async (request) => {
    if (request.method === 'GET') return transport(request)
    const fault = this.#surroundings.fate(this.writes.length)
    this.writes.push(nameOf(request))
    return fault === undefined ? transport(request) : this.#spoil(fault, transport, request)
  }

  async #spoil(fault: Fault, transport: Transport, request: TransportRequest): Promise<TransportResponse> {
    const { clock, faults } = this.#surroundings
    switch (fault) {
      case 'crash-before':
        return this.#die()
      case 'crash-after':
        await transport(request)
        return this.#die()
      case 'orphaned':
        this.#land(ORPHAN_MS, transport, request)
        return this.#die()
      case 'lost-answer':
        await transport(request)
        throw new Error('the connection was reset before the response')
      case 'lands-late':
        this.#land(LATE_MS, transport, request)
        await clock.sleep(request.timeoutMs)
        throw new Error(`no response within ${request.timeoutMs} ms`)
      case 'stale-caches':
        faults.pauseWatches()
        void clock.sleep(STALE_MS).then(faults.resumeWatches)
        return transport(request)
      case '409':
      case '429':
      case '500':
        return refusal(Number(fault))
      default:
        return fault satisfies never
    }
  }

  /** What is on its way lands, whatever becomes of who sent it. */
  #land(afterMs: number, transport: Transport, { signal: _sender, ...request }: TransportRequest): void {
    this.#surroundings.clock.sleep(afterMs).then(() => transport(request)).catch(() => undefined)
  }

  #die(): never {
    this.#surroundings.kill()
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
