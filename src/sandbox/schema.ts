import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { at, canonical, clone, isFields, type Fields } from './json.ts'
import { invalidValue, required, type Cause } from './refusals.ts'

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
  const { items, properties = {} } = schema
  if (Array.isArray(value)) return items ? value.flatMap((item, index) => pruneAndDefault(items, item, `${path}[${index}]`)) : []
  if (!isFields(value)) return []
  const own = path === '' || schema['x-kubernetes-embedded-resource'] === true ? objectFields : []
  const unknown = isOpen(schema) ? [] : Object.keys(value).filter((name) => properties[name] === undefined && !own.includes(name))
  for (const name of unknown) delete value[name]
  fillIn(properties, value)
  const deeper = Object.entries(value).flatMap(([name, child]) => {
    const below = own.includes(name) ? undefined : childSchema(schema, name)
    return below === undefined ? [] : pruneAndDefault(below, child, childPath(path, name))
  })
  return [...unknown.map((name) => childPath(path, name)), ...deeper]
}

const fillIn = (properties: Readonly<Record<string, Schema>>, value: Fields): void => {
  for (const [name, child] of Object.entries(properties)) {
    if (child.default !== undefined && !(value[name] === null && child.nullable === true)) value[name] ??= clone(child.default)
  }
}

const isOpen = ({ additionalProperties: others, 'x-kubernetes-preserve-unknown-fields': open }: Schema): boolean =>
  others === true || isFields(others) || open === true

const childSchema = ({ properties, additionalProperties }: Schema, name: string): Schema | undefined =>
  properties?.[name] ?? (isFields(additionalProperties) ? additionalProperties : undefined)

/** Checks values against a schema; compiled at the first use. */
export const compileSchema = (schema: Schema): ((value: Fields) => readonly Cause[]) => {
  let validate: ValidateFunction | undefined
  return (value) => {
    validate ??= new Ajv(options).compile(ajvSchema(schema))
    validate(value)
    return [...(validate.errors ?? []).flatMap((error) => causeOf(error) ?? []), ...duplicates(schema, value, '')]
  }
}

const formats = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i,
  ...Object.fromEntries(['int32', 'int64', 'uint32', 'double', 'float', 'byte', 'duration'].map((name) => [name, true as const])),
}

const options: Options = {
  allErrors: true,
  strict: false,
  meta: false,
  validateSchema: false,
  verbose: true,
  unicodeRegExp: false,
  formats,
}

const ignored = ['default', 'nullable', 'description', 'title', 'example', 'externalDocs']

/** The same constraints in plain JSON Schema: Kubernetes' own keywords are put into those that ajv knows. */
const ajvSchema = (schema: Schema): Fields => {
  const { type, properties = {}, nullable = false, enum: values } = schema
  const types = schema['x-kubernetes-int-or-string'] === true ? ['integer', 'string'] : type === undefined ? [] : [type]
  const kept = Object.entries(schema).filter(([keyword]) => !keyword.startsWith('x-kubernetes-') && !ignored.includes(keyword))
  const converted = kept.map(([keyword, value]) => [keyword, nestedSchemas.includes(keyword) ? ajvNested(value) : value])
  return {
    ...Object.fromEntries(converted),
    ...(types.length > 0 && { type: nullable ? [...types, 'null'] : types }),
    ...(Array.isArray(values) && { enum: nullable ? [...(values as unknown[]), null] : values }),
    properties: Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, ajvSchema(child)])),
  }
}

const nestedSchemas = ['items', 'additionalProperties', 'not', 'oneOf', 'anyOf', 'allOf']

const ajvNested = (value: unknown): unknown =>
  Array.isArray(value) ? value.map((each: Schema) => ajvSchema(each)) : isFields(value) ? ajvSchema(value) : value

const fieldOf = (pointer: string): string => {
  const parts = pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  return parts.reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : childPath(path, part)), '')
}

const typeName = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

/** As Kubernetes puts it where clients look for it (types, values, what is missing), else in ajv's words. */
const causeOf = ({ keyword, params, data, schema, schemaPath, instancePath, message }: ErrorObject): Cause | undefined => {
  // What fails inside a branch says nothing by itself: the branch's own error does.
  if (/\/(oneOf|anyOf|not)\//.test(schemaPath)) return undefined
  const field = fieldOf(instancePath)
  const wanted = [schema].flat().filter((value) => value !== null && value !== 'null')
  if (keyword === 'required') return required(childPath(field, String(at(params, 'missingProperty'))))
  if (keyword === 'enum') {
    const supported = wanted.map((value) => JSON.stringify(value)).join(', ')
    const said = `Unsupported value: ${JSON.stringify(data)}: supported values: ${supported}`
    return { field, message: said, reason: 'FieldValueNotSupported' }
  }
  if (keyword === 'type')
    return { ...invalidValue(field, typeName(data), `${field} in body must be of type ${wanted.join(',')}: "${typeName(data)}"`), reason: 'FieldValueTypeInvalid' }
  return invalidValue(field, data, `${field} in body ${message}`)
}

/** Items that occur twice in a list that is a set or a map. */
const duplicates = (schema: Schema, value: unknown, path: string): readonly Cause[] => {
  const { items = {} } = schema
  if (Array.isArray(value))
    return [...repeated(schema, value, path), ...value.flatMap((item, index) => duplicates(items, item, `${path}[${index}]`))]
  const children = isFields(value) ? Object.entries(value) : []
  return children.flatMap(([name, child]) => duplicates(childSchema(schema, name) ?? {}, child, childPath(path, name)))
}

const repeated = (schema: Schema, list: readonly unknown[], path: string): readonly Cause[] => {
  const { 'x-kubernetes-list-type': type = '', 'x-kubernetes-list-map-keys': keys = [] } = schema
  if (!['set', 'map'].includes(type)) return []
  const names = list.map((item) => canonical(type === 'set' ? item : Object.fromEntries(keys.map((key) => [key, at(item, key)]))))
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ field: `${path}[${index}]`, message: `Duplicate value: ${name}`, reason: 'FieldValueDuplicate' }],
  )
}
