/** A histogram's bucket: how many took at most `upTo`. */
export type Bucket = { readonly upTo: number; readonly count: number }

/**
 * The value below which `share` (0..1) of the observations lie, interpolated within its bucket as Prometheus'
 * histogram_quantile does (its documentation: linear, from 0 in the first). Infinity when it lies beyond the last
 * finite bound: then only "more than that bound" is known. Undefined without observations.
 */
export function quantile(buckets: readonly Bucket[], share: number): number | undefined {
  const sorted = [...buckets].sort((a, b) => a.upTo - b.upTo)
  const count = sorted.at(-1)?.count ?? 0
  if (count === 0) return undefined
  const rank = share * count
  const index = sorted.findIndex((bucket) => bucket.count >= rank)
  const found = sorted[index]
  if (found === undefined || found.upTo === Infinity) return Infinity
  const below = sorted[index - 1] ?? { upTo: 0, count: 0 }
  return found.count === below.count ? found.upTo : below.upTo + ((found.upTo - below.upTo) * (rank - below.count)) / (found.count - below.count)
}
