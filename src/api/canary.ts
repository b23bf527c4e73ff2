import * as z from 'zod'
import { sessionAffinitySchema } from './affinity.ts'
import { analysisSchema } from './analysis.ts'
import { atomic, fields, keyed, mapped, set } from './collection.ts'
import type { httpMatchSchema, stringMatchSchema } from './match.ts'
import type { Frozen, ObjectMeta } from './object-meta.ts'
import { previewSchema } from './preview.ts'
import { ruled } from './rule.ts'
import { duration, integer, label, labelKey, labelValue, name, podCount } from './scalar.ts'
import * as part from './status.ts'
import { stepsSchema } from './step.ts'
import { windowsSchema } from './window.ts'

// No eval, and a faster first parse.
z.config({ jitless: true })

const selectorSchema = fields({
  matchLabels: mapped(labelKey(), labelValue(), 1, 16).describe('Labels that the pod templates of all versions carry.'),
})

const versionsSchema = ruled(fields({
  selector: selectorSchema.describe('Which Deployments are versions; cannot change.'),
  label: labelKey().describe('The label that tells the versions apart; cannot change.').default('version'),
  desired: labelValue().min(1)
    .describe('The version that shall serve. Assumed: the one first seen last, or whose template changed last.')
    .optional(),
}), [{
  cel: 'self.selector == oldSelf.selector && self.label == oldSelf.label',
  message: 'selector and label cannot change: make a new Canary',
}])

const serviceSchema = ruled(fields({
  name: label().describe('Name of the Service, which must exist; cannot change.'),
  port: integer(1, 65_535).describe('Port of the Service that the delegate sends requests to; only where a gateway has several HTTP ports to choose from.').optional(),
}), [{
  cel: 'self.name == oldSelf.name',
  message: 'cannot change: make a new Canary',
  path: 'name',
}])

const trafficSchema = fields({
  httpRoutes: set(z.string().min(1).max(253), 32).min(1)
    .describe('Names of the http routes to manage. Assumed: every http route to the Service.')
    .optional(),
  delegate: name()
    .describe('A delegate VirtualService that Serin makes for roots of yours to name: `delegate: { name: … }` in an http route.')
    .optional(),
  propagation: duration('0s', '5m')
    .describe("How long a change of routes takes to reach every proxy. Assumed: the operator's flag, 15s.")
    .optional(),
  drain: duration('0s', '1h').describe('How long, after propagation, requests under way may still take.').default('30s'),
  sessionAffinity: sessionAffinitySchema.describe('Keeps each user on the version that they met, until a rollback or a raise.').optional(),
})

const scaleDownDelaySchema = fields({
  previous: duration('0s', '168h').describe('How long the old stable stays at full size after a promotion.').default('10m'),
  failed: duration('0s', '168h').describe('How long a failed canary stays up after its rollback, unless something else is to be rolled out.').default('0s'),
})

const targetRefSchema = fields({
  apiVersion: z.enum(['apps/v1']).describe('API of the target.').default('apps/v1'),
  kind: z.enum(['Deployment']).describe('Kind of the target.').default('Deployment'),
  name: name().describe('Name of the Deployment; cannot change.'),
})

const specFields = fields({
  targetRef: targetRefSchema
    .describe('A plain Deployment: each change of its pod template is a release, run by Serin as a Deployment of its own.')
    .optional(),
  versions: versionsSchema.describe('The versions: Deployments that you apply yourself, one for each.').optional(),
  service: serviceSchema.describe("The Service whose requests are shared out. Assumed: the target's name.").optional(),
  traffic: trafficSchema.describe('How routes are changed.').prefault({}),
  preview: previewSchema.describe('How tests reach the canary.').optional(),
  steps: stepsSchema.describe('The exposures before promotion, in order.').default([
    { weight: 5, for: '5m' }, { weight: 25, for: '5m' }, { weight: 50, for: '5m' },
  ]),
  analysis: analysisSchema.describe('How the canary is judged.').prefault({}),
  replicas: integer(0, 10_000)
    .describe("Stable's pods; what a scaler sets through /scale. Assumed: the size that the target had, written here once.")
    .optional(),
  canaryReplicas: podCount(1)
    .describe("Pods of the canary. Assumed: its share of stable's by weight and mirror; all where a match may take everybody.")
    .optional(),
  trackConfig: z.enum(['None', 'ConfigMaps', 'All'])
    .describe('Whose changes are releases where pods cannot see them (env, envFrom, subPath): ConfigMaps, or All for Secrets too. Assumed: ConfigMaps.')
    .optional(),
  ignoreAnnotations: set(labelKey(), 32)
    .describe('Annotations of the pod template that make no new version; they are copied to the pods. Assumed: kubectl.kubernetes.io/restartedAt.')
    .optional(),
  revisionHistoryLimit: integer(0, 50).describe('Revisions without pods that are kept. Assumed: 3.').optional(),
  windows: windowsSchema
    .describe('When a release may begin, raise its weight and be promoted; a way back is always open. Assumed: at any time, but for Deny.')
    .optional(),
  scaleDownDelay: scaleDownDelaySchema.describe('How long a revision without traffic keeps its pods.').prefault({}),
  rollbackWindow: duration('0s', '8784h')
    .describe('A version that was stable within this time goes back out in one step, without analysis; 0s: never.')
    .default('24h'),
  progressDeadline: duration('10s', '24h').describe('How long pods may take to become ready.').default('10m'),
  onDelete: z.enum(['Restore', 'Orphan'])
    .describe('What deleting the Canary does. Restore: your routes stand again as you wrote them, and the target has its pods back, without a lost request. Orphan: everything stays as it is.')
    .default('Restore'),
  suspend: z.boolean().describe('Freezes everything but a rollback; at creation nothing is written.').default(false),
  skipAnalysis: z.boolean().describe('Skips steps and gates, never readiness or order.').default(false),
})

type WrittenSpec = z.output<typeof specFields>

const ofTargets = ['replicas', 'canaryReplicas', 'trackConfig', 'ignoreAnnotations', 'revisionHistoryLimit'] as const

/** A Canary's spec: strict about fields it does not know; parsing fills in the stored defaults. */
export const canarySpecSchema = ruled(specFields, [
  {
    cel: 'has(self.targetRef) != has(self.versions)',
    message: 'must have exactly one of targetRef and versions',
    holds: (spec: WrittenSpec) => (spec.targetRef === undefined) !== (spec.versions === undefined),
  },
  {
    cel: '!has(self.versions) || has(self.service)',
    message: 'must name the Service beside versions: write service: {name: ...}',
    holds: (spec: WrittenSpec) => spec.versions === undefined || spec.service !== undefined,
  },
  {
    cel: "!has(self.targetRef) || has(self.service) || self.targetRef.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
    message: "must name the Service beside this targetRef, whose name no Service can have: write service: {name: ...}",
    holds: ({ targetRef, service }: WrittenSpec) => targetRef === undefined || service !== undefined || /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(targetRef.name),
  },
  {
    cel: `!has(self.versions) || !(${ofTargets.map((name) => `has(self.${name})`).join(' || ')})`,
    message: `${ofTargets.join(', ')} are only for targetRef: with versions the Deployments are yours`,
    holds: (spec: WrittenSpec) => spec.versions === undefined || ofTargets.every((name) => spec[name] === undefined),
  },
  {
    cel: '!has(self.versions) || !has(self.steps) || self.steps.all(s, !has(s.replicas))',
    message: 'replicas of a step is only for targetRef: with versions the Deployments are yours',
    holds: (spec: WrittenSpec) => spec.versions === undefined || spec.steps.every(({ replicas }) => replicas === undefined),
  },
  {
    cel: 'has(self.targetRef) == has(oldSelf.targetRef) && (!has(self.targetRef) || self.targetRef == oldSelf.targetRef)',
    message: 'targetRef cannot change, come or go: make a new Canary',
  },
  {
    cel: 'has(self.service) == has(oldSelf.service)',
    message: 'service cannot come or go: make a new Canary',
  },
])

const phases = [
  'Initializing', 'Idle', 'Waiting', 'Progressing', 'Promoting', 'RollingBack', 'Failed', 'Suspended', 'Terminating',
] as const

// Absent lists are empty; a default would make the API server write that down.
const list = <T extends z.ZodType>(items: z.ZodArray<T>) => items.optional().transform((some): z.output<T>[] => some ?? [])

/** A Canary's status, as Serin writes it. Times are RFC 3339. */
export const canaryStatusSchema = z.object({
  observedGeneration: z.int().min(0).describe('Generation of the Canary that this status speaks of.').optional(),
  observedTarget: part.targetSchema.describe('The Deployment that this status speaks of.').optional(),
  phase: z.enum(phases).describe('Where the Canary stands.'),
  message: z.string().max(1024).describe('Why it stands there, and what it waits for.').optional(),
  step: z.string().max(16).describe('The present step, such as "2/3".').optional(),
  weight: z.string().max(8).describe("The canary's share, as last acknowledged.").optional(),
  stableRevision: z.string().max(253).describe('The stable revision.').optional(),
  canaryRevision: z.string().max(253).describe('The canary revision.').optional(),
  stable: part.revisionSchema.describe('The revision that serves.').optional(),
  canary: part.revisionSchema.describe('The revision being released; absent when none.').optional(),
  waits: list(keyed(part.waitSchema, ['for'], 8)).describe('What is waited for.'),
  paused: part.pausedSchema.describe('Who holds every rollout of this Canary; absent when nobody does.').optional(),
  previous: part.previousSchema.describe('The stable before this one, while it stays up.').optional(),
  seen: list(keyed(part.seenSchema, ['revision'], 32)).describe('Every version, in the order in which they were first seen.'),
  rollout: part.rolloutSchema.describe('The release under way; absent when none.').optional(),
  failed: part.failedSchema.describe('The revision that failed last, until it changes or is retried.').optional(),
  routes: list(keyed(part.routeSchema, ['namespace', 'name'], 32)).describe('The VirtualServices with managed routes.'),
  checks: list(keyed(part.checkSchema, ['name'], 20)).describe('The last check of each metric.'),
  history: list(atomic(part.historySchema, 0, 10)).describe('Releases that ended, newest first.'),
  replicas: z.int().min(0).describe("Stable's pods, for scalers.").optional(),
  selector: z.string().max(2048).describe("Selects stable's pods, for scalers.").optional(),
  conditions: list(keyed(part.conditionSchema, ['type'], 16)).describe('Ready, Reconciling, Stalled, Promoted, Degraded.'),
})

/** A Canary's spec as written, with the stored defaults. */
export type CanarySpec = Frozen<z.output<typeof canarySpecSchema>>
/** A Canary's status; lists are empty rather than absent. */
export type CanaryStatus = Frozen<z.output<typeof canaryStatusSchema>>
/** A Canary as the API server stores it. */
export type Canary = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly spec: CanarySpec
  readonly status?: CanaryStatus
}

/** Where a Canary stands. */
export type CanaryPhase = CanaryStatus['phase']
/** Conditions on one request, all of which hold; in Istio's words. */
export type HTTPMatch = Frozen<z.output<typeof httpMatchSchema>>
/** Exactly one way to compare a text. */
export type StringMatch = Frozen<z.output<typeof stringMatchSchema>>
/** metav1.Condition. */
export type Condition = CanaryStatus['conditions'][number]
/** What a check said last. */
export type CheckStatus = CanaryStatus['checks'][number]
/** A version as it was first seen. */
export type SeenVersion = CanaryStatus['seen'][number]
/** The release under way. */
export type RolloutStatus = NonNullable<CanaryStatus['rollout']>
/** A release that has ended. */
export type HistoryEntry = CanaryStatus['history'][number]
/** What somebody asked of one step, or of all that were left, and got. */
export type StepRequest = NonNullable<RolloutStatus['approvals']>[number]
/** A VirtualService with routes that Serin manages. */
export type RouteRecord = CanaryStatus['routes'][number]
/** A revision that runs, and what it carries. */
export type RevisionStatus = NonNullable<CanaryStatus['stable']>
