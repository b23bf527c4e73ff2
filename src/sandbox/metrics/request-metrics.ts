import type { Clock } from '../../runtime/clock.ts'
import type { Labels, Sample } from './tsdb.ts'

/** Upper bounds of Istio's duration histogram, milliseconds. */
const BUCKETS_MS = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000] as const

/** What one proxy counts about requests. */
export type RequestMetrics = {
  /** Counts a request that took `durationMs`. */
  readonly record: (labels: Labels, durationMs: number) => void
  /** istio_requests_total, and istio_request_duration_milliseconds as of the last flush. */
  readonly collect: () => readonly Sample[]
}

type Histogram = { readonly counts: number[]; sum: number; count: number }
type Row = { readonly names: readonly Labels[]; total: number; readonly pending: Histogram; readonly flushed: Histogram }

/** Metrics of one proxy. Histograms appear at multiples of `flushMs`, as Envoy's do; 0 shows them at once. */
export function createRequestMetrics(clock: Clock, flushMs: number): RequestMetrics {
  const rows = new Map<string, Row>()
  const flushNumber = () => (flushMs > 0 ? Math.floor(clock.monotonic() / flushMs) : Infinity)
  let lastFlush = flushNumber()

  const flush = () => {
    const current = flushNumber()
    if (flushMs > 0 && current === lastFlush) return
    lastFlush = current
    for (const { pending, flushed } of rows.values()) merge(pending, flushed)
  }
  return {
    record(labels, durationMs) {
      flush()
      const key = Object.values(labels).join('\n')
      const row = rows.get(key) ?? { names: seriesOf(labels), total: 0, pending: empty(), flushed: empty() }
      rows.set(key, row)
      row.total += 1
      observe(row.pending, durationMs)
    },
    collect() {
      flush()
      return [...rows.values()].flatMap(samples)
    },
  }
}

const empty = (): Histogram => ({ counts: BUCKETS_MS.map(() => 0), sum: 0, count: 0 })

function observe(histogram: Histogram, durationMs: number): void {
  BUCKETS_MS.forEach((bound, index) => {
    if (durationMs <= bound) histogram.counts[index] = (histogram.counts[index] ?? 0) + 1
  })
  histogram.sum += durationMs
  histogram.count += 1
}

function merge(from: Histogram, into: Histogram): void {
  from.counts.forEach((count, index) => {
    into.counts[index] = (into.counts[index] ?? 0) + count
    from.counts[index] = 0
  })
  into.sum += from.sum
  into.count += from.count
  Object.assign(from, { sum: 0, count: 0 })
}

/** The counter, then the histogram's buckets, sum and count. */
function seriesOf(labels: Labels): readonly Labels[] {
  const histogram = 'istio_request_duration_milliseconds'
  return [
    { __name__: 'istio_requests_total', ...labels },
    ...[...BUCKETS_MS.map(String), '+Inf'].map((le) => ({ __name__: `${histogram}_bucket`, ...labels, le })),
    { __name__: `${histogram}_sum`, ...labels },
    { __name__: `${histogram}_count`, ...labels },
  ]
}

function samples({ names, total, flushed: { counts, sum, count } }: Row): readonly Sample[] {
  const values = count === 0 ? [total] : [total, ...counts, count, sum, count]
  return values.map((value, index) => ({ labels: names[index] ?? {}, value }))
}
