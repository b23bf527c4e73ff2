import type { CanaryStatus } from '../../src/api/canary.ts'
import type { Exposure, Ledger } from '../../src/canary/ledger.ts'
import { targetsPods } from '../../src/canary/targets-pods.ts'
import { EVERY_POD, type ActionFacts, type Workload } from '../../src/canary/world.ts'

/** Propagation and drain, milliseconds. */
export const P = 15_000
export const D = 10_000

/** The route lists of a VirtualService, as far as they matter here. */
export type Lists =
  | { readonly kind: 'open' }
  | { readonly kind: 'rendered'; readonly stable: string; readonly exposure: Exposure | undefined }
  | { readonly kind: 'user'; readonly revision: string }

/** `generation` counts how often its lists were written. */
export type Route = { readonly uid: string; readonly generation: number; readonly own: boolean; readonly lists: Lists; readonly original: Lists; readonly ledger: Ledger | undefined }
export type Rule = { readonly uid: string; readonly generation: number; readonly subsets: Readonly<Record<string, string>>; readonly conform: boolean }

export type Deployment = {
  readonly uid: string
  readonly generation: number
  readonly hash: string
  /** The annotations of its template that make no new version. */
  readonly restarts: string
  readonly replicas: number
  /** Pods that run. */
  readonly started: number
  /** Those that run pass their probes. */
  readonly ready: boolean
  /** It was deleted, and its pods were left. */
  readonly orphaned: boolean
  /** When the set of ready pods changed last. */
  readonly since: number
  readonly stamp: string | undefined
  readonly floor: Workload['floor']
  readonly createdAt: number
}

/** The Deployment that `targetRef` names: its template is called after the revision that it stands for. */
export type Target = { readonly uid: string; readonly generation: number; readonly template: string; readonly restarts: string; readonly replicas: number; readonly takenOver: number | undefined; /** Pods that run, and when they changed last. */ readonly started: number; readonly since: number; /** The deletion that asked for them. */ readonly stamp: string | undefined }

/** A CanaryAction, and whether it has its answer. */
export type Asked = ActionFacts & { readonly result?: string }

/** What people write into the Canary. */
export type Wishes = { readonly desired: string | undefined; readonly suspend: boolean; readonly approval: boolean; readonly replicas: number | undefined }

export type Versioned<T> = { readonly rv: number; readonly value: T | undefined }

export type Objects = {
  readonly user: Versioned<Route>
  readonly own: Versioned<Route>
  /** The user's for a gateway: another object, another proxy. */
  readonly gate: Versioned<Route>
  readonly rule: Versioned<Rule>
  /** Deleted, it stays for as long as Serin's finalizer stands on it. */
  readonly canary: Versioned<Wishes & { readonly status: CanaryStatus | undefined; readonly finalizer: boolean; readonly deletedAt: number | undefined }>
  readonly actions: Versioned<readonly Asked[]>
  readonly target: Versioned<Target>
  /** The Service for tests, and the revision that it leads to. */
  readonly preview: Versioned<string>
  readonly deployments: Readonly<Record<string, Versioned<Deployment>>>
}

/** The objects that there is one of; any other name is that of a revision's Deployment. */
const SINGLE = ['user', 'own', 'gate', 'rule', 'canary', 'actions', 'target', 'preview'] as const
export type Single = (typeof SINGLE)[number]

export const isSingle = (name: string): name is Single => (SINGLE as readonly string[]).includes(name)

export const versionOf = (objects: Objects, name: string): Versioned<unknown> =>
  (isSingle(name) ? objects[name] : objects.deployments[name]) ?? { rv: 0, value: undefined }

export const rvOf = (objects: Objects, name: string): number => versionOf(objects, name).rv

/** The names that the routes go by, and the object that each is. */
export const ROUTES = { web: 'user', 'serin-web': 'own', edge: 'gate' } as const

export const reachOf = (lists: Lists): readonly string[] => {
  switch (lists.kind) {
    case 'open':
      return [EVERY_POD]
    case 'user':
      return [lists.revision]
    case 'rendered':
      return [...(lists.exposure?.weight === 100 ? [] : [lists.stable]), ...(lists.exposure === undefined || isDark(lists.exposure) ? [] : [lists.exposure.revision])]
    default:
      return lists satisfies never
  }
}

/** A step without weight and match is not written into a route. */
export const isDark = ({ weight, match, mirror, preview = [] }: Exposure): boolean => weight === 0 && match.length === 0 && mirror === undefined && preview.length === 0

/** The name that the target's own pods go by while the Canary is being deleted. */
export const ownPods = ({ template, started }: Target): string => targetsPods(started === 0 ? '' : template)

/** Those that stand. */
export const standing = ({ user, own, gate }: Objects): readonly Route[] => [user.value, own.value, gate.value].filter((route) => route !== undefined)

/** What the routes say together: the ledger with the most promotions. */
export const truthOf = (objects: Objects): Ledger | undefined =>
  standing(objects).flatMap(({ ledger, uid }) => (ledger === undefined || ledger.uid !== uid ? [] : [ledger])).sort((a, b) => b.promotions - a.promotions)[0]

/** An invariant that broke. */
export class Broken extends Error {}
