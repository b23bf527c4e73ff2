import * as z from 'zod'
import { fields } from './collection.ts'
import { objectMetaSchema, type Frozen } from './object-meta.ts'
import { apiVersion, parsedBy, type Problem } from './parse.ts'
import { ruled } from './rule.ts'
import { duration, label, labelValue } from './scalar.ts'

const actions = ['Approve', 'Promote', 'Skip', 'Pause', 'Resume', 'Abort', 'Retry'] as const
const results = ['Accepted', 'Refused', 'Expired'] as const

const stepsOnly = ['Approve', 'Skip']
const anyRevision = ['Pause', 'Resume']
const listed = (names: readonly string[]) => `['${names.join("', '")}']`

/** A CanaryAction's spec: what somebody asks of one Canary, once. It never changes. */
export const canaryActionSpecSchema = ruled(fields({
  canaryRef: fields({
    name: z.string().min(1).max(253).describe('Name of the Canary, in the same namespace.'),
  }).describe('The Canary that is spoken to.'),
  action: z.enum(actions).describe('What is asked for.'),
  revision: labelValue().min(1).describe('The revision that is meant. Assumed for Pause and Resume: whichever it is.').optional(),
  step: label().describe('The step that is meant, for Approve and Skip. Assumed: the present one.').optional(),
  reason: z.string().max(256).describe('Why, for people.').optional(),
  requester: z.string().min(1).max(253).describe('Who asks: the user name that the API server knows you by.'),
  expiresAfter: duration('1s', '168h').describe('Until when, from creation, it may be acted on.').default('1h'),
}), [
  {
    cel: 'self == oldSelf',
    message: 'cannot change: create another CanaryAction',
  },
  {
    cel: `self.action in ${listed(anyRevision)} || has(self.revision)`,
    message: 'is missing: write the revision that is meant, as in status.canaryRevision of the Canary',
    holds: ({ action, revision }) => anyRevision.includes(action) || revision !== undefined,
    path: 'revision',
  },
  {
    cel: `!has(self.step) || self.action in ${listed(stepsOnly)}`,
    message: 'is only for Approve and Skip: leave it out',
    holds: ({ action, step }) => step === undefined || stepsOnly.includes(action),
    path: 'step',
  },
])

/** A CanaryAction's status: written once, by Serin. */
export const canaryActionStatusSchema = z.object({
  result: z.enum(results).describe('What became of it; absent while it waits.').optional(),
  message: z.string().max(1024).describe('Why, for people.').optional(),
  at: z.iso.datetime({ offset: true }).describe('When that was decided.').optional(),
})

/** What is asked for. */
export type CanaryActionSpec = Frozen<z.output<typeof canaryActionSpecSchema>>
/** What became of it. */
export type CanaryActionStatus = Frozen<z.output<typeof canaryActionStatusSchema>>

const manifestSchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('CanaryAction'),
  metadata: objectMetaSchema,
  spec: canaryActionSpecSchema,
})

/** A CanaryAction's spec from JSON, with its defaults, or everything that is wrong with it. */
export function parseCanaryAction(object: unknown): { readonly ok: true; readonly spec: CanaryActionSpec } | { readonly ok: false; readonly problems: readonly Problem[] } {
  const parsed = parsedBy(manifestSchema, object)
  return parsed.ok ? { ok: true, spec: parsed.value.spec } : parsed
}
