import * as z from 'zod'
import { analysisSchema } from './analysis.ts'
import { atomic, fields, keyed, mapped, set } from './collection.ts'
import type { httpMatchSchema, stringMatchSchema } from './match.ts'
import type { Frozen, ObjectMeta } from './object-meta.ts'
import { ruled } from './rule.ts'
import { duration, integer, label, labelKey, labelValue } from './scalar.ts'
import * as part from './status.ts'
import { stepsSchema } from './step.ts'

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
  port: integer(1, 65_535).describe('Port of the Service; only where a gateway has several to choose from.').optional(),
}), [{
  cel: 'self.name == oldSelf.name',
  message: 'cannot change: make a new Canary',
  path: 'name',
}])

const trafficSchema = fields({
  httpRoutes: set(z.string().min(1).max(253), 32).min(1)
    .describe('Names of the http routes to manage. Assumed: every http route to the Service.')
    .optional(),
  propagation: duration('0s', '5m')
    .describe("How long a change of routes takes to reach every proxy. Assumed: the operator's flag, 15s.")
    .optional(),
  drain: duration('0s', '1h').describe('How long, after propagation, requests under way may still take.').default('30s'),
})

const scaleDownDelaySchema = fields({
  previous: duration('0s', '168h').describe('How long the old stable stays at full size after a promotion.').default('10m'),
  failed: duration('0s', '168h').describe('How long a failed canary stays up after its rollback.').default('0s'),
})

/** A Canary's spec: strict about fields it does not know; parsing fills in the stored defaults. */
export const canarySpecSchema = fields({
  versions: versionsSchema.describe('The versions: Deployments that you apply yourself, one for each.'),
  service: serviceSchema.describe('The Service whose requests are shared out.'),
  traffic: trafficSchema.describe('How routes are changed.').prefault({}),
  steps: stepsSchema.describe('The exposures before promotion, in order.').default([
    { weight: 5, for: '5m' }, { weight: 25, for: '5m' }, { weight: 50, for: '5m' },
  ]),
  analysis: analysisSchema.describe('How the canary is judged.').prefault({}),
  scaleDownDelay: scaleDownDelaySchema.describe('How long a revision without traffic keeps its pods.').prefault({}),
  rollbackWindow: duration('0s', '8784h')
    .describe('A version that was stable within this time goes back out in one step, without analysis; 0s: never.')
    .default('24h'),
  progressDeadline: duration('10s', '24h').describe('How long pods may take to become ready.').default('10m'),
  suspend: z.boolean().describe('Freezes everything but a rollback; at creation nothing is written.').default(false),
})

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
  previous: part.previousSchema.describe('The stable before this one, while it stays up.').optional(),
  seen: list(keyed(part.seenSchema, ['revision'], 32)).describe('Every version, in the order in which they were first seen.'),
  rollout: part.rolloutSchema.describe('The release under way; absent when none.').optional(),
  failed: part.failedSchema.describe('The revision that failed last, until it changes or is retried.').optional(),
  routes: list(keyed(part.routeSchema, ['namespace', 'name'], 32)).describe('The VirtualServices with managed routes.'),
  checks: list(keyed(part.checkSchema, ['name'], 20)).describe('The last check of each metric.'),
  history: list(atomic(part.historySchema, 0, 10)).describe('Releases that ended, newest first.'),
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
/** A VirtualService with routes that Serin manages. */
export type RouteRecord = CanaryStatus['routes'][number]
/** A revision that runs, and what it carries. */
export type RevisionStatus = NonNullable<CanaryStatus['stable']>
