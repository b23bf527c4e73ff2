import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import { rolloutId } from './facts.ts'
import { idleWorld, ledgerOf, NOW, rollingWorld, ROLLOUT, routeOf, settings, statusOf, workloadOf, type Overrides } from './world.fixture.ts'
import type { World } from './world.ts'

const CLOSED = { message: 'window closed: opens soon', until: NOW + 5 * 3_600_000 }
const WAITING = { workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2')] }
const seen = (revision: string) => ({ revision, uid: `uid-${revision}`, hash: `hash-${revision}`, generation: 1, since: new Date(NOW).toISOString() })
/** v2 is stable, v1 stands by at its size, and is wanted again. */
const previous = (over: Overrides = {}): World => idleWorld({
  settings: settings({ desired: 'v1' }),
  status: statusOf({ stableRevision: 'v2', previous: { revision: 'v1', until: new Date(NOW + 60_000).toISOString() }, seen: [seen('v1'), seen('v2')] }),
  workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2', { stamp: ROLLOUT })],
  mesh: { rule: { exists: true, uid: 'uid-dr', resourceVersion: '1', subsets: { v1: 'v1@adoption', v2: ROLLOUT }, conform: true }, routes: [routeOf(ledgerOf({ stable: 'v2', open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' }, v2: { rollout: ROLLOUT, hash: 'hash-v2' } } }))] },
  ...over,
})
const rowOf = (world: World) => decide(world).decision.row

describe('a release that could begin', () => {
  it('begins while windows are open and a slot is free', () => {
    expect(rowOf(idleWorld(WAITING))).toBe('12')
  })

  it.each<[string, Overrides, object]>([
    ['a window', { closed: CLOSED }, { message: CLOSED.message, waits: [{ for: 'Window', until: new Date(CLOSED.until).toISOString() }] }],
    ['a window first', { closed: CLOSED, noSlot: 'waits for a free slot' }, { message: CLOSED.message }],
    ['a slot', { noSlot: 'waits for a free slot' }, { message: 'waits for a free slot', waits: [{ for: 'Slot' }] }],
  ])('waits for %s, and says so', (_, over, status) => {
    const pass = decide(idleWorld({ ...WAITING, ...over }))
    expect(pass.decision.action.kind).toBe('none')
    expect(pass.status).toMatchObject({ phase: 'Waiting', ...status })
  })

  it('keeps the moment since which it waits when the reason changes', () => {
    const since = '2026-01-01T10:00:00.000Z'
    const status = statusOf({ phase: 'Waiting', waits: [{ for: 'Window', since }] })
    expect(decide(idleWorld({ ...WAITING, status, noSlot: 'waits for a free slot' })).status.waits).toEqual([{ for: 'Slot', since }])
  })

  it('is looked at again when the window opens, and within the hour, as clocks are set', () => {
    expect(decide(idleWorld({ ...WAITING, closed: { ...CLOSED, until: NOW + 90_000 } })).wakeAfterMs).toBe(90_001)
    expect(decide(idleWorld({ ...WAITING, closed: CLOSED })).wakeAfterMs).toBe(3_600_001)
  })

  it('to the stable before waits for neither, and for no one but stable while that is gone', () => {
    expect(rowOf(previous({ closed: CLOSED, noSlot: 'waits for a free slot' }))).toBe('12')
    const gone = { settings: settings({ desired: 'v2' }), workloads: [workloadOf('v2')], endpoints: { v2: 4 }, closed: CLOSED, noSlot: 'waits for a free slot' }
    expect(rowOf(idleWorld(gone))).toBe('12')
    expect(rowOf(idleWorld({ ...gone, workloads: WAITING.workloads, endpoints: { v1: 4, v2: 4 } }))).toBe('12w')
  })
})

describe('a release under way', () => {
  it.each<[string, number]>([['from the dark', -1], ['from step to step', 0], ['past the last step', 2]])('is not raised %s while windows are closed', (_, step) => {
    expect(rowOf(rollingWorld(step))).toBe('18')
    const pass = decide(rollingWorld(step, { closed: CLOSED }))
    expect(pass.decision).toMatchObject({ row: '19', hold: { waitingFor: 'Window', until: CLOSED.until } })
    expect(pass.status.rollout).toMatchObject({ waitingFor: 'Window', until: new Date(CLOSED.until).toISOString() })
    expect(pass.status.conditions.find(({ type }) => type === 'Reconciling')?.status).toBe('False')
  })

  it('waits for the window last: until then what else is missing is said', () => {
    const { evidence } = rollingWorld(0)
    expect(decide(rollingWorld(0, { closed: CLOSED, evidence: { ...evidence, observedMs: 1 } })).decision.hold).toMatchObject({ waitingFor: 'Bake' })
  })

  it('asks for no slot: it has one', () => {
    expect(rowOf(rollingWorld(0, { noSlot: 'waits for a free slot' }))).toBe('18')
  })

  it('is finished in the routes that a raise has not reached', () => {
    const { mesh: { routes: [first] } } = rollingWorld(1)
    const { mesh: { routes: [behind] } } = rollingWorld(0)
    const routes = [first!, { ...behind!, record: { ...behind!.record, name: 'second' } }]
    expect(decide(rollingWorld(1, { closed: CLOSED, mesh: { routes } })).decision.action.kind).toBe('routes')
  })

  it('to the stable before goes out in one step', () => {
    const startedAt = new Date(NOW - 60_000).toISOString()
    const world = previous({ closed: CLOSED })
    const back = { ...world, status: { ...world.status!, rollout: { revision: 'v1', stepIndex: 0, startedAt, stepStartedAt: startedAt } } }
    const floored = { ...back, workloads: back.workloads.map((one) => (one.revision === 'v2' ? { ...one, floor: { rollout: 'v1@adoption', replicas: 4 } } : one)) }
    expect(rolloutId('v1', startedAt)).not.toBe('v1@adoption')
    expect(decide(floored).decision).toMatchObject({ row: '18' })
  })

  it('is followed by no newer version while windows are closed: it ends', () => {
    const world = rollingWorld(-1, { workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2', { replicas: 0 }), workloadOf('v3')] })
    const superseded = { ...world, mesh: { ...world.mesh, routes: [routeOf(ledgerOf())] } }
    expect(decide(superseded).status).toMatchObject({ phase: 'Progressing', rollout: { revision: 'v3' } })
    expect(decide({ ...superseded, closed: CLOSED }).status).toMatchObject({ phase: 'Waiting', history: [{ revision: 'v2', result: 'Superseded' }] })
  })
})
