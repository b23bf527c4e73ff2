/** An exponential delay ladder, in milliseconds. */
export type Backoff = {
  readonly baseMs: number
  readonly maxMs: number
}

/** The delay after `failures` (≥ 1) in a row: doubled each time, at most `maxMs`, up to a fifth taken off at random. */
export const backoffMs = ({ baseMs, maxMs }: Backoff, failures: number, random: () => number): number =>
  Math.min(baseMs * 2 ** (failures - 1), maxMs) * (1 - 0.2 * random())
