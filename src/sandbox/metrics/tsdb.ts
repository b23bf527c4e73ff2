import type { Clock } from '../../runtime/clock.ts'

/** A metric's name (`__name__`) and labels. */
export type Labels = Readonly<Record<string, string>>

/** One value of one scrape. The same labels object at each scrape spares looking the series up; no two targets share one. */
export type Sample = { readonly labels: Labels; readonly value: number }

/** Something with metrics to scrape, and the labels its scrape adds. */
export type ScrapeTarget = { readonly labels: Labels; readonly collect: () => readonly Sample[] }

/** One time series: ascending times in milliseconds since the epoch, and values. NaN marks where the series ended. */
export type Series = { readonly labels: Labels; readonly times: number[]; readonly values: number[] }

/** Samples of the last minutes. */
export type Tsdb = {
  /** Series of a metric; of every metric where no name is given. */
  readonly series: (name: string | undefined) => Iterable<Series>
  /** Scrapes every target once, now. */
  readonly scrape: () => void
  /** Scrapes at each interval until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

type Options = {
  readonly clock: Clock
  readonly targets: () => readonly ScrapeTarget[]
  /** Default 1 s. */
  readonly intervalMs?: number
  /** How long samples are kept; default 15 min. */
  readonly retentionMs?: number
}

/** A time series database that scrapes what `targets` gives at that moment; a series that is not there any more ends. */
export function createTsdb({ clock, targets, intervalMs = 1000, retentionMs = 900_000 }: Options): Tsdb {
  const metrics = new Map<string, Map<string, Series>>()
  const known = new WeakMap<Labels, Series>()
  let live = new Set<Series>()

  const seriesFor = (labels: Labels, more: Labels): Series => {
    const cached = known.get(labels)
    if (cached !== undefined && cached.times.length > 0) return cached
    const found = entryOf(metrics, { ...labels, ...more })
    known.set(labels, found)
    return found
  }
  const scrape = () => {
    const now = clock.now()
    const seen = new Set<Series>()
    for (const target of targets()) {
      for (const { labels, value } of [...target.collect(), { labels: { __name__: 'up' }, value: 1 }]) {
        seen.add(append(seriesFor(labels, target.labels), value, now))
      }
    }
    for (const series of live) if (!seen.has(series)) append(series, NaN, now)
    live = seen
    forget(metrics, now - retentionMs)
  }
  return {
    *series(name) {
      for (const entries of name === undefined ? metrics.values() : [metrics.get(name)]) yield* entries?.values() ?? []
    },
    scrape,
    async run(signal) {
      for (let due = clock.monotonic() + intervalMs; !signal.aborted; due += intervalMs) {
        const slept = await clock.sleep(due - clock.monotonic(), signal).then(
          () => true,
          () => false,
        )
        if (slept) scrape()
      }
    },
  }
}

function entryOf(metrics: Map<string, Map<string, Series>>, labels: Labels): Series {
  const name = labels['__name__'] ?? ''
  const entries = metrics.get(name) ?? new Map<string, Series>()
  metrics.set(name, entries)
  const key = seriesKey(labels)
  const series = entries.get(key) ?? { labels, times: [], values: [] }
  entries.set(key, series)
  return series
}

function append(series: Series, value: number, now: number): Series {
  series.times.push(now)
  series.values.push(value)
  return series
}

/** The same for equal labels in any order. */
export const seriesKey = (labels: Labels): string =>
  Object.keys(labels)
    .toSorted()
    .map((name) => `${name}=${labels[name] ?? ''}`)
    .join('\n')

/** Cuts in lumps: moving every array at every scrape would cost more than the samples it frees. */
function forget(metrics: Map<string, Map<string, Series>>, before: number): void {
  for (const entries of metrics.values()) {
    for (const [key, { times, values }] of entries) {
      const old = (times.at(-1) ?? 0) < before ? times.length : (times[64] ?? Infinity) < before ? 64 : 0
      if (old === times.length) entries.delete(key)
      if (old === 0) continue
      times.splice(0, old)
      values.splice(0, old)
    }
  }
}
