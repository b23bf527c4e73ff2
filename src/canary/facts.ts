import type { CanaryStatus, SeenVersion } from '../api/canary.ts'
import { instant } from './instant.ts'
import type { Exposure, Ledger, Tombstone } from './ledger.ts'
import { isPromoting } from './steps.ts'
import { isObserved, movedConfig } from './tracked-config.ts'
import { knownHash, seenVersions, stableLast } from './versions.ts'
import type { RouteFacts, Workload, World } from './world.ts'

/** The letters of the protocol, derived anew in every pass from what stands in the objects. */
export type Facts = {
  readonly world: World
  /** Everything that the believed ledgers say together, but for the exposure. */
  readonly ledger: Standing
  /** A stable revision is known. */
  readonly adopted: boolean
  readonly phase: 'Initializing' | 'Idle' | 'Failed' | 'Waiting' | 'Progressing' | 'Promoting' | 'RollingBack' | 'Terminating'
  readonly seen: readonly SeenVersion[]
  /** s: the stable revision, and its Deployment. */
  readonly s: string | undefined
  readonly stable: Workload | undefined
  /** t: what should serve. */
  readonly t: Target | undefined
  /** c: what is being rolled out, and its Deployment. */
  readonly c: Candidate | undefined
  readonly canary: Workload | undefined
  /** What users meet: the highest exposure while a write has reached only some of the managed routes. */
  readonly exposure: Exposure | undefined
  /** A write has reached only some of them: it is finished, or taken back, before anything else rises. */
  readonly isPartial: boolean
}

export type Standing = Pick<Ledger, 'stable' | 'promotions' | 'open' | 'failed'> & {
  readonly served: NonNullable<Ledger['served']>
  /** In the VirtualService that others change most, in the last ten minutes. */
  readonly undone: readonly number[]
}

export type Target = { readonly revision: string; readonly hash: string }

export type Candidate = Target & {
  /** Names this rollout; tombstones carry it. */
  readonly id: string
  /** The same, or where it is one step back the rollout that opened it then; openings and stamps carry it. */
  readonly rollout: string
  /** It is the previous stable, still at its size: one step back, without analysis. */
  readonly revert: boolean
  /** It was stable within `rollbackWindow`, with this very template: one step, without analysis, once it is ready again. */
  readonly returning: boolean
}

const CONTEST_MS = 10 * 60_000
const CONTEST_WRITES = 3

/** Derives the letters. Total: any world has facts. */
export function factsOf(world: World): Facts {
  const { status, workloads, mesh } = world
  const believed = mesh.routes.filter((route) => route.ledger !== undefined && !route.lost)
  const adopted = believed.length > 0 || status?.stableRevision !== undefined
  const ledger = mergedLedger(believed, world)
  const s = ledger.stable === '' ? undefined : ledger.stable
  const isMade = world.settings.source.kind === 'target'
  const seen = isMade ? [] : seenNow(world, s, adopted)
  const t = isMade ? revisionWanted(world) : targetOf(world, seen, s)
  const c = adopted ? candidateOf(world, ledger, seen) : undefined
  const exposure = highestExposure(believed)
  const isPartial = exposure !== undefined && believed.some((route) => route.ledger?.exposure?.step !== exposure.step)
  const base = { world, ledger, adopted, seen, s, t, c, exposure, isPartial }
  return { ...base, stable: workload(workloads, s), canary: workload(workloads, c?.revision), phase: phaseOf(base) }
}

/** The Deployment of a revision. */
export const workload = (workloads: readonly Workload[], revision: string | undefined): Workload | undefined =>
  workloads.find((candidate) => candidate.revision === revision)

/** The tombstone that ends the present rollout. */
export const tombstoneOf = (facts: Pick<Facts, 'ledger' | 'c'>): Tombstone | undefined => {
  const tombstone = facts.c && facts.ledger.failed[facts.c.revision]
  return tombstone?.rollout === facts.c?.id ? tombstone : undefined
}

/** Why `target` may not be rolled out again; undefined where nothing stands against it. */
export function failureOf(facts: Pick<Facts, 'ledger' | 'world'>, target: Target | undefined): Tombstone | undefined {
  const tombstone = target && facts.ledger.failed[target.revision]
  if (target === undefined || tombstone === undefined || tombstone.retried !== undefined || tombstone.hash !== target.hash) return undefined
  const namedAnew = facts.world.settings.desired === target.revision && tombstone.named !== true
  return namedAnew ? undefined : tombstone
}

/** Whether any managed route gives requests to `revision`, by what stands or by what was written. */
export const isNamed = ({ world: { mesh } }: Facts, revision: string): boolean =>
  mesh.routes.some((route) => route.reaches.includes(revision) || route.ledger?.exposure?.revision === revision)

/** Whether others undid our route too often of late. */
export const isContested = ({ ledger }: Pick<Facts, 'ledger'>): boolean => ledger.undone.length >= CONTEST_WRITES

/** Until when others have undone our route too often, milliseconds since the epoch. */
export const contestedUntil = ({ ledger }: Pick<Facts, 'ledger'>): number => (ledger.undone[ledger.undone.length - CONTEST_WRITES] ?? 0) + CONTEST_MS

/** The times to remember once one more foreign write of a VirtualService is undone. */
export const undoneNow = ({ world }: Facts, route: RouteFacts): readonly number[] =>
  [...undoneLately(route.ledger, world), world.now].slice(-CONTEST_WRITES)

const undoneLately = (ledger: Ledger | undefined, { now }: World): readonly number[] => ledger?.undone?.filter((at) => at > now - CONTEST_MS) ?? []

function mergedLedger(believed: readonly RouteFacts[], world: World): Standing {
  const ledgers = believed.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger])).sort((a, b) => b.promotions - a.promotions)
  const newest = ledgers[0]
  if (newest === undefined) return rememberedLedger(world)
  const oldestFirst = [...ledgers].reverse()
  return {
    stable: newest.stable,
    promotions: newest.promotions,
    open: Object.assign({}, ...oldestFirst.map((ledger) => ledger.open)) as Ledger['open'],
    failed: Object.assign({}, ...oldestFirst.map(retried(true)), ...oldestFirst.map(retried(false))) as Ledger['failed'],
    served: newest.served ?? {},
    undone: ledgers.map((ledger) => undoneLately(ledger, world)).reduce((a, b) => (b.length > a.length ? b : a)),
  }
}

/** A retry counts once every VirtualService says so: before that, any tombstone does. */
const retried = (wanted: boolean) => ({ failed }: Ledger): Ledger['failed'] =>
  Object.fromEntries(Object.entries(failed).filter(([, tombstone]) => (tombstone.retried !== undefined) === wanted))

/** Before the first pin, or with every VirtualService gone: what status and the rule's stamps remember. */
function rememberedLedger(world: World): Standing {
  const { status, mesh, settings } = world
  const stable = stableRemembered(world)
  const rollout = status?.stableRevision === undefined ? adoptionOf(stable) : (mesh.rule.subsets[stable] ?? adoptionOf(stable))
  const failed = [...(status?.seen ?? []), ...madeAndFailed({ status, settings })]
    .filter((entry) => entry.failed !== undefined)
    .map((entry) => [entry.revision, tombstoneFrom(entry, status)] as const)
  const open = { [stable]: { rollout, hash: openedAs(world, stable) } }
  return { stable, promotions: 0, open, failed: Object.fromEntries(failed), served: {}, undone: [] }
}

const stableRemembered = (world: World): string =>
  world.status?.stableRevision ?? (world.settings.source.kind === 'target' ? revisionWanted(world)?.revision : stableToBe(world)) ?? ''

const openedAs = ({ settings, workloads }: World, stable: string): string =>
  settings.source.kind === 'target' ? stable : (workload(workloads, stable)?.hash ?? '')

/** Of a target's revisions status remembers the one that failed last. */
function madeAndFailed({ status, settings }: Pick<World, 'status' | 'settings'>): readonly SeenVersion[] {
  const { revision, reason = 'Unknown', at } = status?.failed ?? {}
  if (settings.source.kind !== 'target' || revision === undefined || at === undefined) return []
  return [{ revision, uid: '', hash: revision, generation: 0, since: at, failed: reason }]
}

/** Names the opening of the revision that is stable at adoption. */
const adoptionOf = (stable: string): string => rolloutId(stable, 'adoption')

const tombstoneFrom = (entry: SeenVersion, status: CanaryStatus | undefined): Tombstone => ({
  rollout: '',
  hash: entry.hash,
  reason: entry.failed ?? 'Unknown',
  message: status?.failed?.revision === entry.revision ? (status.failed.message ?? '') : '',
  at: Date.parse((status?.failed?.revision === entry.revision ? status.failed.at : undefined) ?? entry.since),
  named: true,
})

/** What the routes name, else the only one with pods, else `versions.desired`. */
function stableToBe({ mesh, workloads, settings }: Pick<World, 'mesh' | 'workloads' | 'settings'>): string | undefined {
  if (mesh.namedAtFirst !== undefined) return mesh.namedAtFirst
  const running = workloads.filter((candidate) => candidate.replicas > 0)
  return running.length === 1 ? running[0]?.revision : settings.desired
}

/** With status gone, or one that has seen nothing yet, what the routes expose is what is being rolled out: it stands behind stable. */
function seenNow({ status, workloads, now, mesh }: World, s: string | undefined, adopted: boolean): readonly SeenVersion[] {
  const time = instant(now)
  if (adopted && status !== undefined && status.seen.length > 0) return seenVersions(status.seen, workloads, s, time)
  if (s === undefined) return []
  const exposed = mesh.routes.find(({ ledger }) => ledger?.exposure !== undefined)?.ledger?.exposure?.revision
  const seen = stableLast(seenVersions([], workloads, s, time), s)
  return adopted && exposed !== undefined ? stableLast(seen, exposed) : seen
}

/**
 * What the target's pod template stands for. A revision that was read from this very generation keeps its name: if the
 * hash moved since, it was a new default of the API, or a new Serin, and nobody asks for a release. Another one is asked
 * for without a new generation where the content of what its pods are configured with is another.
 */
function revisionWanted({ target, status }: World): Target | undefined {
  if (target === undefined) return undefined
  const known = status?.observedTarget
  const isKnown = isObserved(known, target) && movedConfig(known.config, target.config).length === 0
  const wanted = isKnown ? known.revision : target.revision
  return wanted === undefined ? undefined : { revision: wanted, hash: wanted }
}

/** What `versions.desired` names, else the version seen last; stable where that one's Deployment is gone. */
function targetOf({ settings, workloads }: World, seen: readonly SeenVersion[], s: string | undefined): Target | undefined {
  const deployment = workload(workloads, settings.desired ?? seen.at(-1)?.revision)
  if (deployment !== undefined) return { revision: deployment.revision, hash: knownHash(seen, deployment) }
  return settings.desired !== undefined || s === undefined ? undefined : { revision: s, hash: '' }
}

function candidateOf(world: World, ledger: Standing, seen: readonly SeenVersion[]): Candidate | undefined {
  const { status, settings } = world
  const rollout = status?.rollout
  if (rollout === undefined) return undefined
  const { revision, startedAt } = rollout
  const opening = ledger.open[revision]
  const known = hashKnown(world, seen, revision)
  const id = rolloutId(revision, startedAt)
  // The previous stable with another template is a version like any other.
  if (opening !== undefined && isStepBack(status, ledger, { revision, hash: known }))
    return { revision, hash: known, id, rollout: opening.rollout, revert: true, returning: false }
  const hash = opening?.rollout === id ? opening.hash : known
  return { revision, hash, id, rollout: id, revert: false, returning: servedWithin(ledger, { revision, hash }, settings.rollbackWindowMs, Date.parse(startedAt)) }
}

/** Whether a revision was stable, with this very template, at most `windowMs` before `at`: asked of a rollout's start, it stays so until its end. */
export function servedWithin({ served }: Pick<Standing, 'served'>, { revision, hash }: Target, windowMs: number, at: number): boolean {
  const service = served[revision]
  return windowMs > 0 && service !== undefined && service.hash === hash && at - service.until <= windowMs
}

/** A target's revision is named after what it runs: its name says all that a hash could. */
const hashKnown = ({ settings }: World, seen: readonly SeenVersion[], revision: string): string =>
  settings.source.kind === 'target' ? revision : (seen.find((entry) => entry.revision === revision)?.hash ?? '')
/** Whether `target` is the stable before this one, as it was and at its size: one step back. */
export const isStepBack = (status: CanaryStatus | undefined, { open }: Pick<Standing, 'open'>, { revision, hash }: Target): boolean =>
  status?.previous?.revision === revision && open[revision]?.hash === hash

/** Names a rollout after its revision and its start: both stand in status, so every process finds the same name. */
export const rolloutId = (revision: string, startedAt: string): string => `${revision}@${startedAt}`

const highestExposure = (believed: readonly RouteFacts[]): Exposure | undefined =>
  believed.map((route) => route.ledger?.exposure).reduce((high, next) => (high === undefined || (next !== undefined && next.step > high.step) ? next : high), undefined)

function phaseOf(facts: Omit<Facts, 'phase' | 'stable' | 'canary'>): Facts['phase'] {
  if (facts.world.leaving !== undefined) return 'Terminating'
  if (!facts.adopted) return 'Initializing'
  if (facts.c !== undefined) {
    if (tombstoneOf(facts) !== undefined) return 'RollingBack'
    return isPromoting(facts.world.settings, facts.exposure) ? 'Promoting' : 'Progressing'
  }
  if (facts.t?.revision === facts.s) return 'Idle'
  return failureOf(facts, facts.t) === undefined ? 'Waiting' : 'Failed'
}
