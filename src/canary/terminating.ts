import { buried, ended, normal, outcome, warning, writeRoutes } from './actions.ts'
import type { Decision, EventNote } from './decision.ts'
import { tombstoneOf, type Facts } from './facts.ts'
import { stableAnswers } from './guards.ts'
import { isAlone, isMoved, isOverdue, isPutBack, isRuleUsed, isUnpinned, keeperOf, restoring, withoutPreview } from './restoring.ts'
import { inService, retireIdle } from './retirement.ts'
import { EVERY_POD } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/** Rows 27 and 27f: set before anything is made, so that nothing of it can be left behind unseen; taken off where nothing is to be put back. */
export function keepFinalizer({ world }: Facts): Outcome | undefined {
  const wanted = world.settings.onDelete === 'Restore'
  if (world.finalizer === undefined || world.finalizer === wanted) return undefined
  return outcome(wanted ? 'deleting it will put back what it changes' : 'deleting it will leave everything as it is', { action: { kind: 'finalizer', present: wanted, live: false } })
}

/** Rows 2 and 7 protect users until what they wrote may stand again, and reaches nobody but what is to serve; or until nobody asks for it. */
export const isUnguarded = (facts: Facts): boolean =>
  facts.phase === 'Terminating' && (!facts.adopted || facts.world.leaving?.orphan !== undefined || facts.world.settings.onDelete === 'Orphan' || isPutBack(facts) || isAlone(facts))

/** Row 28: where putting things back would hurt, what serves stays named, and goes on without Serin. */
export function leaveAsItIs(facts: Facts): Outcome | undefined {
  const { world, s } = facts
  if (world.leaving?.orphan !== undefined) return letGo(world.leaving.orphan)
  if (world.settings.onDelete === 'Orphan' || isUntouched(facts)) return letGo('nothing is to be put back')
  const why = whyNot(facts)
  if (why === undefined) return undefined
  const note = `not restored: ${why}; ${s === undefined ? 'everything' : `the routes name ${s}, and everything else`} stays as it is`
  return toStable(facts) ?? withoutPreview(facts) ?? cleared(facts) ?? letGo(why, warning('NotRestored', note))
}

/** Row 29: everything as it was; from any phase. */
export const restore = (facts: Facts): Outcome => toStable(facts) ?? restoring(facts) ?? letGo('everything is as it was', told(facts))

const told = (facts: Facts): EventNote => (isRuleUsed(facts.world.mesh)
  ? warning('NotRestored', `the DestinationRule that Serin made stays: a route of yours leads to ${facts.world.mesh.namedByUser.join(', ')}, and may name its subset`)
  : normal('Restored', `${keeperOf(facts)?.name ?? 'nothing'} serves, and the routes are as you wrote them`))

const letGo = (reason: string, event?: EventNote): Outcome =>
  outcome(reason, { action: { kind: 'finalizer', present: false, live: false }, events: event === undefined ? [] : [event] })

/** Nothing of ours was made yet. */
const isUntouched = ({ adopted, world: { settings, workloads, mesh, target } }: Facts): boolean =>
  !adopted && !mesh.rule.exists && (settings.source.kind === 'versions' || workloads.every(({ revision }) => revision === target?.own))

function whyNot(facts: Facts): string | undefined {
  const { mesh } = facts.world
  if (mesh.refusals.some(({ reason }) => reason === 'ServiceNotFound')) return 'the Service does not exist'
  if (isMoved(facts)) return undefined
  const isDone = isAlone(facts) && isUnpinned(facts)
  if (isOverdue(facts) && !isDone) return 'it was not done within progressDeadline'
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
  const isAborted = c !== undefined && c.revision !== s && tombstoneOf(facts) === undefined
  return outcome(`the Canary is deleted: everything to ${s ?? ''}`, {
    action: writeRoutes(facts, undefined, isAborted ? { failed: buried(facts, failure) } : {}),
    ...(isAborted ? { change: ended(facts, 'Aborted', failure) } : {}),
    events: [normal('Restoring', `the Canary is deleted: everything goes to ${s ?? ''}, and what was changed is put back`)],
  })
}

/** What a rollout left beside stable goes as after any other. */
function cleared(facts: Facts): Outcome | undefined {
  const { adopted, s, world: { mesh } } = facts
  const left = inService(facts).find((revision) => revision !== s && !mesh.namedByUser.includes(revision))
  return adopted && left !== undefined && !isOverdue(facts) ? retireIdle(facts, left) : undefined
}
