import { backoffMs } from './backoff.ts'
import type { Clock } from './clock.ts'
import { asError, statusOf } from './failure.ts'
import type { ListWatch } from './list-watch.ts'
import type { Reflector } from './reflector.ts'

/** Keeps a store equal to what the API server has. */
export type Reflecting = Pick<Reflector, 'synced' | 'filled' | 'run'>

/** What a partial reflector is made of. */
export type PartialReflectorOptions = {
  /** Of the whole resource; asked once whether it may be read. */
  readonly listWatch: ListWatch
  readonly whole: Reflecting
  /** What is reflected instead where the server forbids the whole. */
  readonly parts: readonly Reflecting[]
  readonly onForbidden: () => void
  readonly clock: Clock
  readonly random: () => number
}

const BACKOFF = { baseMs: 800, maxMs: 30_000 }

/** Reflects all of a resource, or, where the server forbids that at the start, only parts of it. */
export class PartialReflector implements Reflecting {
  readonly synced: Promise<void>
  readonly #options: PartialReflectorOptions
  #chosen: readonly Reflecting[] = []
  #choose: (chosen: readonly Reflecting[]) => void = () => undefined
  #giveUp: (reason: Error) => void = () => undefined

  constructor(options: PartialReflectorOptions) {
    this.#options = options
    const chosen = new Promise<readonly Reflecting[]>((resolve, reject) => {
      this.#choose = resolve
      this.#giveUp = reject
    })
    this.synced = chosen.then((reflectors) => Promise.all(reflectors.map(({ synced }) => synced))).then(() => undefined)
    // Nobody need be waiting when a stop rejects it.
    this.synced.catch(() => undefined)
  }

  get filled(): boolean {
    return this.#chosen.length > 0 && this.#chosen.every(({ filled }) => filled)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { whole, parts, onForbidden } = this.#options
    const isAllowed = await this.#isAllowed(signal)
    if (signal.aborted) return this.#giveUp(asError(signal.reason))
    if (!isAllowed) onForbidden()
    this.#chosen = isAllowed ? [whole] : parts
    this.#choose(this.#chosen)
    await Promise.all(this.#chosen.map((reflector) => reflector.run(signal)))
  }

  /** Asks until the server says yes or no: one that cannot be reached has said nothing. */
  async #isAllowed(signal: AbortSignal): Promise<boolean> {
    const { listWatch, clock, random } = this.#options
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await listWatch.list(undefined, signal)
        return true
      } catch (thrown) {
        const status = statusOf(thrown)
        if (status === 403) return false
        // Not served: whoever reflects it knows what to do about that.
        if (status === 404) return true
        await clock.sleep(backoffMs(BACKOFF, failures, random), signal).catch(() => undefined)
      }
    }
    return false
  }
}
