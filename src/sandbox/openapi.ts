import { isFields, type Fields } from './json.ts'
import { groupVersion, type Endpoint, type Kinds } from './kinds.ts'
import type { ApiAnswer } from './requests.ts'

type Model = { readonly getAttributeTypeMap: () => readonly { readonly baseName: string; readonly type: string }[] }
type Schemas = Record<string, Fields>

const ok = (body: Fields): ApiAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** Answers the OpenAPI v3 paths; undefined for every other path. */
export const openApi = async (kinds: Kinds, pathname: string): Promise<ApiAnswer | undefined> => {
  if (!pathname.startsWith('/openapi/v3')) return undefined
  const endpoints = kinds
    .list()
    .flatMap((kind) => kind.versions.flatMap(({ name }) => kinds.endpoint(kind.group, name, kind.plural) ?? []))
  const path = pathname.slice('/openapi/v3/'.length)
  if (path === '') {
    const paths = [...new Set(endpoints.map(pathOf))]
    return ok({ paths: Object.fromEntries(paths.map((each) => [each, { serverRelativeURL: `/openapi/v3/${each}` }])) })
  }
  const wanted = endpoints.filter((endpoint) => pathOf(endpoint) === path)
  return wanted.length === 0 ? undefined : ok(await document(wanted))
}

const pathOf = ({ kind, version }: Endpoint): string =>
  `${kind.group === '' ? 'api' : 'apis'}/${groupVersion(kind.group, version.name)}`

const document = async (endpoints: readonly Endpoint[]): Promise<Fields> => {
  // Slow to load, and only `kubectl apply` and `kubectl explain` ever ask for it.
  const models = (await import('@kubernetes/client-node')) as unknown as Readonly<Record<string, Model>>
  const schemas: Schemas = {}
  for (const endpoint of endpoints) addKind(schemas, models, endpoint)
  const paths = endpoints.map((endpoint) => [objectPath(endpoint), { patch: patchOperation(endpoint) }] as const)
  return {
    openapi: '3.0.0',
    info: { title: 'Sandbox', version: 'v1.32.4' },
    paths: Object.fromEntries(paths),
    components: { schemas },
  }
}

const objectPath = (endpoint: Endpoint): string =>
  `/${pathOf(endpoint)}/${endpoint.kind.namespaced ? 'namespaces/{namespace}/' : ''}${endpoint.kind.plural}/{name}`

const identity = ({ kind, version }: Endpoint): Fields => ({ group: kind.group, version: version.name, kind: kind.kind })

// kubectl leaves the checking of fields to a server that knows this parameter. The operation names no strategic merge
// patch, so kubectl computes those from its own types, as complete as the real ones.
const patchOperation = (endpoint: Endpoint): Fields => ({
  'x-kubernetes-action': 'patch',
  'x-kubernetes-group-version-kind': identity(endpoint),
  parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string', uniqueItems: true },
  })),
  responses: { 200: { description: 'OK' } },
})

const addKind = (schemas: Schemas, models: Readonly<Record<string, Model>>, endpoint: Endpoint): void => {
  const { kind, version } = endpoint
  const names = [`V1${kind.kind}`, kind.group === '' ? `CoreV1${kind.kind}` : `EventsV1${kind.kind}`]
  const model = names.find((name) => models[name] !== undefined) ?? ''
  const name = kind.custom ? `${kind.group}.${version.name}.${kind.kind}` : model
  addModel(schemas, models, kind.custom ? 'V1ObjectMeta' : model)
  const own = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: reference('V1ObjectMeta') }
  const properties = version.schema?.properties
  schemas[name] = {
    ...(kind.custom ? { ...version.schema, properties: { ...properties, ...own } } : schemas[name]),
    'x-kubernetes-group-version-kind': [identity(endpoint)],
  }
}

const reference = (model: string): Fields => ({ $ref: `#/components/schemas/${model}` })

const addModel = (schemas: Schemas, models: Readonly<Record<string, Model>>, name: string): void => {
  const model = models[name]
  if (model === undefined || schemas[name] !== undefined) return
  const properties: Fields = {}
  schemas[name] = { type: 'object', properties }
  for (const { baseName, type } of model.getAttributeTypeMap()) properties[baseName] = schemaOf(schemas, models, type)
}

const plain: Readonly<Record<string, Fields>> = {
  string: { type: 'string' },
  number: { type: 'integer' },
  boolean: { type: 'boolean' },
  Date: { type: 'string', format: 'date-time' },
  V1MicroTime: { type: 'string', format: 'date-time' },
  IntOrString: { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' },
}

const schemaOf = (schemas: Schemas, models: Readonly<Record<string, Model>>, type: string): Fields => {
  const list = /^Array<(.*)>$/.exec(type)?.[1]
  if (list !== undefined) return { type: 'array', items: schemaOf(schemas, models, list) }
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1]
  if (map !== undefined) return { type: 'object', additionalProperties: schemaOf(schemas, models, map) }
  const simple = plain[type]
  if (isFields(simple)) return simple
  addModel(schemas, models, type)
  return models[type] === undefined ? { type: 'object' } : reference(type)
}
