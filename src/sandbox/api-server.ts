import { discover } from './discovery.ts'
import { eventsV1Event } from './event-forms.ts'
import { textAt, type Fields } from './json.ts'
import { groupVersion, type Endpoint, type Kinds } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { openApi } from './openapi.ts'
import { parsePatch, type Patch } from './patches.ts'
import { invalid, noSuchPath, notAllowed, notFound, Refusal } from './refusals.ts'
import { bodyObject, deleteOptions, parseTarget, writeOptions, type ApiAnswer, type ApiRequest, type Target } from './requests.ts'
import { scaleOf, withScale } from './scale.ts'
import { parseSelection } from './selectors.ts'
import type { Store } from './store.ts'
import { asksForTable, tableOf } from './tables.ts'
import type { Watches } from './watch.ts'
import { checkPreconditions } from './write-checks.ts'
import type { Written, Writes } from './writes.ts'

/** What the API server works on. */
export type ApiServerParts = {
  readonly store: Store
  readonly kinds: Kinds
  readonly writes: Writes
  readonly watches: Watches
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

type Call = {
  readonly request: ApiRequest
  readonly query: URLSearchParams
  readonly target: Target
  readonly parts: ApiServerParts
}

const json = { 'content-type': 'application/json' }

/** A watch without a timeout of its own ends after this long, as a real API server's does. */
const watchTimeoutMs = 1_800_000

/** Answers one request; every refusal is an answer too. */
export const answer = async (parts: ApiServerParts, request: ApiRequest): Promise<ApiAnswer> => {
  try {
    const { pathname, searchParams: query } = new URL(request.path, 'http://localhost')
    const general = discover(parts.kinds, pathname, request.headers['accept'] ?? '') ?? (await openApi(parts.kinds, pathname))
    if (general !== undefined) return general
    return verb({ request, query, target: parseTarget(parts.kinds, pathname), parts })
  } catch (error) {
    const refusal =
      error instanceof Refusal ? error : new Refusal(500, 'InternalError', `Internal error occurred: ${String(error)}`)
    return { status: refusal.code, headers: json, body: JSON.stringify(refusal.status) }
  }
}

const verb = (call: Call): ApiAnswer => {
  const { name, subresource, endpoint } = call.target
  if (subresource === 'scale') return scaleVerb(call)
  if (subresource !== undefined && !(subresource === 'status' && endpoint.version.status)) throw noSuchPath()
  if (call.request.method === 'GET' && isWatch(call.query)) return watch(call)
  const verbs = name === undefined ? collectionVerbs : subresource === undefined ? objectVerbs : statusVerbs
  const act = verbs[call.request.method]
  if (act === undefined) throw notAllowed()
  return act(call)
}

const isWatch = (query: URLSearchParams): boolean => ['true', '1'].includes(query.get('watch') ?? '')

const find = ({ target, parts }: Call): KubeObject => {
  const { endpoint, namespace, name = '' } = target
  const found = parts.store.get(endpoint.kind.resource, namespace, name)
  if (found === undefined) throw notFound(endpoint.kind, name)
  return found
}

/** An object in the version that the path names. */
const inVersion = ({ kind, version }: Endpoint, object: KubeObject): KubeObject => {
  const apiVersion = groupVersion(kind.group, version.name)
  if (object.apiVersion === apiVersion) return object
  return kind.group === 'events.k8s.io' ? eventsV1Event(object) : { ...object, apiVersion }
}

const textOf = ({ target, parts }: Call, object: KubeObject): string => {
  const shown = inVersion(target.endpoint, object)
  return shown === object ? parts.store.text(object) : JSON.stringify(shown)
}

const show = (call: Call, object: KubeObject): ApiAnswer => {
  const body = asksForTable(call.request) ? JSON.stringify(table(call, [object])) : textOf(call, object)
  return { status: 200, headers: json, body }
}

const get = (call: Call): ApiAnswer => show(call, find(call))

const table = ({ target, query, parts }: Call, objects: readonly KubeObject[], header = true): Fields =>
  tableOf(target.endpoint, objects, {
    now: parts.now(),
    version: parts.store.version,
    header,
    includeObject: query.get('includeObject') ?? 'Metadata',
    present: (object) => inVersion(target.endpoint, object),
  })

const selected = ({ target, query, parts }: Call): readonly KubeObject[] => {
  const { endpoint, namespace } = target
  const { matches, label } = parseSelection(endpoint.kind.resource, query)
  const inside = namespace === '' ? undefined : namespace
  const found = parts.store.list(endpoint.kind.resource, inside, inside === undefined ? undefined : label).filter(matches)
  return found.toSorted(byName)
}

const byName = ({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number => {
  const [one = '', other = ''] = a.namespace === b.namespace ? [a.name, b.name] : [a.namespace, b.namespace]
  return one < other ? -1 : 1
}

const list = (call: Call): ApiAnswer => {
  const { endpoint } = call.target
  const objects = selected(call)
  if (asksForTable(call.request)) return { status: 200, headers: json, body: JSON.stringify(table(call, objects)) }
  const apiVersion = groupVersion(endpoint.kind.group, endpoint.version.name)
  const head = `{"kind":"${endpoint.kind.kind}List","apiVersion":"${apiVersion}","metadata":{"resourceVersion":"${call.parts.store.version}"}`
  return { status: 200, headers: json, body: `${head},"items":[${objects.map((object) => textOf(call, object)).join(',')}]}` }
}

const watch = (call: Call): ApiAnswer => {
  const { target, query, parts, request } = call
  const { endpoint, namespace, name } = target
  if (name !== undefined) query.set('fieldSelector', `metadata.name=${name}`)
  const asTable = asksForTable(request)
  let header = true
  const render = (type: string, object: KubeObject): string => {
    const body = asTable ? JSON.stringify(table(call, [object], header)) : textOf(call, object)
    header = false
    return `{"type":"${type}","object":${body}}`
  }
  const bookmark = (version: number, initialEventsEnd: boolean): string => {
    const metadata = {
      resourceVersion: String(version),
      ...(initialEventsEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    }
    return JSON.stringify({
      type: 'BOOKMARK',
      object: { kind: endpoint.kind.kind, apiVersion: groupVersion(endpoint.kind.group, endpoint.version.name), metadata },
    })
  }
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  const body = parts.watches.open({
    resource: endpoint.kind.resource,
    namespace,
    selection: parseSelection(endpoint.kind.resource, query),
    since: Number(query.get('resourceVersion') ?? 0),
    timeoutMs: seconds > 0 ? seconds * 1000 : watchTimeoutMs,
    bookmarks: query.get('allowWatchBookmarks') === 'true',
    initialEvents: query.get('sendInitialEvents') === 'true',
    signal: request.signal,
    render,
    bookmark,
  })
  return { status: 200, headers: json, body }
}

const written = (call: Call, status: number, { object, warnings }: Written): ApiAnswer => {
  const warning = warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ')
  return { status, headers: warning === '' ? json : { ...json, warning }, body: textOf(call, object) }
}

const create = (call: Call): ApiAnswer => {
  const { endpoint, namespace } = call.target
  if (endpoint.kind.namespaced && namespace === '') throw notAllowed()
  return written(
    call,
    201,
    call.parts.writes.create(endpoint, namespace, bodyObject(call.request), writeOptions(call.query, undefined)),
  )
}

/** The change that a PUT or PATCH body asks for. */
const changeOf = ({ request, target }: Call): Patch => {
  if (request.method === 'PATCH')
    return parsePatch(request.headers['content-type'] ?? '', request.body, !target.endpoint.kind.custom)
  const body = bodyObject(request)
  return () => body
}

const change = (call: Call): ApiAnswer => {
  const { endpoint, subresource } = call.target
  const wanted = changeOf(call)
  const current = find(call)
  const asked: Patch = (stored) => {
    const next = wanted(inVersion(endpoint, stored))
    if (call.request.method === 'PUT') checkReplacement(endpoint, current, next)
    return next
  }
  return written(call, 200, call.parts.writes.update(endpoint, current, asked, writeOptions(call.query, subresource)))
}

/** What a PUT must carry beyond what a PATCH must: the right uid if any, and for custom resources the version it replaces. */
const checkReplacement = ({ kind }: Endpoint, current: KubeObject, next: Fields): void => {
  const uid = textAt(next, 'metadata', 'uid')
  checkPreconditions(kind, current, uid === '' ? {} : { uid })
  if (!kind.custom || textAt(next, 'metadata', 'resourceVersion') !== '') return
  const cause = {
    field: 'metadata.resourceVersion',
    message: 'Invalid value: 0: must be specified for an update',
    reason: 'FieldValueInvalid',
  }
  throw invalid(kind, current.metadata.name, [cause])
}

const scaleVerb = (call: Call): ApiAnswer => {
  const current = find(call)
  const { endpoint } = call.target
  const { scale } = endpoint.version
  const { method } = call.request
  if (scale === undefined) throw noSuchPath()
  if (method === 'GET') return { status: 200, headers: json, body: JSON.stringify(scaleOf(current, scale)) }
  if (method !== 'PUT' && method !== 'PATCH') throw notAllowed()
  const wanted = changeOf(call)
  const asked: Patch = (stored) => withScale(stored, wanted(scaleOf(current, scale)), scale)
  const { object } = call.parts.writes.update(endpoint, current, asked, writeOptions(call.query, undefined))
  return { status: 200, headers: json, body: JSON.stringify(scaleOf(object, scale)) }
}

const remove = (call: Call): ApiAnswer => {
  const { kind } = call.target.endpoint
  const current = find(call)
  const left = call.parts.writes.remove(kind.resource, current, deleteOptions(call.request, call.query))
  if (call.parts.store.get(kind.resource, call.target.namespace, current.metadata.name) !== undefined) return show(call, left)
  const { name, uid } = current.metadata
  const details = { name, ...(kind.group !== '' && { group: kind.group }), kind: kind.plural, uid }
  return {
    status: 200,
    headers: json,
    body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }),
  }
}

const removeAll = (call: Call): ApiAnswer => {
  const options = deleteOptions(call.request, call.query)
  const answered = list(call)
  for (const object of selected(call)) call.parts.writes.remove(call.target.endpoint.kind.resource, object, options)
  return answered
}

type Verbs = Readonly<Record<string, (call: Call) => ApiAnswer>>

const collectionVerbs: Verbs = { GET: list, POST: create, DELETE: removeAll }
const statusVerbs: Verbs = { GET: get, PUT: change, PATCH: change }
const objectVerbs: Verbs = { ...statusVerbs, DELETE: remove }
