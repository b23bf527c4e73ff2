import * as z from 'zod'
import { atomic, mapped } from './collection.ts'

const text = (most = 253) => z.string().max(most)
const time = () => z.iso.datetime({ offset: true })
const count = () => z.int().min(0)
const message = () => text(256).describe('What happened, for people.')

/** ConfigMaps and Secrets that one target may track: status has room for so many. */
export const mostConfig = 64

/** The Deployment that a status speaks of. */
export const targetSchema = z.object({
  name: text().describe('Name of the Deployment.'),
  uid: text(64).describe('Its UID.'),
  generation: count().describe('Its generation.'),
  revision: text().describe('The revision it stands for.'),
  hash: text(64).describe('Hash of its pod template.').optional(),
  config: mapped(text(300), text(64), 0, mostConfig)
    .describe('Hashes of the ConfigMaps and Secrets that it tracks, by kind and name.')
    .optional(),
})

/** Who holds every rollout. */
export const pausedSchema = z.object({
  by: text().describe('Who asked for it.'),
  at: time().describe('Since when.'),
})

/** What somebody asked of a step, and got. */
const stepRequestSchema = z.object({
  step: text(63).describe('Name of the step; absent: all that were left.').optional(),
  exposure: text(32).describe('Position of the step from 0, and a hash of the steps: it counts for nothing else.').optional(),
  by: text().describe('Who asked for it.'),
  at: time().describe('When it was granted.'),
  action: text(64).describe('UID of the CanaryAction.'),
})

/** The stable before this one. */
export const previousSchema = z.object({
  revision: text().describe('The revision.'),
  until: time().describe('Until when it stays at full size.'),
})

/** A revision that runs, and what it carries. */
export const revisionSchema = z.object({
  revision: text().describe('Name of the revision.'),
  workload: text().describe('Name of its Deployment.').optional(),
  weight: text(8).describe('Share of the requests, as last acknowledged, such as "25%".').optional(),
  replicas: count().describe('Pods wanted.').optional(),
  readyReplicas: count().describe('Pods that are ready.').optional(),
  since: time().describe('Since when it is stable, or canary.').optional(),
})

/** Something a rollout waits for. */
export const waitSchema = z.object({
  for: text(63).describe('What is waited for.'),
  since: time().describe('Since when.').optional(),
  until: time().describe('Until when, where that is known.').optional(),
})

/** A version as it was first seen. */
export const seenSchema = z.object({
  revision: text().describe("The version's label value."),
  uid: text(64).describe('UID of its Deployment.'),
  hash: text(64).describe('Hash of its pod template.'),
  generation: count().describe('Generation of its Deployment when the hash was taken.'),
  since: time().describe('When it was first seen.'),
  failed: text(63).describe('Why it failed, where it did.').optional(),
})

/** The release under way. */
export const rolloutSchema = z.object({
  revision: text().describe('The revision being released.'),
  stepIndex: count().describe('Position of the present step, from 0, with every upTo written out.'),
  stepName: text(63).describe('Name of the present step.').optional(),
  steps: count().describe('Number of steps, with every upTo written out.').optional(),
  startedAt: time().describe('When the release began.'),
  stepStartedAt: time().describe('When the present step began.').optional(),
  observed: text(24).describe('How much of "for" has been observed.').optional(),
  stableReplicas: count().describe("Stable's size when the release began: its floor until the end.").optional(),
  waitingFor: z.enum(['Pods', 'Propagation', 'Bake', 'Evidence', 'Approval', 'Window', 'Webhook', 'Person'])
    .describe('What the step waits for.')
    .optional(),
  until: time().describe('When that wait ends, where it is known.').optional(),
  asked: text(32).describe('The exposure whose approval has been asked for.').optional(),
  approvals: atomic(stepRequestSchema, 0, 50).describe('Steps that were approved.').optional(),
  skips: atomic(stepRequestSchema, 0, 50).describe('Steps that were skipped.').optional(),
  analysisSkipped: text(63).describe('What says that steps and gates are skipped; absent when they are not.').optional(),
})

/** The revision that failed last. */
export const failedSchema = z.object({
  revision: text().describe('The revision.'),
  hash: text(64).describe('Hash of its pod template.').optional(),
  reason: text(63).describe('Why, in one word.').optional(),
  message: message().optional(),
  at: time().describe('When it was rolled back.').optional(),
})

/** A VirtualService with routes that Serin manages. */
export const routeSchema = z.object({
  namespace: text(63).describe('Namespace of the VirtualService.'),
  name: text().describe('Name of the VirtualService.'),
  mode: z.enum(['Own', 'Route', 'Delegate']).describe("Own: made by Serin. Route: the user's. Delegate: made by Serin for roots of the user's."),
  httpRoutes: atomic(text(), 0, 64).describe('Names of the managed routes, or a hash of the match of one without.').optional(),
})

/** What a check said last. */
export const checkSchema = z.object({
  name: text(63).describe('Name of the metric.'),
  verdict: z.enum(['Pass', 'Fail', 'NotEnoughEvidence', 'NoData', 'Error']).describe('What the check came to.'),
  value: text(32).describe("The canary's value.").optional(),
  stableValue: text(32).describe("Stable's value beside it.").optional(),
  bound: text(32).describe('The limit it was held against.').optional(),
  requests: count().describe('Requests it rests on.').optional(),
  needed: count().describe('Requests still needed.').optional(),
  failures: count().describe('Failures in a row.').optional(),
  dryRun: z.boolean().describe('Whether it decides nothing.').optional(),
  message: message().optional(),
  time: time().describe('When it was made.').optional(),
})

/** A release that has ended. */
export const historySchema = z.object({
  revision: text().describe('The revision.'),
  result: z.enum(['Promoted', 'RolledBack', 'Superseded', 'Aborted', 'Reverted']).describe('How it ended.'),
  reason: text(63).describe('Why, in one word.').optional(),
  message: message().optional(),
  by: text().describe('Who asked for it, where somebody did.').optional(),
  startedAt: time().describe('When it began.').optional(),
  endedAt: time().describe('When it ended.').optional(),
})

/** metav1.Condition. */
export const conditionSchema = z.object({
  type: text(316).describe('What the condition is about.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  observedGeneration: count().describe('Generation of the Canary it speaks of.').optional(),
  reason: text(1024).min(1).describe('Why, in one word.'),
  message: text(32_768).describe('Why, for people.'),
  lastTransitionTime: time().describe('When its status changed last.'),
})
