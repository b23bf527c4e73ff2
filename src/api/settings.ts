import { metricKind, type metricKinds } from './analysis.ts'
import type { CanarySpec, HTTPMatch } from './canary.ts'
import { parseDuration } from './duration.ts'
import { parsePercent } from './percent.ts'
import { defaultFor, weightsOf } from './step.ts'

/** A spec with nothing left to assume: durations in milliseconds, shares of traffic in percent. */
export type Settings = {
  readonly selector: Readonly<Record<string, string>>
  readonly versionLabel: string
  readonly desired: string | undefined
  readonly service: string
  /** Names of the managed http routes; undefined: every http route to the Service. */
  readonly httpRoutes: readonly string[] | undefined
  readonly propagationMs: number
  readonly drainMs: number
  /** Every `upTo` written out; weights never fall. */
  readonly steps: readonly Step[]
  readonly clock: AnalysisClock
  readonly analysis: {
    readonly failureThreshold: number
    readonly initialDelayMs: number
    readonly noData: 'Hold' | 'Pass' | 'Fail'
    readonly metrics: readonly Metric[]
  }
  readonly progressDeadlineMs: number
  readonly previousDelayMs: number
  readonly failedDelayMs: number
  /** How long ago a version may have been stable to go back in one step; 0: never. */
  readonly rollbackWindowMs: number
  readonly suspend: boolean
}

/** When checks are made; a schedule is a cron expression in UTC. */
export type AnalysisClock =
  | { readonly kind: 'interval'; readonly everyMs: number }
  | { readonly kind: 'schedule'; readonly expression: string }

/** One exposure; what it does not name is off. */
export type Step = {
  readonly name: string
  /** Percent. */
  readonly weight: number
  readonly match: readonly HTTPMatch[]
  /** An empty match copies every request. */
  readonly mirror: { readonly percent: number; readonly match: readonly HTTPMatch[] } | undefined
  readonly forMs: number
  readonly minRequests: number
  readonly deadlineMs: number | undefined
}

/** One thing to judge. */
export type Metric = {
  readonly name: string
  readonly kind: (typeof metricKinds)[number]
  /** Of error-rate: a share from 0 to 1; of latency: milliseconds. */
  readonly max: number
  /** 0 to 100; of latency only. */
  readonly percentile: number
  readonly statusCodes: readonly string[]
  readonly grpcStatus: readonly number[]
  readonly failureThreshold: number
  /** Overrides the step's. */
  readonly minRequests: number | undefined
  readonly dryRun: boolean
}

type Analysis = CanarySpec['analysis']

/** What a spec asks for, with every assumed default applied. The spec must have been parsed. */
export function settingsOf(spec: CanarySpec, defaults: { readonly propagationMs: number }): Settings {
  const { versions, service, traffic, analysis, scaleDownDelay } = spec
  return {
    selector: versions.selector.matchLabels,
    versionLabel: versions.label,
    desired: versions.desired,
    service: service.name,
    httpRoutes: traffic.httpRoutes,
    propagationMs: traffic.propagation === undefined ? defaults.propagationMs : parseDuration(traffic.propagation),
    drainMs: parseDuration(traffic.drain),
    steps: stepsOf(spec),
    clock: analysis.schedule === undefined
      ? { kind: 'interval', everyMs: parseDuration(analysis.interval ?? '30s') }
      : { kind: 'schedule', expression: analysis.schedule },
    analysis: {
      failureThreshold: analysis.failureThreshold,
      initialDelayMs: parseDuration(analysis.initialDelay),
      noData: analysis.noData,
      metrics: analysis.metrics.map((metric) => metricOf(metric, analysis)),
    },
    progressDeadlineMs: parseDuration(spec.progressDeadline),
    previousDelayMs: parseDuration(scaleDownDelay.previous),
    failedDelayMs: parseDuration(scaleDownDelay.failed),
    rollbackWindowMs: parseDuration(spec.rollbackWindow),
    suspend: spec.suspend,
  }
}

function stepsOf({ steps, analysis }: CanarySpec): readonly Step[] {
  const exposures = steps.flatMap((step) => weightsOf(step).map((weight) => ({ step, weight })))
  return exposures.map(({ step, weight }, index) => ({
    name: step.name ?? `step-${index + 1}`,
    weight,
    match: step.match ?? [],
    mirror: step.mirror && { percent: parsePercent(step.mirror.percent ?? 100), match: step.mirror.match ?? [] },
    forMs: parseDuration(step.for ?? defaultFor),
    minRequests: step.minRequests ?? (weight === 0 && step.mirror === undefined ? 0 : analysis.minRequests),
    deadlineMs: step.deadline === undefined ? undefined : parseDuration(step.deadline),
  }))
}

function metricOf(metric: Analysis['metrics'][number], analysis: Analysis): Metric {
  const kind = metricKind(metric) === 'latency' ? 'latency' : 'error-rate'
  return {
    name: metric.name,
    kind,
    max: limitOf(String(metric.max)),
    percentile: Number(metric.percentile ?? 99),
    statusCodes: metric.statusCodes ?? ['5xx'],
    grpcStatus: metric.grpcStatus ?? [2, 4, 13, 14, 15],
    failureThreshold: metric.failureThreshold ?? analysis.failureThreshold,
    minRequests: metric.minRequests,
    dryRun: metric.dryRun ?? false,
  }
}

/** A share as a fraction of 1, a time in milliseconds: unlike a duration, "1.5s" may have a fraction. */
function limitOf(text: string): number {
  const amount = Number.parseFloat(text)
  if (text.endsWith('%')) return amount / 100
  return text.endsWith('ms') ? amount : amount * 1000
}
