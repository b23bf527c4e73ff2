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
  const manifest = parsedBy(manifestSchema, object)
  if (!manifest.ok) return manifest
  const status = statusSchema.safeParse(object)
  return { ok: true, canary: { ...manifest.value, ...(status.success && { status: status.data.status }) } }
}

/** What a schema makes of JSON, or everything that is wrong with it, and what to write instead. */
export function parsedBy<T>(schema: z.ZodType<T>, object: unknown): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] } {
  const parsed = schema.safeParse(object, { error: messageOf })
  return parsed.success ? { ok: true, value: parsed.data } : { ok: false, problems: parsed.error.issues.flatMap(problemsOf) }
}

const statusSchema = z.object({ status: canaryStatusSchema })

const pathOf = (path: readonly PropertyKey[]) =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./, '')

function problemsOf(fault: z.core.$ZodIssue): readonly Problem[] {
  const problem = { path: pathOf(fault.path), message: fault.message }
  if (fault.code === 'unrecognized_keys') return fault.keys.map((key) => ({ ...problem, path: pathOf([...fault.path, key]) }))
  // The key itself is wrong, not what stands under it: its own issues say how.
  if (fault.code === 'invalid_key') return [{ ...problem, message: fault.issues[0]?.message ?? fault.message }]
  return [problem]
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a string', int: 'an integer', boolean: 'true or false', array: 'a list', object: 'a map', record: 'a map',
}

/** What to write instead, where the schema itself has nothing to say. */
function messageOf(fault: z.core.$ZodRawIssue): string | undefined {
  if (fault.code === 'invalid_type') {
    return `${fault.input === undefined ? 'is missing: write' : 'must be'} ${kinds[fault.expected] ?? fault.expected}`
  }
  if (fault.code === 'invalid_value') return `must be ${fault.values.join(', ').replace(/, ([^,]*)$/, ' or $1')}`
  if (fault.code === 'too_small' && fault.minimum === 1) return 'must not be empty'
  if (fault.code === 'too_big') return `must have at most ${fault.maximum} ${fault.origin === 'string' ? 'characters' : 'entries'}`
  return undefined
}
