import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import { conditionsOf } from './conditions.ts'
import type { Hold } from './decision.ts'
import { factsOf } from './facts.ts'
import { checkOf, idleWorld, ledgerOf, NOW, rollingWorld, ROLLOUT, routeOf, settings, statusOf, workloadOf, type Overrides } from './world.fixture.ts'
import { NO_EVIDENCE, type World } from './world.ts'

const tombstone = { rollout: ROLLOUT, hash: 'hash-v2', reason: 'ErrorRate', message: 'too many', at: NOW }
const refused = { reason: 'HeadlessService', message: 'is headless' } as const
const waiting = (over: Overrides = {}) => idleWorld({ workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2')], ...over })
const failed = (world: World, phase: 'RollingBack' | 'Failed') => {
  const ledger = { ...world.mesh.routes[0]?.ledger, ...ledgerOf({ failed: { v2: tombstone } }) }
  const routes = [routeOf({ ...ledger, open: phase === 'Failed' ? ledgerOf().open : (world.mesh.routes[0]?.ledger?.open ?? {}) })]
  return { ...world, mesh: { ...world.mesh, routes, reached: ['v1'] } }
}
const noStable = { workloads: [workloadOf('v1', { ready: 0, floor: { rollout: ROLLOUT, replicas: 4 } }), workloadOf('v2', { stamp: ROLLOUT })] }

/** What each phase says, in every way that it can be in: phase, then Ready Reconciling Stalled Promoted Degraded. */
const TABLE: readonly (readonly [string, World, string])[] = [
  ['nothing is adopted yet', idleWorld({ status: undefined, mesh: { routes: [routeOf(undefined)], rule: { exists: false, uid: undefined, resourceVersion: undefined, subsets: {}, conform: false } } }), 'Initializing False True False Unknown False'],
  ['adoption is refused', idleWorld({ status: undefined, mesh: { routes: [routeOf(undefined)], refusals: [refused] } }), 'Initializing False False True Unknown False'],
  ['at rest', idleWorld(), 'Idle True False False True False'],
  ['at rest, and the next release would be refused', idleWorld({ mesh: { refusals: [refused] } }), 'Idle True False False True True'],
  ['at rest, without a pod', idleWorld({ workloads: [workloadOf('v1', { ready: 0 })] }), 'Idle False False False True True'],
  ['at rest, changed in place', idleWorld({ workloads: [workloadOf('v1', { hash: 'other', generation: 2 })] }), 'Idle True False False Unknown True'],
  ['a release is refused', waiting({ mesh: { refusals: [refused] } }), 'Waiting True False True Unknown False'],
  ['suspended before it', waiting({ settings: settings({ suspend: true }) }), 'Suspended True False False Unknown False'],
  ['a version that is not there is wanted', idleWorld({ settings: settings({ desired: 'v9' }) }), 'Waiting True False True Unknown False'],
  ['dark', rollingWorld(-1), 'Progressing True True False Unknown False'],
  ['baking', rollingWorld(0, { evidence: { ...NO_EVIDENCE, observedMs: 1, checks: [checkOf('Pass')] } }), 'Progressing True True False Unknown False'],
  ['refused in mid-rollout', rollingWorld(0, { mesh: { ...rollingWorld(0).mesh, refusals: [{ reason: 'RouteNotFound', message: 'no route' }] } }), 'Progressing True False True Unknown False'],
  ['suspended in mid-rollout', rollingWorld(0, { settings: settings({ suspend: true }) }), 'Suspended True False False Unknown False'],
  ['blind', rollingWorld(0, { evidence: { ...NO_EVIDENCE, checks: [checkOf('Error')], blindSince: NOW } }), 'Progressing True True False Unknown True'],
  ['without a way back', rollingWorld(0, noStable), 'Progressing False True False Unknown True'],
  ['promoting', rollingWorld(3), 'Promoting True True False Unknown False'],
  ['rolling back', failed(rollingWorld(-1), 'RollingBack'), 'RollingBack True True False False False'],
  ['failed', failed(waiting({ status: statusOf({ phase: 'Failed' }) }), 'Failed'), 'Failed True False False False False'],
]

describe('the conditions', () => {
  it.each(TABLE)('%s', (_when, world, said) => {
    const { phase, conditions } = decide({ ...world, ages: { ...world.ages, routes: phaseStands(world) } }).status
    expect([phase, ...['Ready', 'Reconciling', 'Stalled', 'Promoted', 'Degraded'].map((type) => conditions.find((one) => one.type === type)?.status)].join(' ')).toBe(said)
  })

  it('cover every phase', () => {
    const phases = ['Initializing', 'Idle', 'Failed', 'Waiting', 'Progressing', 'Promoting', 'RollingBack', 'Suspended']
    expect([...new Set(TABLE.flatMap(([, , said]) => said.split(' ')[0] ?? []))].toSorted()).toEqual(phases.toSorted())
  })

  it.each<[NonNullable<Hold['waitingFor']>, string]>([
    ['Pods', 'True'], ['Propagation', 'True'], ['Bake', 'True'], ['Evidence', 'True'], ['Webhook', 'True'],
    ['Approval', 'False'], ['Window', 'False'], ['Person', 'False'],
  ])('do not say that Serin works on it while somebody else is awaited: %s', (waitingFor, reconciling) => {
    const conditions = conditionsOf(factsOf(rollingWorld(0)), { waitingFor, message: 'waits' })
    expect(conditions.find(({ type }) => type === 'Reconciling')?.status).toBe(reconciling)
  })

  it('say why whenever they say anything', () => {
    const silent = TABLE.flatMap(([when, world]) => decide(world).status.conditions
      .filter(({ type, status, message }) => message === '' && status === 'True' && type !== 'Reconciling')
      .map(({ type }) => `${when}: ${type}`))
    expect(silent).toEqual([])
  })
})

/** A moment ago, so that a step does not rise in the very pass that is looked at. */
const phaseStands = ({ status }: World): number => (status?.rollout === undefined ? 3_600_000 : 20_000)
