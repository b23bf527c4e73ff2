import { buried, ended, ledgerWith, normal, outcome, podsText, waitFor, warning, writeRoutes } from './actions.ts'
import type { Decision, EventNote } from './decision.ts'
import { because, busy, rolloutId, unfitFor, workload, type Facts } from './facts.ts'
import { stableAnswers } from './guards.ts'
import { instant } from './instant.ts'
import { retire } from './retirement.ts'
import { hashOfTargetsPods } from './targets-pods.ts'
import { EVERY_POD, type Workload } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/** Row 27f: set before anything is made, so that nothing of it can be left behind unseen; taken off where nothing is to be put back. */
export function keepFinalizer({ world, phase }: Facts): Outcome | undefined {
  const wanted = world.settings.onDelete === 'Restore'
  const isRefused = phase === 'Initializing' && wanted && world.mesh.refusals.length > 0
  if (world.finalizer === undefined || world.finalizer === wanted || isRefused) return undefined
  return outcome(wanted ? 'deleting it will put back what it changes' : 'deleting it will leave everything as it is', { action: { kind: 'finalizer', present: wanted, live: false } })
}

/** Rows 2 and 7 protect users until what they wrote may stand again, and reaches nobody but what is to serve; or until nobody asks for it. */
export const isUnguarded = (facts: Facts): boolean =>
  facts.phase === 'Terminating' && (!facts.adopted || facts.world.leaving?.orphan !== undefined || facts.world.settings.onDelete === 'Orphan' || isAlone(facts))

/** Row 28: where putting things back would hurt, what serves stays named, and goes on without Serin. */
export function leaveAsItIs(facts: Facts): Outcome | undefined {
  const { world, s } = facts
  if (world.leaving?.orphan !== undefined) return letGo(world.leaving.orphan)
  if (world.settings.onDelete === 'Orphan' || isUntouched(facts)) return letGo('nothing is to be put back')
  const why = whyNot(facts)
  if (why === undefined) return undefined
  const note = `not restored: ${why}; ${s === undefined ? 'everything' : `the routes name ${s}, and everything else`} stays as it is`
  return toStable(facts) ?? cleared(facts) ?? letGo(why, warning('NotRestored', note))
}

/** Row 29: make before break, each stage judged from the objects: the pods that are to serve → their route → everything else away → the route as it was written. */
export function restore(facts: Facts): Outcome {
  return toStable(facts) ?? withoutPreview(facts) ?? targetServes(facts) ?? emptied(facts) ?? routesBack(facts) ?? withoutRule(facts) ?? unstamped(facts) ??
    letGo('everything is as it was', normal('Restored', `${keeperOf(facts)?.name ?? 'nothing'} serves, and the routes are as you wrote them`))
}

const letGo = (reason: string, event?: EventNote): Outcome =>
  outcome(reason, { action: { kind: 'finalizer', present: false, live: false }, events: event === undefined ? [] : [event] })

/** Names the deletion in openings and stamps. */
const deletionOf = ({ world: { leaving } }: Facts): string => rolloutId('restore', instant(leaving?.since ?? 0))

/** Nothing of ours was made yet. */
const isUntouched = ({ adopted, world: { settings, workloads, mesh, target } }: Facts): boolean =>
  !adopted && !mesh.rule.exists && (settings.source.kind === 'versions' || workloads.every(({ revision }) => revision === target?.own))

/** What is to serve without Serin: the target's own pods, or the stable version. */
const keeperOf = ({ world: { settings, target, workloads }, s }: Facts): Workload | undefined =>
  workload(workloads, settings.source.kind === 'target' ? target?.own : s)

/** Users go to the target's own pods: from there no way leads back. */
const isMoved = ({ s, world: { settings } }: Facts): boolean => settings.source.kind === 'target' && s !== undefined && hashOfTargetsPods(s) !== undefined

const isOverdue = ({ world: { now, leaving, settings } }: Facts): boolean => now > (leaving?.since ?? now) + settings.progressDeadlineMs

/** An open route would reach the pods that are to serve, and no other. */
function isAlone(facts: Facts): boolean {
  const keeper = keeperOf(facts)
  return keeper !== undefined && keeper.ready > 0 && beside(facts, keeper).length === 0
}

/** What must be gone before a route may reach every pod; what a route of the user's names is theirs. */
function beside({ world: { workloads, mesh, settings } }: Facts, keeper: Workload): readonly Workload[] {
  const others = workloads.filter(({ revision }) => revision !== keeper.revision && !mesh.namedByUser.includes(revision))
  return settings.source.kind === 'target' ? others : others.filter(({ replicas, ready }) => replicas > 0 || ready > 0)
}

function whyNot(facts: Facts): string | undefined {
  if (isMoved(facts)) return undefined
  if (isOverdue(facts)) return 'it was not done within progressDeadline'
  return (facts.world.settings.source.kind === 'target' ? targetProblem(facts) : versionsProblem(facts)) ?? routeProblem(facts)
}

function targetProblem({ world: { target, settings: { source } }, s, t }: Facts): string | undefined {
  if (target === undefined) return source.kind === 'target' ? `Deployment ${source.name} does not exist` : undefined
  return t?.revision === s ? undefined : `${target.name} says ${t?.revision ?? 'nothing'}, which is not what serves`
}

function versionsProblem({ world: { workloads }, stable, s, ledger }: Facts): string | undefined {
  if (stable === undefined || stable.ready === 0) return `no pod of ${s ?? 'a stable version'} is ready`
  const stray = workloads.find(({ revision, replicas, stamp }) => revision !== s && replicas > 0 && stamp === undefined && ledger.open[revision] === undefined)
  return stray && `${stray.name} has pods that somebody else started, and your routes would reach them`
}

function routeProblem(facts: Facts): string | undefined {
  const { world: { mesh, target, settings }, s } = facts
  const keeper = settings.source.kind === 'target' ? target?.own : s
  const named = mesh.namedByUser.find((revision) => revision !== keeper && revision !== s)
  if (named !== undefined) return `a route of yours names ${named}`
  const astray = mesh.routes.find(({ originals }) => originals.some((reached) => keeper === undefined || !(reached.includes(EVERY_POD) || reached.includes(keeper))))
  return astray && `VirtualService ${astray.record.name}, as you wrote it, does not lead to what serves`
}

/** The first act of a deletion: a write to every VirtualService, so that nothing that was decided before comes after it. */
function toStable(facts: Facts): Outcome | undefined {
  const { adopted, c, s, world: { leaving, mesh } } = facts
  const isDue = mesh.routes.some(({ ledger }) => ledger !== undefined && (ledger.leaving !== leaving?.uid || ledger.exposure !== undefined))
  if (!adopted || !isDue || !stableAnswers(facts)) return undefined
  const failure = { reason: 'Aborted', message: 'the Canary is deleted' }
  return outcome(`the Canary is deleted: everything to ${s ?? ''}`, {
    action: writeRoutes(facts, undefined, c === undefined ? {} : { failed: buried(facts, failure) }),
    ...(c === undefined ? {} : { change: ended(facts, 'Aborted', failure) }),
    events: [normal('Restoring', `the Canary is deleted: everything goes to ${s ?? ''}, and what was changed is put back`)],
  })
}

/** What a rollout left beside stable goes as after any other. */
function cleared(facts: Facts): Outcome | undefined {
  const { adopted, s, ledger, world: { mesh, workloads } } = facts
  const stamped = workloads.filter(({ stamp, replicas }) => stamp !== undefined && replicas > 0).map(({ revision }) => revision)
  const left = [...Object.keys(ledger.open), ...Object.keys(mesh.rule.subsets), ...stamped].find((revision) => revision !== s && !mesh.namedByUser.includes(revision))
  if (!adopted || left === undefined || isOverdue(facts)) return undefined
  const reason = busy(facts, left)
  return reason === undefined ? retire(facts, left) : waitFor({ waitingFor: 'Propagation', message: reason })
}

function withoutPreview({ world: { previews } }: Facts): Outcome | undefined {
  const [name] = Object.keys(previews)
  return name === undefined ? undefined : outcome(`the preview Service ${name} goes`, { action: { kind: 'preview', name, revision: undefined, live: false } })
}

/** The target has its pods back, beside those of stable, and every managed route leads to them and to nobody else. */
function targetServes(facts: Facts): Outcome | undefined {
  const { world: { target, mesh, workloads }, s, stable, ledger } = facts
  const own = target?.own
  if (target === undefined || own === undefined) return undefined
  const isThere = s === own && mesh.routes.every((route) => route.ledger?.stable === own)
  const isOver = isAlone(facts) && mesh.routes.every((route) => route.ledger === undefined)
  if (isThere || isOver) return undefined
  const pods = Math.max(1, isMoved(facts) ? target.replicas : (stable?.replicas ?? target.replicas))
  const rollout = deletionOf(facts)
  if (target.replicas < pods || target.stamp !== rollout)
    return outcome(`${target.name} to ${podsText(pods)}`, { action: { kind: 'refill', replicas: Math.max(pods, target.replicas), stamp: rollout, live: true } })
  const standing = workload(workloads, own)
  if (standing === undefined || !standing.settled || standing.ready < pods)
    return waitFor({ waitingFor: 'Pods', message: because(`${standing?.ready ?? 0} of ${podsText(pods)} of ${target.name} are ready`, standing) })
  if (mesh.rule.subsets[own] !== rollout || !mesh.rule.conform)
    return outcome(`a subset for the pods of ${target.name}`, { action: { kind: 'rule', subsets: { ...mesh.rule.subsets, [own]: rollout }, live: false } })
  const reason = unfitFor(facts, own, { rollout, pods })
  if (reason !== undefined) return waitFor({ waitingFor: 'Propagation', message: reason })
  const change = { stable: own, promotions: ledger.promotions + 1, open: { ...ledger.open, [own]: { rollout, hash: own } } }
  const routes = writeRoutes(facts, undefined, change, { live: true })
  const pinned = mesh.covered ? undefined : { ledger: ledgerWith(facts, undefined, change), lists: true, adopt: false }
  return outcome(`every route to the pods of ${target.name}`, { action: { ...routes, own: pinned } })
}

/** Nothing has pods but what is to serve, and the proxies know it. */
function emptied(facts: Facts): Outcome | undefined {
  const keeper = keeperOf(facts)
  if (keeper === undefined || isOverdue(facts)) return undefined
  const leftovers = [...Object.keys(facts.ledger.open), ...Object.keys(facts.world.mesh.rule.subsets), ...facts.world.workloads.map(({ revision }) => revision)]
  const others = [...new Set(leftovers)].filter((revision) => revision !== keeper.revision && revision !== '' && !facts.world.mesh.namedByUser.includes(revision))
  for (const revision of others) {
    const step = gone(facts, revision)
    if (step !== undefined) return step
  }
  return undefined
}

function gone(facts: Facts, revision: string): Outcome | undefined {
  const { world: { ages, settings, workloads }, ledger } = facts
  const standing = workload(workloads, revision)
  const isRunning = ledger.open[revision] !== undefined || (standing?.replicas ?? 0) > 0
  const reason = isRunning ? busy(facts, revision) : undefined
  if (reason !== undefined) return waitFor({ waitingFor: 'Propagation', message: reason })
  const next = isRunning || standing === undefined ? retire(facts, revision) : undefined
  if (next !== undefined || standing === undefined) return next
  if (standing.ready > 0 || (ages.ready[revision] ?? 0) < settings.propagationMs) return waitFor({ waitingFor: 'Propagation', message: `that ${standing.name} has no pods is spreading` })
  return settings.source.kind === 'versions' ? undefined : outcome(`${standing.name} is no longer needed`, { action: { kind: 'delete', revision, live: true } })
}

/** As the user wrote them; with nobody's route left, ours goes as well. */
const routesBack = ({ world: { mesh } }: Facts): Outcome | undefined =>
  (mesh.routes.some(({ ledger, own }) => ledger !== undefined || own) ? outcome('the routes as they were written', { action: { kind: 'restore-routes', live: true } }) : undefined)

function withoutRule({ world: { mesh, ages, settings } }: Facts): Outcome | undefined {
  if (!mesh.rule.exists) return undefined
  if (ages.routes < settings.propagationMs + settings.drainMs) return waitFor({ waitingFor: 'Propagation', message: 'the routes as you wrote them are spreading, and requests to our subsets drain' })
  return outcome('nothing names a subset of ours', { action: { kind: 'remove-rule', live: true } })
}

function unstamped(facts: Facts): Outcome | undefined {
  const keeper = keeperOf(facts)
  if (keeper?.stamp === undefined) return undefined
  return outcome(`${keeper.name} is nobody's any more`, { action: { kind: 'workload', revision: keeper.revision, replicas: undefined, stamp: null, live: false } })
}
