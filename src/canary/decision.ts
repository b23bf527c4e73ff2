import type { CanaryStatus, RolloutStatus } from '../api/canary.ts'
import type { EventReason } from './event-reasons.ts'
import type { Ledger } from './ledger.ts'

/** What one pass does: at most one serving write, then a status that says so. */
export type Decision = {
  /** Row of the table that matched, as in docs/protocol.md. */
  readonly row: string
  /** Why, in one line. */
  readonly reason: string
  readonly action: Action
  /** Once the action is done: what changes in status beyond what is copied from the objects. */
  readonly change: Change
  readonly events: readonly EventNote[]
  readonly hold: Hold | undefined
}

export type Action =
  | { readonly kind: 'none' }
  /** Waits only. */
  | { readonly kind: 'status'; readonly live: boolean }
  /** One guarded patch per VirtualService, all at once. */
  | { readonly kind: 'routes'; readonly writes: readonly RouteTarget[]; readonly own: RouteWrite | undefined; readonly live: boolean }
  | { readonly kind: 'remove-own-route'; readonly live: true }
  | { readonly kind: 'rule'; readonly subsets: Readonly<Record<string, string>>; readonly live: boolean }
  | {
      readonly kind: 'workload'
      readonly revision: string
      /** Undefined leaves the size alone. */
      readonly replicas: number | undefined
      /** The annotations to set; null takes one away, undefined leaves it. */
      readonly stamp?: string | null
      readonly floor?: { readonly rollout: string; readonly replicas: number }
      readonly live: boolean
    }

export type RouteTarget = { readonly namespace: string; readonly name: string; readonly write: RouteWrite }

export type RouteWrite = {
  readonly ledger: Omit<Ledger, 'uid'>
  /** False: only the annotation changes. */
  readonly lists: boolean
  /** What stands now becomes the original that is kept: first pin, lost annotation, absorbed edit. */
  readonly adopt: boolean
}

export type Change = {
  /** null: the rollout is over. */
  readonly rollout?: RolloutStatus | null
  readonly previous?: NonNullable<CanaryStatus['previous']> | null
  readonly history?: CanaryStatus['history']
  /** Promoted: from now on `versions.desired` falls back to it. Absent where something newer is wanted already. */
  readonly promoted?: string
  /** The step's evidence starts anew. */
  readonly stepStarted?: boolean
}

export type EventNote = { readonly type: 'Normal' | 'Warning'; readonly reason: EventReason; readonly note: string }

/** Why nothing moves, and what would move it. */
export type Hold = {
  readonly waitingFor?: NonNullable<RolloutStatus['waitingFor']>
  readonly message: string
  /** Milliseconds since the epoch, where it is known. */
  readonly until?: number
  /** Only a change by somebody helps. */
  readonly stalled?: EventReason
}
