import type { HistoryEntry, RolloutStatus } from '../api/canary.ts'
import { formatPercent } from '../api/percent.ts'
import type { Action, Change, Decision, EventNote, Hold, RouteWrite } from './decision.ts'
import type { ReasonOf } from './event-reasons.ts'
import { servedWithin, undoneNow, type Facts, type Standing, type Target } from './facts.ts'
import type { Failure } from './guards.ts'
import type { Exposure, Ledger, Tombstone } from './ledger.ts'
import { analysisSkipped, promotedBy } from './people.ts'
import { stepAt } from './steps.ts'
import type { RouteFacts } from './world.ts'
import { instant } from './instant.ts'

type Outcome = Omit<Decision, 'row'>
type RoutesAction = Extract<Action, { kind: 'routes' }>

const MOST_HISTORY = 10
/** An annotation has room for a quarter of a megabyte; a version that failed longer ago has long been forgotten by everybody. */
const MOST_TOMBSTONES = 32
const MOST_SERVED = 10

/** Nothing is written but, where it changed, status. */
export const waitFor = (hold: Hold): Outcome => ({ ...outcome(hold.message), hold })

/** A decision with only what is named. */
export const outcome = (reason: string, parts: Partial<Omit<Outcome, 'reason'>> = {}): Outcome => ({
  reason,
  action: { kind: 'none' },
  change: {},
  events: [],
  hold: undefined,
  ...parts,
})

/** What a ledger says after a write, over what all of them say together now. */
type LedgerChange = Partial<Pick<Standing, 'stable' | 'promotions' | 'open' | 'failed' | 'served'>>

/** A write of every managed VirtualService, or of `only` some: the same ledger and the same exposure in each. */
export function writeRoutes(
  facts: Facts,
  exposure: Exposure | undefined,
  change: LedgerChange,
  options: { readonly live?: boolean; readonly only?: readonly RouteFacts[]; readonly adopt?: boolean; readonly undo?: boolean } = {},
): RoutesAction {
  const routes = options.only ?? facts.world.mesh.routes
  const ledger = ledgerWith(facts, exposure, change)
  const undone = (route: RouteFacts) => (options.undo === true && isForeign(route) ? undoneNow(facts, route) : route.ledger?.undone)
  return {
    kind: 'routes',
    writes: routes.map((route) => target(route, { ledger: counting(ledger, undone(route)), lists: true, adopt: isNew(route) || options.adopt === true })),
    own: undefined,
    live: options.live ?? false,
  }
}

/** A write of the annotation alone: each VirtualService keeps the lists and the exposure it has. */
export function writeLedgers(facts: Facts, change: LedgerChange, exposureOf = (route: RouteFacts) => route.ledger?.exposure): RoutesAction {
  const writes = facts.world.mesh.routes
    .filter((route) => !isNew(route))
    .map((route) => target(route, { ledger: counting(ledgerWith(facts, exposureOf(route), change), route.ledger?.undone), lists: false, adopt: false }))
  return { kind: 'routes', writes, own: undefined, live: false }
}

/** Each VirtualService counts what was undone in it: a tool that puts several back at once does so once. */
const counting = (ledger: Omit<Ledger, 'uid'>, undone: Ledger['undone'] = []): Omit<Ledger, 'uid'> => (undone.length === 0 ? ledger : { ...ledger, undone })

/** Somebody else wrote what stands there, and not to give us less. */
const isForeign = ({ content, lost }: RouteFacts): boolean => !lost && (content === 'beyond' || content === 'original')

const isNew = (route: RouteFacts): boolean => route.lost || route.content === 'unpinned'

const target = (route: RouteFacts, write: RouteWrite) => ({ namespace: route.record.namespace, name: route.record.name, write })

/** The ledger to write, but for what was undone: what stands, what changes, and whether `desired` still names what failed under its name. */
export function ledgerWith(facts: Facts, exposure: Exposure | undefined, change: LedgerChange): Omit<Ledger, 'uid'> {
  const { stable, promotions, open, failed, served } = { ...facts.ledger, ...change }
  const { desired } = facts.world.settings
  // Clocks differ between leaders: the one that is being written is kept whatever its time says.
  const youngest = (revision: string, { at }: Tombstone) => (revision === facts.c?.revision ? Infinity : at)
  const newestFirst = Object.entries(failed).sort((a, b) => youngest(...b) - youngest(...a))
  const tombstones = newestFirst.map(([revision, tombstone]) => [
    revision,
    { ...tombstone, named: tombstone.named === true && desired === revision },
  ])
  return {
    stable,
    promotions,
    open,
    failed: Object.fromEntries(tombstones.slice(0, MOST_TOMBSTONES)) as Ledger['failed'],
    ...(exposure === undefined ? {} : { exposure }),
    ...servedLast(served, failed),
    ...(facts.world.leaving === undefined ? {} : { leaving: facts.world.leaving.uid }),
  }
}

/** Those that served last. Who has failed since counts no longer, whatever becomes of the tombstone. */
function servedLast(served: Standing['served'], failed: Standing['failed']): Pick<Ledger, 'served'> {
  const good = Object.entries(served).filter(([revision, { until }]) => (failed[revision]?.at ?? -Infinity) < until)
  const last = good.sort(([, a], [, b]) => b.until - a.until).slice(0, MOST_SERVED)
  return last.length === 0 ? {} : { served: Object.fromEntries(last) }
}

/** The tombstones with one more for the revision that is being rolled out. */
export function buried({ c, ledger, world }: Facts, failure: Failure): Standing['failed'] {
  if (c === undefined) return ledger.failed
  const tombstone: Tombstone = {
    rollout: c.id,
    hash: c.hash,
    reason: failure.reason,
    message: failure.message.slice(0, 256),
    at: world.now,
    named: world.settings.desired === c.revision,
    ...(failure.by === undefined ? {} : { by: failure.by }),
    ...(failure.action === undefined ? {} : { action: failure.action }),
  }
  return { ...ledger.failed, [c.revision]: tombstone }
}

/** Everything to stable in one write per VirtualService, with the tombstone in it. */
export function rollBack(facts: Facts, failure: Failure): Outcome {
  return outcome(failure.message, {
    action: writeRoutes(facts, undefined, { failed: buried(facts, failure) }),
  })
}

/** The tombstone alone: the canary was never named, or somebody took the route already. */
export function giveUp(facts: Facts, failure: Failure): Outcome {
  return outcome(failure.message, {
    action: writeLedgers(facts, { failed: buried(facts, failure) }),
  })
}

/** The tombstone, and stable in every route but those that somebody took: they are left as they were written. */
export function abandon(facts: Facts, failure: Failure, taken: readonly RouteFacts[]): Outcome {
  const ledger = ledgerWith(facts, undefined, { failed: buried(facts, failure) })
  const writes = facts.world.mesh.routes.map((route) => target(route, { ledger: counting(ledger, route.ledger?.undone), lists: !taken.includes(route), adopt: isNew(route) }))
  return outcome(failure.message, {
    action: { kind: 'routes', writes, own: undefined, live: false },
  })
}

/** Foreign writes undone, new routes pinned, edits made outside a rollout taken in. */
export function repair(facts: Facts, routes: readonly RouteFacts[], keep: boolean): Outcome {
  const foreign = routes.some(isForeign)
  const names = routes.map(({ record }) => record.name).join(', ')
  const exposure = keep ? facts.exposure : undefined
  const adopting = facts.c === undefined ? routes.filter(({ content }) => content === 'beyond' || content === 'lower') : []
  const adopted = writeRoutes(facts, exposure, {}, { only: adopting, adopt: true, undo: true })
  const others = writeRoutes(facts, exposure, {}, { only: routes.filter((route) => !adopting.includes(route)), undo: true })
  return outcome(`managed routes of ${names} are not as recorded`, {
    action: { ...others, writes: [...adopted.writes, ...others.writes] },
    events: [foreign ? warning('RouteRepaired', `a foreign change of ${names} was undone`) : normal('RoutePinned', `routes of ${names} pinned`)],
  })
}

/** Starts to roll `t` out: only status knows yet. */
export function start(facts: Facts, t: Target, extra: Change = {}): Outcome {
  const { status, settings, now } = facts.world
  const note = status?.previous?.revision === t.revision ? `going back to ${t.revision}, which still stands`
    : servedWithin(facts.ledger, t, settings.rollbackWindowMs, now) ? `going back to ${t.revision}, which served within rollbackWindow: one step, without analysis, once it is ready`
      : `new version ${t.revision}: starts dark`
  return outcome(`${t.revision} is to replace ${facts.s ?? ''}`, {
    action: { kind: 'status', live: false },
    change: { ...extra, rollout: rolloutFrom(facts, t), stepStarted: true },
    events: [normal('RolloutStarted', note)],
  })
}

/** The record of a rollout that begins now. */
export function rolloutFrom({ world }: Facts, t: Target): RolloutStatus {
  const at = instant(world.now)
  const name = stepAt(world.settings, 0)?.name
  return {
    revision: t.revision,
    stepIndex: 0,
    ...(name === undefined ? {} : { stepName: name }),
    steps: world.settings.steps.length,
    startedAt: at,
    stepStartedAt: at,
  }
}

/** The rollout is over: into the history, newest first. */
export function ended(facts: Facts, result: HistoryEntry['result'], failure?: Failure): Change {
  const { world, c } = facts
  const entry: HistoryEntry = {
    revision: c?.revision ?? '',
    result,
    ...(failure === undefined ? {} : { reason: failure.reason, message: failure.message.slice(0, 256) }),
    ...(failure?.by === undefined ? {} : { by: failure.by }),
    startedAt: world.status?.rollout?.startedAt ?? instant(world.now),
    endedAt: instant(world.now),
  }
  return { rollout: null, history: [entry, ...(world.status?.history ?? [])].slice(0, MOST_HISTORY) }
}

/** What status says once the pointer has moved to the canary. */
export function promoted(facts: Facts): Change {
  const { world, c } = facts
  const until = instant(world.now + world.settings.previousDelayMs)
  const wanted = c !== undefined && facts.t?.revision === c.revision ? { promoted: c.revision } : {}
  return { ...ended(facts, 'Promoted', shortcut(facts)), previous: { revision: world.status?.stableRevision ?? '', until }, ...wanted }
}

/** Why not every step was gone through, where that is so. */
function shortcut(facts: Facts): Failure | undefined {
  const [promotion, skipped] = [promotedBy(facts), analysisSkipped(facts)]
  if (promotion !== undefined) return { reason: 'StepsSkipped', message: `${promotion.by} skipped the remaining steps`, by: promotion.by }
  return skipped === undefined ? undefined : { reason: 'AnalysisSkipped', message: `steps and gates were skipped: ${skipped}` }
}

/** One more share for the canary, or all of it. */
export function raise(facts: Facts, next: Exposure): Outcome {
  const { settings } = facts.world
  const last = next.step >= settings.steps.length
  const passed = shortcut(facts)
  const note = last ? `${passed?.message ?? 'every step passed'}: all requests go to it` : `step ${next.step + 1}/${settings.steps.length} ${describe(next)}`
  return outcome(note, {
    action: writeRoutes(facts, next, {}, { live: true }),
    events: [
      ...(last && passed?.reason === 'AnalysisSkipped' ? [normal(passed.reason, `${next.revision}: ${passed.message}`)] : []),
      normal(last ? 'Promoting' : 'StepStarted', `${next.revision}: ${note}`),
    ],
  })
}

/** "1 pod", "3 pods". */
export const podsText = (count: number): string => (count === 1 ? '1 pod' : `${count} pods`)

/** An exposure in words: "5%", "match", "mirror 100%". */
export function describe(exposure: Exposure): string {
  const parts = [
    exposure.weight > 0 ? formatPercent(exposure.weight) : '',
    exposure.match.length > 0 ? 'match' : '',
    exposure.mirror === undefined ? '' : `mirror ${formatPercent(exposure.mirror.percent)}`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'dark' : parts.join(' + ')
}

/** The open list without `revision`: nobody may name it until it is opened again. */
export const openWithout = ({ ledger }: Facts, revision: string): Ledger['open'] => without(ledger.open, revision)

/** The rule's subsets without that of `revision`. */
export const subsetsWithout = ({ world }: Facts, revision: string): Readonly<Record<string, string>> =>
  without(world.mesh.rule.subsets, revision)

const without = <T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== key)) as Record<string, T>

export const normal = (reason: ReasonOf<'Normal'>, note: string): EventNote => ({ type: 'Normal', reason, note })
export const warning = (reason: ReasonOf<'Warning'>, note: string): EventNote => ({ type: 'Warning', reason, note })
