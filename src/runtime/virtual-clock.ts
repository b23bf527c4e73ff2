import type { Clock } from './clock.ts'

type Sleeper = { readonly at: number; readonly order: number; readonly wake: () => void }

/**
 * A clock that moves only when told to. Sleepers wake in order of their time, then of their arrival, and everything
 * a wake-up sets off is run to its end before the next one: a day of a whole cluster is one deterministic test.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number
  #elapsedMs = 0
  #order = 0
  #sleepers: Sleeper[] = []

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
  }

  readonly now = (): number => this.#startMs + this.#elapsedMs
  readonly monotonic = (): number => this.#elapsedMs

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const entry: Sleeper = { at: this.#elapsedMs + Math.max(0, ms), order: this.#order++, wake: () => finish() }
      const abort = () => {
        this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== entry)
        reject(signal?.reason as Error)
      }
      const finish = () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#sleepers.push(entry)
    })

  /** Moves time on by `ms`, waking every sleeper on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms
    await settled()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#elapsedMs = next.at
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== next)
      next.wake()
      await settled()
    }
    this.#elapsedMs = end
  }

  #next(end: number): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers) {
      if (sleeper.at > end) continue
      if (first === undefined || sleeper.at < first.at || (sleeper.at === first.at && sleeper.order < first.order)) first = sleeper
    }
    return first
  }
}

/** Lets every promise chain run until it waits for time: one turn of the event loop drains all microtasks. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
