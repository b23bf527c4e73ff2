import { discover } from './discovery.ts'
import { eventsV1Event } from './event-forms.ts'
import { textAt, type Fields } from './json.ts'
import { groupVersion, type Endpoint, type Kinds } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import type { Pages } from './pages.ts'
import { parsePatch, type Patch } from './patches.ts'
import { about, invalid, invalidValue, noSuchPath, notAllowed, notFound, Refusal } from './refusals.ts'
import { bodyObject, deleteOptions, json, ok, parseTarget, writeOptions } from './requests.ts'
import type { ApiAnswer, ApiRequest, Target } from './requests.ts'
import { demandSize, scaleOf, withScale } from './scale.ts'
import { parseSelection } from './selectors.ts'
import type { Store } from './store.ts'
import { asksForMetadata, asksForTable, METADATA, tableOf } from './tables.ts'
import type { Watches } from './watch.ts'
import { checkPreconditions } from './write-checks.ts'
import type { Written, Writes } from './writes.ts'

/** What the API server works on. */
export type ApiServerParts = {
  readonly store: Store
  readonly kinds: Kinds
  readonly writes: Writes
  readonly watches: Watches
  readonly pages: Pages
  /** Wall clock, milliseconds. */
  readonly now: () => number
}

type Call = {
  readonly request: ApiRequest
  readonly query: URLSearchParams
  readonly target: Target
  readonly parts: ApiServerParts
}

/** A watch without a timeout of its own ends after this long, as a real API server's does. */
const watchTimeoutMs = 1_800_000

/** Answers one request; every refusal is an answer too. */
export const answer = (parts: ApiServerParts, request: ApiRequest): ApiAnswer => {
  try {
    const { pathname, searchParams: query } = new URL(request.path, 'http://localhost')
    const general = discover(parts.kinds, pathname)
    return general ?? verb({ request, query, target: parseTarget(parts.kinds, pathname), parts })
  } catch (error) {
    const refusal =
      error instanceof Refusal ? error : new Refusal(500, 'InternalError', `Internal error occurred: ${String(error)}`)
    if (refusal.reason === '') return { status: refusal.code, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: refusal.message }
    return { ...ok(refusal.status), status: refusal.code }
  }
}

const verb = (call: Call): ApiAnswer => {
  const { name, subresource, endpoint } = call.target
  if (subresource === 'scale') return scaleVerb(call)
  if (subresource !== undefined && !(subresource === 'status' && endpoint.version.status)) throw noSuchPath()
  const isWatch = ['true', '1'].includes(call.query.get('watch') ?? '')
  if (call.request.method === 'GET' && isWatch) return watch(call)
  const verbs = name === undefined ? collectionVerbs : subresource === undefined ? objectVerbs : statusVerbs
  const act = verbs[call.request.method]
  if (act === undefined) throw notAllowed()
  return act(call)
}

const find = ({ target: { endpoint, namespace, name = '' }, parts }: Call): KubeObject => {
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

const textOf = ({ request, target, parts }: Call, object: KubeObject): string => {
  if (asksForMetadata(request)) return JSON.stringify({ ...METADATA, metadata: object.metadata })
  const shown = inVersion(target.endpoint, object)
  return shown === object ? parts.store.text(object) : JSON.stringify(shown)
}

const table = ({ target, query, parts }: Call, objects: readonly KubeObject[], header = true): Fields =>
  tableOf(target.endpoint, objects, {
    now: parts.now(),
    version: parts.store.version,
    header,
    includeObject: query.get('includeObject') ?? 'Metadata',
    present: (object) => inVersion(target.endpoint, object),
  })

const show = (call: Call, object: KubeObject): ApiAnswer =>
  asksForTable(call.request) ? ok(table(call, [object])) : { status: 200, headers: json, body: textOf(call, object) }

const byName = ({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number => {
  const [one = '', other = ''] = a.namespace === b.namespace ? [a.name, b.name] : [a.namespace, b.namespace]
  return one < other ? -1 : 1
}

const list = (call: Call): ApiAnswer => {
  const { target, query, parts } = call
  const { kind, version } = target.endpoint
  const matches = parseSelection(kind.resource, query)
  const all = () => parts.store.list(kind.resource, target.namespace || undefined).filter(matches).toSorted(byName)
  if (asksForTable(call.request)) return ok(table(call, all()))
  const list = () => ({ objects: all(), version: parts.store.version })
  const { objects, version: at, next } = parts.pages.page(query.get('continue'), Number(query.get('limit') ?? 0), list)
  const metadata = JSON.stringify({ resourceVersion: String(at), ...(next !== undefined && { continue: next }) })
  const type = asksForMetadata(call.request) ? { ...METADATA, kind: `${METADATA.kind}List` } : { kind: `${kind.kind}List`, apiVersion: groupVersion(kind.group, version.name) }
  const head = `{"kind":"${type.kind}","apiVersion":"${type.apiVersion}","metadata":${metadata}`
  const items = objects.length === 0 && asksForMetadata(call.request) ? 'null' : `[${objects.map((object) => textOf(call, object)).join(',')}]`
  return { status: 200, headers: json, body: `${head},"items":${items}}` }
}

const watch = (call: Call): ApiAnswer => {
  const { target, query, parts, request } = call
  const { kind, version } = target.endpoint
  if (target.name !== undefined) query.set('fieldSelector', `metadata.name=${target.name}`)
  let header = true
  const render = (type: string, object: KubeObject): string => {
    const body = asksForTable(request) ? JSON.stringify(table(call, [object], header)) : textOf(call, object)
    header = false
    return `{"type":"${type}","object":${body}}`
  }
  const bookmark = (at: number, annotations?: Readonly<Record<string, string>>): string => {
    const type = asksForMetadata(request) ? METADATA : { kind: kind.kind, apiVersion: groupVersion(kind.group, version.name) }
    const object = { ...type, metadata: { resourceVersion: String(at), ...(annotations && { annotations }) } }
    return JSON.stringify({ type: 'BOOKMARK', object })
  }
  // What the client-go of kubectl 1.36 lists with.
  const whole = query.get('sendInitialEvents') === 'true'
  const body = parts.watches.open({
    resource: kind.resource,
    namespace: target.namespace,
    matches: parseSelection(kind.resource, query),
    since: whole ? 0 : Number(query.get('resourceVersion') ?? 0),
    timeoutMs: Number(query.get('timeoutSeconds') ?? 0) * 1000 || watchTimeoutMs,
    signal: request.signal,
    render,
    bookmark: query.get('allowWatchBookmarks') === 'true' ? (at) => bookmark(at) : undefined,
    told: whole ? (at) => bookmark(at, { 'k8s.io/initial-events-end': 'true' }) : undefined,
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
  const options = writeOptions(call.query, undefined)
  return written(call, 201, call.parts.writes.create(endpoint, namespace, bodyObject(call.request), options))
}

/** The change that a PUT or PATCH body asks for. */
const changeOf = ({ request, target }: Call): Patch => {
  const { custom } = target.endpoint.kind
  if (request.method === 'PATCH') return parsePatch(request.headers['content-type'] ?? '', request.body, !custom)
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

/** What a PUT must carry beyond what a PATCH must: the right uid if any, and for some kinds the version it replaces. */
const checkReplacement = ({ kind }: Endpoint, current: KubeObject, next: Fields): void => {
  checkPreconditions(kind, current, { uid: textAt(next, 'metadata', 'uid') })
  if (kind.conditional && textAt(next, 'metadata', 'resourceVersion') === '')
    throw invalid(kind, current.metadata.name, [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')])
}

const scaleVerb = (call: Call): ApiAnswer => {
  const { endpoint } = call.target
  const { scale } = endpoint.version
  const { method } = call.request
  if (scale === undefined) throw noSuchPath()
  const current = find(call)
  if (method === 'GET' && endpoint.kind.custom) demandSize(current, scale)
  if (method === 'GET') return ok(scaleOf(current, scale))
  if (method !== 'PUT' && method !== 'PATCH') throw notAllowed()
  const wanted = changeOf(call)
  const asked: Patch = (stored) => withScale(stored, wanted(scaleOf(current, scale)), scale)
  return ok(scaleOf(call.parts.writes.update(endpoint, current, asked, writeOptions(call.query, undefined)).object, scale))
}

const remove = (call: Call): ApiAnswer => {
  const { kind } = call.target.endpoint
  const current = find(call)
  const { name, uid } = current.metadata
  const left = call.parts.writes.remove(kind.resource, current, deleteOptions(call.request, call.query))
  if (call.parts.store.get(kind.resource, call.target.namespace, name) !== undefined) return show(call, left)
  return ok({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { ...about(kind, name), uid } })
}

type Verbs = Readonly<Record<string, (call: Call) => ApiAnswer>>

const collectionVerbs: Verbs = { GET: list, POST: create }
const statusVerbs: Verbs = { GET: (call) => show(call, find(call)), PUT: change, PATCH: change }
const objectVerbs: Verbs = { ...statusVerbs, DELETE: remove }
