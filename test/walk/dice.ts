import type { Cluster } from './cluster.ts'
import { truthOf, type Lists } from './objects.ts'
import type { Style } from './style.ts'
import type { Users } from './users.ts'

/** How often each thing happens: of all walks, and of those about one kind of source. */
export const WEIGHTS = { time: 34, pass: 40, sync: 24, crash: 0.3, second: 0.4, verdict: 1.5 }

const EITHER = { suspend: 0.1, edit: 0.12, git: 0.06, delete: 0.06, recreate: 0.06, gate: 0.1, rule: 0.06, pods: 0.2, remove: 0.1, ask: 0.4, leave: 0.06 }

const OF_SOURCE = {
  versions: { template: 0.7, desired: 0.35, prune: 0.1 },
  target: { release: 0.8, back: 0.3, size: 0.25, git: 0.15, restart: 0.15, anew: 0.06, scale: 0.15, tamper: 0.08 },
} as const

/** Chance decides who does what. */
export class Dice {
  readonly random: () => number
  readonly #weights: Readonly<Record<string, number>>

  constructor(random: () => number, { source }: Style, weights: Readonly<Record<string, number>> = {}) {
    this.random = random
    const known: Readonly<Record<string, number>> = { ...WEIGHTS, ...EITHER, ...OF_SOURCE[source] }
    this.#weights = { ...known, ...Object.fromEntries(Object.entries(weights).filter(([name]) => name in known)) }
  }

  of<T>(some: readonly [T, ...T[]]): T {
    return some[Math.floor(this.random() * some.length)] ?? some[0]
  }

  maybe(chance: number): boolean {
    return this.random() < chance
  }

  /** What happens next; `more` is added to the weights. */
  next(more: Readonly<Record<string, number>> = {}): string {
    const weights = { ...this.#weights, ...more }
    let left = this.random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    return Object.entries(weights).find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'time'
  }
}

const KINDS = ['Approve', 'Approve', 'Skip', 'Promote', 'Pause', 'Resume', 'Resume', 'Abort', 'Retry'] as const
const TEMPLATES = ['a', 'b', 'c', 'd'] as const
const OPEN: Lists = { kind: 'open' }

/** One random move of somebody's. */
export function happen(choice: string, { cluster, users, dice }: { readonly cluster: Cluster; readonly users: Users; readonly dice: Dice }): void {
  const { objects, style } = cluster
  const ofTarget = style.source === 'target'
  const revision = ofTarget ? dice.of(TEMPLATES) : dice.of(['v1', 'v2', 'v3'])
  const deployment = objects.deployments[revision]?.value
  const { stable } = truthOf(objects) ?? {}
  const served = TEMPLATES.find((template) => template === stable) ?? 'a'
  const name = dice.maybe(0.5) ? 'user' : 'gate'
  const lists = dice.maybe(0.5) ? OPEN : ({ kind: 'user', revision: ofTarget ? served : revision } as const)
  const moves: Readonly<Record<string, () => void>> = {
    template: () => users.template(revision, String(Math.floor(dice.random() * 3))),
    desired: () => users.wish({ desired: dice.maybe(0.4) || deployment === undefined ? undefined : revision }),
    release: () => users.target({ template: revision, ...(dice.maybe(0.4) ? { replicas: dice.of([1, 2, 2, 4]) } : {}) }),
    back: () => users.target({ template: served }),
    git: () => (ofTarget && dice.maybe(0.5) ? users.target({ replicas: 2 }) : users.sync(name)),
    size: () => (dice.maybe(0.8) ? users.wish({ replicas: dice.of([1, 2, 3, 5]) }) : users.target({ replicas: dice.of([1, 3, 4]) })),
    restart: () => users.target({ restarts: cluster.uid() }),
    anew: () => (objects.target.value === undefined ? users.target({ template: revision, replicas: 2 }) : users.removeTarget()),
    scale: () => users.scale(revision, dice.of([0, 1, 2, 4])),
    tamper: () => users.tamper(revision),
    remove: () => (ofTarget || revision !== stable ? users.remove(revision) : undefined),
    prune: () => users.prune(revision),
    suspend: () => users.wish({ suspend: objects.canary.value?.suspend !== true }),
    ask: () => ask(revision, { cluster, users, dice }),
    edit: () => users.edit('user', lists),
    gate: () => (dice.maybe(0.3) ? users.uncover('gate') : objects.gate.value === undefined ? users.cover('gate', false) : users.edit('gate', lists)),
    delete: () => users.uncover('user'),
    recreate: () => users.cover('user', dice.maybe(0.3)),
    rule: () => (dice.maybe(0.5) ? users.removeRule() : users.tamperRule()),
    leave: () => users.deleteCanary(),
    pods: () => users.probes(revision, deployment?.ready !== true),
  }
  moves[choice]?.()
}

function ask(other: string, { cluster: { objects }, users, dice }: { readonly cluster: Cluster; readonly users: Users; readonly dice: Dice }): void {
  const kind = dice.of(KINDS)
  const { rollout, failed } = objects.canary.value?.status ?? {}
  const meant = dice.maybe(0.7) ? ((rollout ?? failed)?.revision ?? other) : other
  users.ask(kind, kind === 'Pause' || kind === 'Resume' ? undefined : meant)
}
