import { isDeepStrictEqual } from 'node:util'
import { canarySpecSchema, type CanarySpec } from '../../src/api/canary.ts'
import { apiVersion, parseCanary } from '../../src/api/parse.ts'
import { structuralSchemaOf } from '../../src/api/structural.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { pruneAndDefault, type Schema } from '../../src/sandbox/schema.ts'

export type Fields = Readonly<Record<string, unknown>>

/** What a checker says of a spec; paths are those that it blames, in the form "spec.steps[1].weight". */
export type Verdict =
  | { readonly accepted: true; readonly spec: unknown }
  | Refusal

/** `decoding`: refused for fields that nobody knows, before anything else was looked at. */
export type Refusal = { readonly accepted: false; readonly paths: readonly string[]; readonly said: string; readonly decoding?: boolean }

/** How an API server is asked to take fields that it does not know: refuse them, or drop them in silence. */
export type FieldValidation = 'Strict' | 'Ignore'

/** Where the parser and the API server are known to part, each as what must be done to a spec so that the parser sees what the server sees. */
export const DIFFERENCES = {
  /** A structural schema has no `propertyNames`, and CEL would have to loop over every map. */
  'keys of a map': withGoodKeys,
  /** The API server takes null in a field for its absence. */
  'null in a field': withoutNullFields,
  /** Pruning, which is why the operator looks at the CRD before it advances anything. */
  'fields that nobody knows': (spec: Fields, schema: Schema): Fields => {
    const pruned = structuredClone(spec)
    pruneAndDefault({ properties: { spec: schema } }, { spec: pruned })
    return pruned
  },
} as const satisfies Readonly<Record<string, (spec: Fields, schema: Schema) => Fields>>

export type Difference = keyof typeof DIFFERENCES

const PRUNING: Difference = 'fields that nobody knows'

/** Those that apply: a strict server knows of unknown fields, too. */
export const differencesFor = (validation: FieldValidation): readonly Difference[] =>
  (Object.keys(DIFFERENCES) as Difference[]).filter((name) => validation === 'Ignore' || name !== PRUNING)

/** The spec with the differences taken away. */
export const alike = (spec: Fields, schema: Schema, differences: readonly Difference[]): Fields =>
  differences.reduce((seen, name) => DIFFERENCES[name](seen, schema), spec)

/** What the parser says. */
export function parserVerdict(spec: unknown): Verdict {
  const parsed = parseCanary({ apiVersion, kind: 'Canary', metadata: { name: 'any', namespace: 'any' }, spec })
  if (parsed.ok) return { accepted: true, spec: parsed.canary.spec }
  return { accepted: false, paths: parsed.problems.map(({ path }) => commonPath(path)), said: parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ') }
}

/** What the parser says of a change: beside the spec itself, what must stay as it was. */
export function parserVerdictOfChange(before: CanarySpec, spec: Fields): Verdict {
  const verdict = parserVerdict(spec)
  if (!verdict.accepted) return verdict
  const after = verdict.spec as CanarySpec
  const kept = (spec: CanarySpec) => [spec.versions?.selector, spec.versions?.label]
  const paths = [
    ...(isDeepStrictEqual([before.targetRef, before.service === undefined], [after.targetRef, after.service === undefined]) ? [] : ['spec']),
    ...(before.versions === undefined || after.versions === undefined || isDeepStrictEqual(kept(before), kept(after)) ? [] : ['spec.versions']),
    ...(before.service === undefined || after.service === undefined || before.service.name === after.service.name ? [] : ['spec.service.name']),
  ]
  return paths.length === 0 ? verdict : { accepted: false, paths, said: `${paths.join(', ')} cannot change` }
}

type Cause = { readonly field?: string; readonly message?: string; readonly reason?: string }

/** What the API server says. Throws on an answer that is no verdict. */
export function serverVerdict(answer: { readonly status: number; readonly body: KubeObject }): Verdict {
  const { status, body } = answer
  if (status === 200 || status === 201) return { accepted: true, spec: body['spec'] }
  const said = String(body['message'])
  if (status === 422) {
    const causes = (body['details'] as { readonly causes?: readonly Cause[] } | undefined)?.causes ?? []
    return { accepted: false, paths: causes.map(({ field = '', reason }) => commonPath(field, reason)), said }
  }
  const unknown = [...said.matchAll(/unknown field "([^"]+)"/g)].map(([, path = '']) => commonPath(path))
  if (status === 400 && unknown.length > 0) return { accepted: false, paths: unknown, said, decoding: true }
  throw new Error(`no verdict: ${status} ${said}`)
}

/** The server blames the second of two equal items, the parser their list; which key of a map it is, is written in several ways. */
function commonPath(field: string, reason?: string): string {
  const path = field.replace(inMap, '.$1.*')
  return reason === 'FieldValueDuplicate' ? path.replace(/\[\d+\]$/, '') : path
}

/** Whether both blame one place. Unknown fields are told before the server looks at types: the parser then blames what holds them. */
export const sharePath = (server: Refusal, parser: Refusal): boolean =>
  server.paths.some((path) => parser.paths.some((blamed) => path === blamed || (server.decoding && /^[.[]/.test(path.slice(blamed.length)) && path.startsWith(blamed))))

/** Maps of the spec whose keys are the user's. */
const mapNames = (schema: Schema, name = ''): readonly string[] => [
  ...(typeof schema.additionalProperties === 'object' ? [name, ...mapNames(schema.additionalProperties)] : []),
  ...(schema.items ? mapNames(schema.items) : []),
  ...Object.entries(schema.properties ?? {}).flatMap(([field, child]) => mapNames(child, field)),
]
const inMap = new RegExp(`\\.(${[...new Set(mapNames(structuralSchemaOf(canarySpecSchema) as Schema))].join('|')})[.[].*$`, 's')

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Null items of a list stay: there they are values. So do unknown fields, which are unknown with any value. */
function withoutNullFields(value: unknown, schema: Schema): Fields {
  const cleaned = (one: unknown, { items, properties = {}, additionalProperties }: Schema): unknown => {
    if (Array.isArray(one)) return items === undefined ? one : one.map((item) => cleaned(item, items))
    if (!isMap(one)) return one
    const known = (name: string) => properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
    return Object.fromEntries(Object.entries(one).flatMap(([name, field]) => {
      const child = known(name)
      return child === undefined ? [[name, field]] : field === null ? [] : [[name, cleaned(field, child)]]
    }))
  }
  return cleaned(value, schema) as Fields
}

/** Every key that its map's schema refuses, replaced by one that it takes. */
function withGoodKeys(spec: Fields): Fields {
  const renamed = structuredClone(spec)
  const issues = canarySpecSchema.safeParse(renamed).error?.issues ?? []
  for (const [index, { code, path }] of issues.entries()) {
    if (code !== 'invalid_key') continue
    const holder = path.slice(0, -1).reduce<unknown>((value, key) => (value as Readonly<Record<PropertyKey, unknown>>)[key], renamed) as Record<string, unknown>
    const key = String(path.at(-1))
    holder[`renamed-${index}`] = holder[key]
    delete holder[key]
  }
  return renamed
}

/** The messages of all CEL rules at any depth; `changes`: those that compare with the object before. */
export function rulesOf(schema: Schema): readonly { readonly message: string; readonly changes: boolean }[] {
  const own = (schema['x-kubernetes-validations'] ?? []) as readonly { readonly rule: string; readonly message: string }[]
  const below = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : []), ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [])]
  return [...own.map(({ rule, message }) => ({ message, changes: rule.includes('oldSelf') })), ...below.flatMap(rulesOf)]
}
