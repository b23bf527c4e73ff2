import { percentile, totalOf, type Findings } from './findings.ts'

/** One line of the table. */
export type Row = { readonly what: string; readonly size: number; readonly measured: string; readonly bar: string; readonly verdict: string }

type Bar = {
  readonly what: string
  readonly unit: string
  /** Undefined where nothing is demanded, and the figure is for comparison. */
  readonly most?: number
  /** The only size that the bar is for. */
  readonly at?: number
  readonly digits?: number
  /** Undefined where a run does not measure it. */
  readonly of: (findings: Findings) => number | undefined
}

const listed = (values: readonly number[], share: number): number | undefined => (values.length === 0 ? undefined : percentile(values, share))

/** The bars of the design, and what else is worth knowing. */
const BARS: readonly Bar[] = [
  { what: 'new version → first write, p50', unit: 'ms', most: 10, of: ({ apart }) => listed(apart.firstWrite, 0.5) },
  { what: 'new version → first write, p99', unit: 'ms', most: 50, of: ({ apart }) => listed(apart.firstWrite, 0.99) },
  { what: 'new version → its pod is ready, p50', unit: 'ms', of: ({ apart }) => listed(apart.ready, 0.5) },
  { what: 'new version → its pod is ready, p99', unit: 'ms', of: ({ apart }) => listed(apart.ready, 0.99) },
  { what: 'new version → subset of the dark version, p50', unit: 'ms', of: ({ apart }) => listed(apart.subset, 0.5) },
  { what: 'new version → subset of the dark version, p99', unit: 'ms', of: ({ apart }) => listed(apart.subset, 0.99) },
  { what: 'the same, the rest all at once: first write, p50', unit: 'ms', of: ({ together }) => listed(together.firstWrite, 0.5) },
  { what: 'the same, the rest all at once: pod ready, p99', unit: 'ms', of: ({ together }) => listed(together.ready, 0.99) },
  { what: 'the same, the rest all at once: subset, p99', unit: 'ms', of: ({ together }) => listed(together.subset, 0.99) },
  { what: 'failing verdict → route at stable, 1 in 100 fails, p50', unit: 'ms', of: ({ fewFail }) => listed(fewFail, 0.5) },
  { what: 'failing verdict → route at stable, 1 in 100 fails, p99', unit: 'ms', most: 100, of: ({ fewFail }) => listed(fewFail, 0.99) },
  { what: 'failing verdict → route at stable, all at once, p50', unit: 'ms', of: ({ allFail }) => listed(allFail, 0.5) },
  { what: 'failing verdict → route at stable, all at once, p99', unit: 'ms', most: 100, of: ({ allFail }) => listed(allFail, 0.99) },
  { what: 'bad answers begin → route at stable, checks 10 s apart, p50', unit: 's', most: 15.2, digits: 1, of: ({ badMs, intervalMs }) => (intervalMs === 10_000 ? percentile(badMs, 0.5) / 1000 : undefined) },
  { what: 'API requests: idle canary, a minute', unit: '', most: 0, of: ({ idleRequestsPerMinute }) => idleRequestsPerMinute },
  { what: 'API requests: serving writes of a step', unit: '', most: 1, digits: 1, of: ({ stepRequests }) => (stepRequests.VirtualService ?? 0) + (stepRequests.Deployment ?? 0) + (stepRequests.DestinationRule ?? 0) },
  { what: 'API requests: live reads of a step', unit: '', most: 3, digits: 1, of: ({ stepRequests }) => stepRequests['live read'] ?? 0 },
  { what: 'API requests: status writes of a step', unit: '', digits: 1, of: ({ stepRequests }) => stepRequests.status ?? 0 },
  { what: 'API requests: events of a step', unit: '', digits: 1, of: ({ stepRequests }) => stepRequests.event ?? 0 },
  { what: 'API requests: reads before a rollback', unit: '', most: 0, of: ({ readsBeforeRollback }) => readsBeforeRollback },
  { what: 'API requests: a release of 5 steps', unit: '', most: 45, digits: 1, of: ({ releaseRequests }) => releaseRequests && totalOf(releaseRequests) },
  { what: '… live reads', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.['live read'] },
  { what: '… of the VirtualService', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.VirtualService },
  { what: '… of the rule', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.DestinationRule },
  { what: '… of Deployments', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.Deployment },
  { what: '… of status', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.status },
  { what: '… events', unit: '', digits: 1, of: ({ releaseRequests }) => releaseRequests?.event },
  ...['get', 'create', 'patch', 'delete', 'list', 'watch'].map((verb): Bar => ({ what: `API requests: ${verb}, the process in all its acts`, unit: '', of: ({ verbs }) => verbs[verb] })),
  { what: 'Prometheus: queries a tick', unit: '', digits: 1, of: ({ queriesPerTick }) => queriesPerTick },
  { what: 'Prometheus: queries a tick, for each 10,000 series begun', unit: '', most: 4, digits: 1, of: ({ queriesPerTick, seriesPerTick }) => queriesPerTick / Math.ceil(seriesPerTick / 10_000) },
  { what: 'Prometheus: series in the answers of a tick', unit: '', of: ({ seriesPerTick }) => seriesPerTick },
  { what: 'canaries stepping at once: ticks more than 0.1 s late', unit: '', most: 0, at: 1_000, of: ({ lateTicks }) => lateTicks },
  { what: "canaries stepping at once: the operator's CPU", unit: 'cores', most: 0.5, at: 1_000, digits: 2, of: ({ cores }) => cores },
  { what: "canaries stepping at once: the operator's event loop is busy", unit: '%', of: ({ busy }) => busy * 100 },
  { what: 'canaries stepping at once: reconciles for each step', unit: '', digits: 1, of: ({ reconciles }) => reconciles },
  { what: "canaries stepping at once: the operator's RSS, most", unit: 'MiB', most: 150, of: ({ mostRssMib }) => mostRssMib },
  { what: 'a step takes, in intervals, p50', unit: '', digits: 1, of: ({ stepMs, intervalMs }) => percentile(stepMs, 0.5) / intervalMs },
  { what: 'start of the process → caches full', unit: 's', digits: 1, of: ({ syncedMs }) => syncedMs / 1000 },
  { what: 'start of the process → at rest', unit: 's', digits: 1, of: ({ quietMs }) => quietMs / 1000 },
]

/** The table of some runs; those of one size are shown together, by their median, lowest and highest. */
export function rowsOf(runs: readonly Findings[]): readonly Row[] {
  const sizes = [...new Set(runs.map(({ size }) => size))]
  return BARS.flatMap((bar) => sizes.flatMap((size) => {
    const values = runs.filter((run) => run.size === size).flatMap((run) => bar.of(run) ?? [])
    return values.length === 0 ? [] : [rowOf(bar, size, values)]
  }))
}

function rowOf({ what, unit, most, at = 0, digits = 0 }: Bar, size: number, values: readonly number[]): Row {
  const shown = (value: number) => (value === Infinity ? 'not reached' : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }))
  const [low, middle, high] = [Math.min(...values), percentile(values, 0.5), Math.max(...values)]
  const named = (text: string) => (unit === '' || text === 'not reached' ? text : `${text} ${unit}`)
  const spread = shown(low) === shown(high) ? '' : ` (${shown(low)}–${shown(high)})`
  const bar = most === undefined || size < at ? undefined : most
  return { what, size, measured: named(shown(middle)) + spread, bar: bar === undefined ? '' : `≤ ${named(String(bar))}`, verdict: bar === undefined ? '' : verdictOf(middle, bar) }
}

function verdictOf(value: number, bar: number): string {
  if (value <= bar) return 'met'
  return bar === 0 || value === Infinity ? 'missed' : `${(value / bar).toFixed(value / bar < 1.1 ? 2 : 1)}x over`
}
