import type { HTTPMatch } from '../api/canary.ts'
import type { SessionAffinity } from '../api/settings.ts'

/**
 * What stands in the managed VirtualServices themselves, beside the weights, as one annotation.
 * It is the truth about who is stable, who is open and who failed; status only copies it. Because it is changed
 * in the same write as the route, no crash, stale cache or second leader can re-expose a failed revision.
 */
export type Ledger = {
  /** uid of the VirtualService this was written to. A copy of the object carries the annotation but not the uid. */
  readonly uid: string
  readonly stable: string
  /** Grows by one with each promotion; of several VirtualServices the highest tells who is stable. */
  readonly promotions: number
  /** Revisions that may be named, with the rollout that opened each. Stable is always among them. */
  readonly open: Readonly<Record<string, Opening>>
  /** Revisions that failed, each until its template changes, or somebody names it anew. */
  readonly failed: Readonly<Record<string, Tombstone>>
  /** What the managed routes give to a revision other than stable; absent when nothing. */
  readonly exposure?: Exposure
  /** Revisions that were stable before: until when, and with which pod template. */
  readonly served?: Readonly<Record<string, Service>>
  /** When a foreign write was undone, milliseconds since the epoch; the last three of ten minutes. */
  readonly undone?: readonly number[]
  /** uid of the Canary that is being deleted: whatever was decided before that was written comes too late. */
  readonly leaving?: string
}

export type Service = {
  /** Hash of the pod template that served, as it was opened. */
  readonly hash: string
  /** When everything went to the one that took its place, milliseconds since the epoch. */
  readonly until: number
}

export type Opening = {
  /** Names the rollout; the Deployment and the rule are stamped with it. */
  readonly rollout: string
  /** Hash of the pod template that was opened. */
  readonly hash: string
}

export type Tombstone = {
  /** The rollout that failed. */
  readonly rollout: string
  /** Hash of the pod template that failed. */
  readonly hash: string
  readonly reason: string
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** True while `versions.desired` has named it ever since: naming it anew is a retry. */
  readonly named?: boolean
  /** Who aborted it, and the uid of the CanaryAction that said so. */
  readonly by?: string
  readonly action?: string
  /** uid of the CanaryAction that asked for another try: it no longer stands against the version. */
  readonly retried?: string
}

/** The whole of a step as it stands in the routes: what it does not name is off. */
export type Exposure = {
  readonly revision: string
  /** Percent of the managed routes' requests, 0..100. */
  readonly weight: number
  /** All requests that match one of these; none when empty. */
  readonly match: readonly HTTPMatch[]
  readonly mirror?: { readonly percent: number; readonly match: readonly HTTPMatch[] }
  /** All requests that match one of these, in every step; absent when none. */
  readonly preview?: readonly HTTPMatch[]
  /** Absent where every request is drawn anew. */
  readonly sticky?: Sticky
  /** Index of the step, from 0; -1 before the first; the number of steps once promotion has begun. */
  readonly step: number
  /** Hash of the steps it was taken from: an edit of them in mid-rollout shows here. */
  readonly plan: string
}

/** By which cookie users stay with the version that they met. */
export type Sticky = SessionAffinity & {
  /** Names the rollout in the cookie's value: what an earlier one gave out means nothing. */
  readonly id: string
  /** The weights before this one, at which stable's users were drawn. */
  readonly drawn: readonly number[]
}
