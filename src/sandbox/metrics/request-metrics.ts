import type { Clock } from '../../runtime/clock.ts'

/** A metric's name (`__name__`) and labels. */
export type Labels = Readonly<Record<string, string>>

/** One series, with its value at one time. */
export type Sample = { readonly labels: Labels; readonly value: number }

/** What one proxy counts about requests, as Prometheus knows it. */
export type RequestMetrics = {
  /** Counts a request that took `durationMs`. */
  readonly record: (labels: Labels, durationMs: number) => void
  /** As in a new process: every series is gone from the next scrape on, and begins at 0 again. */
  readonly reset: () => void
  /** Every series as of the last scrape before `atMs`, of the monotonic clock; one that was born since is not there yet. */
  readonly samples: (atMs: number) => readonly Sample[]
}

/** Envoy's stats flush, which histograms wait for. */
const FLUSH_MS = 5000

/** Upper bounds of Istio's duration histogram, milliseconds. */
const BOUNDS_MS = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, Infinity] as const

/** What a group of series was from `fromMs` on, oldest first. */
type History = { readonly fromMs: number; values: readonly number[] }[]

/** More than an hour of scrapes every second. */
const LONGEST_HISTORY = 5000

type Names = readonly [counter: readonly Labels[], histogram: readonly Labels[]]
type Row = { readonly counter: History; readonly histogram: History; readonly names: Names }

/**
 * Metrics of one proxy; `extra` are the labels that a scrape adds. Scrapes fall on multiples of `scrapeMs` and cost
 * nothing: each request says from which scrape on it is known.
 */
export function createRequestMetrics(clock: Clock, scrapeMs: number, extra: Labels): RequestMetrics {
  const rows = new Map<string, Row>()
  const lagMs = Math.max(1, Math.ceil(FLUSH_MS / scrapeMs)) * scrapeMs
  const knownFrom = (periodMs: number): number => (Math.floor(clock.monotonic() / periodMs) + 1) * periodMs
  return {
    record(labels, durationMs) {
      const key = Object.values(labels).join('\n')
      const row = rows.get(key) ?? { counter: [], histogram: [], names: namesOf({ ...labels, ...extra }) }
      rows.set(key, row)
      grow(row.counter, knownFrom(scrapeMs), [1])
      grow(row.histogram, knownFrom(lagMs), [...BOUNDS_MS.map((bound) => (durationMs <= bound ? 1 : 0)), durationMs, 1])
    },
    reset() {
      for (const { counter, histogram } of rows.values()) for (const history of [counter, histogram]) end(history, knownFrom(scrapeMs))
    },
    samples: (atMs) =>
      [...rows.values()].flatMap(({ counter, histogram, names }) => [
        ...samplesOf(counter, names[0], atMs),
        ...samplesOf(histogram, names[1], atMs),
      ]),
  }
}

function grow(history: History, fromMs: number, amounts: readonly number[]): void {
  const last = history.at(-1)
  const values = amounts.map((amount, index) => amount + (last?.values[index] ?? 0))
  if (last?.fromMs === fromMs) last.values = values
  else history.push({ fromMs, values })
  if (history.length > LONGEST_HISTORY) history.splice(0, LONGEST_HISTORY / 2)
}

function end(history: History, fromMs: number): void {
  while ((history.at(-1)?.fromMs ?? -1) >= fromMs) history.pop()
  history.push({ fromMs, values: [] })
}

const samplesOf = (history: History, names: readonly Labels[], atMs: number): readonly Sample[] =>
  history.findLast(({ fromMs }) => fromMs <= atMs)?.values.map((value, index) => ({ labels: names[index] ?? {}, value })) ?? []

/** Of the counter; and of the histogram's buckets, sum and count. */
function namesOf(labels: Labels): Names {
  const named = (name: string, more: Labels = {}): Labels => ({ __name__: name, ...labels, ...more })
  const histogram = 'istio_request_duration_milliseconds'
  const buckets = BOUNDS_MS.map((bound) => named(`${histogram}_bucket`, { le: bound === Infinity ? '+Inf' : String(bound) }))
  return [[named('istio_requests_total')], [...buckets, named(`${histogram}_sum`), named(`${histogram}_count`)]]
}
