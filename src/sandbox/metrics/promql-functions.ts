import { PromqlError, numberOf, pointsOf, unnamed } from './promql-values.ts'
import type { Point, PromqlValue, Range } from './promql-values.ts'
import { seriesKey } from './tsdb.ts'
import type { Labels } from './tsdb.ts'

/** A function of PromQL over its evaluated arguments. */
export type PromqlFunction = (args: readonly PromqlValue[]) => PromqlValue

const first = (args: readonly PromqlValue[]): PromqlValue => args[0] ?? { kind: 'vector', points: [] }

const pointwise =
  (change: (value: number) => number): PromqlFunction =>
  (args) => ({
    kind: 'vector',
    points: pointsOf(first(args), 'call').map(({ labels, value }) => ({ labels: unnamed(labels), value: change(value) })),
  })

/** The functions this engine has. */
export const PROMQL_FUNCTIONS: Readonly<Record<string, PromqlFunction>> = {
  rate: (args) => extrapolated(first(args), true),
  increase: (args) => extrapolated(first(args), false),
  abs: pointwise(Math.abs),
  vector: (args) => ({ kind: 'vector', points: [{ labels: {}, value: numberOf(first(args), 'call to function "vector"') }] }),
  scalar(args) {
    const points = pointsOf(first(args), 'call to function "scalar"')
    return { kind: 'scalar', value: points.length === 1 ? (points[0]?.value ?? NaN) : NaN }
  },
  histogram_quantile([quantile, buckets]) {
    if (quantile === undefined || buckets === undefined) throw new PromqlError('histogram_quantile takes two arguments')
    return {
      kind: 'vector',
      points: quantiles(numberOf(quantile, 'histogram_quantile'), pointsOf(buckets, 'histogram_quantile')),
    }
  },
}

/** Prometheus' extrapolatedRate for counters (promql/functions.go), which guesses how far a series went on beyond its samples. */
function extrapolated(value: PromqlValue, perSecond: boolean): PromqlValue {
  if (value.kind !== 'matrix') throw new PromqlError(`expected type range vector in call to a rate function, got ${value.kind}`)
  const { startMs, endMs } = value
  const points = value.ranges.flatMap((range) => {
    const growth = grown(range, startMs, endMs)
    return growth === undefined
      ? []
      : [{ labels: unnamed(range.labels), value: perSecond ? growth / ((endMs - startMs) / 1000) : growth }]
  })
  return { kind: 'vector', points }
}

function grown({ times, values }: Range, startMs: number, endMs: number): number | undefined {
  const [firstMs, lastMs, firstValue] = [times[0], times.at(-1), values[0]]
  if (firstMs === undefined || lastMs === undefined || firstValue === undefined || times.length < 2) return undefined
  const increase = values.reduce((sum, value, index) => {
    const before = values[index - 1] ?? value
    return sum + (value < before ? value : value - before)
  }, 0)
  const sampledMs = lastMs - firstMs
  const averageMs = sampledMs / (times.length - 1)
  const edge = (gapMs: number) => (gapMs >= averageMs * 1.1 ? averageMs / 2 : gapMs)
  const toZeroMs = increase > 0 && firstValue >= 0 ? sampledMs * (firstValue / increase) : Infinity
  const extendedMs = sampledMs + Math.min(edge(firstMs - startMs), toZeroMs) + edge(endMs - lastMs)
  return increase * (extendedMs / sampledMs)
}

type Bucket = { readonly bound: number; readonly count: number }

function quantiles(quantile: number, points: readonly Point[]): readonly Point[] {
  const groups = new Map<string, { readonly labels: Labels; readonly buckets: Bucket[] }>()
  for (const {
    labels: { le = '', ...rest },
    value,
  } of points) {
    const bound = le === '+Inf' ? Infinity : le === '' ? NaN : Number(le)
    if (Number.isNaN(bound)) continue
    const labels = unnamed(rest)
    const group = groups.get(seriesKey(labels)) ?? { labels, buckets: [] }
    groups.set(seriesKey(labels), group)
    group.buckets.push({ bound, count: value })
  }
  return [...groups.values()].map(({ labels, buckets }) => ({
    labels,
    value: bucketQuantile(
      quantile,
      buckets.toSorted((a, b) => a.bound - b.bound),
    ),
  }))
}

/** Prometheus' bucketQuantile (promql/quantile.go) over buckets in ascending order. */
function bucketQuantile(quantile: number, raw: readonly Bucket[]): number {
  if (Number.isNaN(quantile) || raw.length < 2 || raw.at(-1)?.bound !== Infinity) return NaN
  if (quantile < 0 || quantile > 1) return quantile < 0 ? -Infinity : Infinity
  let highest = -Infinity
  const buckets = raw.map(({ bound, count }) => ({ bound, count: (highest = Math.max(highest, count)) }))
  return highest === 0 ? NaN : interpolated(buckets, quantile * highest)
}

/** Linear within the bucket of that rank; above all finite bounds, the last of them. */
function interpolated(buckets: readonly Bucket[], rank: number): number {
  const index = buckets.findIndex(({ count }) => count >= rank)
  const bucket = buckets[index]
  if (bucket === undefined || bucket.bound === Infinity) return buckets.at(-2)?.bound ?? NaN
  const below = buckets[index - 1]
  if (below === undefined && bucket.bound <= 0) return bucket.bound
  const { bound: lower, count: before } = below ?? { bound: 0, count: 0 }
  return lower + ((bucket.bound - lower) * (rank - before)) / (bucket.count - before)
}
