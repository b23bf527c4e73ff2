import type { Pass } from '../../src/canary/decide.ts'
import type { Action, RouteWrite } from '../../src/canary/decision.ts'
import { factsOf, workload } from '../../src/canary/facts.ts'
import type { Ledger, Tombstone } from '../../src/canary/ledger.ts'
import { stableLast } from '../../src/canary/versions.ts'
import type { World } from '../../src/canary/world.ts'
import type { Mutation } from './mutation.ts'
import { P } from './objects.ts'

const LONG = 1e9

/** The machine with one rule of docs/protocol.md taken out each. */
export const rules = {
  fence: { fenced: false },
  stamps: { world: stamped, live: false },
  closing: { pass: withoutWrites(closes), world: closed },
  floor: { world: flooredAtOnce },
  tombstones: { pass: withoutTombstones(['2', '3', '4', '6']) },
  outlives: { world: (world) => withTombstones(world, (tombstone, revision, { open }) => (open[revision] === undefined ? { ...tombstone, rollout: '' } : tombstone)) },
  age: { world: (world) => ({ ...world, ages: { ...world.ages, routes: LONG } }) },
  ready: { world: (world) => ({ ...world, ages: { ...world.ages, ready: longFor(world.ages.ready) } }) },
  subsets: { world: (world) => ({ ...world, ages: { ...world.ages, subsets: longFor(world.ages.subsets) } }) },
  spread: { world: (world: World) => ({ ...world, ages: { ...world.ages, subsets: longFor(world.ages.subsets), ready: longFor(world.ages.ready) } }) },
  stable: { world: stableFromStatus },
  otherEnds: { pass: withoutTombstones(['5', '6']) },
  promoting: { pass: silentWhilePromoting },
  older: { stale: false, live: false },
  revert: { world: revertsAtOnce },
  clocks: { world: aheadByP },
  firstTemplate: { world: adoptsWhatItSawFirst },
  leftovers: { pass: withoutRows(['24']) },
  suspended: { pass: (pass, world) => (world.settings.suspend ? nothing(pass) : pass) },
  supersede: { world: supersedesAtOnce },
  perVersion: { pass: onlyLastTombstone },
  stableSeen: { world: (world) => ({ ...world, ...(world.status?.stableRevision === undefined ? {} : { status: { ...world.status, seen: stableLast(world.status.seen, world.status.stableRevision) } }) }) },
  ties: { world: (world) => ({ ...world, workloads: world.workloads.map((workload) => (workload.revision === 'v2' ? { ...workload, name: 'web-v9' } : workload)) }) },
  idleOnly: { pass: (pass, world) => (factsOf(world).phase === 'Idle' ? pass : withoutRows(['9'])(pass)) },
  remembersFailures: { pass: withoutRows(['10t']) },
  emptiesLast: { world: seesOnlyItsKeeper },
  stampsDeletion: { world: saidToLeave },
  naming: { pass: withoutRows(['10']) },
  namedAnew: { world: (world) => withTombstones(world, (tombstone) => ({ ...tombstone, named: true })) },
  namedStill: { world: (world) => withTombstones(world, (tombstone) => ({ ...tombstone, named: false })) },
  changed: { world: (world) => withTombstones(world, (tombstone, revision) => ({ ...tombstone, hash: workload(world.workloads, revision)?.hash ?? tombstone.hash })) },
  overdue: { world: (world) => ({ ...world, ...(world.leaving === undefined ? {} : { leaving: { ...world.leaving, seenAt: world.now } }) }) },
  overdueMoved: { pass: letsGoOverdue },
  leavesAlone: { world: (world) => (world.leaving === undefined ? world : { ...world, mesh: { ...world.mesh, rule: { ...world.mesh.rule, exists: true } } }) },
  guardsLeaving: { pass: (pass, world) => (world.leaving === undefined ? pass : withoutRows(['2', '7'])(pass)) },
  saysWhatServes: { world: targetSaysStable },
  supersedesPromoting: { pass: (pass, world) => (factsOf(world).phase === 'Promoting' && factsOf(world).t?.revision !== factsOf(world).c?.revision ? nothing(pass) : pass) },
} satisfies Readonly<Record<string, Mutation>>

const TARGET = { source: 'target' } as const
const CALM = { edit: 0, delete: 0, recreate: 0, gate: 0, rule: 0, suspend: 0 }

/** Each of them at random, where it matters: what the walk must not survive. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  '1, a resourceVersion fences one object': { ...rules.fence, hangs: 0.3 },
  '1, stamps: an older decided write to a Deployment or the rule lands': { ...rules.stamps, hangs: 0.3, weights: { ...CALM, pods: 0, desired: 3, template: 0.2, second: 2 } },
  '1, closing: capacity is taken away without a word in the VirtualService': rules.closing,
  '3, the tombstone is written with the route': rules.tombstones,
  '4, a wait belongs to content': rules.age,
  '5, endpoints propagate too': rules.ready,
  '5, and so do subsets': rules.subsets,
  '6, stable stands in the VirtualService': rules.stable,
  '7, every end but promotion, supersede and revert writes its tombstone': rules.otherEnds,
  '8, Promoting rolls back like Progressing': rules.promoting,
  '9, an older cache is not looked at': rules.older,
  '10, one step back only where pods and subset have stood': { ...rules.revert, hangs: 0.02, style: { source: 'versions', windows: false }, weights: { ...CALM, desired: 2, pods: 1.5, crash: 1.5, prune: 0, remove: 0, leave: 0, verdict: 0.2 } },
  '11, ages are on the own monotonic clock: another leader is a propagation ahead': rules.clocks,
  '13, what protects users is never suspended': rules.suspended,
  '15, a superseded canary waits for propagation and drain': { ...rules.supersede, weights: { ...CALM, pods: 0, template: 2, desired: 1 } },
  '16, tombstones are kept per version': { ...rules.perVersion, weights: { ...CALM, pods: 0, desired: 2, verdict: 3 } },
  'row 9, the target is emptied': { pass: withoutRows(['9']), style: TARGET },
  'row 9, and not while it may be reached': { ...rules.age, style: TARGET },
  'row 9r, a restart reaches the pods that serve': { pass: withoutRows(['9r']), style: TARGET },
  'row 10t, what serves forgets the failures': { ...rules.remembersFailures, style: TARGET },
  'row 25c, stable is made again': { pass: withoutRows(['25c']), style: TARGET },
  'row 25, stable has the size that is wished': { pass: withoutRows(['25']), style: TARGET },
  'row 24, what a changed adoption left behind goes': { ...rules.leftovers, style: TARGET },
  'row 24d, old revisions go': { pass: withoutRows(['24d']), style: TARGET },
  'row 27, a pin waits for subset and endpoints': { world: (world) => (factsOf(world).adopted ? world : (rules.spread.world(world))), style: TARGET },
  'row 29, others go before a route is opened': { ...rules.emptiesLast, style: { ...TARGET, onDelete: 'Restore' }, weights: { leave: 0.4 } },
  'row 29, the target’s pods and subset have spread before a route leads there': { world: (world) => (world.leaving === undefined ? world : rules.spread.world(world)), style: { ...TARGET, onDelete: 'Restore' }, weights: { leave: 0.4 } },
  'people, a step waits for its approval': { world: (world) => ({ ...world, settings: { ...world.settings, steps: world.settings.steps.map((step) => ({ ...step, approval: false })) } }), weights: { ask: 0.4 } },
  'people, an abort is heard': { world: (world) => ({ ...world, actions: world.actions.filter(({ action }) => action !== 'Abort') }), weights: { ask: 2 } },
}

function stamped(world: World): World {
  const { ledger } = factsOf(world)
  const rolled = (revision: string) => ledger.open[revision]?.rollout
  const subsets = Object.entries(world.mesh.rule.subsets).map(([revision, stamp]) => [revision, rolled(revision) ?? stamp] as const)
  return {
    ...world,
    workloads: world.workloads.map((workload) => ({ ...workload, stamp: rolled(workload.revision) ?? workload.stamp })),
    mesh: { ...world.mesh, rule: { ...world.mesh.rule, subsets: Object.fromEntries(subsets) } },
  }
}

/** Stable's size counts as its floor without a word on its Deployment. */
function flooredAtOnce(world: World): World {
  const { c, s } = factsOf(world)
  if (c === undefined) return world
  return { ...world, workloads: world.workloads.map((workload) => (workload.revision === s ? { ...workload, floor: { rollout: c.rollout, replicas: workload.replicas } } : workload)) }
}

/** Until the pin the target's template is what it was when adoption began. */
function adoptsWhatItSawFirst(world: World): World {
  const { adopted } = factsOf(world)
  return adopted || world.target === undefined ? world : { ...world, target: { ...world.target, revision: 'a' } }
}

/** Nothing but what is to serve after a deletion has anything left. */
function seesOnlyItsKeeper(world: World): World {
  const own = world.target?.own
  if (own === undefined || factsOf(world).s !== own) return world
  const only = <T>(record: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(record).filter(([revision]) => revision === own))
  const alone = withLedgers(world, (ledger) => ({ ...ledger, open: only(ledger.open) }))
  return { ...alone, workloads: world.workloads.filter(({ revision }) => revision === own), mesh: { ...alone.mesh, rule: { ...world.mesh.rule, subsets: only(world.mesh.rule.subsets) } } }
}

/** While the Canary goes, the target counts as saying what serves. */
function targetSaysStable(world: World): World {
  const { target, status } = world
  if (target?.own === undefined || status?.stableRevision === undefined) return world
  const { observedTarget: _observed, ...rest } = status
  return { ...world, status: rest, target: { ...target, revision: status.stableRevision } }
}

/** Past progressDeadline a deletion ends wherever it is. */
function letsGoOverdue(pass: Pass, { leaving, now, settings }: World): Pass {
  if (leaving === undefined || now <= leaving.seenAt + settings.progressDeadlineMs) return pass
  return { ...pass, decision: { ...pass.decision, row: '28', action: { kind: 'finalizer', present: false, live: false } } }
}

const withTombstones = (world: World, change: (tombstone: Tombstone, revision: string, ledger: Ledger) => Tombstone): World => withLedgers(world, (ledger) =>
  ({ ...ledger, failed: Object.fromEntries(Object.entries(ledger.failed).map(([revision, tombstone]) => [revision, change(tombstone, revision, ledger)])) }))

/** Every VirtualService has heard of the deletion already. */
function saidToLeave(world: World): World {
  const { leaving } = world
  if (leaving === undefined) return world
  return withLedgers(world, (ledger) => ({ ...ledger, leaving: leaving.uid }))
}

export function withoutRows(rows: readonly string[]): (pass: Pass) => Pass {
  return (pass) => (rows.includes(pass.decision.row) ? nothing(pass) : pass)
}

function revertsAtOnce(world: World): World {
  const { c } = factsOf(world)
  return c?.revert === true ? { ...world, ages: { ...world.ages, ready: longFor(world.ages.ready), subsets: longFor(world.ages.subsets) } } : world
}

function aheadByP(world: World): World {
  const ahead = (ages: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(ages).map(([name, age]) => [name, age + P]))
  return { ...world, ages: { routes: world.ages.routes + P, subsets: ahead(world.ages.subsets), ready: ahead(world.ages.ready) } }
}

function supersedesAtOnce(world: World): World {
  const { c, t, phase } = factsOf(world)
  const isSuperseded = phase === 'Progressing' && c !== undefined && t !== undefined && t.revision !== c.revision
  return isSuperseded ? { ...world, ages: { ...world.ages, routes: LONG } } : world
}

/** Everything but stable and what is being rolled out counts as closed already. */
function closed(world: World): World {
  const { s, c, t, phase } = factsOf(world)
  const goesOn = (phase === 'Progressing' && t?.revision === c?.revision) || phase === 'Promoting'
  const kept = new Set([s, goesOn ? c?.revision : undefined])
  return withLedgers(world, (ledger) => ({ ...ledger, open: Object.fromEntries(Object.entries(ledger.open).filter(([revision]) => kept.has(revision))) }))
}

function closes(action: Action): boolean {
  return action.kind === 'routes' && action.writes.some(({ write }) => !write.lists && write.ledger.exposure === undefined && Object.keys(write.ledger.open).length === 1)
}

function withoutWrites(which: (action: Action) => boolean): (pass: Pass) => Pass {
  return (pass) => (which(pass.decision.action) ? nothing(pass) : pass)
}

function withoutTombstones(rows: readonly string[]): (pass: Pass, world: World) => Pass {
  return (pass, world) => {
    if (!rows.includes(pass.decision.row)) return pass
    const { failed } = factsOf(world).ledger
    return rewritten(pass, (write) => ({ ...write, ledger: { ...write.ledger, failed } }))
  }
}

function onlyLastTombstone(pass: Pass): Pass {
  const last = (failed: Readonly<Record<string, Tombstone>>) => Object.fromEntries(Object.entries(failed).sort(([, a], [, b]) => b.at - a.at).slice(0, 1))
  return rewritten(pass, (write) => ({ ...write, ledger: { ...write.ledger, failed: last(write.ledger.failed) } }))
}

function rewritten(pass: Pass, change: (write: RouteWrite) => RouteWrite): Pass {
  const { action } = pass.decision
  if (action.kind !== 'routes') return pass
  const writes = action.writes.map((target) => ({ ...target, write: change(target.write) }))
  return { ...pass, decision: { ...pass.decision, action: { ...action, writes, own: action.own && change(action.own) } } }
}

function stableFromStatus(world: World): World {
  const stable = world.status?.stableRevision
  if (stable === undefined) return world
  return withLedgers(world, (ledger) => ({ ...ledger, stable }))
}

function silentWhilePromoting(pass: Pass, world: World): Pass {
  return factsOf(world).phase === 'Promoting' && pass.decision.row === '4' ? nothing(pass) : pass
}

/** The pass says nothing. */
export const nothing = (pass: Pass): Pass => ({ ...pass, decision: { ...pass.decision, row: '-', action: { kind: 'none' } } })

/** Every ledger says something else. */
export const withLedgers = (world: World, change: (ledger: Ledger) => Ledger): World =>
  ({ ...world, mesh: { ...world.mesh, routes: world.mesh.routes.map((route) => ({ ...route, ledger: route.ledger && change(route.ledger) })) } })

const longFor = (ages: Readonly<Record<string, number>>) => Object.fromEntries(Object.keys(ages).map((name) => [name, LONG]))
