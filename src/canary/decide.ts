import type { CanaryStatus } from '../api/canary.ts'
import { outcome } from './actions.ts'
import type { Change, Decision } from './decision.ts'
import type { EventReason } from './event-reasons.ts'
import { factsOf, type Facts } from './facts.ts'
import { violationOf } from './invariants.ts'
import { answersOf, type Answer } from './requests.ts'
import { projected } from './status.ts'
import { TABLE } from './table.ts'
import { turns } from './turns.ts'
import { stableLast } from './versions.ts'
import { nextWake } from './wake.ts'
import type { RouteFacts, World } from './world.ts'

/** What to do now, the status that tells of it once it is done, and when to look again if nothing happens before. */
export type Pass = { readonly decision: Decision; readonly status: CanaryStatus; readonly wakeAfterMs: number | undefined; /** What can be told to those who asked for something, whatever is decided. */ readonly answers: readonly Answer[] }

/**
 * The decision core: total, deterministic, without I/O. The first row of the table that says something wins.
 * A write that breaks an invariant is refused here, in production as in every test.
 */
export function decide(world: World): Pass {
  const facts = factsOf(world)
  const decision = checked(facts, firstRow(facts))
  const after = factsOf(worldAfter(facts, decision))
  const status = projected(facts, after, decision)
  const events = [...decision.events, ...turns(world.status, status)]
  return { decision: { ...decision, events }, status, wakeAfterMs: nextWake(after), answers: answersOf(facts) }
}

/** The status while nothing can be done for a reason outside the world: a write that the API server will not take. */
export function held(world: World, reason: EventReason, message: string): CanaryStatus {
  const facts = factsOf(world)
  return projected(facts, facts, { row: '-', ...outcome(message, { hold: { message, waitingFor: 'Pods', stalled: reason } }) })
}

function firstRow(facts: Facts): Decision {
  for (const { row, phases, suspended, rule } of TABLE) {
    if (!phases.includes(facts.phase) || (facts.world.settings.suspend && !suspended)) continue
    const found = rule(facts)
    if (found !== undefined) return { row, ...found }
  }
  return { row: '-', ...outcome(facts.world.settings.suspend ? 'suspended' : 'nothing to do') }
}

function checked(facts: Facts, decision: Decision): Decision {
  const violation = violationOf(facts, decision.action)
  if (violation === undefined) return decision
  const message = `row ${decision.row} refused, it would break an invariant: ${violation}`
  return { row: decision.row, ...outcome(message, { hold: { message, stalled: 'InvariantViolation' } }) }
}

/** The world as it stands once the action is done: what was written is known, the rest is as it was seen. */
function worldAfter(facts: Facts, { action, change }: Decision): World {
  const { world } = facts
  const known = world.status === undefined && change.rollout === undefined ? undefined : applied(world, change)
  const status = known && { ...known, seen: seenAfter(facts, change.promoted) }
  if (action.kind !== 'routes') return { ...world, status }
  const routes = world.mesh.routes.map((route) => {
    const write = action.writes.find(({ namespace, name }) => namespace === route.record.namespace && name === route.record.name)?.write
    return write === undefined ? route : written(route, write)
  })
  const made = [action.own, action.delegate].flatMap((write) => (write === undefined ? [] : [written(OWN, write)]))
  return { ...world, status, mesh: { ...world.mesh, routes: [...routes, ...made] } }
}

const seenAfter = ({ seen }: Facts, promoted: Change['promoted']): CanaryStatus['seen'] =>
  promoted === undefined ? seen : stableLast(seen, promoted)

const written = (route: RouteFacts, { ledger, lists }: { ledger: Omit<NonNullable<RouteFacts['ledger']>, 'uid'>; lists: boolean }): RouteFacts => ({
  ...route,
  ledger: { ...ledger, uid: route.uid },
  lost: false,
  content: lists ? 'ours' : route.content,
  reaches: lists ? [ledger.stable, ...(ledger.exposure === undefined ? [] : [ledger.exposure.revision])] : route.reaches,
})

const OWN: RouteFacts = {
  record: { namespace: '', name: '', mode: 'Own' },
  uid: '',
  resourceVersion: '',
  own: true,
  mesh: true,
  ledger: undefined,
  lost: false,
  content: 'unpinned',
  reaches: [],
  originals: [],
}

function applied({ status }: World, change: Change): CanaryStatus {
  const { rollout: before, previous: kept, paused: holding, ...rest } = status ?? { phase: 'Initializing', waits: [], seen: [], routes: [], checks: [], history: [], conditions: [] }
  const rollout = change.rollout === null ? undefined : (change.rollout ?? before)
  const previous = change.previous === null ? undefined : (change.previous ?? kept)
  const paused = change.paused === null ? undefined : (change.paused ?? holding)
  return {
    ...rest,
    ...(paused === undefined ? {} : { paused }),
    ...(change.history === undefined ? {} : { history: change.history }),
    ...(rollout === undefined ? {} : { rollout }),
    ...(previous === undefined ? {} : { previous }),
  }
}
