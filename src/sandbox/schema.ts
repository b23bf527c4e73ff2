import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { at, canonical, clone, isFields, type Fields } from './json.ts'
import { invalidValue, type Cause } from './refusals.ts'

/** A structural schema, as a CustomResourceDefinition carries it. */
export type Schema = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: boolean | Schema
  readonly default?: unknown
  readonly nullable?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly [keyword: string]: unknown
}

const objectFields: readonly string[] = ['apiVersion', 'kind', 'metadata']

const childPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** Removes fields the schema does not know and fills in defaults, in place; returns the paths of what it removed. */
export const pruneAndDefault = (schema: Schema, value: unknown, path = ''): readonly string[] => {
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? [] : value.flatMap((item, index) => pruneAndDefault(items, item, `${path}[${index}]`))
  }
  if (!isFields(value)) return []
  const pruned = prune(schema, value, path)
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const missing = value[name] === undefined || (value[name] === null && child.nullable !== true)
    if (child.default !== undefined && missing) value[name] = clone(child.default)
  }
  const isObject = path === '' || schema['x-kubernetes-embedded-resource'] === true
  const deeper = Object.entries(value).flatMap(([name, child]) => {
    const below = isObject && objectFields.includes(name) ? undefined : childSchema(schema, name)
    return below === undefined ? [] : pruneAndDefault(below, child, childPath(path, name))
  })
  return [...pruned, ...deeper]
}

const childSchema = (schema: Schema, name: string): Schema | undefined => {
  const { additionalProperties: others } = schema
  return schema.properties?.[name] ?? (isFields(others) ? others : undefined)
}

const prune = (schema: Schema, value: Fields, path: string): readonly string[] => {
  const open = schema.additionalProperties === true || isFields(schema.additionalProperties)
  if (open || schema['x-kubernetes-preserve-unknown-fields'] === true) return []
  const isObject = path === '' || schema['x-kubernetes-embedded-resource'] === true
  const unknown = Object.keys(value).filter(
    (name) => !(schema.properties?.[name] !== undefined || (isObject && objectFields.includes(name))),
  )
  for (const name of unknown) delete value[name]
  return unknown.map((name) => childPath(path, name))
}

/** Checks values against a schema; compiled at the first use. */
export const compileSchema = (schema: Schema): ((value: Fields) => readonly Cause[]) => {
  let validate: ValidateFunction | undefined
  return (value) => {
    validate ??= new Ajv({
      allErrors: true,
      strict: false,
      meta: false,
      validateSchema: false,
      verbose: true,
      unicodeRegExp: false,
      formats,
    }).compile(ajvSchema(schema))
    validate(value)
    return [...(validate.errors ?? []).flatMap((error) => causeOf(error) ?? []), ...duplicates(schema, value, '')]
  }
}

const formats = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i,
  int32: true,
  int64: true,
  uint32: true,
  double: true,
  float: true,
  byte: true,
  duration: true,
} as const

const branchKeywords: readonly string[] = ['oneOf', 'anyOf', 'allOf']

/** The same constraints in plain JSON Schema: Kubernetes' own keywords are put into those that ajv knows. */
const ajvSchema = (schema: Schema): Fields => {
  const { type, properties, items, additionalProperties, nullable, not, enum: values } = schema
  const kept = Object.entries(schema).filter(([keyword]) => !keyword.startsWith('x-kubernetes-') && !dropped.includes(keyword))
  const types = schema['x-kubernetes-int-or-string'] === true ? ['integer', 'string'] : type === undefined ? [] : [type]
  const branches = branchKeywords.flatMap((keyword) =>
    Array.isArray(schema[keyword]) ? [[keyword, (schema[keyword] as readonly Schema[]).map(ajvSchema)] as const] : [],
  )
  return {
    ...Object.fromEntries([...kept, ...branches]),
    ...(types.length > 0 && { type: nullable === true ? [...types, 'null'] : types }),
    ...(Array.isArray(values) && { enum: nullable === true ? [...(values as readonly unknown[]), null] : values }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, ajvSchema(child)])),
    }),
    ...(items && { items: ajvSchema(items) }),
    ...(isFields(additionalProperties) && { additionalProperties: ajvSchema(additionalProperties) }),
    ...(isFields(not) && { not: ajvSchema(not) }),
  }
}

const dropped: readonly string[] = ['default', 'nullable', 'description', 'title', 'example', 'externalDocs']

const fieldOf = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : childPath(path, part)), '')

const typeName = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

type Wording = (limit: string, field: string) => string

const wordings: Readonly<Record<string, Wording>> = {
  minimum: (limit, field) => `${field} in body should be greater than or equal to ${limit}`,
  maximum: (limit, field) => `${field} in body should be less than or equal to ${limit}`,
  exclusiveMinimum: (limit, field) => `${field} in body should be greater than ${limit}`,
  exclusiveMaximum: (limit, field) => `${field} in body should be less than ${limit}`,
  minLength: (limit, field) => `${field} in body should be at least ${limit} chars long`,
  minItems: (limit, field) => `${field} in body should have at least ${limit} items`,
  minProperties: (limit, field) => `${field} in body should have at least ${limit} properties`,
  pattern: (limit, field) => `${field} in body should match '${limit}'`,
  multipleOf: (limit, field) => `${field} in body should be a multiple of ${limit}`,
  format: (limit, field) => `${field} in body must be of type ${limit}`,
  oneOf: (_, field) => `"${field}" must validate one and only one schema (oneOf)`,
  anyOf: (_, field) => `"${field}" must validate at least one schema (anyOf)`,
  not: (_, field) => `"${field}" must not validate the schema (not)`,
}

const sizeWordings: Readonly<Record<string, readonly [string, string]>> = {
  maxLength: ['Too long: may not be more than', 'bytes'],
  maxItems: ['Too many: must have at most', 'items'],
  maxProperties: ['Too many: must have at most', 'items'],
}

const causeOf = (error: ErrorObject): Cause | undefined => {
  const { keyword, params, data, schema } = error
  // What fails inside a branch says nothing by itself: the branch's own error does.
  if (/\/(oneOf|anyOf|not)\//.test(error.schemaPath)) return undefined
  const field = fieldOf(error.instancePath)
  if (keyword === 'required')
    return {
      field: childPath(field, String(at(params, 'missingProperty'))),
      message: 'Required value',
      reason: 'FieldValueRequired',
    }
  if (keyword === 'enum') {
    const supported = (schema as readonly unknown[])
      .filter((value) => value !== null)
      .map((value) => JSON.stringify(value))
      .join(', ')
    return {
      field,
      message: `Unsupported value: ${JSON.stringify(data)}: supported values: ${supported}`,
      reason: 'FieldValueNotSupported',
    }
  }
  if (keyword === 'type') {
    const expected = [schema]
      .flat()
      .filter((type) => type !== 'null')
      .join(',')
    return invalidValue(field, typeName(data), `${field} in body must be of type ${expected}: "${typeName(data)}"`)
  }
  const size = sizeWordings[keyword]
  if (size !== undefined)
    return {
      field,
      message: `${size[0]} ${String(schema)} ${size[1]}`,
      reason: keyword === 'maxLength' ? 'FieldValueTooLong' : 'FieldValueTooMany',
    }
  return invalidValue(field, data, wordings[keyword]?.(String(schema), field) ?? error.message ?? keyword)
}

/** Items that occur twice in a list that is a set or a map. */
const duplicates = (schema: Schema, value: unknown, path: string): readonly Cause[] => {
  if (Array.isArray(value)) {
    const { items } = schema
    const own = repeated(schema, value, path)
    return items === undefined ? own : [...own, ...value.flatMap((item, index) => duplicates(items, item, `${path}[${index}]`))]
  }
  if (!isFields(value)) return []
  return Object.entries(value).flatMap(([name, child]) => {
    const below = childSchema(schema, name)
    return below === undefined ? [] : duplicates(below, child, childPath(path, name))
  })
}

const repeated = (schema: Schema, list: readonly unknown[], path: string): readonly Cause[] => {
  const type = schema['x-kubernetes-list-type']
  if (type !== 'set' && type !== 'map') return []
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const names = list.map((item) => canonical(type === 'set' ? item : Object.fromEntries(keys.map((key) => [key, at(item, key)]))))
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ field: `${path}[${index}]`, message: `Duplicate value: ${name}`, reason: 'FieldValueDuplicate' }],
  )
}
