import { isTargetAction, type Action, type TargetAction } from './decision.ts'
import { isNamed, workload, type Facts } from './facts.ts'
import { busy, podsFor, unfit } from './fit.ts'
import type { Exposure } from './ledger.ts'
import { beside, isMoved, keeperOf } from './restoring.ts'
import { EVERY_POD } from './world.ts'

/**
 * What no decision may do, asked before every write, in production as in every test (docs/protocol.md, invariants).
 * It knows nothing of rows: a mistake in the table does not hide a mistake here.
 */
export function violationOf(facts: Facts, action: Action): string | undefined {
  if (isTargetAction(action)) return violationOfTarget(facts, action)
  switch (action.kind) {
    case 'none':
    case 'status':
    case 'preview':
    case 'finalizer':
      return undefined
    case 'restore-routes':
    case 'remove-rule':
      return violationOfRestore(facts, action.kind)
    case 'routes':
      return firstOf([...action.writes.map(({ write }) => write), ...[action.own, action.delegate].filter((write) => write !== undefined)], ({ ledger, lists }) =>
        (lists ? namesUnfit(facts, ledger.exposure) : undefined) ?? failedExposed(ledger.failed, ledger.exposure, facts) ?? movesPointer(facts, ledger.stable))
    case 'remove-own-route':
      return uncovers(facts)
    case 'rule':
      return firstOf(Object.keys(facts.world.mesh.rule.subsets), (revision) =>
        action.subsets[revision] !== undefined ? undefined : takesAway(facts, revision))
    case 'workload':
      return sized(facts, action.revision, action.replicas)
    default:
      return action satisfies never
  }
}

function violationOfTarget(facts: Facts, action: TargetAction): string | undefined {
  switch (action.kind) {
    case 'create':
      return grown(facts, action.revision)
    case 'delete':
      return hasPods(facts, action.revision) ? `deletes ${action.revision}, which has pods` : (facts.phase === 'Terminating' ? undefined : takesAway(facts, action.revision))
    case 'remake':
      return isNamed(facts, action.revision) ? `changes what ${action.revision} runs while a route names it` : undefined
    case 'target':
      return targetReached(facts) ? 'takes the pods of the target, which a route may still reach' : undefined
    case 'size':
    case 'restart':
    case 'refill':
      return undefined
    default:
      return action satisfies never
  }
}

const hasPods = ({ world }: Facts, revision: string): boolean => (workload(world.workloads, revision)?.replicas ?? 0) > 0

const targetReached = ({ world: { mesh, ages, settings } }: Facts): boolean =>
  mesh.reached.includes(EVERY_POD) || ages.routes < settings.propagationMs + settings.drainMs

function firstOf<T>(items: readonly T[], check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = check(item)
    if (found !== undefined) return found
  }
  return undefined
}

/** More of a revision than stands now needs a fit one; what stands already may be written again, or less of it. */
function namesUnfit(facts: Facts, exposure: Exposure | undefined): string | undefined {
  if (exposure === undefined || podsFor(facts, exposure) === 0) return undefined
  const reason = unfit(facts, exposure.revision, facts.exposure?.step === exposure.step ? 1 : podsFor(facts, exposure))
  return reason && `names ${exposure.revision}: ${reason}`
}

function failedExposed(failed: Facts['ledger']['failed'], exposure: Exposure | undefined, { c }: Facts): string | undefined {
  const tombstone = exposure && failed[exposure.revision]
  return tombstone !== undefined && tombstone.rollout === c?.id ? `exposes ${exposure?.revision ?? ''}, which failed` : undefined
}

function movesPointer(facts: Facts, stable: string): string | undefined {
  if (stable === facts.s) return undefined
  if (facts.phase === 'Terminating' && stable === facts.world.target?.own) return notSpread(facts, stable)
  if (facts.phase === 'Terminating' && isMoved(facts)) return unfit(facts, stable)
  const whole = facts.exposure?.revision === stable && facts.exposure.weight === 100
  return whole && facts.phase === 'Promoting' ? undefined : `moves stable to ${stable} without it carrying everything`
}

function takesAway(facts: Facts, revision: string): string | undefined {
  if (revision === facts.s) return `takes capacity of ${revision}, which is stable`
  if (facts.ledger.open[revision] !== undefined) return `takes capacity of ${revision}, which is open`
  if (isNamed(facts, revision)) return `takes capacity of ${revision}, which a route names`
  const reason = busy(facts, revision)
  return reason && `takes capacity of ${revision}: ${reason}`
}

function sized(facts: Facts, revision: string, replicas: number | undefined): string | undefined {
  const deployment = workload(facts.world.workloads, revision)
  if (replicas === undefined || deployment === undefined || replicas === deployment.replicas) return undefined
  if (replicas < deployment.replicas) return isWished(facts, revision, replicas) ? undefined : takesAway(facts, revision)
  return grown(facts, revision)
}

/** Outside a rollout stable has the size that somebody asks for. */
const isWished = ({ s, c, world: { settings: { source } } }: Facts, revision: string, replicas: number): boolean =>
  revision === s && c === undefined && source.kind === 'target' && source.replicas === replicas

function grown(facts: Facts, revision: string): string | undefined {
  const open = revision !== facts.s && facts.world.ages.routes < facts.world.settings.propagationMs
  return open ? `grows ${revision} while an open route may still stand` : undefined
}

const uncovers = ({ world }: Facts): string | undefined =>
  (world.mesh.routes.some((route) => !route.own && route.mesh) ? undefined : 'the host would be uncovered in the mesh')

function violationOfRestore(facts: Facts, kind: 'restore-routes' | 'remove-rule'): string | undefined {
  if (facts.phase !== 'Terminating') return 'restores what is still in use'
  if (kind === 'restore-routes') return opensTooEarly(facts)
  return facts.world.mesh.routes.some(({ ledger }) => ledger !== undefined) ? 'takes the rule whose subsets are named' : spreading(facts)
}

/** An open route reaches every pod: only what is to serve may have any. */
function opensTooEarly(facts: Facts): string | undefined {
  const others = beside(facts, keeperOf(facts))
  return others.length === 0 ? undefined : `opens the routes while ${others.map(({ name }) => name).join(', ')} may have pods`
}

const notSpread = ({ world: { ages, settings } }: Facts, revision: string): string | undefined =>
  (Math.min(ages.subsets[revision] ?? 0, ages.ready[revision] ?? 0) < settings.propagationMs ? `names ${revision} before it has spread` : undefined)

const spreading = ({ world: { ages, settings } }: Facts): string | undefined => (ages.routes < settings.propagationMs + settings.drainMs ? 'takes the rule before the routes have spread and drained' : undefined)
