import { isFields, textAt, type Fields } from './json.ts'
import type { Endpoint, Kinds } from './kinds.ts'
import { parseJson } from './patches.ts'
import { badRequest, noSuchPath, Refusal, unsupportedMedia } from './refusals.ts'
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
  /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+)(?=\/(?!status$|finalize$)))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+)(?:\/(?<subresource>[^/]+))?)?$/

/** Reads a path such as /apis/apps/v1/namespaces/test/deployments/web/scale; refuses with 404 what is not served. */
export const parseTarget = (kinds: Kinds, pathname: string): Target => {
  const found = resourcePath.exec(decodeURIComponent(pathname))?.groups ?? {}
  const { group = '', version = '', namespace = '', plural = '', name, subresource } = found
  const endpoint = kinds.endpoint(group, version, plural)
  if (endpoint === undefined || !isPlace(endpoint.kind.namespaced, namespace !== '', name)) throw noSuchPath()
  return { endpoint, namespace, name, subresource }
}

/** Objects live in a namespace or not, as their kind does; a collection can also be that of all namespaces. */
const isPlace = (namespaced: boolean, inside: boolean, name: string | undefined): boolean =>
  namespaced === inside || (namespaced && name === undefined)

const bodyLimit = 3 * 1024 * 1024

/** The JSON object in a request's body; refuses other media types with 415 and broken bodies with 400. */
export const bodyObject = ({ headers, body }: ApiRequest): Fields => {
  const type = (headers['content-type'] ?? 'application/json').split(';')[0]?.trim()
  if (type !== 'application/json') {
    throw unsupportedMedia(
      `the body of the request was in an unknown format (${String(type)}) - accepted media types include: application/json`,
    )
  }
  if (body.length > bodyLimit) throw new Refusal(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${bodyLimit}`)
  const parsed = parseJson(body)
  if (!isFields(parsed)) throw badRequest('the body of the request is not a JSON object')
  return parsed
}

const isDryRun = (query: URLSearchParams, body: Fields = {}): boolean => {
  const asked = [...query.getAll('dryRun'), ...(Array.isArray(body['dryRun']) ? body['dryRun'] : [])]
  if (asked.some((value) => value !== 'All')) throw badRequest(`invalid dryRun value: ${asked.join(', ')}`)
  return asked.length > 0
}

const fieldValidations = ['Strict', 'Warn', 'Ignore'] as const

/** Reads a write's query parameters. */
export const writeOptions = (query: URLSearchParams, subresource: string | undefined): WriteOptions => {
  const asked = query.get('fieldValidation') ?? 'Warn'
  const fieldValidation = fieldValidations.find((known) => known === asked)
  if (fieldValidation === undefined) throw badRequest(`fieldValidation: Unsupported value: "${asked}"`)
  return { dryRun: isDryRun(query), fieldValidation, status: subresource === 'status' }
}

/** Reads a delete's parameters, from its body and its query. */
export const deleteOptions = (request: ApiRequest, query: URLSearchParams): DeleteOptions => {
  const body = request.body === '' ? {} : bodyObject(request)
  const grace = body['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds')
  const uid = textAt(body, 'preconditions', 'uid')
  const resourceVersion = textAt(body, 'preconditions', 'resourceVersion')
  return {
    dryRun: isDryRun(query, body),
    propagation: textAt(body, 'propagationPolicy') || (query.get('propagationPolicy') ?? 'Background'),
    ...(uid !== '' && { uid }),
    ...(resourceVersion !== '' && { resourceVersion }),
    ...(grace !== null && grace !== undefined && { graceSeconds: Number(grace) }),
  }
}
