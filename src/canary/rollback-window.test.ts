import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import type { Action } from './decision.ts'
import { servedWithin } from './facts.ts'
import type { Ledger } from './ledger.ts'
import { checkOf, ledgerOf, NOW, rollingWorld, ROLLOUT, routeOf, settings, workloadOf } from './world.fixture.ts'
import { NO_EVIDENCE, type World } from './world.ts'

const STARTED = Date.parse(ROLLOUT.split('@')[1] ?? '')
const WINDOW = 60_000
const written = (action: Action): Omit<Ledger, 'uid'> | undefined => (action.kind === 'routes' ? action.writes[0]?.write.ledger : undefined)

/** v2 is dark and fit, and served until `ago` before this rollout began. */
function returning(ago: number, { hash = 'hash-v2', ready = 4, windowMs = WINDOW } = {}): World {
  const [route] = rollingWorld(-1).mesh.routes
  const ledger = { ...ledgerOf(), ...route?.ledger, served: { v2: { hash, until: STARTED - ago } } }
  const workloads = [workloadOf('v1', { floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: ROLLOUT, ready })]
  return rollingWorld(-1, { settings: settings({ rollbackWindowMs: windowMs }), workloads, mesh: { routes: [routeOf(ledger)] } })
}

describe('rollbackWindow', () => {
  it('takes everything at once, as long as it served within it with this template', () => {
    expect(written(decide(returning(WINDOW)).decision.action)?.exposure).toMatchObject({ revision: 'v2', weight: 100, step: 3 })
    for (const other of [returning(WINDOW + 1), returning(0, { hash: 'other' }), returning(0, { windowMs: 0 })])
      expect(written(decide(other).decision.action)?.exposure).toMatchObject({ weight: 5, step: 0 })
  })

  it('skips no readiness: as many pods as stable has must be there', () => {
    expect(decide(returning(0, { ready: 3 }))).toMatchObject({ decision: { row: '19', action: { kind: 'none' } }, status: { rollout: { waitingFor: 'Pods' } } })
  })

  it('does not end while the rollout lasts', () => {
    const later = { ...returning(WINDOW), now: NOW + 10 * WINDOW }
    expect(written(decide(later).decision.action)?.exposure).toMatchObject({ weight: 100 })
  })

  it('is over for what has failed since: no retry goes out in one step', () => {
    const failing = { ...returning(0), evidence: { ...NO_EVIDENCE, checks: [checkOf('Fail', 2)] } }
    const { failed, served } = written(decide(failing).decision.action) ?? {}
    expect(failed?.['v2']).toMatchObject({ reason: 'ErrorRate' })
    expect(served).toBeUndefined()
  })

  it('is written with a time that stands: decided again on live reads a moment later, the promotion is the same write', () => {
    const promoting = rollingWorld(3)
    const [first, later] = [promoting, { ...promoting, now: promoting.now + 7 }].map((world) => written(decide(world).decision.action))
    expect(first?.served).toEqual({ v1: { hash: 'hash-v1', until: STARTED } })
    expect(later).toEqual(first)
  })

  it('holds for every time from the end of its service to the end of the window, and for no other template', () => {
    fc.assert(fc.property(fc.nat(1000), fc.nat(1000), fc.nat(3000), fc.boolean(), (until, window, at, same) => {
      const served = { v1: { hash: 'a', until } }
      expect(servedWithin({ served }, { revision: 'v1', hash: same ? 'a' : 'b' }, window, at)).toBe(same && window > 0 && at <= until + window)
      expect(servedWithin({ served }, { revision: 'v2', hash: 'a' }, window, at)).toBe(false)
    }))
  })
})
