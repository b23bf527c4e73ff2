import type { KubeObject } from './mesh-input.ts'

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>

/** One operation of a JSON Patch (RFC 6902). */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/** Operations that hold together or not at all. */
export type JsonPatch = readonly JsonPatchOperation[]

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value if it is an object, else an empty one. */
export const jsonOf = (value: unknown): Json => (isJson(value) ? value : {})

/** The objects of a list; none where it is no list. */
export const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isJson) : [])

/** The texts of a list; none where it is no list. */
export const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []

/** The value if it is a text. */
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The texts of a map of texts. */
export const labelsOf = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(jsonOf(value)).flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])))

/** The object without these fields. */
export const without = (json: Json, ...fields: readonly string[]): Json =>
  Object.fromEntries(Object.entries(json).filter(([field]) => !fields.includes(field)))

/** Whether two JSON values are equal; the order of keys does not count. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  if (!isJson(a) || !isJson(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
}

/** The JSON in an annotation's text; undefined where there is none that can be read. */
export function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The spec of an object. */
export const specOf = (object: KubeObject): Json => jsonOf(object['spec'])

/** Older first, as Istio orders what collides: by creation, then name, then namespace. */
export const olderFirst = ({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number =>
  compared(a.creationTimestamp, b.creationTimestamp) || compared(a.name, b.name) || compared(a.namespace, b.namespace)

const compared = (a = '', b = ''): number => Number(a > b) - Number(a < b)

/** The operations as a patch that only this very version of this very object accepts; undefined when there are none. */
export const guarded = ({ metadata }: KubeObject, operations: JsonPatch): JsonPatch | undefined =>
  operations.length === 0 ? undefined : [
    // A stale replace answers 409; a failed test would answer 422 and not say why.
    { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion ?? '' },
    { op: 'replace', path: '/metadata/uid', value: metadata.uid ?? '' },
    ...operations,
  ]

/** Operations that give the object these annotations; none for those it has already. */
export function annotate({ metadata: { annotations } }: KubeObject, wanted: Readonly<Record<string, string>>): JsonPatch {
  const missing = Object.entries(wanted).filter(([key, value]) => annotations?.[key] !== value)
  const whole = { op: 'add', path: '/metadata/annotations', value: Object.fromEntries(missing) } as const
  return annotations === undefined && missing.length > 0 ? [whole] : missing.map(([key, value]) => ({
    op: annotations?.[key] === undefined ? 'add' : 'replace',
    path: `/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    value,
  }))
}
