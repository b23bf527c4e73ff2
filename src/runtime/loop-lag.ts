import type { Clock } from './clock.ts'

/**
 * How late the event loop is. A timer beats; who asks between its beats learns how overdue it is: what runs first after
 * a standstill may come before any timer.
 */
export class LoopLag {
  readonly #clock: Clock
  readonly #periodMs: number
  #beatAtMs = Infinity

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock
    this.#periodMs = periodMs
  }

  /** Milliseconds by which the next beat is overdue; not above 0 while all is well, and before `run`. */
  ms(): number {
    return this.#clock.monotonic() - this.#beatAtMs - this.#periodMs
  }

  /** Beats until the signal aborts, `onBeat` being called before each. */
  async run(signal: AbortSignal, onBeat: () => void): Promise<void> {
    while (!signal.aborted) {
      this.#beatAtMs = this.#clock.monotonic()
      await this.#clock.sleep(this.#periodMs, signal).catch(() => undefined)
      if (!signal.aborted) onBeat()
    }
    this.#beatAtMs = Infinity
  }
}
