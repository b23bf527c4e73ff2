import type { RolloutStatus } from '../api/canary.ts'
import { abandon, buried, giveUp, ledgerWith, normal, outcome, promoted, repair, rollBack, rolloutFrom, warning } from './actions.ts'
import type { Decision } from './decision.ts'
import { isNamed, undoneNow, type Facts } from './facts.ts'
import { unfit } from './fit.ts'
import { deviating, stableAnswers, whyRollBack } from './guards.ts'
import { isUnguarded } from './terminating.ts'

type Outcome = Omit<Decision, 'row'>

const CONTESTED = 3

/** Row 0: a cache older than what was written or seen shows a world that no longer is. */
export const stale = ({ world }: Facts): Outcome | undefined => (world.stale === undefined ? undefined : outcome(world.stale))

/** Row 1: what stands in the VirtualServices is the truth; status is corrected before anything else happens. */
export function statusDisagrees(facts: Facts): Outcome | undefined {
  const { world, s, c } = facts
  const action = { kind: 'status', live: true } as const
  const known = world.status?.stableRevision
  if (known !== undefined && known !== s && c?.revision === s) return outcome(`${String(s)} was promoted`, { action, change: promoted(facts) })
  const exposed = exposedRevision(facts)
  if (exposed !== undefined && exposed !== c?.revision && exposed !== s)
    return outcome(`the routes speak of a rollout of ${exposed}`, { action, change: { rollout: rolloutOf(facts, exposed), stepStarted: true } })
  return known === s ? undefined : outcome(`the routes say that ${String(s)} is stable`, { action })
}

const exposedRevision = ({ world }: Facts): string | undefined =>
  world.mesh.routes.map(({ ledger }) => ledger?.exposure?.revision).find((revision) => revision !== undefined)

/** The rollout that an opening names after its revision and its start. */
function rolloutOf(facts: Facts, revision: string): RolloutStatus {
  const startedAt = facts.ledger.open[revision]?.rollout.split('@')[1]
  const rollout = rolloutFrom(facts, { revision, hash: '' })
  return startedAt === undefined || Number.isNaN(Date.parse(startedAt)) ? rollout : { ...rollout, startedAt }
}

/** Row 2: a host without a VirtualService sends everybody to all pods, the dark ones too. Waits for nothing. */
export function uncovered(facts: Facts): Outcome | undefined {
  const { mesh } = facts.world
  if (isUnguarded(facts) || mesh.covered || mesh.refusals.some(({ reason }) => reason === 'NameTaken' || reason === 'ServiceNotFound')) return undefined
  const rollsOut = facts.phase === 'Progressing' || facts.phase === 'Promoting'
  const failed = rollsOut ? buried(facts, { reason: 'RouteDeleted', message: 'the VirtualService for the mesh was deleted or left the host' }) : facts.ledger.failed
  return outcome('no VirtualService has the host for the mesh', {
    action: { kind: 'routes', writes: [], own: { ledger: ledgerWith(facts, undefined, { failed }), lists: true, adopt: false }, live: false },
    events: [warning('OwnRouteCreated', `no VirtualService had the host for the mesh: Serin's own sends everything to ${facts.s ?? ''}`)],
  })
}

/** Row 2 for the delegate: while a root names one that is not there, Istio drops its route, and all pods may be reached. */
export function delegateMissing(facts: Facts): Outcome | undefined {
  const { mesh, status } = facts.world
  if (isUnguarded(facts) || !mesh.delegateMissing || mesh.refusals.some(({ reason }) => reason === 'ServiceNotFound')) return undefined
  const rollsOut = facts.phase === 'Progressing' || facts.phase === 'Promoting'
  const isDeleted = status?.routes.some(({ mode }) => mode === 'Delegate') === true
  const failed = rollsOut && isDeleted ? buried(facts, { reason: 'RouteDeleted', message: 'the delegate that Serin made was deleted' }) : facts.ledger.failed
  const delegate = { ledger: ledgerWith(facts, undefined, { failed }), lists: true, adopt: false }
  const note = `the delegate of spec.traffic.delegate ${isDeleted ? 'was deleted and is made again' : 'is made'}: it sends everything to ${facts.s ?? ''}`
  return outcome('the delegate is missing', {
    action: { kind: 'routes', writes: [], own: undefined, delegate, live: false },
    events: [isDeleted ? warning('DelegateRestored', note) : normal('DelegateCreated', note)],
  })
}

/** Row 3: a VirtualService that lost our annotation, or is another object by now, ends the rollout. */
export function routeLost(facts: Facts): Outcome | undefined {
  const lost = facts.world.mesh.routes.find((route) => route.lost)
  return lost && rollBack(facts, { reason: 'RouteLost', message: `VirtualService ${lost.record.name} was replaced, or lost its serin.dev/ledger annotation` })
}

/** Row 4: one write per VirtualService, and nothing is asked or read before it. Its only condition is a ready stable pod. */
export function failingWhileNamed(facts: Facts): Outcome | undefined {
  const failure = isNamedNow(facts) ? whyRollBack(facts) : undefined
  return failure && stableAnswers(facts) ? rollBack(facts, failure) : undefined
}

/** Row 5: the same before anybody met it: only the tombstone is written. */
export function failingWhileDark(facts: Facts): Outcome | undefined {
  const failure = isNamedNow(facts) ? undefined : whyRollBack(facts)
  if (failure === undefined) return undefined
  // Where no route carries a ledger any more, they are pinned in the same write.
  const pinned = facts.world.mesh.routes.some(({ ledger, lost }) => ledger !== undefined && !lost)
  return pinned ? giveUp(facts, failure) : stableAnswers(facts) ? rollBack(facts, failure) : undefined
}

/** Row 6: somebody took the route back to stable by hand: the rollout ends, the route is left as they wrote it. */
export function routeTaken(facts: Facts): Outcome | undefined {
  const taken = facts.world.mesh.routes.filter((route) => route.content === 'lower')
  const first = taken[0]
  if (first === undefined || !stableAnswers(facts)) return undefined
  const failure = { reason: 'RouteTaken', message: `VirtualService ${first.record.name} was changed to reach only ${facts.s ?? ''}` }
  return abandon(facts, failure, taken)
}

/** Row 7: any other foreign change is undone at once: to the present exposure while the canary is fit for it, else to stable. */
export function routesDeviate(facts: Facts): Outcome | undefined {
  const routes = deviating(facts)
  if (isUnguarded(facts) || routes.length === 0) return undefined
  const { c, phase } = facts
  const rollsOut = c !== undefined && (phase === 'Progressing' || phase === 'Promoting')
  return repair(facts, routes, rollsOut && routes.every((route) => undoneNow(facts, route).length < CONTESTED) && unfit(facts, c.revision) === undefined)
}

/** Row 7, our own rule: deleted, edited, or the user's beside it changed. */
export function ruleDeviates(facts: Facts): Outcome | undefined {
  if (isUnguarded(facts)) return undefined
  const { ledger, world, s, c } = facts
  const { rule, refusals } = world.mesh
  const named = [s, c !== undefined && isNamed(facts, c.revision) ? c.revision : undefined].filter((revision) => revision !== undefined)
  const wanted = Object.fromEntries(named.map((revision) => [revision, ledger.open[revision]?.rollout ?? rule.subsets[revision] ?? '']))
  const stands = named.every((revision) => rule.subsets[revision] === wanted[revision])
  if ((rule.exists && rule.conform && stands) || refusals.some(({ reason }) => reason === 'NameTaken')) return undefined
  return outcome('our DestinationRule is not as it should be', {
    action: { kind: 'rule', subsets: { ...rule.subsets, ...wanted }, live: false },
    events: [warning('RuleRepaired', "Serin's DestinationRule was changed or deleted, or must follow yours: written again")],
  })
}

/** Row 8: the user's VirtualService has the host again and is pinned: ours goes, after a while without change. */
export function ownRouteSuperfluous(facts: Facts): Outcome | undefined {
  const { mesh, ages, settings } = facts.world
  const own = mesh.routes.find((route) => route.own)
  const theirs = mesh.routes.find((route) => !route.own && route.mesh)
  if (own === undefined || theirs === undefined || facts.c !== undefined || ages.routes < settings.propagationMs) return undefined
  return outcome(`${theirs.record.name} has the host again`, { action: { kind: 'remove-own-route', live: true } })
}

const isNamedNow = (facts: Facts): boolean => facts.c !== undefined && isNamed(facts, facts.c.revision)
