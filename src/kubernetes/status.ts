import { asError } from '../runtime/failure.ts'
import type { TransportResponse } from '../runtime/transport.ts'
import type { Failure } from './errors.ts'

/** Parses JSON that must be an object; throws an Error that shows how the text begins. */
export const parseObject = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch (thrown) {
    throw new Error(`expected a JSON object, got ${excerpt(text)}`, { cause: asError(thrown) })
  }
  throw new Error(`expected a JSON object, got ${excerpt(text)}`)
}

/** Whether the value is a JSON object: no array, no null. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a Status object says; `fallback` is the HTTP status, where it says none itself. */
export const failureOf = (status: Readonly<Record<string, unknown>>, fallback: number): Failure => {
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
