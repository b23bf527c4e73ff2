import * as z from 'zod'

/** One node of a CRD's openAPIV3Schema. */
export type StructuralSchema = { readonly [keyword: string]: unknown }

type Json = z.core.JSONSchema.BaseSchema

// All that a CRD of ours may say, in the order in which it is read best. Anything else stops the generator.
const keywords = [
  'description', 'type', 'format', 'x-kubernetes-int-or-string', 'enum', 'default',
  'minimum', 'maximum', 'minLength', 'maxLength', 'pattern',
  'minItems', 'maxItems', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'items',
  'minProperties', 'maxProperties', 'additionalProperties', 'required', 'properties', 'x-kubernetes-validations',
]

/** The structural schema for what a zod schema accepts; throws on what a CRD cannot say. */
export function structuralSchemaOf(schema: z.ZodType): StructuralSchema {
  const options = { target: 'openapi-3.0', io: 'input', unrepresentable: 'throw', reused: 'inline', cycles: 'throw' } as const
  return structural(z.toJSONSchema(schema, options), 'schema')
}

function structural(json: Json, path: string): StructuralSchema {
  const node: StructuralSchema = { ...plain(json), ...children(json, path) }
  const stranger = Object.keys(node).find((keyword) => !keywords.includes(keyword))
  if (stranger !== undefined) throw new Error(`${path}: a CRD cannot say "${stranger}"`)
  if (node['type'] === undefined && node['x-kubernetes-int-or-string'] !== true) throw new Error(`${path}: a CRD needs a type`)
  return Object.fromEntries(keywords.filter((keyword) => node[keyword] !== undefined).map((keyword) => [keyword, node[keyword]]))
}

function children({ properties, items, additionalProperties }: Json, path: string): StructuralSchema {
  return {
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).flatMap(([name, value]) =>
        (typeof value === 'object' ? [[name, structural(value, `${path}.${name}`)]] : []))),
    }),
    ...(typeof items === 'object' && !Array.isArray(items) && { items: structural(items, `${path}[]`) }),
    // zod's `false` has no place in a CRD: the API server prunes unknown fields, or refuses them when asked to.
    additionalProperties: typeof additionalProperties === 'object' ? structural(additionalProperties, `${path}.*`) : undefined,
  }
}

/** The node itself, without what zod adds: the safe integers as bounds, and a pattern beside a format. */
function plain(json: Json): StructuralSchema {
  const node: Json = json['x-kubernetes-int-or-string'] === true ? merged(json) : json
  const least = node.minimum === Number.MIN_SAFE_INTEGER ? undefined : node.minimum
  const most = node.maximum === Number.MAX_SAFE_INTEGER ? undefined : node.maximum
  return {
    ...node,
    minimum: least,
    maximum: most,
    ...(node.type === 'integer' && { format: most === undefined ? 'int64' : 'int32' }),
    ...(node.format !== undefined && { pattern: undefined }),
    ...(node.minProperties === 0 && { minProperties: undefined }),
  }
}

/** A CRD says "integer or string" in one node: bounds are for the integer, a pattern is for the string. */
function merged({ anyOf = [], ...rest }: Json): Json {
  return { ...Object.assign({}, ...anyOf), ...rest, type: undefined }
}
