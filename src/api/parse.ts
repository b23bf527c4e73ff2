import * as z from 'zod'
import { type Canary, canarySpecSchema, canaryStatusSchema } from './canary.ts'
import { objectMetaSchema } from './object-meta.ts'

/** Something in a manifest that must change: where ("spec.steps[1].weight"), and what to write instead. */
export type Problem = { readonly path: string; readonly message: string }

/** API group and version of every kind. */
export const apiVersion = 'serin.dev/v1beta1'

const manifestSchema = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('Canary'),
  metadata: objectMetaSchema,
  spec: canarySpecSchema,
})

/**
 * A Canary from JSON, with its defaults, or everything that is wrong with it. A status that cannot be read counts as
 * absent: what matters stands in the routes as well.
 */
export function parseCanary(object: unknown): { ok: true; canary: Canary } | { ok: false; problems: readonly Problem[] } {
  const manifest = manifestSchema.safeParse(object, { error: messageOf })
  if (!manifest.success) return { ok: false, problems: manifest.error.issues.flatMap(problemsOf) }
  const status = statusSchema.safeParse(object)
  return { ok: true, canary: { ...manifest.data, ...(status.success && { status: status.data.status }) } }
}

const statusSchema = z.object({ status: canaryStatusSchema })

const pathOf = (path: readonly PropertyKey[]) =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./, '')

function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: issue.message }))
  // The key itself is wrong, not what stands under it: its own issues say how.
  if (issue.code === 'invalid_key') return [{ path: pathOf(issue.path), message: issue.issues[0]?.message ?? issue.message }]
  return [{ path: pathOf(issue.path), message: issue.message }]
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a string', int: 'an integer', number: 'a number', boolean: 'true or false', array: 'a list', object: 'a map', record: 'a map',
}

const units: Readonly<Record<string, string>> = { string: ' characters', array: ' entries', set: ' entries', number: '', int: '' }

/** What to write instead, where the schema itself has nothing to say. */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? `is missing: write ${kinds[issue.expected]}` : `must be ${kinds[issue.expected]}`
    case 'invalid_value':
      return `must be ${issue.values.join(', ').replace(/, ([^,]*)$/, ' or $1')}`
    case 'too_small':
      return `must have at least ${issue.minimum}${units[issue.origin]}`
    case 'too_big':
      return `must have at most ${issue.maximum}${units[issue.origin]}`
    default:
      return undefined
  }
}
