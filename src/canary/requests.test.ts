import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import { planOf } from './steps.ts'
import { checkOf, idleWorld, ledgerOf, NOW, rollingWorld, ROLLOUT, routeOf, settings, statusOf, workloadOf } from './world.fixture.ts'
import { NO_EVIDENCE, type ActionFacts, type World } from './world.ts'

const KINDS = ['Approve', 'Promote', 'Skip', 'Pause', 'Resume', 'Abort', 'Retry'] as const
const ask = (action: ActionFacts['action'], over: Partial<ActionFacts> = {}): ActionFacts =>
  ({ uid: `uid-${action}`, action, revision: 'v2', step: undefined, reason: undefined, by: 'ada', expiresAt: NOW + 1, ...over })
const answers = (world: World) => decide(world).answers.map(({ uid, result }) => `${uid} ${result}`)
const rowOf = (world: World) => decide(world).decision.row
const over = { ...NO_EVIDENCE, observedMs: 60_000, checks: [checkOf('Fail', 2)] }
const tombstone = { rollout: ROLLOUT, hash: 'hash-v2', reason: 'ErrorRate', message: 'too many', at: NOW }
const failed = (more: object = {}, actions: readonly ActionFacts[] = []) => idleWorld({
  actions,
  status: statusOf({ phase: 'Failed', seen: rollingWorld(0).status?.seen ?? [] }),
  workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2', { replicas: 0, ready: 0 })],
  mesh: { routes: [routeOf(ledgerOf({ failed: { v2: { ...tombstone, ...more } } }))] },
})

describe('what is asked for', () => {
  it('is answered only when its effect stands, and then done no more', () => {
    const asked = rollingWorld(1, { actions: [ask('Pause')] })
    expect([rowOf(asked), answers(asked)]).toEqual(['8a', []])
    const { status } = decide(asked)
    expect([rowOf({ ...asked, status }), answers({ ...asked, status })]).toEqual(['19', ['uid-Pause Accepted']])
  })

  it('is not answered on a stale cache', () => {
    expect(answers(rollingWorld(1, { actions: [ask('Retry')], stale: 'older' }))).toEqual([])
  })

  it('rolls back before it is recorded', () => {
    for (const kind of KINDS) expect(rowOf(rollingWorld(1, { actions: [ask(kind)], evidence: over })), kind).toBe('4')
  })

  it('expires to the millisecond', () => {
    expect(rowOf(rollingWorld(1, { actions: [ask('Abort', { expiresAt: NOW + 1 })] }))).toBe('4')
    expect(answers(rollingWorld(1, { actions: [ask('Abort', { expiresAt: NOW })] }))).toEqual(['uid-Abort Expired'])
  })

  it('wakes the Canary when it expires', () => {
    expect(decide(idleWorld({ settings: settings({ suspend: true }), actions: [ask('Pause', { revision: undefined, expiresAt: NOW + 5000 })] })).wakeAfterMs).toBe(5001)
  })

  it('keeps its order: what comes later waits for what is due', () => {
    expect(answers(rollingWorld(1, { actions: [ask('Pause'), ask('Resume')] }))).toEqual([])
  })

  it('of another revision is refused, whatever it is and wherever the rollout stands', () => {
    fc.assert(fc.property(fc.constantFrom(...KINDS), fc.integer({ min: -1, max: 3 }), (kind, step) => {
      const world = rollingWorld(step, { actions: [ask(kind, { revision: 'v9' })] })
      const { decision } = decide(world)
      const alone = decide(rollingWorld(step)).decision
      return decision.row === alone.row && answers(world).join() === `uid-${kind} Refused`
    }))
  })
})

describe('Retry', () => {
  it('marks the tombstone, on the failed version as it stands now (10r)', () => {
    const { decision } = decide(failed({}, [ask('Retry')]))
    expect(decision).toMatchObject({ row: '10r', action: { kind: 'routes', live: true, reads: 'v2', writes: [{ write: { lists: false, ledger: { failed: { v2: { retried: 'uid-Retry' } } } } }] } })
  })

  it('is done once every VirtualService says so: the version waits again', () => {
    const retried = failed({ retried: 'uid-Retry' }, [ask('Retry')])
    expect([decide(retried).decision.row, answers(retried)]).toEqual(['12', ['uid-Retry Accepted']])
    const behind = { ...routeOf(ledgerOf({ failed: { v2: tombstone } })), record: { namespace: 'test', name: 'edge', mode: 'Route' as const } }
    expect(rowOf({ ...retried, mesh: { ...retried.mesh, routes: [...retried.mesh.routes, behind] } })).toBe('10r')
  })
})

describe('an approval', () => {
  const steps = settings().steps.map((step) => ({ ...step, approval: true }))
  const waiting = (exposure: string | undefined) => {
    const world = rollingWorld(1, { settings: settings({ steps }) })
    const rollout = world.status?.rollout
    return { ...world, status: statusOf({ ...world.status, ...(rollout && { rollout: { ...rollout, ...(exposure === undefined ? {} : { approvals: [{ step: 'x', exposure, by: 'ada', at: '2026-01-01T00:00:00Z', action: 'uid' }] }) } }) }) }
  }

  it.each<[string, string | undefined, string]>([
    ['of this step and these steps lets it go on', `1#${planOf(settings({ steps }))}`, '18'],
    ['of the step before does not', `0#${planOf(settings({ steps }))}`, '19'],
    ['of other steps does not', '1#other', '19'],
    ['that is missing does not', undefined, '19'],
  ])('%s', (_, exposure, row) => {
    expect(rowOf(waiting(exposure))).toBe(row)
  })

  it('is asked for after everything else', () => {
    const baking = { ...waiting(undefined), evidence: { ...NO_EVIDENCE, observedMs: 1000, checks: [checkOf('Pass')] } }
    expect(decide(baking).status.rollout?.waitingFor).toBe('Bake')
    expect(decide(waiting(undefined))).toMatchObject({ decision: { events: [{ reason: 'ApprovalRequired' }] }, status: { rollout: { waitingFor: 'Approval' } } })
  })
})
