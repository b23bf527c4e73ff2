import type { KubeObject } from '../runtime/object.ts'
import type { TransportResponse } from '../runtime/transport.ts'
import type { Failure } from './errors.ts'

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Parses JSON that must be an object; throws an Error that shows nothing of the text: it may be a Secret's. */
export const parseObject = (text: string): JsonObject => {
  const none = () => new Error(`expected a JSON object, got ${text.length} characters that are none`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw none()
  }
  if (!isObject(value)) throw none()
  return value
}

/** Whether the value is a JSON object: no array, no null. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Checks that the value is a stored object; throws an Error where it has no name or version. */
export const parseKubeObject = (value: unknown): KubeObject => {
  const metadata = isObject(value) ? value['metadata'] : undefined
  if (!isObject(metadata) || typeof metadata['name'] !== 'string' || typeof metadata['resourceVersion'] !== 'string') {
    throw new Error(`expected a Kubernetes object, got ${isObject(value) ? `one with ${Object.keys(value).join(', ')}` : typeof value}`)
  }
  return value as KubeObject
}

/** What a Status object says; `fallback` is the HTTP status, where it says none itself. */
export const failureOf = (status: JsonObject, fallback: number): Failure => {
  const { code, reason, message, details } = status
  const retryAfter = isObject(details) ? details['retryAfterSeconds'] : undefined
  return {
    status: typeof code === 'number' ? code : fallback,
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    ...(typeof retryAfter === 'number' ? { retryAfterMs: retryAfter * 1000 } : {}),
  }
}

/** What an answer other than 2xx says. Proxies and load balancers answer with anything, so the body may be no Status. */
export const failureOfAnswer = ({ status, headers }: TransportResponse, body: string): Failure => {
  const retryAfterSeconds = Number(headers['retry-after'])
  const retry = Number.isFinite(retryAfterSeconds) ? { retryAfterMs: retryAfterSeconds * 1000 } : {}
  try {
    return { ...failureOf(parseObject(body), status), status, ...retry }
  } catch {
    return { status, reason: '', message: excerpt(body), ...retry }
  }
}

const excerpt = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 200)}…`)
