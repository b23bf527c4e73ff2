import { type Backoff, backoffMs } from './backoff.ts'
import type { Clock } from './clock.ts'

/** What a work queue is made of; `random` yields [0, 1) and only spreads retries. */
export type WorkQueueOptions = Partial<Backoff> & {
  readonly clock: Clock
  readonly random: () => number
}

type Taker = { readonly give: (key: string | undefined) => void; readonly urgentOnly: boolean }

/**
 * Keys waiting to be worked on, with client-go's guarantees (util/workqueue): a key is never out twice at once, an add
 * is never lost, many adds before a run are one run, and adds during a run are exactly one more run after it.
 * Urgent keys are handed out before all others, and workers may be kept free for them.
 */
export class WorkQueue {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #backoff: Backoff
  readonly #urgent = new Set<string>()
  readonly #waiting = new Set<string>()
  readonly #dirty = new Set<string>()
  readonly #running = new Set<string>()
  readonly #delayed = new Map<string, { readonly at: number; readonly cancel: AbortController }>()
  readonly #failures = new Map<string, number>()
  #takers: Taker[] = []
  #closed = false

  constructor({ clock, random, baseMs = 5, maxMs = 30_000 }: WorkQueueOptions) {
    this.#clock = clock
    this.#random = random
    this.#backoff = { baseMs, maxMs }
  }

  /** How many keys could be taken now. */
  get depth(): number {
    return this.#waiting.size
  }

  /** Asks for a run of `key` as soon as possible; `urgent` before all that are not, even where it was asked for already. */
  add(key: string, { urgent = false } = {}): void {
    const hastens = urgent && !this.#urgent.has(key)
    if (this.#closed || (this.#dirty.has(key) && !hastens)) return
    if (urgent) this.#urgent.add(key)
    this.#dirty.add(key)
    if (!this.#running.has(key)) this.#offer(key)
  }

  /** Asks for a run of `key` in `ms`; of several such wishes the earliest stands, and a run in between does not cancel it. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return
    if (ms <= 0) return this.add(key)
    const at = this.#clock.monotonic() + ms
    const present = this.#delayed.get(key)
    if (present !== undefined && present.at <= at) return
    present?.cancel.abort()
    const cancel = new AbortController()
    this.#delayed.set(key, { at, cancel })
    const ripen = () => {
      this.#delayed.delete(key)
      this.add(key)
    }
    this.#clock.sleep(ms, cancel.signal).then(ripen, () => undefined)
  }

  /** Asks for a run of `key` after its back-off, one rung longer at each call; returns that delay in milliseconds. */
  addRateLimited(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const delayMs = backoffMs(this.#backoff, failures, this.#random)
    this.addAfter(key, delayMs)
    return delayMs
  }

  /** Starts the back-off of `key` from its first rung again. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  /**
   * The next key, or with `urgentOnly` the next urgent one, once there is one; undefined when shut down and empty. Every
   * key taken must be given to `done`.
   */
  take({ urgentOnly = false } = {}): Promise<string | undefined> {
    const key = this.#next(urgentOnly)
    if (key !== undefined) {
      this.#start(key)
      return Promise.resolve(key)
    }
    if (this.#closed) return Promise.resolve(undefined)
    return new Promise((give) => this.#takers.push({ give, urgentOnly }))
  }

  /** Ends the run of a key; if it was added meanwhile it is next in line again. */
  done(key: string): void {
    this.#running.delete(key)
    if (this.#dirty.has(key)) this.#offer(key)
  }

  /** Takes no more keys and drops the delayed ones; what waits already is still handed out. */
  shutDown(): void {
    this.#closed = true
    for (const { cancel } of this.#delayed.values()) cancel.abort()
    this.#delayed.clear()
    for (const { give } of this.#takers) give(undefined)
    this.#takers = []
  }

  #offer(key: string): void {
    const urgent = this.#urgent.has(key)
    const taker = this.#takers.find(({ urgentOnly }) => urgent || !urgentOnly)
    if (taker === undefined) {
      this.#waiting.add(key)
      return
    }
    this.#takers = this.#takers.filter((other) => other !== taker)
    this.#start(key)
    taker.give(key)
  }

  /** An urgent key that runs already waits for its turn: only one that waits can be handed out. */
  #next(urgentOnly: boolean): string | undefined {
    for (const key of this.#urgent) if (this.#waiting.has(key)) return key
    const [key] = urgentOnly ? [] : this.#waiting
    return key
  }

  #start(key: string): void {
    this.#waiting.delete(key)
    this.#urgent.delete(key)
    this.#running.add(key)
    this.#dirty.delete(key)
  }
}
