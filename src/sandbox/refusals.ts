import type { Fields } from './json.ts'

/** One field that is wrong, as clients print it. */
export type Cause = { readonly field: string; readonly message: string; readonly reason: string }

type Subject = { readonly group: string; readonly plural: string; readonly kind: string }

/** A request that the API server answers with a Status object of kind Failure. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: string
  readonly details: Fields

  constructor(code: number, reason: string, message: string, details: Fields = {}) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
  }

  /** The Status object for the wire. */
  get status(): Fields {
    const { message, reason, details, code } = this
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code }
  }
}

const named = ({ group, plural }: Subject, name: string): string => `${group === '' ? plural : `${plural}.${group}`} "${name}"`

/** What a Status says of the object it is about. */
export const about = ({ group, plural }: Subject, name: string): Fields =>
  group === '' ? { name, kind: plural } : { name, group, kind: plural }

/** 404: no such object. */
export const notFound = (subject: Subject, name: string): Refusal =>
  new Refusal(404, 'NotFound', `${named(subject, name)} not found`, about(subject, name))

/** 404 that is no Status: nothing of that group and kind is served. */
export const notServed = (): Refusal => new Refusal(404, '', '404 page not found')

/** 404: no such path. */
export const noSuchPath = (): Refusal => new Refusal(404, 'NotFound', 'the server could not find the requested resource')

/** 409: an object of that name is there. */
export const alreadyExists = (subject: Subject, name: string): Refusal =>
  new Refusal(409, 'AlreadyExists', `${named(subject, name)} already exists`, about(subject, name))

/** 409: what the write was computed from is not what is stored. */
export const conflict = (subject: Subject, name: string, why: string): Refusal =>
  new Refusal(409, 'Conflict', `Operation cannot be fulfilled on ${named(subject, name)}: ${why}`, about(subject, name))

/** 403: the namespace is going away. */
export const terminating = (subject: Subject, name: string, namespace: string): Refusal => {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const message = `namespace ${namespace} is being terminated`
  const causes = [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }]
  return new Refusal(403, 'Forbidden', `${named(subject, name)} is forbidden: ${why}`, { ...about(subject, name), causes })
}

/** 422: fields that are wrong; one cause each. */
export const invalid = (subject: Subject, name: string, causes: readonly Cause[]): Refusal => {
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`)
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`
  const { group, kind } = subject
  const message = `${group === '' ? kind : `${kind}.${group}`} "${name}" is invalid: ${text}`
  return new Refusal(422, 'Invalid', message, { ...about(subject, name), kind, causes })
}

/** A cause that shows the wrong value. */
export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  field,
  message: `Invalid value: ${JSON.stringify(value) ?? 'null'}: ${why}`,
  reason: 'FieldValueInvalid',
})

/** A cause that something is missing. */
export const required = (field: string): Cause => ({ field, message: 'Required value', reason: 'FieldValueRequired' })

/** 400: the request itself makes no sense. */
export const badRequest = (message: string): Refusal => new Refusal(400, 'BadRequest', message)

/** 405: the path has no such verb. */
export const notAllowed = (): Refusal =>
  new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')

/** 410: the resourceVersion asked for has left the history. */
export const expired = (asked: number, oldest: number): Refusal =>
  new Refusal(410, 'Expired', `too old resource version: ${asked} (${oldest})`)

/** 410: the token of a page has left the history. */
export const tooOldPage = (): Refusal => new Refusal(410, 'Expired', 'The provided continue parameter is too old to display a consistent list result')

/** 415: a body in a form that is not spoken here. */
export const unsupportedMedia = (message: string): Refusal => new Refusal(415, 'UnsupportedMediaType', message)
