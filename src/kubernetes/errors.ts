import { type Resource, resourceName } from './resource.ts'

/** What was being done when it failed. */
export type Attempt = {
  readonly method: string
  readonly resource: Resource
  /** "namespace/name", or the namespace or nothing where it was about a collection. */
  readonly key: string
  /** The form that was asked for, where it was not whole objects. */
  readonly accept?: string
}

/** The API server refused. Its message is in `message`, with what was attempted on which object. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError'
  readonly method: string
  /** HTTP status. */
  readonly status: number
  /** The machine-readable reason of the Status object ("Conflict"), or "" where the answer was none. */
  readonly reason: string
  /** Plural and group: "deployments.apps". */
  readonly resource: string
  readonly key: string
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(attempt: Attempt, failure: Failure) {
    super(`${describe(attempt)}: ${failure.status} ${failure.reason}${failure.reason === '' ? '' : ': '}${failure.message}`)
    this.method = attempt.method
    this.status = failure.status
    this.reason = failure.reason
    this.resource = resourceName(attempt.resource)
    this.key = attempt.key
    this.retryAfterMs = failure.retryAfterMs
  }
}

/** No answer came: a read did nothing, a write may or may not have happened. `cause` says why. */
export class UnknownOutcomeError extends Error {
  override readonly name = 'UnknownOutcomeError'
  readonly method: string
  readonly resource: string
  readonly key: string

  constructor(attempt: Attempt, cause: Error) {
    super(`${describe(attempt)}: no answer`, { cause })
    this.method = attempt.method
    this.resource = resourceName(attempt.resource)
    this.key = attempt.key
  }
}

/** A refusal, taken out of an HTTP answer or a Status object. */
export type Failure = {
  readonly status: number
  readonly reason: string
  readonly message: string
  readonly retryAfterMs?: number
}

const describe = ({ method, resource, key }: Attempt): string => `${method} ${resourceName(resource)} ${key}`.trimEnd()

const hasStatus =
  (...statuses: readonly number[]) =>
  (error: unknown): error is KubernetesError =>
    error instanceof KubernetesError && statuses.includes(error.status)

/** The object is not there. A resource that is not served at all answers 404 too: see `isNotServed`. */
export const isNotFound = (error: unknown): error is KubernetesError => hasStatus(404)(error) && error.reason === 'NotFound'

/** The server knows no such resource, for instance because its CRD is not installed. */
export const isNotServed = (error: unknown): error is KubernetesError => hasStatus(404)(error) && error.reason !== 'NotFound'

/** The object has changed since it was read. An object that exists already answers 409 too: see `isAlreadyExists`. */
export const isConflict = (error: unknown): error is KubernetesError => hasStatus(409)(error) && error.reason !== 'AlreadyExists'

/** A create of what is there. */
export const isAlreadyExists = (error: unknown): error is KubernetesError =>
  hasStatus(409)(error) && error.reason === 'AlreadyExists'

/** The resourceVersion or page is too old to go on from. */
export const isGone = hasStatus(410)

/** The object breaks its schema or a rule; also a failed `test` and a foreign uid in a JSON Patch. */
export const isInvalid = hasStatus(422)

/** A write that may or may not have happened: unanswered, or answered with a server's failure. */
export const isUnknownOutcome = (error: unknown): boolean =>
  error instanceof UnknownOutcomeError || (error instanceof KubernetesError && error.status >= 500)
