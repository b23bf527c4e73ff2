import type { RequestKind, Verb } from './journal.ts'

/** Requests by kind, on average. */
export type Counts = Partial<Readonly<Record<RequestKind, number>>>

/** What one run with so many canaries has shown. Milliseconds unless the name says otherwise; lists hold one value per canary. */
export type Findings = {
  readonly size: number
  /** Of a check and of a step's `for`. */
  readonly intervalMs: number
  /** From the start of a process to full caches, and to its last request, all canaries idle. */
  readonly syncedMs: number
  readonly quietMs: number
  readonly idleRequestsPerMinute: number
  /** Canaries whose new version came while nothing else did, and those whose versions came all at once. */
  readonly apart: Starts
  readonly together: Starts
  /** Between two raises, and in a whole release from the new version to the last write of its clean-up. */
  readonly stepRequests: Counts
  readonly releaseRequests: Counts | undefined
  /** In all, from the start of the process to the last rollback: watches, lists and looks at the CRD too. */
  readonly verbs: Readonly<Record<Verb, number>>
  readonly stepMs: readonly number[]
  /** From the last answer of the tick that decides to the route at stable: a few canaries among the rest, and all the rest. */
  readonly fewFail: readonly number[]
  readonly allFail: readonly number[]
  /** From the first bad answer to the route at stable. */
  readonly badMs: readonly number[]
  readonly readsBeforeRollback: number
  readonly queriesPerTick: number
  readonly seriesPerTick: number
  readonly cores: number
  /** Share of the time in which the operator's event loop had something to do, on the CPU or waiting for it. */
  readonly busy: number
  /** For each step. */
  readonly reconciles: number
  readonly mostRssMib: number
  /** Ticks, and those that came more than 100 ms late. */
  readonly ticks: number
  readonly lateTicks: number
}

/** From the moment the API server stored the new version; `ready` is empty where pods are ready at once. */
export type Starts = { readonly firstWrite: readonly number[]; readonly ready: readonly number[]; readonly subset: readonly number[] }

/** The value that `share` (0 to 1) of them do not exceed; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

/** The sum over all kinds. */
export const totalOf = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** How often each occurs. */
export function tally(values: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

/** What came to one of `size` canaries. */
export const average = (kinds: readonly RequestKind[], size: number): Counts =>
  Object.fromEntries(Object.entries(tally(kinds)).map(([kind, count]) => [kind, count / size]))
