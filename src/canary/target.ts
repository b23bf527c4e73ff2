import { normal, outcome, podsText, writeLedgers } from './actions.ts'
import type { Decision } from './decision.ts'
import { isNamed, type Facts } from './facts.ts'
import { busy, floorOf } from './fit.ts'
import { startHold } from './guards.ts'
import { canonicalJson } from './template-hash.ts'
import type { TargetFacts, Workload } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/** Under which the times are counted that somebody else gave the target pods again. */
export const TARGET_GROWTHS = 'the target'
const MOST_CONTESTS = 3

/** Somebody keeps giving the target pods: they stay, unreached, rather than come and go for ever. */
export const isTargetContested = ({ world }: Pick<Facts, 'world'>): boolean =>
  (world.target?.replicas ?? 0) > 0 && (world.growths[TARGET_GROWTHS] ?? 0) >= MOST_CONTESTS

/**
 * Row 9: a size that somebody gave the target is taken over where it is a new one, and the target goes back to 0 once no
 * route can reach its pods. It waits for nothing else: whoever keeps setting replicas must not hold it up.
 */
export function targetToZero(facts: Facts): Outcome | undefined {
  const { target, settings } = facts.world
  if (target === undefined || target.replicas === 0 || settings.source.kind !== 'target' || isTargetContested(facts)) return undefined
  if (facts.world.scaled !== true && isNewSize(target) && settings.source.replicas !== target.replicas)
    return outcome(`${podsText(target.replicas)} are wanted of ${target.name}`, {
      action: { kind: 'size', replicas: target.replicas, live: false },
      events: [normal('SizeTakenOver', `${target.name} was scaled to ${target.replicas}: stable takes that size once no rollout is under way`)],
    })
  if (targetIsReached(facts)) return undefined
  return outcome(`${target.name} to 0: its revisions carry the requests`, {
    action: { kind: 'target', takenOver: target.replicas, live: true },
    events: [normal('TargetScaledDown', `Deployment ${target.name} scaled to 0: ${facts.s ?? ''} carries the requests`)],
  })
}

/** An autoscaler knows better. The first size that is seen was the one at adoption. */
const isNewSize = ({ replicas, takenOver }: TargetFacts): boolean => takenOver !== undefined && takenOver !== replicas

/** The target's own pods belong to no revision: only a route to every pod reaches them. */
function targetIsReached({ world: { mesh, ages, settings } }: Facts): boolean {
  return mesh.reached.includes('*') || ages.routes < settings.propagationMs + settings.drainMs
}

/** Row 10: the target says stable's template again: what failed is forgotten, and may be tried anew. */
export function forgetFailures(facts: Facts): Outcome | undefined {
  const { ledger, t, s, world } = facts
  if (world.settings.source.kind !== 'target' || t === undefined || t.revision !== s || Object.keys(ledger.failed).length === 0) return undefined
  return outcome(`${t.revision} is wanted again`, { action: { ...writeLedgers(facts, { failed: {} }), live: true } })
}

/** Row 25: stable grows as soon as it is asked to, in a rollout and suspended too; it shrinks at rest only. */
export function sizeStable(facts: Facts): Outcome | undefined {
  const { stable, s, world } = facts
  const { source, suspend } = world.settings
  if (source.kind !== 'target' || stable === undefined || s === undefined) return undefined
  if (source.replicas === undefined)
    return suspend ? undefined : outcome(`stable has ${podsText(stable.replicas)}`, { action: { kind: 'size', replicas: Math.max(1, stable.replicas), live: false } })
  const wish = Math.max(source.replicas, floorOf(facts) ?? 0)
  if (wish === stable.replicas || (wish < stable.replicas && !mayShrink(facts))) return undefined
  return outcome(`${stable.name} to ${podsText(wish)}`, {
    action: { kind: 'workload', revision: s, replicas: wish, live: wish < stable.replicas },
    events: [normal('StableScaled', `${stable.name} scaled from ${stable.replicas} to ${wish}`)],
  })
}

/** Not in a rollout, nor when one is about to begin: its floor is what stands then. */
function mayShrink(facts: Facts): boolean {
  const begins = facts.phase === 'Waiting' && startHold(facts) === undefined
  return facts.c === undefined && !begins && !facts.world.settings.suspend
}

/** Row 25c: stable's Deployment is gone, and the target still says what was in it. */
export function makeStableAgain(facts: Facts): Outcome | undefined {
  const { stable, s, t, world, ledger } = facts
  const { source } = world.settings
  if (source.kind !== 'target' || stable !== undefined || s === undefined || t?.revision !== s) return undefined
  return outcome(`the Deployment of stable ${s} is gone`, {
    action: { kind: 'create', revision: s, replicas: source.replicas ?? 1, stamp: ledger.open[s]?.rollout ?? '', live: false },
    events: [normal('StableRestored', `the Deployment of stable ${s} was gone and is made again from ${source.name}`)],
  })
}

/** Row 9r: `kubectl rollout restart` of the target, or whatever else makes no new version, reaches the pods of its revision. */
export function restartLive(facts: Facts): Outcome | undefined {
  const { world, t, s, c, stable, canary } = facts
  const { target, settings } = world
  if (target === undefined || settings.source.kind !== 'target') return undefined
  const live = t?.revision === s ? stable : t?.revision === c?.revision ? canary : undefined
  if (live === undefined || live.replicas === 0 || !differs(live, target)) return undefined
  return outcome(`the pods of ${live.revision} are to be replaced in place`, {
    action: { kind: 'restart', revision: live.revision, annotations: target.restarts, live: false },
    events: [normal('Restarted', `${live.name} follows ${target.name} in annotations that make no new version: its pods are replaced in place`)],
  })
}

const differs = ({ restarts = {} }: Workload, target: TargetFacts): boolean => canonicalJson(restarts) !== canonicalJson(target.restarts)

/** Row 24d: of the revisions without pods the oldest go, beyond as many as are to be kept. */
export function forgetRevisions(facts: Facts): Outcome | undefined {
  const { world, s, c, t, ledger } = facts
  const { source } = world.settings
  if (source.kind !== 'target') return undefined
  const kept = [s, c?.revision, t?.revision, world.status?.previous?.revision]
  const past = world.workloads
    .filter(({ revision, replicas }) => replicas === 0 && !kept.includes(revision) && ledger.open[revision] === undefined)
    .filter(({ revision }) => world.mesh.rule.subsets[revision] === undefined && !isNamed(facts, revision) && busy(facts, revision) === undefined)
    .toSorted((a, b) => b.createdAt - a.createdAt)
  const oldest = past.length > source.historyLimit ? past.at(-1) : undefined
  return oldest && outcome(`${oldest.name} is older than the ${source.historyLimit} that are kept`, { action: { kind: 'delete', revision: oldest.revision, live: true } })
}
