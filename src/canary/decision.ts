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
  | { readonly kind: 'routes'; readonly writes: readonly RouteTarget[]; readonly own: RouteWrite | undefined; /** The delegate, to be made. */ readonly delegate?: RouteWrite | undefined; readonly live: boolean; /** A revision whose Deployment it rests on, beside stable and the canary. */ readonly reads?: string }
  | { readonly kind: 'remove-own-route'; readonly live: true }
  /** Every managed route as the user wrote it, without a trace of ours; what we made ourselves goes. */
  | { readonly kind: 'restore-routes'; readonly live: true }
  | { readonly kind: 'remove-rule'; readonly live: true }
  /** Serin's finalizer on the Canary. */
  | { readonly kind: 'finalizer'; readonly present: boolean; readonly live: false }
  | { readonly kind: 'rule'; readonly subsets: Readonly<Record<string, string>>; readonly live: boolean }
  /** A Deployment for a revision of the target, made from the target's template as it stands. */
  | { readonly kind: 'create'; readonly revision: string; readonly replicas: number; readonly stamp: string; readonly live: false }
  /** The target's pod template, as it stands, for a revision's Deployment that somebody edited. */
  | { readonly kind: 'remake'; readonly revision: string; readonly live: false }
  /** A Deployment without pods that nobody will go back to. */
  | { readonly kind: 'delete'; readonly revision: string; readonly live: true }
  /** The annotations of a revision's pod template that make no new version: its pods are replaced in place. */
  | { readonly kind: 'restart'; readonly revision: string; readonly annotations: Readonly<Record<string, string>>; readonly live: false }
  /** The Canary's own `spec.replicas`, where scalers look. */
  | { readonly kind: 'size'; readonly replicas: number; readonly live: false }
  /** The target to 0, with the size that it asked for. */
  | { readonly kind: 'target'; readonly takenOver: number; readonly live: true }
  /** The target gets its pods back; the stamp names the deletion that asks for it. */
  | { readonly kind: 'refill'; readonly replicas: number; readonly stamp: string; readonly live: true }
  /** The Service for tests leads to this revision; undefined takes it away. */
  | { readonly kind: 'preview'; readonly name: string; readonly revision: string | undefined; readonly live: false }
  | {
      readonly kind: 'workload'
      readonly revision: string
      /** Undefined leaves the size alone. */
      readonly replicas: number | undefined
      /** The annotations to set; null takes one away, undefined leaves it. */
      readonly stamp?: string | null
      readonly floor?: { readonly rollout: string; readonly replicas: number } | null
      readonly live: boolean
    }

/** What is done to a target, to the Deployments that Serin makes of it, and to the size it is asked for. */
export type TargetAction = Extract<Action, { kind: 'create' | 'remake' | 'restart' | 'delete' | 'target' | 'refill' | 'size' }>

const OF_TARGETS: readonly Action['kind'][] = ['create', 'remake', 'restart', 'delete', 'target', 'refill', 'size']

export const isTargetAction = (action: Action): action is TargetAction => OF_TARGETS.includes(action.kind)

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
  /** null: resumed. */
  readonly paused?: NonNullable<CanaryStatus['paused']> | null
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
  /** It waits in line until fewer others are under way. */
  readonly queued?: boolean
  /** Only a change by somebody helps. */
  readonly stalled?: EventReason
}
