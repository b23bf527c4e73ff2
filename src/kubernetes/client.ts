import type { ListPage, ListWatch } from '../runtime/list-watch.ts'
import { type KubeObject, keyOf, type NewObject } from '../runtime/object.ts'
import { type Connection, type ConnectionOptions, createConnection, type WriteBody } from './connection.ts'
import { type Attempt, isGone, isNotFound } from './errors.ts'
import { apiVersionOf, collectionPath, objectPath, type Resource } from './resource.ts'
import { isObject, parseKubeObject } from './status.ts'

/** Which objects of a resource. */
export type ListQuery = {
  readonly namespace?: string
  readonly labelSelector?: string
  /** Nothing but names, versions, labels and annotations is sent. */
  readonly metadataOnly?: boolean
}

/** One operation of a JSON Patch (RFC 6902). */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string }

/** What a patch may ask for besides its body. */
export type PatchOptions = {
  readonly subresource?: 'status' | 'scale'
  readonly signal?: AbortSignal
}

/** What must hold for a deletion to happen; a violation is a conflict. */
export type Preconditions = {
  readonly uid?: string
  readonly resourceVersion?: string
}

/**
 * The Kubernetes API on raw JSON: no field is dropped or converted. Refusals throw KubernetesError, missing answers
 * UnknownOutcomeError. Reads are repeated within their deadline; writes never are: whoever asked looks and decides again.
 */
export type KubernetesClient = {
  /** The object under a "namespace/name" key; undefined where there is none. */
  readonly get: (resource: Resource, key: string, signal?: AbortSignal) => Promise<KubeObject | undefined>
  /** All objects, read in pages of `limit` (250). */
  readonly list: (
    resource: Resource,
    query?: ListQuery & { readonly limit?: number },
    signal?: AbortSignal,
  ) => Promise<readonly KubeObject[]>
  /** What a reflector reads. */
  readonly listWatch: (resource: Resource, query?: ListQuery) => ListWatch
  readonly create: (resource: Resource, object: NewObject, signal?: AbortSignal) => Promise<KubeObject>
  readonly jsonPatch: (
    resource: Resource,
    key: string,
    operations: readonly JsonPatchOperation[],
    options?: PatchOptions,
  ) => Promise<KubeObject>
  readonly mergePatch: (resource: Resource, key: string, patch: object, options?: PatchOptions) => Promise<KubeObject>
  /** Deletes the object, its dependents in the background; one that is gone already is no error. */
  readonly delete: (resource: Resource, key: string, preconditions?: Preconditions, signal?: AbortSignal) => Promise<void>
}

/** A client of one API server. */
export const createKubernetesClient = (options: ConnectionOptions): KubernetesClient => {
  const connection = createConnection(options)
  const send = async (resource: Resource, key: string, body: WriteBody, signal?: AbortSignal) =>
    parseKubeObject(await connection.write({ method: body.method, resource, key }, body, signal))
  const patch = (
    resource: Resource,
    key: string,
    body: Pick<WriteBody, 'contentType' | 'body'>,
    { subresource, signal }: PatchOptions = {},
  ) => send(resource, key, { method: 'PATCH', path: objectPath(resource, key, subresource), ...body }, signal)

  return {
    get: async (resource, key, signal) => {
      const object = await unlessNotFound(connection.read({ method: 'GET', resource, key }, objectPath(resource, key), signal))
      return object === undefined ? undefined : parseKubeObject(object)
    },
    list: (resource, query = {}, signal) => listAll(connection, { resource, ...query }, signal),
    listWatch: (resource, query = {}) => ({
      list: (next, signal) => listPage(connection, { resource, ...query, next }, signal),
      watch: ({ resourceVersion, timeoutMs }, signal) => {
        const path = withQuery(collectionPath(resource, query.namespace), {
          watch: '1',
          allowWatchBookmarks: 'true',
          resourceVersion,
          timeoutSeconds: Math.max(1, Math.round(timeoutMs / 1000)),
          labelSelector: query.labelSelector,
        })
        return connection.watch({ method: 'WATCH', resource, key: query.namespace ?? '', ...accepting(query, '') }, path, signal)
      },
    }),
    create: (resource, object, signal) => {
      const path = collectionPath(resource, object.metadata.namespace)
      return send(resource, keyOf(object), { method: 'POST', path, contentType: 'application/json', body: object }, signal)
    },
    jsonPatch: (resource, key, operations, also) =>
      patch(resource, key, { contentType: 'application/json-patch+json', body: operations }, also),
    mergePatch: (resource, key, body, also) => patch(resource, key, { contentType: 'application/merge-patch+json', body }, also),
    delete: async (resource, key, preconditions = {}, signal) => {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy: 'Background' }
      const request: WriteBody = { method: 'DELETE', path: objectPath(resource, key), contentType: 'application/json', body }
      await unlessNotFound(connection.write({ method: 'DELETE', resource, key }, request, signal))
    },
  }
}

/** Source: kubernetes.io/docs/reference/using-api/api-concepts, "Metadata-only fetches". */
const accepting = ({ metadataOnly }: ListQuery, suffix: '' | 'List'): Pick<Attempt, 'accept'> =>
  (metadataOnly === true ? { accept: `application/json;as=PartialObjectMetadata${suffix};g=meta.k8s.io;v=v1` } : {})

type PageQuery = ListQuery & {
  readonly resource: Resource
  readonly limit?: number
  readonly next?: string | undefined
}

const listPage = async (connection: Connection, query: PageQuery, signal?: AbortSignal): Promise<ListPage> => {
  const { resource, namespace, labelSelector, limit = 250, next } = query
  const path = withQuery(collectionPath(resource, namespace), { limit, continue: next, labelSelector })
  const { metadata, items: listed } = await connection.read({ method: 'LIST', resource, key: namespace ?? '', ...accepting(query, 'List') }, path, signal)
  // Of metadata alone, an empty list is null.
  const items = listed ?? []
  if (!isObject(metadata) || typeof metadata['resourceVersion'] !== 'string' || !Array.isArray(items)) {
    throw new Error(`${path}: expected a list`)
  }
  // Items of a list carry no type of their own.
  const type = { apiVersion: apiVersionOf(resource), kind: resource.kind }
  const following = metadata['continue']
  return {
    items: items.map((item: unknown) => parseKubeObject({ ...type, ...(isObject(item) ? item : {}) })),
    resourceVersion: metadata['resourceVersion'],
    ...(typeof following === 'string' && following !== '' ? { next: following } : {}),
  }
}

/** A page token that expired on the way (410) starts the list again, twice at most. */
const listAll = async (
  connection: Connection,
  query: PageQuery,
  signal?: AbortSignal,
  restarts = 2,
): Promise<readonly KubeObject[]> => {
  const objects: KubeObject[] = []
  try {
    for (let next: string | undefined, more = true; more; more = next !== undefined) {
      const page = await listPage(connection, { ...query, next }, signal)
      objects.push(...page.items)
      next = page.next
    }
    return objects
  } catch (error) {
    if (!isGone(error) || restarts === 0) throw error
    return listAll(connection, query, signal, restarts - 1)
  }
}

const unlessNotFound = async <T>(answer: Promise<T>): Promise<T | undefined> => {
  try {
    return await answer
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

const withQuery = (path: string, query: Readonly<Record<string, string | number | undefined>>): string => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  return `${path}?${parameters.toString()}`
}
