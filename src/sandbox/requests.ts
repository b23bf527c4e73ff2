import { isFields, textAt, type Fields } from './json.ts'
import type { Endpoint, Kinds } from './kinds.ts'
import { badRequest, noSuchPath, notServed, type Refusal, unsupportedMedia } from './refusals.ts'
import type { DeleteOptions, WriteOptions } from './writes.ts'

/** One HTTP request as the API server sees it; header names in lower case. */
export type ApiRequest = {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly signal?: AbortSignal | undefined
}

/** What the API server answers: a whole body, or lines for as long as the watch lives. */
export type ApiAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | AsyncGenerator<string>
}

/** 200 with a JSON body. */
export const ok = (body: Fields): ApiAnswer => ({ status: 200, headers: json, body: JSON.stringify(body) })

/** The headers of every JSON answer. */
export const json: ApiAnswer['headers'] = { 'content-type': 'application/json' }

/** What a resource path names. */
export type Target = {
  readonly endpoint: Endpoint
  /** Empty for cluster-scoped kinds and for all namespaces. */
  readonly namespace: string
  readonly name: string | undefined
  readonly subresource: string | undefined
}

// "namespaces/x" alone is the namespace itself, and "status" and "finalize" are its subresources, not kinds.
const resourcePath =
  /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+)(?=\/(?!status$|finalize$)))?\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/

/** Reads a path such as /apis/apps/v1/namespaces/test/deployments/web/scale; refuses with 404 what is not served. */
export const parseTarget = (kinds: Kinds, pathname: string): Target => {
  const found = resourcePath.exec(decodeURIComponent(pathname)) ?? []
  const [, group = '', version = '', namespace = '', plural = '', name, subresource] = found
  const endpoint = kinds.endpoint(group, version, plural)
  // Objects live in a namespace or not, as their kind does; a collection can also be that of all namespaces.
  const inside = endpoint?.kind.namespaced === true && name === undefined ? true : namespace !== ''
  if (endpoint?.kind.namespaced !== inside) throw nothingThere(kinds, group)
  return { endpoint, namespace, name, subresource }
}

const nothingThere = (kinds: Kinds, group: string): Refusal =>
  kinds.list().some((kind) => kind.group === group && !kind.custom) ? noSuchPath() : notServed()

/** Parses a JSON body; refuses with 400 what is none. */
export const parseJson = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw badRequest(`couldn't decode the body of the request: ${(cause as Error).message}`)
  }
}

/** The JSON object in a request's body; refuses other media types with 415 and broken bodies with 400. */
export const bodyObject = ({ headers, body }: ApiRequest): Fields => {
  const [type = ''] = (headers['content-type'] ?? 'application/json').split(';')
  const said = `the body of the request was in an unknown format (${type})`
  if (type.trim() !== 'application/json') throw unsupportedMedia(`${said} - accepted media types include: application/json`)
  const parsed = parseJson(body)
  if (!isFields(parsed)) throw badRequest('the body of the request is not a JSON object')
  return parsed
}

const isDryRun = (query: URLSearchParams, body: Fields = {}): boolean => {
  const asked = [...query.getAll('dryRun'), ...(Array.isArray(body['dryRun']) ? body['dryRun'] : [])]
  if (asked.some((value) => value !== 'All')) throw badRequest(`invalid dryRun value: ${asked.join(', ')}`)
  return asked.length > 0
}

/** Reads a write's query parameters. */
export const writeOptions = (query: URLSearchParams, subresource: string | undefined): WriteOptions => {
  const asked = query.get('fieldValidation') ?? 'Warn'
  const fieldValidation = (['Strict', 'Warn', 'Ignore'] as const).find((known) => known === asked)
  if (fieldValidation === undefined) throw badRequest(`fieldValidation: Unsupported value: "${asked}"`)
  return { dryRun: isDryRun(query), fieldValidation, status: subresource === 'status' }
}

/** Reads a delete's parameters, from its body and its query; refuses with 400 to delete but in the background. */
export const deleteOptions = (request: ApiRequest, query: URLSearchParams): DeleteOptions => {
  const body = request.body === '' ? {} : bodyObject(request)
  const policy = textAt(body, 'propagationPolicy') || (query.get('propagationPolicy') ?? 'Background')
  if (policy !== 'Background') throw badRequest(`propagationPolicy ${policy}: the sandbox deletes in the background only`)
  const grace = body['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds') ?? undefined
  return {
    dryRun: isDryRun(query, body),
    uid: textAt(body, 'preconditions', 'uid'),
    resourceVersion: textAt(body, 'preconditions', 'resourceVersion'),
    ...(grace !== undefined && { graceSeconds: Number(grace) }),
  }
}
