import { ledgerWith, openWithout, outcome, podsText, waitFor, writeRoutes } from './actions.ts'
import type { Decision } from './decision.ts'
import { rolloutId, workload, type Facts } from './facts.ts'
import { because, unfit, unfitFor } from './fit.ts'
import { instant } from './instant.ts'
import { retireIdle } from './retirement.ts'
import { hashOfTargetsPods } from './targets-pods.ts'
import type { TargetFacts, Workload } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/** Names the deletion in openings and stamps. */
const deletionOf = ({ world: { leaving } }: Facts): string => rolloutId('restore', instant(leaving?.since ?? 0))

/** What is to serve without Serin: the target's own pods, or the stable version. */
export const keeperOf = ({ world: { settings, target, workloads }, s }: Facts): Workload | undefined =>
  workload(workloads, settings.source.kind === 'target' ? target?.own : s)

/** Users go to the target's own pods: the rest of the way is short, and nothing but the target itself leads back (`backAgain`). */
export const isMoved = ({ s, world: { settings } }: Facts): boolean => settings.source.kind === 'target' && s !== undefined && hashOfTargetsPods(s) !== undefined

export const isOverdue = ({ world: { now, leaving, settings } }: Facts): boolean => now > (leaving?.seenAt ?? now) + settings.progressDeadlineMs

/** An open route would reach the pods that are to serve, and no other. */
export function isAlone(facts: Facts): boolean {
  const keeper = keeperOf(facts)
  return (isMoved(facts) || (keeper !== undefined && keeper.ready > 0)) && beside(facts, keeper).length === 0
}

/** No route says anything of ours. */
export const isUnpinned = ({ world: { mesh } }: Facts): boolean => mesh.routes.every(({ ledger }) => ledger === undefined)

/** Nor does a rule: without a subset nothing could be named any more, whoever starts pods now. */
export const isPutBack = (facts: Facts): boolean => !facts.world.mesh.rule.exists && isUnpinned(facts)

/** What must be gone before a route may reach every pod; what a route of the user's names is theirs. */
export const beside = ({ world: { workloads, mesh } }: Facts, keeper: Workload | undefined): readonly Workload[] =>
  workloads.filter(({ revision, replicas, ready }) => revision !== keeper?.revision && !mesh.namedByUser.includes(revision) && (replicas > 0 || ready > 0))

/**
 * What is still to be done until everything is as the user wrote it; undefined once it is. Make before break, each stage
 * judged from the objects: the pods that are to serve → their route → everything else away → the route as it was written.
 */
export const restoring = (facts: Facts): Outcome | undefined =>
  withoutPreview(facts) ?? backAgain(facts) ?? targetServes(facts) ?? emptied(facts) ?? routesBack(facts) ?? withoutRule(facts) ?? unstamped(facts)

/** A Service for tests leads nowhere once nobody moves it. */
export function withoutPreview({ world: { previews } }: Facts): Outcome | undefined {
  const [name] = Object.keys(previews)
  return name === undefined ? undefined : outcome(`the preview Service ${name} goes`, { action: { kind: 'preview', name, revision: undefined, live: false } })
}

/** The template of the target changes, or it goes, after users were moved to its pods: back to what still stands, or else to every pod there is. */
function backAgain(facts: Facts): Outcome | undefined {
  const { s, world: { target }, ledger } = facts
  if (!isMoved(facts) || target?.own === s) return undefined
  const back = Object.keys(ledger.open).find((revision) => hashOfTargetsPods(revision) === undefined && unfit(facts, revision) === undefined)
  if (back === undefined) return isAlone(facts) ? routesBack(facts) : undefined
  const change = { stable: back, promotions: ledger.promotions + 1, open: openWithout(facts, s ?? '') }
  return outcome(`the pods that users were moved to are going: back to ${back}`, { action: writeRoutes(facts, undefined, change) })
}

/** The target has its pods back, beside those of stable, and every managed route leads to them and to nobody else. */
function targetServes(facts: Facts): Outcome | undefined {
  const { world: { target, mesh }, s } = facts
  const own = target?.own
  if (target === undefined || own === undefined) return undefined
  const isThere = s === own && mesh.routes.every((route) => route.ledger?.stable === own)
  const isOver = isAlone(facts) && (isMoved(facts) || isUnpinned(facts))
  return isThere || isOver ? undefined : (targetFull(facts, target, own) ?? routedTo(facts, target, own))
}

/** As many pods as stable has. */
const podsBack = (facts: Facts, target: TargetFacts): number =>
  Math.max(1, isMoved(facts) && target.replicas > 0 ? target.replicas : (facts.stable?.replicas ?? sizeAsked(facts) ?? target.replicas))

const sizeAsked = ({ world: { settings: { source } } }: Facts): number | undefined => (source.kind === 'target' ? source.replicas : undefined)

function targetFull(facts: Facts, target: TargetFacts, own: string): Outcome | undefined {
  const pods = podsBack(facts, target)
  const stamp = deletionOf(facts)
  if (target.replicas < pods || target.stamp !== stamp)
    return outcome(`${target.name} to ${podsText(pods)}`, { action: { kind: 'refill', replicas: Math.max(pods, target.replicas), stamp, live: true } })
  const standing = workload(facts.world.workloads, own)
  if (standing?.settled === true && standing.ready >= pods) return undefined
  return waitFor({ waitingFor: 'Pods', message: because(`${standing?.ready ?? 0} of ${podsText(pods)} of ${target.name} are ready`, standing) })
}

function routedTo(facts: Facts, target: TargetFacts, own: string): Outcome {
  const { world: { mesh }, ledger } = facts
  const rollout = deletionOf(facts)
  if (mesh.rule.subsets[own] !== rollout || !mesh.rule.conform)
    return outcome(`a subset for the pods of ${target.name}`, { action: { kind: 'rule', subsets: { ...mesh.rule.subsets, [own]: rollout }, live: false } })
  const reason = unfitFor(facts, own, { rollout, pods: podsBack(facts, target) })
  if (reason !== undefined) return waitFor({ waitingFor: 'Propagation', message: reason })
  const change = { stable: own, promotions: ledger.promotions + 1, open: { ...ledger.open, [own]: { rollout, hash: own } } }
  const pinned = mesh.covered ? undefined : { ledger: ledgerWith(facts, undefined, change), lists: true, adopt: false }
  return outcome(`every route to the pods of ${target.name}`, { action: { ...writeRoutes(facts, undefined, change, { live: true }), own: pinned, reads: own } })
}

/** Nothing has pods but what is to serve, and the proxies know it; of a target nothing else stands. What is left in routes and rule goes with them. */
function emptied(facts: Facts): Outcome | undefined {
  const { workloads, mesh } = facts.world
  const keeper = keeperOf(facts)
  if (keeper === undefined) return undefined
  const others = workloads.filter(({ revision }) => revision !== keeper.revision && !mesh.namedByUser.includes(revision))
  for (const other of others) {
    const step = gone(facts, other)
    if (step !== undefined) return step
  }
  return undefined
}

function gone(facts: Facts, other: Workload): Outcome | undefined {
  const { revision, replicas, name } = other
  if (replicas > 0) return retireIdle(facts, revision)
  if (isSpreading(facts, other)) return waitFor({ waitingFor: 'Propagation', message: `that ${name} has no pods is spreading` })
  return facts.world.settings.source.kind === 'versions' ? undefined : outcome(`${name} is no longer needed`, { action: { kind: 'delete', revision, live: true } })
}

const isSpreading = ({ world: { ages, settings } }: Facts, { revision, ready }: Workload): boolean =>
  ready > 0 || (ages.ready[revision] ?? 0) < settings.propagationMs

/** As the user wrote them; with nobody's route left, ours goes as well. */
const routesBack = ({ world: { mesh } }: Facts): Outcome | undefined =>
  (mesh.routes.some(({ ledger, own }) => ledger !== undefined || own) ? outcome('the routes as they were written', { action: { kind: 'restore-routes', live: true } }) : undefined)

function withoutRule({ world: { mesh, ages, settings } }: Facts): Outcome | undefined {
  // A route of the user's may name one of its subsets.
  if (!mesh.rule.exists || isRuleUsed(mesh)) return undefined
  if (ages.routes < settings.propagationMs + settings.drainMs) return waitFor({ waitingFor: 'Propagation', message: 'the routes as you wrote them are spreading, and requests to our subsets drain' })
  return outcome('nothing names a subset of ours', { action: { kind: 'remove-rule', live: true } })
}

/** Whether something that the user wrote leads to a version of which our rule has a subset. */
export const isRuleUsed = ({ namedByUser, rule }: Facts['world']['mesh']): boolean => namedByUser.some((revision) => rule.subsets[revision] !== undefined)

/** Nothing of Serin's stays on what is the user's. */
function unstamped(facts: Facts): Outcome | undefined {
  const { world: { workloads, settings: { source } } } = facts
  const keeper = keeperOf(facts)
  const marked = workloads.find(({ revision, stamp, floor }) => (source.kind === 'versions' || revision === keeper?.revision) && (stamp !== undefined || floor !== undefined))
  if (marked === undefined) return undefined
  return outcome(`${marked.name} is nobody's any more`, { action: { kind: 'workload', revision: marked.revision, replicas: undefined, stamp: null, floor: null, live: false } })
}
