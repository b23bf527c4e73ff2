/**
 * Time, as everything outside the pure folders sees it. No other file may touch Date or timers.
 * Two clocks, because they answer different questions: the wall clock names instants for people,
 * schedules and objects; the monotonic clock measures waits and never jumps.
 */
export type Clock = {
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Monotonic milliseconds since an arbitrary start. */
  readonly monotonic: () => number
  /** Resolves after `ms`; rejects with the signal's reason when aborted, and removes its listener either way. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}
