import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import type { Action } from './decision.ts'
import type { Ledger } from './ledger.ts'
import { exposureOf } from './steps.ts'
import { checkOf, D, idleWorld, ledgerOf, NOW, P, rollingWorld, ROLLOUT, routeOf, settings, statusOf, workloadOf, type Overrides } from './world.fixture.ts'
import { NO_EVIDENCE, type World } from './world.ts'

const rowOf = (world: World) => decide(world).decision.row
const actionOf = (world: World) => decide(world).decision.action
const ledgerWritten = (action: Action): Omit<Ledger, 'uid'> | undefined => (action.kind === 'routes' ? (action.writes[0]?.write ?? action.own)?.ledger : undefined)
const fails = { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Fail', 2)] }
const dark = (over: Overrides = {}) => rollingWorld(-1, over)
const seenBoth = rollingWorld(0).status?.seen ?? []
const tombstone = (over = {}) => ({ rollout: ROLLOUT, hash: 'hash-v2', reason: 'ErrorRate', message: 'too many', at: NOW, ...over })
const failedLedger = (over = {}) => ledgerOf({ failed: { v2: tombstone(over) } })

describe('a rollout, row by row', () => {
  it('rests while what should serve is what serves', () => {
    expect(actionOf(idleWorld())).toEqual({ kind: 'none' })
    expect(decide(idleWorld()).status).toMatchObject({ phase: 'Idle', weight: '0%', stableRevision: 'v1' })
  })

  it('takes a new version up in status alone (12), stamps the floor (15), opens (16), then gives it a subset (17)', () => {
    const fresh = idleWorld({ workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2')] })
    expect(decide(fresh)).toMatchObject({ decision: { row: '12', action: { kind: 'status' } }, status: { phase: 'Progressing', rollout: { revision: 'v2' }, step: '0/3' } })
    const status = decide(fresh).status
    const rollout = `v2@${status.rollout?.startedAt ?? ''}`
    const begun = { ...fresh, status }
    expect(decide(begun).decision).toMatchObject({ row: '15', action: { kind: 'workload', revision: 'v1', floor: { rollout, replicas: 4 } } })
    const floored = { ...begun, workloads: [workloadOf('v1', { stamp: 'v1@adoption', floor: { rollout, replicas: 4 } }), workloadOf('v2')] }
    const opening = decide(floored).decision
    expect(opening.row).toBe('16')
    expect(ledgerWritten(opening.action)?.open['v2']).toEqual({ rollout, hash: 'hash-v2' })
    const opened = { ...floored, mesh: { ...floored.mesh, routes: [routeOf(ledgerOf({ open: { ...ledgerOf().open, v2: { rollout, hash: 'hash-v2' } } }))] } }
    expect(decide(opened).decision).toMatchObject({ row: '17', action: { kind: 'workload', revision: 'v2', stamp: rollout } })
    const stamped = { ...opened, workloads: opened.workloads.map((known) => (known.revision === 'v2' ? { ...known, stamp: rollout } : known)) }
    expect(decide(stamped).decision).toMatchObject({ row: '17', action: { kind: 'rule', subsets: { v1: 'v1@adoption', v2: rollout } } })
  })

  it('raises one step at a time (18), and begins promotion past the last', () => {
    expect(rowOf(dark())).toBe('18')
    for (const step of [-1, 0, 1]) expect(ledgerWritten(actionOf(rollingWorld(step)))?.exposure).toMatchObject({ step: step + 1, revision: 'v2' })
    const last = decide(rollingWorld(2))
    expect(ledgerWritten(last.decision.action)?.exposure).toMatchObject({ weight: 100, step: 3 })
    expect(last.status.phase).toBe('Promoting')
  })

  it('moves the pointer only after propagation and drain (20)', () => {
    const promoting = rollingWorld(3)
    const waits = { ...promoting, ages: { ...promoting.ages, routes: P + D - 1 } }
    expect(decide(waits)).toMatchObject({ decision: { action: { kind: 'none' } }, status: { phase: 'Promoting' } })
    const { decision, status } = decide({ ...promoting, ages: { ...promoting.ages, routes: P + D } })
    expect(ledgerWritten(decision.action)).toMatchObject({ stable: 'v2', promotions: 1 })
    expect(status).toMatchObject({ phase: 'Idle', stableRevision: 'v2', previous: { revision: 'v1' }, history: [{ revision: 'v2', result: 'Promoted' }] })
  })

  it.each([
    ['its time is not over', { ...NO_EVIDENCE, observedMs: 59_000, checks: [checkOf('Pass')] }, 'Bake'],
    ['evidence is missing', { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('NotEnoughEvidence')] }, 'Evidence'],
    ['Prometheus is in error', { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Error')] }, 'Evidence'],
    ['nothing was asked yet', { ...NO_EVIDENCE, observedMs: 60_000 }, 'Evidence'],
    ['there is no data', { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('NoData')] }, 'Evidence'],
    ['one failed check is not two', { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Fail', 1)] }, 'Evidence'],
    ['the mesh answers strangely', { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Pass')], unusual: 'more than usual' }, 'Evidence'],
  ] as const)('holds a step (19) while %s', (_why, evidence, waitingFor) => {
    expect(decide(rollingWorld(1, { evidence }))).toMatchObject({ decision: { row: '19', action: { kind: 'none' } }, status: { rollout: { waitingFor } } })
  })

  it('retires what failed: close, then pods to 0, then its subset, then the end (22)', () => {
    const failed = { ...ledgerOf({ open: rollingWorld(0).mesh.routes[0]?.ledger?.open ?? {} }), failed: { v2: tombstone() } }
    const rollingBack = (over: Overrides = {}, ledger: Ledger = failed) => rollingWorld(-1, { ...over, mesh: { routes: [routeOf(ledger)] } })
    expect(ledgerWritten(actionOf(rollingBack()))?.open).toEqual({ v1: { rollout: 'v1@adoption', hash: 'hash-v1' } })
    const closed = { ...failed, open: ledgerOf().open }
    expect(actionOf(rollingBack({}, closed))).toMatchObject({ kind: 'workload', revision: 'v2', replicas: 0 })
    const gone = { workloads: [workloadOf('v1', { stamp: 'v1@adoption', floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { replicas: 0, ready: 0 })] }
    expect(actionOf(rollingBack(gone, closed))).toMatchObject({ kind: 'rule', subsets: { v1: 'v1@adoption' } })
    const bare = rollingBack(gone, closed)
    const ended = decide({ ...bare, mesh: { ...bare.mesh, rule: { ...bare.mesh.rule, subsets: { v1: 'v1@adoption' } } } })
    expect(ended.status).toMatchObject({ phase: 'Failed', failed: { revision: 'v2', reason: 'ErrorRate' }, history: [{ result: 'RolledBack' }] })
    expect(ended.status.rollout).toBeUndefined()
  })
})

describe('rolling back', () => {
  it('is one write of every VirtualService, with the tombstone in it, and rests on nothing read live (4)', () => {
    const [route] = rollingWorld(1).mesh.routes
    const two = [route, route && { ...route, record: { ...route.record, name: 'gateway' }, mesh: false }].filter((one) => one !== undefined)
    const { action } = decide(rollingWorld(1, { evidence: fails, mesh: { routes: two } })).decision
    expect(action).toMatchObject({ kind: 'routes', live: false, writes: [{ name: 'web' }, { name: 'gateway' }] })
    expect(ledgerWritten(action)?.exposure).toBeUndefined()
    expect(ledgerWritten(action)?.failed['v2']).toMatchObject({ rollout: ROLLOUT, reason: 'ErrorRate' })
  })

  it('that has reached only some of the routes is finished before anything else (21)', () => {
    const [exposed] = rollingWorld(1).mesh.routes
    const rolledBack = routeOf({ ...ledgerOf({ open: exposed?.ledger?.open ?? {} }), failed: { v2: tombstone() } }, { record: { namespace: 'test', name: 'gateway', mode: 'Route' } })
    const world = rollingWorld(1, { mesh: { routes: [...rollingWorld(1).mesh.routes, rolledBack] }, settings: settings({ preview: { service: 'web-preview', match: [] } }) })
    expect(decide(world)).toMatchObject({ decision: { row: '21', action: { writes: [{ name: 'web' }, { name: 'gateway' }] } } })
    expect(decide({ ...world, endpoints: {} }).decision.row).not.toBe('21')
    expect(decide({ ...world, endpoints: {}, previews: { 'web-preview': 'v1' } })).toMatchObject({ decision: { row: '21w' }, status: { message: expect.stringContaining('no way back') as string } })
  })

  it('happens while stable is short of pods, but not while it has none', () => {
    const stable = (ready: number) => [workloadOf('v1', { ready, settled: false, floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: ROLLOUT })]
    expect(rowOf(rollingWorld(1, { evidence: fails, workloads: stable(1) }))).toBe('4')
    const lost = decide(rollingWorld(1, { evidence: fails, workloads: stable(0) }))
    expect(lost.decision.action.kind).toBe('none')
    expect(lost.status.conditions.find(({ type }) => type === 'Degraded')).toMatchObject({ status: 'True', reason: 'NoStableEndpoint' })
  })

  it.each([
    ['its last pod is gone', { workloads: [workloadOf('v1', { floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: ROLLOUT, ready: 0 })] }, 'NoReadyCanary'],
    ['the mesh itself answers after a change of ours', { evidence: { ...NO_EVIDENCE, broken: '3 NC' } }, 'MeshBroken'],
    ['something appears that forbids rollouts', { mesh: { refusals: [{ reason: 'TcpOrTlsRoute', message: 'a tcp route' }] } }, 'TcpOrTlsRoute'],
  ] as const)('happens when %s', (_why, over, reason) => {
    expect(ledgerWritten(actionOf(rollingWorld(1, over)))?.failed['v2']).toMatchObject({ reason })
  })

  it.each([
    [undefined, 'no pod is ready'],
    ['FailedCreate: exceeded quota', 'no pod is ready: FailedCreate: exceeded quota'],
    ['no pod is', 'no pod is ready'],
  ])('at the deadline of the pods says what they say now (%s), beside what status said', (trouble, message) => {
    const { status } = rollingWorld(-1)
    const rollout = { ...(status?.rollout ?? { revision: '', stepIndex: 0, startedAt: '' }), waitingFor: 'Pods' as const, until: new Date(NOW - 1).toISOString() }
    const late = dark({ status: statusOf({ ...status, rollout, message: 'no pod is ready' }), workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2', { stamp: ROLLOUT, ready: 0, trouble })] })
    expect(ledgerWritten(actionOf(late))?.failed['v2']).toMatchObject({ reason: 'ProgressDeadline', message })
  })

  it('happens at a deadline, whoever restarted in between', () => {
    const late = settings({ steps: settings().steps.map((step) => ({ ...step, deadlineMs: 1_800_000 })) })
    expect(ledgerWritten(actionOf(rollingWorld(1, { settings: late })))?.failed['v2']).toMatchObject({ reason: 'Deadline' })
  })
})

/** By the numbers of docs/protocol.md, Rules. */
describe('the rules of the protocol', () => {
  it('1: nothing is named before its Deployment and the rule are stamped in this rollout', () => {
    const older = dark({ workloads: [workloadOf('v1', { floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: 'v2@earlier' })] })
    expect(decide(older).decision).toMatchObject({ row: '17', action: { kind: 'workload', stamp: ROLLOUT } })
    const oldSubset = dark({ mesh: { rule: { ...dark().mesh.rule, subsets: { v1: 'v1@adoption', v2: 'v2@earlier' } } } })
    expect(decide(oldSubset).decision).toMatchObject({ row: '17', action: { kind: 'rule' } })
  })

  it('1: what was closed is opened by another rollout: an older scale-down of it must meet another stamp', () => {
    const world = dark({ mesh: { routes: [routeOf(ledgerOf())] } })
    const { decision, status } = decide(world)
    expect(decision).toMatchObject({ row: '16', action: { kind: 'status' } })
    expect(status.rollout).toMatchObject({ revision: 'v2', startedAt: new Date(NOW).toISOString() })
  })

  it('1: before capacity goes, a VirtualService write closes it, even where it was never named', () => {
    const back = dark({ settings: settings({ desired: 'v1' }) })
    expect(decide(back).decision).toMatchObject({ row: '14', action: { kind: 'routes', writes: [{ write: { lists: false } }] } })
    expect(ledgerWritten(actionOf(back))?.open['v2']).toBeUndefined()
  })

  it('3: our own route is created with the tombstone', () => {
    const uncovered = rollingWorld(1, { mesh: { routes: [], covered: false, reached: ['*'] } })
    const action = actionOf({ ...uncovered, status: { ...statusOf(), ...uncovered.status } })
    expect(action).toMatchObject({ kind: 'routes', own: { ledger: { stable: 'v1', failed: { v2: { reason: 'RouteDeleted' } } } } })
  })

  it('3: a VirtualService that lost its annotation ends the rollout, before any repair', () => {
    const lost = rollingWorld(1, { mesh: { routes: [routeOf(undefined, { lost: true })] } })
    expect(decide(lost).decision.row).toBe('3')
    expect(ledgerWritten(actionOf(lost))?.failed['v2']).toMatchObject({ reason: 'RouteLost' })
  })

  it('4: an open route that stood a moment ago stops growth, whoever closed it', () => {
    const small = dark({ workloads: [workloadOf('v1', { replicas: 40, ready: 40, floor: { rollout: ROLLOUT, replicas: 40 } }), workloadOf('v2', { stamp: ROLLOUT, replicas: 1, ready: 1 })] })
    expect(actionOf(small)).toMatchObject({ kind: 'workload', replicas: 2 })
    expect(actionOf({ ...small, ages: { ...small.ages, routes: P - 1 } })).toEqual({ kind: 'none' })
  })

  it('5: endpoints of a moment ago are not named', () => {
    expect(rowOf(dark({ ages: { ...dark().ages, ready: { v1: 3_600_000, v2: P - 1 } } }))).toBe('19')
  })

  it('6: if status and VirtualService disagree on stable, status is corrected and nothing else', () => {
    const crashed = rollingWorld(-1, { mesh: { routes: [routeOf(ledgerOf({ stable: 'v2', promotions: 1, open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' }, v2: { rollout: ROLLOUT, hash: 'hash-v2' } } }))] } })
    const { decision, status } = decide(crashed)
    expect(decision).toMatchObject({ row: '1', action: { kind: 'status', live: true }, events: [{ reason: 'Promoted' }] })
    expect(status).toMatchObject({ phase: 'Idle', stableRevision: 'v2', previous: { revision: 'v1' } })
  })

  it('7: a failed version stays failed while it stands as it failed', () => {
    const failed = idleWorld({ status: statusOf({ seen: seenBoth }), workloads: [workloadOf('v1'), workloadOf('v2', { replicas: 0, ready: 0 })], mesh: { routes: [routeOf(failedLedger())] } })
    expect(decide(failed)).toMatchObject({ decision: { action: { kind: 'none' } }, status: { phase: 'Failed' } })
    const changed = { ...failed, workloads: [workloadOf('v1'), workloadOf('v2', { hash: 'other', generation: 2 })] }
    expect(rowOf(changed)).toBe('12')
  })

  it('8: Promoting rolls back like Progressing until the pointer has moved', () => {
    expect(rowOf(rollingWorld(3, { evidence: fails }))).toBe('4')
  })

  it('9: a Deployment older than what status has seen is not looked at', () => {
    expect(rowOf({ ...rollingWorld(1, { evidence: fails }), stale: 'older' })).toBe('0')
  })

  it('10: back to the previous stable is one route write while it stands, and any first exposure when it does not', () => {
    const ledger = ledgerOf({ stable: 'v2', promotions: 1, open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' }, v2: { rollout: ROLLOUT, hash: 'hash-v2' } } })
    const back = idleWorld({
      settings: settings({ desired: 'v1' }),
      status: statusOf({ stableRevision: 'v2', seen: seenBoth, previous: { revision: 'v1', until: '2026-01-01T13:00:00.000Z' }, rollout: { revision: 'v1', stepIndex: 0, startedAt: '2026-01-01T12:00:00.000Z' } }),
      workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2', { stamp: ROLLOUT, floor: { rollout: 'v1@adoption', replicas: 4 } })],
      mesh: { routes: [routeOf(ledger)], rule: { ...rollingWorld(0).mesh.rule } },
    })
    expect(ledgerWritten(actionOf(back))?.exposure).toMatchObject({ revision: 'v1', weight: 100 })
    expect(actionOf({ ...back, ages: { ...back.ages, ready: { v1: P - 1 } } })).toEqual({ kind: 'none' })
  })

  it('13: what protects users runs while suspended; raising, retiring and starting do not', () => {
    const suspend = settings({ suspend: true })
    expect(rowOf(rollingWorld(1, { settings: suspend, evidence: fails }))).toBe('4')
    expect(rowOf(rollingWorld(1, { settings: suspend, mesh: { routes: [routeOf(ledgerOf(), { content: 'beyond', reaches: ['*'] })] } }))).toBe('7')
    expect(actionOf(rollingWorld(1, { settings: suspend }))).toEqual({ kind: 'none' })
    expect(actionOf(idleWorld({ settings: suspend, workloads: [workloadOf('v1'), workloadOf('v2')] }))).toEqual({ kind: 'none' })
    expect(actionOf(idleWorld({ settings: suspend, status: undefined, mesh: { routes: [routeOf(undefined)] } }))).toEqual({ kind: 'none' })
  })

  it('15: a superseded canary waits for propagation and drain before it is closed and scaled to 0', () => {
    const v3 = { workloads: [...rollingWorld(1).workloads, workloadOf('v3')] }
    expect(decide(rollingWorld(1, v3)).decision).toMatchObject({ row: '13', action: { kind: 'routes' } })
    const unnamed = dark(v3)
    expect(actionOf({ ...unnamed, ages: { ...unnamed.ages, routes: P + D - 1 } })).toEqual({ kind: 'none' })
    expect(rowOf(unnamed)).toBe('14')
  })

  it('16: naming a failed version anew in desired is a retry of it, once', () => {
    const again = (named: boolean) => idleWorld({ settings: settings({ desired: 'v2' }), status: statusOf({ seen: seenBoth }), workloads: [workloadOf('v1'), workloadOf('v2')], mesh: { routes: [routeOf(failedLedger({ named }))] } })
    expect(rowOf(again(false))).toBe('12')
    expect(decide(again(true)).status.phase).toBe('Failed')
    const elsewhere = { ...again(true), settings: settings({ desired: 'v1' }) }
    expect(decide(elsewhere).decision.row).toBe('10')
    expect(ledgerWritten(actionOf(elsewhere))?.failed['v2']?.named).toBe(false)
  })

  it("17: a change of stable's own template moves nothing, and is said", () => {
    const world = idleWorld({ workloads: [workloadOf('v1', { hash: 'other', generation: 2 })] })
    expect(actionOf(world)).toEqual({ kind: 'none' })
    expect(decide(world).status.conditions.find(({ type }) => type === 'Degraded')).toMatchObject({ status: 'True', reason: 'StableChangedInPlace' })
  })

  it('18: of two versions first seen in one look the younger is taken, then the later name', () => {
    const both = (v2: number, v3: number) => decide(idleWorld({ workloads: [workloadOf('v1'), workloadOf('v3', { createdAt: v3 }), workloadOf('v2', { createdAt: v2 })] })).status.rollout?.revision
    expect(both(1, 2)).toBe('v3')
    expect(both(2, 1)).toBe('v2')
    expect(both(1, 1)).toBe('v3')
  })
})

describe('what others do to the routes', () => {
  it('takes a sync of the original for one: the recorded weights return', () => {
    const ledger = rollingWorld(1).mesh.routes[0]?.ledger
    const synced = rollingWorld(1, { mesh: { routes: [routeOf(ledger, { content: 'original', reaches: ['*'] })] } })
    expect(ledgerWritten(actionOf(synced))).toMatchObject({ exposure: exposureOf(settings(), 'v2', 1), undone: [NOW] })
  })

  it('gives up and stays at stable from the third time in ten minutes on', () => {
    const ledger = { ...ledgerOf(rollingWorld(1).mesh.routes[0]?.ledger), undone: [NOW - 60_000, NOW - 30_000] }
    const third = rollingWorld(1, { mesh: { routes: [routeOf(ledger, { content: 'original', reaches: ['*'] })] } })
    expect(ledgerWritten(actionOf(third))?.exposure).toBeUndefined()
    const after = rollingWorld(1, { mesh: { routes: [routeOf({ ...ledger, undone: [NOW - 60_000, NOW - 30_000, NOW] })] } })
    expect(ledgerWritten(actionOf(after))?.failed['v2']).toMatchObject({ reason: 'RouteContested' })
  })

  it('ends the rollout, and leaves the route, where somebody took it back to stable by hand', () => {
    const ledger = rollingWorld(1).mesh.routes[0]?.ledger
    const taken = rollingWorld(1, { mesh: { routes: [routeOf(ledger, { content: 'lower', reaches: ['v1'] })] } })
    expect(decide(taken).decision).toMatchObject({ row: '6', action: { writes: [{ write: { lists: false } }] } })
  })

  it('takes an edit made outside a rollout in as the new original', () => {
    const edited = idleWorld({ mesh: { routes: [routeOf(ledgerOf(), { content: 'lower', reaches: ['v1'] })] } })
    expect(actionOf(edited)).toMatchObject({ kind: 'routes', writes: [{ write: { adopt: true, lists: true } }] })
  })
})

describe('adoption', () => {
  const before = (over: Overrides = {}) => idleWorld({ status: undefined, workloads: [workloadOf('v1')], ...over, mesh: { routes: [routeOf(undefined)], rule: { ...idleWorld().mesh.rule, exists: false, subsets: {} }, ...over.mesh } })

  it('is stamp, rule, propagation, pin; and is refused by name before the first write', () => {
    expect(actionOf(before())).toMatchObject({ kind: 'workload', stamp: 'v1@adoption' })
    const stamped = before({ workloads: [workloadOf('v1', { stamp: 'v1@adoption' })] })
    expect(actionOf(stamped)).toMatchObject({ kind: 'rule', subsets: { v1: 'v1@adoption' } })
    const ruled = { ...stamped, mesh: { ...stamped.mesh, rule: idleWorld().mesh.rule } }
    expect(actionOf({ ...ruled, ages: { ...ruled.ages, subsets: { v1: P - 1 } } })).toEqual({ kind: 'none' })
    expect(actionOf(ruled)).toMatchObject({ kind: 'routes', writes: [{ write: { adopt: true, ledger: { stable: 'v1' } } }] })
    const refused = decide(before({ mesh: { refusals: [{ reason: 'HeadlessService', message: 'is headless' }] } }))
    expect(refused.decision.action.kind).toBe('none')
    expect(refused.status.conditions.find(({ type }) => type === 'Stalled')).toMatchObject({ status: 'True', reason: 'HeadlessService', message: 'is headless' })
  })

  it('takes what the routes name, else the only one with pods, else what is desired, else says so', () => {
    const two = [workloadOf('v1'), workloadOf('v2')]
    const target = (world: World) => { const action = actionOf(world); return action.kind === 'workload' ? action.revision : action.kind }
    expect(target(before({ workloads: two, mesh: { namedAtFirst: 'v2' } }))).toBe('v2')
    expect(target(before({ workloads: [workloadOf('v1', { replicas: 0, ready: 0 }), workloadOf('v2')] }))).toBe('v2')
    expect(target(before({ workloads: two, settings: settings({ desired: 'v1' }) }))).toBe('v1')
    expect(decide(before({ workloads: two })).status.message).toContain('spec.versions.desired')
  })
})
