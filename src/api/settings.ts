import { metricKind, type metricKinds } from './analysis.ts'
import type { CanarySpec, HTTPMatch } from './canary.ts'
import { parseDuration } from './duration.ts'
import { parsePercent } from './percent.ts'
import { defaultFor, weightsOf } from './step.ts'

/** A spec with nothing left to assume: durations in milliseconds, shares of traffic in percent. */
export type Settings = {
  readonly source: Source
  /** The label of pods that tells the revisions apart. */
  readonly versionLabel: string
  /** What `versions.desired` names. */
  readonly desired: string | undefined
  readonly service: string
  /** Names of the managed http routes; undefined: every http route to the Service. */
  readonly httpRoutes: readonly string[] | undefined
  /** Name of the delegate VirtualService that Serin makes. */
  readonly delegate: string | undefined
  /** The port that its requests go to. */
  readonly port: number | undefined
  readonly propagationMs: number
  readonly drainMs: number
  /** Undefined: every request is drawn anew. */
  readonly sessionAffinity: SessionAffinity | undefined
  /** The Service that Serin makes, and the requests that reach the canary in every step. */
  readonly preview: { readonly service: string | undefined; readonly match: readonly HTTPMatch[] }
  /** Every `upTo` written out; weights never fall. */
  readonly steps: readonly Step[]
  readonly clock: AnalysisClock
  readonly analysis: {
    readonly failureThreshold: number
    readonly initialDelayMs: number
    readonly noData: 'Hold' | 'Pass' | 'Fail'
    readonly metrics: readonly Metric[]
  }
  readonly windows: readonly Window[]
  readonly progressDeadlineMs: number
  readonly previousDelayMs: number
  readonly failedDelayMs: number
  /** How long ago a version may have been stable to go back in one step; 0: never. */
  readonly rollbackWindowMs: number
  /** What becomes of routes and pods when the Canary is deleted. */
  readonly onDelete: 'Restore' | 'Orphan'
  readonly suspend: boolean
  readonly skipAnalysis: boolean
}

/** What runs: a plain Deployment of which Serin makes the revisions, or versions that somebody applies. */
export type Source =
  | {
      readonly kind: 'target'
      /** Name of the Deployment. */
      readonly name: string
      /** Stable's wished size; undefined until it is known. */
      readonly replicas: number | undefined
      readonly canaryReplicas: PodCount | undefined
      /** Whose changes are releases where pods cannot see them. */
      readonly trackConfig: 'None' | 'ConfigMaps' | 'All'
      readonly ignoreAnnotations: readonly string[]
      /** Revisions without pods that are kept. */
      readonly historyLimit: number
    }
  | { readonly kind: 'versions'; readonly selector: Readonly<Record<string, string>> }

/** So many pods, or so many percent of stable's. */
export type PodCount = { readonly pods: number } | { readonly percent: number }

/** The label, on the pods of a target's revisions, with the revision's name. */
export const revisionLabel = 'serin.dev/revision'

/** Annotations of a pod template that make no new version where nobody says otherwise. */
export const ignoredAnnotations: readonly string[] = ['kubectl.kubernetes.io/restartedAt']
/** The cookie by which users are known again: its name, and what follows its value in a Set-Cookie. */
export type SessionAffinity = { readonly cookie: string; readonly attributes: string }

/** When checks are made; a schedule is a cron expression in UTC. */
export type AnalysisClock =
  | { readonly kind: 'interval'; readonly everyMs: number }
  | { readonly kind: 'schedule'; readonly expression: string }

/** A span of time that comes again and again; its cron expression speaks of the local time of its zone. */
export type Window = { readonly kind: 'Allow' | 'Deny'; readonly schedule: string; readonly durationMs: number; readonly timeZone: string }

/** One exposure; what it does not name is off. */
export type Step = {
  readonly name: string
  /** Percent. */
  readonly weight: number
  readonly match: readonly HTTPMatch[]
  /** An empty match copies every request. */
  readonly mirror: { readonly percent: number; readonly match: readonly HTTPMatch[] } | undefined
  readonly forMs: number
  /** The canary's size in this step; undefined: as canaryReplicas says. */
  readonly replicas?: PodCount
  readonly minRequests: number
  /** Somebody must approve it. */
  readonly approval: boolean
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
  const { analysis, scaleDownDelay } = spec
  return {
    ...subjectOf(spec),
    ...trafficOf(spec, defaults.propagationMs),
    preview: { service: spec.preview?.service, match: spec.preview?.match ?? [] },
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
    windows: (spec.windows ?? []).map(({ duration, timeZone = 'UTC', ...window }) => ({ ...window, durationMs: parseDuration(duration), timeZone })),
    progressDeadlineMs: parseDuration(spec.progressDeadline),
    previousDelayMs: parseDuration(scaleDownDelay.previous),
    failedDelayMs: parseDuration(scaleDownDelay.failed),
    rollbackWindowMs: parseDuration(spec.rollbackWindow),
    onDelete: spec.onDelete,
    suspend: spec.suspend,
    skipAnalysis: spec.skipAnalysis,
  }
}

/** What runs, and behind which Service. */
const subjectOf = (spec: CanarySpec): Pick<Settings, 'source' | 'versionLabel' | 'desired' | 'service' | 'port'> => ({
  source: sourceOf(spec),
  versionLabel: spec.versions?.label ?? revisionLabel,
  desired: spec.versions?.desired,
  service: spec.service?.name ?? spec.targetRef?.name ?? '',
  port: spec.service?.port,
})

const trafficOf = ({ traffic }: CanarySpec, propagationMs: number): Pick<Settings, 'httpRoutes' | 'delegate' | 'propagationMs' | 'drainMs' | 'sessionAffinity'> => ({
  httpRoutes: traffic.httpRoutes,
  delegate: traffic.delegate,
  propagationMs: traffic.propagation === undefined ? propagationMs : parseDuration(traffic.propagation),
  drainMs: parseDuration(traffic.drain),
  sessionAffinity: traffic.sessionAffinity && affinityOf(traffic.sessionAffinity.cookie),
})

function sourceOf(spec: CanarySpec): Source {
  const { targetRef, versions, replicas, canaryReplicas, trackConfig = 'ConfigMaps', ignoreAnnotations = ignoredAnnotations, revisionHistoryLimit = 3 } = spec
  if (targetRef === undefined) return { kind: 'versions', selector: versions?.selector.matchLabels ?? {} }
  return {
    kind: 'target', name: targetRef.name, replicas, trackConfig, ignoreAnnotations, historyLimit: revisionHistoryLimit,
    canaryReplicas: canaryReplicas === undefined ? undefined : podCountOf(canaryReplicas),
  }
}

const podCountOf = (count: number | string): PodCount =>
  (typeof count === 'number' ? { pods: count } : { percent: parsePercent(count) })

function affinityOf({ name, ttl, path, attributes = [] }: NonNullable<CanarySpec['traffic']['sessionAffinity']>['cookie']): SessionAffinity {
  const others = attributes.map((attribute) => (attribute.value === undefined ? attribute.name : `${attribute.name}=${attribute.value}`))
  const seconds = Math.floor(parseDuration(ttl) / 1000)
  return { cookie: name, attributes: [`; Max-Age=${seconds}`, `Path=${path}`, ...others].join('; ') }
}

function stepsOf({ steps, analysis }: CanarySpec): readonly Step[] {
  const exposures = steps.flatMap((step) => weightsOf(step).map((weight) => ({ step, weight })))
  return exposures.map(({ step, weight }, index) => ({
    name: step.name ?? `step-${index + 1}`,
    weight,
    match: step.match ?? [],
    mirror: step.mirror && { percent: parsePercent(step.mirror.percent ?? 100), match: step.mirror.match ?? [] },
    forMs: parseDuration(step.for ?? defaultFor),
    ...(step.replicas === undefined ? {} : { replicas: podCountOf(step.replicas) }),
    minRequests: step.minRequests ?? (weight === 0 && step.mirror === undefined ? 0 : analysis.minRequests),
    approval: step.approval === 'Required',
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
