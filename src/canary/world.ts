import type { CanaryActionSpec } from '../api/canary-action.ts'
import type { CanaryStatus, RouteRecord } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import type { EventReason } from './event-reasons.ts'
import type { Ledger } from './ledger.ts'
import type { TrackedConfig } from './tracked-config.ts'
import type { Closure } from './windows.ts'

/** Everything one pass may know, gathered before it decides. Never mutated; holds no I/O and no clock. */
export type World = {
  readonly canary: { readonly namespace: string; readonly name: string }
  readonly settings: Settings
  readonly status: CanaryStatus | undefined
  /** Wall clock, milliseconds since the epoch: for people, deadlines and delays. */
  readonly now: number
  readonly workloads: readonly Workload[]
  /** The Deployment that `targetRef` names, if it stands. */
  readonly target?: TargetFacts
  /** Ready pods that the Service selects, by version, whether or not a Deployment stands behind them. */
  readonly endpoints: Readonly<Record<string, number>>
  readonly mesh: MeshFacts
  /** The Services that Serin made for tests: name → the revision whose pods each leads to; undefined where it is not as written. */
  readonly previews: Readonly<Record<string, string | undefined>>
  readonly ages: Ages
  /** How often each revision had to be made as large again as it had been, in the last ten minutes: somebody else sets its size. */
  readonly growths: Readonly<Record<string, number>>
  /** An autoscaler owns the Canary's size. */
  readonly scaled?: boolean
  /** Names of Deployments whose size an autoscaler of their own sets. */
  readonly autoscaled?: readonly string[]
  readonly evidence: Evidence
  /** Why nothing may begin or rise now, by the windows; undefined while they are open. */
  readonly closed: Closure | undefined
  /** Why no release may begin now, by the limits of the fleet; undefined where one may. */
  readonly noSlot: string | undefined
  /** What people ask of this Canary and have no answer to yet, oldest first. */
  readonly actions: readonly ActionFacts[]
  /** Why nothing may be decided now: a cache is older than what was seen or written before. */
  readonly stale: string | undefined
  /** Serin's finalizer stands on the Canary. */
  readonly finalizer?: boolean
  /** The Canary is being deleted. */
  readonly leaving?: Leaving
}

/** A Canary that is being deleted, and that Serin's finalizer holds. */
export type Leaving = {
  readonly uid: string
  /** Milliseconds since the epoch. */
  readonly since: number
  /** When this process saw it first, on its own clock, milliseconds since the epoch: what is to be done in time is counted from here. */
  readonly seenAt: number
  /** Why nothing is to be put back, whatever the spec says: namespace or CRD go as well. */
  readonly orphan: string | undefined
}

/** A CanaryAction without a result. */
export type ActionFacts = {
  readonly uid: string
  readonly action: CanaryActionSpec['action']
  readonly revision: string | undefined
  readonly step: string | undefined
  readonly reason: string | undefined
  /** Who asks. */
  readonly by: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** The Deployment of `targetRef`, from whose pod template the revisions are made. */
export type TargetFacts = {
  readonly name: string
  readonly uid: string
  readonly generation: number
  /** The revision that its pod template and its configuration stand for; undefined while that is unknown. */
  readonly revision: string | undefined
  /** Hash of its pod template. */
  readonly hash?: string | undefined
  /** What its pods are configured with, as far as it is tracked. */
  readonly config?: TrackedConfig | undefined
  /** Desired pods: 0 once Serin's own carry the requests. */
  readonly replicas: number
  /** The size that was taken over from it last. */
  readonly takenOver: number | undefined
  /** The annotations of its pod template that make no new version. */
  readonly restarts: Readonly<Record<string, string>>
  /** Its template says that steps and gates are skipped. */
  readonly skipAnalysis?: boolean
  /** The name that its own pods go by, as a revision like any other, while the Canary is being deleted. */
  readonly own?: string
  /** The deletion that it was stamped for. */
  readonly stamp?: string | undefined
}

/** A Deployment that is a revision as it stands: one of the user's versions, or one that Serin made of the target. */
export type Workload = {
  readonly revision: string
  readonly name: string
  readonly uid: string
  readonly generation: number
  /** Creation time, milliseconds since the epoch. */
  readonly createdAt: number
  /** Canonical hash of the pod template; of a target's revision its name, as long as nobody edited it. */
  readonly hash: string
  /** The annotations of its pod template that make no new version. */
  readonly restarts?: Readonly<Record<string, string>>
  /** By which a target's revision finds its pods, as text. */
  readonly selector?: string
  /** Its template says that steps and gates are skipped. */
  readonly skipAnalysis: boolean
  /** The rollout that opened it and stamped it, if any. */
  readonly stamp: string | undefined
  /** Its size when a rollout began in which it was stable, stamped in the same write that read it. */
  readonly floor: { readonly rollout: string; readonly replicas: number } | undefined
  /** Desired pods. */
  readonly replicas: number
  /** Ready pods that the Service selects. */
  readonly ready: number
  /** Its controller has seen the template: every pod is of it, and none of another. */
  readonly settled: boolean
  /** Why pods are missing or not ready, in the words of whoever starts them; undefined where nothing is said. */
  readonly trouble: string | undefined
}

/** How long things have stood unbroken, on this process's own monotonic clock, milliseconds. */
export type Ages = {
  readonly routes: number
  readonly subsets: Readonly<Record<string, number>>
  readonly ready: Readonly<Record<string, number>>
}

/** The mesh as far as this Canary's Service goes, read from VirtualServices and DestinationRules. */
export type MeshFacts = {
  /** What forbids to start, by name, with what to change. */
  readonly refusals: readonly Refusal[]
  readonly routes: readonly RouteFacts[]
  readonly rule: RuleFacts
  /** Somebody's VirtualService has the host for callers in the mesh. */
  readonly covered: boolean
  /** The delegate that the spec names is to be made. */
  readonly delegateMissing: boolean
  /** The revision that the routes name before anything of ours is in them. */
  readonly namedAtFirst: string | undefined
  /** Revisions that any standing route or mirror, managed or not, can reach; "*" when one reaches every pod. */
  readonly reached: readonly string[]
  /** Those that routes and mirrors of the user's own (not managed) name: never scaled down while they do. */
  readonly namedByUser: readonly string[]
}

export type Refusal = { readonly reason: EventReason; readonly message: string }

/** One VirtualService with managed routes. */
export type RouteFacts = {
  readonly record: RouteRecord
  readonly uid: string
  readonly resourceVersion: string
  /** Serin made it. */
  readonly own: boolean
  /** It decides for callers in the mesh (not only at a gateway). */
  readonly mesh: boolean
  /** Undefined where it never had one, or lost it. */
  readonly ledger: Ledger | undefined
  /** It carries a ledger of another object, or was recorded in status and carries none. */
  readonly lost: boolean
  /**
   * Its managed lists against its own ledger:
   * `ours` as written · `original` the saved original put back · `lower` foreign, reaches nothing but stable's pods ·
   * `beyond` foreign, reaches more of a non-stable revision than was recorded · `outdated` the copies that we inserted
   * no longer equal the user's route they were copied from · `unpinned` no ledger yet.
   */
  readonly content: 'ours' | 'original' | 'lower' | 'beyond' | 'outdated' | 'unpinned'
  /** Revisions that its managed routes reach now, by weight, match or mirror; "*" when any reaches every pod. */
  readonly reaches: readonly string[]
  /** The same of each destination that the user wrote for the Service. */
  readonly originals: readonly (readonly string[])[]
}

/** Our DestinationRule beside the user's. */
export type RuleFacts = {
  readonly exists: boolean
  readonly uid: string | undefined
  readonly resourceVersion: string | undefined
  /** Revision → the rollout it was stamped with. */
  readonly subsets: Readonly<Record<string, string>>
  /** False when its labels, policy or exportTo are not what they should be, whoever changed them. */
  readonly conform: boolean
}

/** What the checks of the present step have shown so far. */
export type Evidence = {
  /** Of `for`, milliseconds. */
  readonly observedMs: number
  readonly checks: readonly Check[]
  /** Answers that the mesh made itself soon after a write of ours: roll back. */
  readonly broken: string | undefined
  /** Answers of the mesh itself above their usual rate: hold. */
  readonly unusual: string | undefined
  /** Requests that reached the canary while no route, match or mirror of anybody's gave it any. */
  readonly darkReached: string | undefined
  /** Since when every check failed to see, milliseconds since the epoch. */
  readonly blindSince: number | undefined
}

/** Nothing asked yet. */
export const NO_EVIDENCE: Evidence = {
  observedMs: 0,
  checks: [],
  broken: undefined,
  unusual: undefined,
  darkReached: undefined,
  blindSince: undefined,
}

export type Verdict = 'Pass' | 'Fail' | 'NotEnoughEvidence' | 'NoData' | 'Error'

/** The last look of one metric. */
export type Check = {
  readonly name: string
  readonly verdict: Verdict
  /** For people: "0.2%", "180ms". */
  readonly value: string | undefined
  readonly bound: string
  readonly requests: number
  /** Requests still missing. */
  readonly needed: number
  /** Failed looks in a row. */
  readonly failures: number
  /** Failed looks in a row that end the rollout. */
  readonly failureThreshold: number
  readonly dryRun: boolean
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

export const EVERY_POD = '*'
/** What a subset that no rule defines reaches: its callers get 503. */
export const NO_POD = '!'
