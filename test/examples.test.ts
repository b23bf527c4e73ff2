import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { canaryActionCrd } from '../src/api/canary-action-crd.ts'
import { parseCanaryAction } from '../src/api/canary-action.ts'
import { canaryCrd } from '../src/api/crd.ts'
import { parseCanary } from '../src/api/parse.ts'
import { manifests } from './harness.ts'

type Schema = { readonly properties?: Readonly<Record<string, Schema>>; readonly items?: Schema; readonly additionalProperties?: Schema; readonly enum?: readonly unknown[] }

/** Types that stand in several places: one place is enough. */
const SHARED: Readonly<Record<string, string>> = { regex: 'a text', withoutHeaders: 'a match' }

/** Every field that holds a value, as `steps[].match[].headers.*`; a type that stands in several places under its own name. */
function fieldsOf(schema: Schema, path: string): readonly string[] {
  if (schema.items !== undefined) return fieldsOf(schema.items, `${path}[]`)
  if (schema.additionalProperties !== undefined) return fieldsOf(schema.additionalProperties, `${path}.*`)
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0) return [path]
  const shared = Object.entries(SHARED).find(([field]) => schema.properties?.[field] !== undefined)?.[1]
  return [...(shared === undefined ? [] : [path]), ...properties.flatMap(([name, inner]) => fieldsOf(inner, `${shared ?? path}.${name}`))]
}

/** The same of what an example says. */
function saidBy(value: unknown, schema: Schema | undefined, path: string): readonly string[] {
  if (schema?.items !== undefined) return (value as readonly unknown[]).flatMap((item) => saidBy(item, schema.items, `${path}[]`))
  if (schema?.additionalProperties !== undefined) return Object.values(value as object).flatMap((inner) => saidBy(inner, schema.additionalProperties, `${path}.*`))
  if (schema?.properties === undefined) return [path]
  const shared = Object.entries(SHARED).find(([field]) => schema.properties?.[field] !== undefined)?.[1]
  return [...(shared === undefined ? [] : [path]), ...Object.entries(value as object).flatMap(([name, inner]) => saidBy(inner, schema.properties?.[name], `${shared ?? path}.${name}`))]
}

const examples = readdirSync(new URL('../examples/', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml')).flatMap((name) => manifests(`examples/${name}`))
const ofKind = (kind: string) => examples.filter((object) => object.kind === kind)
const specOf = (crd: object) => (crd as { spec: { versions: readonly { schema: { openAPIV3Schema: { properties: { spec: Schema } } } }[] } }).spec.versions[0]!.schema.openAPIV3Schema.properties.spec
const action = specOf(canaryActionCrd())

describe('the examples', () => {
  it.each([['Canary', specOf(canaryCrd())], ['CanaryAction', action]])('show every field of a %s', (kind, schema) => {
    const said = new Set(ofKind(kind).flatMap(({ spec }) => saidBy(spec, schema, 'spec')))
    expect([...new Set(fieldsOf(schema, 'spec'))].filter((field) => !said.has(field))).toEqual([])
  })

  it('show every action', () => {
    expect(new Set(ofKind('CanaryAction').map(({ spec }) => (spec as { action: string }).action))).toEqual(new Set(action.properties?.['action']?.enum))
  })

  it('are valid', () => {
    const named = ofKind('CanaryAction').map((object) => ({ ...object, metadata: { ...object.metadata, name: 'x' } }))
    expect([...ofKind('Canary').map((object) => parseCanary(object)), ...named.map((object) => parseCanaryAction(object))].filter(({ ok }) => !ok)).toEqual([])
  })
})
