import { describe, expect, it } from 'vitest'
import type { Ledger } from '../src/canary/ledger.ts'
import type { KubeObject } from '../src/sandbox/objects.ts'
import * as laws from './laws.ts'
import { destination, virtualService } from './fixtures.ts'
import { reachesEveryPod } from './oracle/objects.ts'

const ledger = (over: Partial<Ledger> = {}): Ledger => ({ uid: 'u', stable: 'v1', promotions: 0, open: { v1: { rollout: 'a', hash: '' }, v2: { rollout: 'b', hash: '' } }, failed: {}, ...over })
const exposure = (weight: number) => ({ exposure: { revision: 'v2', weight, match: [], step: 0, plan: '' } })
const routed = (...route: object[]): KubeObject => virtualService({ http: [{ name: 'main', timeout: '1s', route }] })
const split = (...weights: (number | undefined)[]) => routed(...weights.map((weight, index) => destination('service-c', `serin-v${index + 1}`, weight)))

/** Each law is broken here once, and kept once: one that cannot fail proves nothing. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['S1 weights', laws.weights(split(80, 20)), laws.weights(split(0, 0))],
  ['S1 a weight that is missing', laws.weights(split(undefined)), laws.weights(split(80, undefined))],
  ['S1 a part of a percent', laws.weights(split(1000, 5)), laws.weights(split(99.5, 0.5))],
  ['S2 alone in a route', laws.lone(routed(destination('service-c', 'serin-v2')), ledger(exposure(100))), laws.lone(routed(destination('service-c', 'serin-v2')), ledger(exposure(50)))],
  ['S7 a step lasts', laws.baked('v2', 2000, { name: 'few', forMs: 2000 }), laws.baked('v2', 1999, { name: 'few', forMs: 2000 })],
  ['S14 nothing elsewhere', laws.atHome('PATCH', '/api/v1/namespaces/shop/services/web', new Set(['shop'])), laws.atHome('PATCH', '/api/v1/namespaces/other/services/web', new Set(['shop']))],
  ['S14 nothing of the cluster', laws.atHome('POST', '/apis/coordination.k8s.io/v1/namespaces/a/leases', new Set()), laws.atHome('PATCH', '/api/v1/namespaces/shop', new Set(['shop']))],
  ['S19 one owner', laws.oneOwner([{ host: 'a', owner: 'x/a' }, { host: 'a', owner: 'x/a' }, { host: 'b', owner: 'x/b' }]), laws.oneOwner([{ host: 'a', owner: 'x/a' }, { host: 'a', owner: 'x/b' }])],
  ['S8 nothing else is named', laws.nothingElse(['serin-v1', 'serin-v2'], ledger(exposure(5))), laws.nothingElse(['serin-v1', 'serin-v2'], ledger())],
  ['S10 what failed', laws.failed(['serin-v2'], ledger()), laws.failed(['serin-v2'], ledger({ failed: { v2: { rollout: 'b', hash: '', reason: '', message: '', at: 0 } } }))],
  ['S10 what is closed', laws.failed(['serin-v1'], ledger()), laws.failed(['serin-v3'], ledger())],
  ['S12 a guarded write', laws.guarded('PATCH', '/x/virtualservices/web', '[{"path":"/metadata/resourceVersion"},{"path":"/metadata/uid"}]'), laws.guarded('PATCH', '/x/virtualservices/web', '[]')],
  ['S13 outside the lists', laws.untouched(split(100), split(80, 20)), laws.untouched(split(100), virtualService({ http: [{ name: 'main', timeout: '2s', route: [] }] }))],
  ['S17 owners', laws.owned(split(100)), laws.owned({ ...split(100), metadata: { name: 'web', ownerReferences: [{ apiVersion: 'serin.dev/v1beta1', kind: 'Canary', name: 'web', uid: 'u' }] } })],
]

describe('the laws of the oracle', () => {
  it.each(CASES)('%s', (_law, kept, broken) => {
    expect(kept).toEqual([])
    expect(broken).toHaveLength(1)
  })

  const status = { phase: 'Progressing', message: 'held at step-1: 3 requests needed', weight: '5%', waits: [], seen: [], routes: [], checks: [], history: [], conditions: [] } as const
  const rollout = { revision: 'v2', stepIndex: 0, startedAt: '2026-01-01T00:00:00Z' }

  it('S16 a release that ends is told', () => {
    const entry = { revision: 'v2', result: 'Promoted', startedAt: rollout.startedAt } as const
    expect(laws.told({ ...status, rollout }, { ...status, history: [entry] })).toEqual([])
    expect(laws.told({ ...status, rollout }, status)).toHaveLength(1)
  })

  it('H3 a status agrees with itself', () => {
    expect(laws.honest({ ...status, rollout })).toEqual([])
    expect(laws.honest({ ...status, message: '' })).toHaveLength(1)
    expect(laws.honest({ ...status, phase: 'Idle', rollout })).toHaveLength(1)
    expect(laws.honest({ ...status, phase: 'RollingBack' })).toHaveLength(1)
  })

  it('a message names the wait', () => {
    expect(laws.answers({ ...status, rollout: { ...rollout, waitingFor: 'Evidence' } })).toEqual([])
    expect(laws.answers({ ...status, rollout: { ...rollout, waitingFor: 'Bake' } })).toHaveLength(1)
  })
})

describe('a route that reaches every pod of the Service', () => {
  it.each([
    ['names no subset of it', routed(destination('service-c')), true],
    ['names it in full', routed(destination('service-c.istioinaction.svc.cluster.local')), true],
    ['names one in each of its shares', split(80, 20), false],
    ['leads to another Service as well', routed(destination('service-c', 'serin-v1', 90), destination('service-d', undefined, 10)), false],
    ['leads to another Service alone', routed(destination('service-d')), false],
  ])('%s', (_route, object, is) => {
    expect(reachesEveryPod(object, 'service-c')).toBe(is)
  })
})
