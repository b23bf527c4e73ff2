import { ended, outcome, promoted, waitFor, writeLedgers, writeRoutes } from './actions.ts'
import type { Decision } from './decision.ts'
import { failureOf, isNamed, tombstoneOf, workload, type Facts } from './facts.ts'
import { busy, podsFor } from './fit.ts'
import { podsHold, stableAnswers, whyRollBack } from './guards.ts'
import { pausedHold } from './people.ts'
import { inService, retire } from './retirement.ts'

type Outcome = Omit<Decision, 'row'>

/** Row 10: `desired` no longer names what failed under its name: naming it anew will be a retry. */
export function forgetNaming(facts: Facts): Outcome | undefined {
  const { desired } = facts.world.settings
  const forgotten = Object.entries(facts.ledger.failed).find(([revision, { named }]) => named === true && desired !== revision)
  return forgotten && outcome(`${forgotten[0]} is no longer desired`, { action: writeLedgers(facts, {}) })
}

/** Row 20: the pointer moves; what was analysed is what serves. */
export function promote(facts: Facts): Outcome | undefined {
  const { c, exposure, isPartial, ledger, world } = facts
  if (c === undefined || exposure === undefined) return undefined
  const { ages, settings } = world
  const failing = whyRollBack(facts)
  const held = failing === undefined ? podsHold(facts, podsFor(facts, exposure)) : ({ waitingFor: 'Pods', message: failing.message } as const)
  if (held !== undefined) return waitFor(held)
  const paused = pausedHold(facts)
  if (paused !== undefined) return waitFor(paused)
  if (isPartial) return outcome('some routes do not give it everything yet', { action: writeRoutes(facts, exposure, {}, { live: true }) })
  if (ages.routes < settings.propagationMs + settings.drainMs)
    return waitFor({ waitingFor: 'Propagation', message: 'all requests go to it; the old stable drains' })
  const change = { stable: c.revision, promotions: ledger.promotions + 1, served: servedUntil(facts) }
  return outcome(`${c.revision} becomes stable`, { action: writeRoutes(facts, undefined, change, { live: true }), change: promoted(facts) })
}

/**
 * Stable served until everything went to the canary: a time that stands, so that deciding again on live reads comes to
 * the same write. What was changed in place served too, but nobody knows how well.
 */
function servedUntil({ ledger, world: { now, status } }: Facts): Facts['ledger']['served'] {
  const { stepStartedAt } = status?.rollout ?? {}
  const until = stepStartedAt === undefined ? now : Date.parse(stepStartedAt)
  return { ...ledger.served, [ledger.stable]: { hash: ledger.open[ledger.stable]?.hash ?? '', until } }
}

/** Row 21: rolled back, and something names it still: a write that reached only some of the routes is finished before anything else. */
export function backToStable(facts: Facts): Outcome | undefined {
  const { c } = facts
  if (c === undefined || !isNamed(facts, c.revision) || !stableAnswers(facts)) return undefined
  return outcome(`a route still names ${c.revision}`, { action: writeRoutes(facts, undefined, {}) })
}

/** Row 21, where nobody would answer: what could bring stable back stands before it. */
export function noWayBack(facts: Facts): Outcome | undefined {
  const { c } = facts
  if (c === undefined || !isNamed(facts, c.revision)) return undefined
  return waitFor({ waitingFor: 'Pods', message: 'stable has no ready pod: there is no way back' })
}

/** Row 22: what failed goes, once nobody can reach it and nobody wants to look at it any more. */
export function retireFailed(facts: Facts): Outcome | undefined {
  const { c, world } = facts
  const tombstone = tombstoneOf(facts)
  if (c === undefined || tombstone === undefined) return undefined
  const { settings, mesh, now } = world
  const reason = busy(facts, c.revision)
  if (reason !== undefined && !mesh.namedByUser.includes(c.revision)) return waitFor({ waitingFor: 'Propagation', message: reason })
  const until = tombstone.at + settings.failedDelayMs
  if (now < until && !isMended(facts)) return waitFor({ message: `${c.revision} failed and stays up to be looked at`, until })
  const next = retire(facts, c.revision)
  if (next !== undefined) return next
  const result = tombstone.reason === 'RouteTaken' || tombstone.reason === 'Aborted' ? 'Aborted' : 'RolledBack'
  return outcome(`${c.revision} is retired`, { action: { kind: 'status', live: false }, change: ended(facts, result, tombstone) })
}

/** Something else than what failed is to be rolled out: nobody waits for it to have been looked at. */
const isMended = (facts: Facts): boolean => facts.t !== undefined && facts.t.revision !== facts.s && failureOf(facts, facts.t) === undefined

/** Row 23: the stable before this one has stood by long enough. */
export function retirePrevious(facts: Facts): Outcome | undefined {
  const { previous } = facts.world.status ?? {}
  if (previous === undefined) return undefined
  const over = outcome(`${previous.revision} is retired`, { action: { kind: 'status', live: false }, change: { previous: null } })
  if (previous.revision === facts.s) return over
  const wanted = facts.t?.revision === previous.revision && failureOf(facts, facts.t) === undefined
  const early = facts.world.now < Date.parse(previous.until) || wanted
  return early || busy(facts, previous.revision) !== undefined ? undefined : (retire(facts, previous.revision) ?? over)
}

/** Row 24: whatever else still has an opening, a subset or pods that Serin started. Replicas that others set are left alone. */
export function retireOthers(facts: Facts): Outcome | undefined {
  const { world } = facts
  const kept = [facts.s, world.status?.previous?.revision, facts.phase === 'Waiting' ? facts.t?.revision : undefined]
  const idle = inService(facts).find((revision) => !kept.includes(revision) && busy(facts, revision) === undefined && isOurs(facts, revision))
  return idle === undefined ? undefined : retire(facts, idle)
}

/** Its pods, if it has any, were started by a rollout. */
function isOurs({ world, ledger }: Facts, revision: string): boolean {
  const deployment = workload(world.workloads, revision)
  return deployment === undefined || deployment.replicas === 0 || deployment.stamp !== undefined || ledger.open[revision] !== undefined
}
