import type { Clock } from '../runtime/clock.ts'
import { ConnectionError, type MeshRequest, type MeshResponse } from './mesh.ts'
import { createForwarder } from './proxy.ts'

/** What became of the requests; a second's worth, or all of them. */
export type LoadTally = {
  readonly sent: number
  /** Answered 200. */
  readonly ok: number
  /** Everything else, by status; 0 is a connection that failed. */
  readonly errors: Readonly<Record<number, number>>
}

/** One second of a load, for screens. */
export type LoadSecond = LoadTally & { /** Wall clock, ms since the epoch, at the second's start. */ readonly atMs: number }

/** A stream of requests at a fixed rate. */
export type Load = {
  /** Sends until the signal aborts; what is under way then is still counted. */
  readonly run: (signal: AbortSignal) => Promise<void>
  readonly total: () => LoadTally
  /** The last five minutes at most, oldest first, counted by when a request was sent. */
  readonly history: () => readonly LoadSecond[]
  /** Changes the rate, requests per second; 0 pauses. */
  readonly setRate: (rps: number) => void
}

type Options = {
  readonly clock: Clock
  readonly send: (request: MeshRequest) => Promise<MeshResponse>
  readonly rps: number
  /** Share of each method; they should add up to 1. Default: all GET. */
  readonly methods?: Readonly<Record<string, number>>
  readonly host?: string
}

type Counts = { atMs: number; sent: number; ok: number; errors: Record<number, number> }

const [BURST, MAX_IN_FLIGHT, HISTORY_S] = [4, 256, 300] as const

/** Sends through a gateway on a loopback port; throws for any other address. */
export function loopbackSend(url: string): (request: MeshRequest) => Promise<MeshResponse> {
  const { hostname, port, host } = new URL(url)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) throw new Error(`load goes to loopback only, not to ${hostname}`)
  const forwarder = createForwarder()
  return (request) => forwarder.send(Number(port), { ...request, host: request.host === '' ? host : request.host })
}

/** An open-loop load: it sends on time whether or not answers come, but never more than 256 requests at once. */
export function createLoad({ clock, send, rps, methods = { GET: 1 }, host = '' }: Options): Load {
  const history: Counts[] = []
  const begun = (atMs: number): Counts => ({ atMs, sent: 0, ok: 0, errors: {} })
  const total = begun(clock.now())
  let [rate, inFlight] = [rps, 0]
  const second = (): Counts => {
    const atMs = Math.floor(clock.now() / 1000) * 1000
    if (history.at(-1)?.atMs !== atMs) history.push(begun(atMs))
    if (history.length > HISTORY_S) history.shift()
    return history.at(-1) ?? total
  }
  const sendOne = async (counts: readonly Counts[]): Promise<void> => {
    const method = methodAt(methods, (total.sent * GOLDEN) % 1)
    for (const each of counts) each.sent += 1
    inFlight += 1
    const status = await send({ method, host, path: '/', headers: {} }).then((response) => response.status, unanswered)
    inFlight -= 1
    for (const each of counts) {
      if (status === 200) each.ok += 1
      else each.errors[status] = (each.errors[status] ?? 0) + 1
    }
  }
  return {
    total: () => total,
    history: () => history,
    setRate: (wanted) => void (rate = wanted),
    async run(signal) {
      for (let nextMs = clock.monotonic(); !signal.aborted;) {
        for (let burst = 0; burst < BURST && rate > 0 && nextMs <= clock.monotonic(); burst += 1) {
          if (inFlight < MAX_IN_FLIGHT) void sendOne([total, second()])
          nextMs += 1000 / rate
        }
        // Time lost for more than a second (a laptop asleep) is not made up for.
        if (rate <= 0 || clock.monotonic() - nextMs > 1000) nextMs = clock.monotonic() + 10
        await clock.sleep(Math.max(1, nextMs - clock.monotonic()), signal).catch(() => signal.aborted)
      }
    },
  }
}

/** Golden-ratio steps fall into every share of [0, 1) evenly, without chance. */
const GOLDEN = (1 + Math.sqrt(5)) / 2

function methodAt(methods: Readonly<Record<string, number>>, at: number): string {
  let left = at
  return Object.entries(methods).find(([, share]) => (left -= share) < 0)?.[0] ?? 'GET'
}

function unanswered(error: unknown): number {
  if (error instanceof ConnectionError) return 0
  throw error
}
