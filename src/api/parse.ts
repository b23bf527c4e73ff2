import * as z from 'zod'
import { type Canary, canarySpecSchema, canaryStatusSchema } from './canary.ts'
import { objectMetaSchema } from './object-meta.ts'

/** Something in a manifest that must change: where ("spec.steps[1].weight"), and what to write instead. */
export type Problem = { readonly path: string; readonly message: string }

/** A Canary, or why there is none. */
export type ParsedCanary =
  | { readonly ok: true; readonly canary: Canary }
  | { readonly ok: false; readonly problems: readonly Problem[] }

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
export function parseCanary(object: unknown): ParsedCanary {
  const manifest = manifestSchema.safeParse(object, { error: messageOf })
  if (!manifest.success) return { ok: false, problems: manifest.error.issues.flatMap(problemsOf) }
  const status = statusSchema.safeParse(object)
  return { ok: true, canary: { ...manifest.data, ...(status.success && { status: status.data.status }) } }
}

const statusSchema = z.object({ status: canaryStatusSchema })

const pathOf = (path: readonly PropertyKey[]) =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./, '')

function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  const problem = { path: pathOf(issue.path), message: issue.message }
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ ...problem, path: pathOf([...issue.path, key]) }))
  // The key itself is wrong, not what stands under it: its own issues say how.
  if (issue.code === 'invalid_key') return [{ ...problem, message: issue.issues[0]?.message ?? issue.message }]
  return [problem]
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a string', int: 'an integer', boolean: 'true or false', array: 'a list', object: 'a map', record: 'a map',
}

/** What to write instead, where the schema itself has nothing to say. */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    return `${issue.input === undefined ? 'is missing: write' : 'must be'} ${kinds[issue.expected] ?? issue.expected}`
  }
  if (issue.code === 'invalid_value') return `must be ${issue.values.join(', ').replace(/, ([^,]*)$/, ' or $1')}`
  if (issue.code === 'too_small' && issue.minimum === 1) return 'must not be empty'
  if (issue.code === 'too_big') return `must have at most ${issue.maximum} ${issue.origin === 'string' ? 'characters' : 'entries'}`
  return undefined
}
