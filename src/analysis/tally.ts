/** One counter of one reporting pod, as Prometheus has it at one time. */
export type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number }

/** How much one counter has grown. */
export type Growth = { readonly labels: Readonly<Record<string, string>>; readonly by: number }

/** What counters stood at when they were last seen, by series. */
export type Marks = ReadonlyMap<string, number>

/** What stands now, to difference from at the next look. A series that is missing keeps its mark: it may only be late. */
export function marksOf(samples: readonly Sample[], before: Marks = new Map()): Marks {
  const marks = new Map(before)
  for (const { labels, value } of samples) if (Number.isFinite(value)) marks.set(seriesOf(labels), value)
  return marks
}

/**
 * What each counter grew by since its mark. A series without a mark was born since and counts from 0; one that
 * stands below its mark was restarted, and counts from 0 as well.
 */
export function growths(samples: readonly Sample[], marks: Marks): readonly Growth[] {
  return samples.flatMap(({ labels, value }) => {
    const mark = marks.get(seriesOf(labels)) ?? 0
    const by = value >= mark ? value - mark : value
    // A bucket that did not grow says where the others lie: it is kept.
    return Number.isFinite(by) && by >= 0 ? [{ labels, by }] : []
  })
}

const seriesOf = (labels: Readonly<Record<string, string>>): string =>
  Object.keys(labels).sort().map((name) => `${name}=${labels[name] ?? ''}`).join('\n')

/** Growth summed by what a question asks for: its labels, joined. */
export type Tally = ReadonlyMap<string, Growth>

/** Adds growth to a tally, over the reporting pods: `instance` and `pod` no longer matter. */
export function tallied(tally: Tally, growth: readonly Growth[]): Tally {
  const sums = new Map(tally)
  for (const { labels, by } of growth) {
    const { instance: _instance, pod: _pod, ...rest } = labels
    const key = seriesOf(rest)
    sums.set(key, { labels: rest, by: (sums.get(key)?.by ?? 0) + by })
  }
  return sums
}

/** The sum over all entries that satisfy `wanted`. */
export function total(tally: Tally, wanted: (labels: Readonly<Record<string, string>>) => boolean): number {
  let sum = 0
  for (const { labels, by } of tally.values()) if (wanted(labels)) sum += by
  return sum
}
