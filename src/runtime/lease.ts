import { microTime } from './micro-time.ts'
import type { KubeObject, NewObject } from './object.ts'

/** Where one Lease is read and written; failures are Errors that carry the HTTP `status` where there was one. */
export type LeasePort = {
  /** Undefined where there is none. */
  readonly get: (signal: AbortSignal) => Promise<KubeObject | undefined>
  readonly create: (lease: NewObject, signal: AbortSignal) => Promise<KubeObject>
  /** A merge patch; a conflict where it names another uid or resourceVersion than stands there. */
  readonly update: (patch: object, signal: AbortSignal) => Promise<KubeObject>
}

/** What a Lease says of who leads; nobody where the holder is empty. */
export type LeaseRecord = {
  readonly holderIdentity: string
  readonly leaseDurationSeconds: number
  /** RFC 3339 with six digits, by the holder's wall clock: for people, nobody here compares it. */
  readonly acquireTime: string
  readonly renewTime: string
  readonly leaseTransitions: number
}

/** Reads a Lease that anybody may have written; one that does not say how long it lasts, lasts `usualSeconds`. */
export function recordOf({ spec }: KubeObject, usualSeconds: number): LeaseRecord {
  const fields = (typeof spec === 'object' ? spec : {}) as Readonly<Record<string, unknown>> | null
  const text = (name: string): string => (typeof fields?.[name] === 'string' ? fields[name] : '')
  const number = (name: string, otherwise: number): number => (typeof fields?.[name] === 'number' ? fields[name] : otherwise)
  return {
    holderIdentity: text('holderIdentity'),
    leaseDurationSeconds: number('leaseDurationSeconds', usualSeconds),
    acquireTime: text('acquireTime'),
    renewTime: text('renewTime'),
    leaseTransitions: number('leaseTransitions', 0),
  }
}

/** The record by which `identity` takes the lease, or keeps it. */
export function claimed(before: LeaseRecord | undefined, { identity, seconds, nowMs }: { readonly identity: string; readonly seconds: number; readonly nowMs: number }): LeaseRecord {
  const renewTime = microTime(nowMs)
  const taken = { holderIdentity: identity, leaseDurationSeconds: seconds, renewTime }
  if (before === undefined) return { ...taken, acquireTime: renewTime, leaseTransitions: 0 }
  if (before.holderIdentity !== identity) return { ...taken, acquireTime: renewTime, leaseTransitions: before.leaseTransitions + 1 }
  return { ...taken, acquireTime: before.acquireTime || renewTime, leaseTransitions: before.leaseTransitions }
}

/** The record by which its holder gives the lease back: whoever looks next may take it. */
export function released({ leaseTransitions }: LeaseRecord, nowMs: number): LeaseRecord {
  const renewTime = microTime(nowMs)
  return { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: renewTime, renewTime, leaseTransitions }
}

/** A Lease that is still to be made. */
export const newLease = ({ namespace, name }: { readonly namespace: string; readonly name: string }, spec: LeaseRecord): NewObject => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { namespace, name },
  spec,
})

/** A merge patch that puts the record in place of what was looked at, and of nothing else. */
export const leasePatch = ({ metadata: { uid, resourceVersion } }: KubeObject, spec: LeaseRecord): object => ({ metadata: { uid, resourceVersion }, spec })
