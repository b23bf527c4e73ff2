import { expect, it } from 'vitest'
import { decide } from '../../src/canary/decide.ts'
import { checkOf, idleWorld, ledgerOf, NOW, P, D, rollingWorld, ROLLOUT, routeOf, settings, statusOf, workloadOf } from '../../src/canary/world.fixture.ts'
import { NO_EVIDENCE, type World } from '../../src/canary/world.ts'
import { seenVersions } from '../../src/canary/versions.ts'
import { growths, tallied, marksOf } from '../../src/analysis/tally.ts'
import { lookAt } from '../../src/analysis/judge.ts'
import { Examination } from '../../src/controller/examination.ts'
const show = (w: World) => { const p = decide(w); return { row: p.decision.row, action: JSON.stringify(p.decision.action).slice(0, 300), hold: p.decision.hold, reason: p.decision.reason, phase: p.status.phase, wake: p.wakeAfterMs } }
const S = (r: string, over = {}) => ({ revision: r, uid: `uid-${r}`, hash: `hash-${r}`, generation: 1, since: '2026-01-01T11:00:00.000Z', ...over })
const floor = { rollout: ROLLOUT, replicas: 4 }
const v1 = workloadOf('v1', { stamp: 'v1@adoption', floor })

it('2 template of the canary changed while Promoting', () => {
  const w = rollingWorld(3, { workloads: [v1, workloadOf('v2', { stamp: ROLLOUT, hash: 'OTHER', generation: 2 })] })
  console.log('2', show(w), decide(w).status.conditions.find((c) => c.type === 'Degraded'))
  const susp = rollingWorld(1, { settings: settings({ suspend: true }), workloads: [v1, workloadOf('v2', { stamp: ROLLOUT, hash: 'OTHER', generation: 2 })] })
  console.log('2 suspended', show(susp))
})
it('3 v3 first seen while Promoting', () => {
  const w = rollingWorld(3, { workloads: [v1, workloadOf('v2', { stamp: ROLLOUT }), workloadOf('v3')] })
  const { status } = decide(w)
  console.log('3', show(w), status.seen.map((s) => s.revision), status.phase)
})
it('4 stable changed in place, then v2 promoted', () => {
  const ledger = ledgerOf({ stable: 'v2', promotions: 1, open: { v1: { rollout: 'v1@adoption', hash: 'hash-v1' }, v2: { rollout: ROLLOUT, hash: 'hash-v2' } } })
  const w = idleWorld({ status: statusOf({ stableRevision: 'v2', seen: [S('v1'), S('v2')], previous: { revision: 'v1', until: '2026-01-01T13:00:00.000Z' } }), workloads: [workloadOf('v1', { hash: 'INPLACE', generation: 2, stamp: 'v1@adoption' }), workloadOf('v2', { stamp: ROLLOUT })], mesh: { routes: [routeOf(ledger)], rule: rollingWorld(0).mesh.rule } })
  console.log('4', show(w), decide(w).status.rollout)
})
it('5 more than 32 Deployments', () => {
  const names = Array.from({ length: 33 }, (_, i) => `v${i + 1}`)
  const workloads = names.map((n, i) => workloadOf(n, { createdAt: NOW - 1e6 + i, replicas: n === 'v32' || n === 'v33' ? 4 : 0, stamp: n === 'v32' ? 'v32@adoption' : undefined }))
  const ledger = ledgerOf({ stable: 'v32', open: { v32: { rollout: 'v32@adoption', hash: 'hash-v32' } } })
  let w = idleWorld({ status: statusOf({ stableRevision: 'v32', seen: names.slice(0, 32).map((n) => S(n)) }), workloads, mesh: { routes: [routeOf(ledger)], rule: { ...idleWorld().mesh.rule, subsets: { v32: 'v32@adoption' } } } })
  for (let i = 0; i < 6; i++) { const p = decide(w); console.log('5', i, p.decision.row, p.decision.reason, 'rollout of', p.status.rollout?.revision, 'seen last', p.status.seen.at(-1)?.revision); w = { ...w, status: p.status } }
  let d = { ...w, settings: settings({ desired: 'v32' }), status: statusOf({ stableRevision: 'v32', seen: names.slice(0, 32).map((n) => S(n)) }) }
  for (let i = 0; i < 4; i++) { const p = decide(d); console.log('5 desired', i, p.decision.row, p.status.phase, 'seen last', p.status.seen.at(-1)?.revision, p.status.seen.length); d = { ...d, status: p.status } }
})
it('6 two VirtualServices, one taken back by hand', () => {
  const [route] = rollingWorld(1).mesh.routes
  if (!route) throw new Error()
  const w = rollingWorld(1, { mesh: { routes: [{ ...route, content: 'lower', reaches: ['v1'] }, { ...route, record: { ...route.record, name: 'gateway' }, mesh: false }] } })
  console.log('6', show(w))
})
it('7 unpinned route, refusal', () => {
  const w = rollingWorld(1, { mesh: { routes: [routeOf(undefined, { record: { namespace: 'test', name: 'web2', mode: 'Route' } })], refusals: [{ reason: 'RouteNotFound', message: 'x' }] } })
  console.log('7', show({ ...w, status: { ...statusOf(), ...w.status } }))
})
it('8 Promoting: canary shrunk, or stable grown', () => {
  console.log('8a', show(rollingWorld(3, { workloads: [v1, workloadOf('v2', { stamp: ROLLOUT, replicas: 1, ready: 1 })] })))
  const w = rollingWorld(3, { workloads: [workloadOf('v1', { stamp: 'v1@adoption', floor, replicas: 6, ready: 6 }), workloadOf('v2', { stamp: ROLLOUT })] })
  console.log('8b', show(w), decide(w).status.rollout)
  const late = { ...w, now: NOW + 700_000, status: decide(w).status }
  console.log('8b late', show(late))
  console.log('8c suspended', show(rollingWorld(1, { settings: settings({ suspend: true }), workloads: [workloadOf('v1', { floor, replicas: 40, ready: 40 }), workloadOf('v2', { stamp: ROLLOUT, replicas: 1, ready: 1 })] })))
})
it('16 namedByUser', () => {
  const led = { ...ledgerOf({ open: rollingWorld(0).mesh.routes[0]?.ledger?.open ?? {} }), failed: { v2: { rollout: ROLLOUT, hash: 'hash-v2', reason: 'E', message: '', at: NOW } } }
  const a = rollingWorld(-1, { ages: { ...rollingWorld(0).ages, routes: 0 }, mesh: { routes: [routeOf(led)], namedByUser: ['v2'], reached: ['v1', 'v2'] } })
  console.log('16', show(a))
  const b = { ...a, mesh: { ...a.mesh, routes: [routeOf({ ...led, open: ledgerOf().open })] } }
  console.log('16', show(b))
})
it('19 contested, no wake', () => {
  const w = idleWorld({ status: statusOf({ seen: [S('v1'), S('v2')] }), workloads: [workloadOf('v1', { stamp: 'v1@adoption' }), workloadOf('v2')], mesh: { routes: [routeOf(ledgerOf({ undone: [NOW - 3000, NOW - 2000, NOW - 1000] }))] } })
  console.log('19', show(w))
})
it('22 dark deadline', () => {
  const s = settings({ steps: settings().steps.map((x) => ({ ...x, deadlineMs: 60_000 })) })
  console.log('22', show(rollingWorld(-1, { settings: s, workloads: [v1, workloadOf('v2', { stamp: ROLLOUT, ready: 0 })] })))
})
it('10 quantile', () => {
  const labels = (le: string) => ({ reporter: 'source', destination_workload: 'w', destination_workload_namespace: 'n', le })
  const at = (a: number[]) => ['100', '250', '500', '+Inf'].map((le, i) => ({ labels: labels(le), value: a[i] ?? 0 }))
  const marks = marksOf(at([0, 0, 0, 0]))
  const durations = tallied(new Map(), growths(at([0, 0, 100, 100]), marks))
  const metric = { ...settings().analysis.metrics[0], kind: 'latency', name: 'latency', max: 460, percentile: 90 } as never
  console.log('10', lookAt(metric, { workload: 'w', namespace: 'n', reporter: 'source', minRequests: 1 }, { counts: new Map(), durations }))
})
it('9 observed', () => {
  const plan = (over = {}) => ({ rollout: ROLLOUT, step: 's', clock: settings().clock, metrics: [], workload: 'w', reporter: 'source', minRequests: 0, initialDelayMs: 0, exposed: true, countsInMs: 0, stepStartedAt: 0, observedMs: 0, propagationMs: P, remembered: [], ...over }) as never
  const run = (follows: boolean) => {
    const e = new Examination(plan(), 's', { namespace: 'n', name: 's', hosts: [] }, 0)
    for (let t = 0; t <= 300_000; t += 1000) {
      if (t % 30_000 === 0) e.look({ counts: [], durations: [], meshAnswers: [] }, { now: t, monotonicMs: t, intervalMs: 30_000 })
      else if (follows) e.follow(plan(), t)
    }
    return e.evidenceOf('s')?.observedMs
  }
  console.log('9 without reconciles', run(false), 'with one a second', run(true))
})
it('20 clock back', () => {
  const metric = settings().analysis.metrics
  const plan = { rollout: ROLLOUT, step: 's', clock: settings().clock, metrics: metric, workload: 'w', reporter: 'source', minRequests: 1, initialDelayMs: 0, exposed: true, countsInMs: 0, stepStartedAt: 600_000, observedMs: 0, propagationMs: P, remembered: [] } as never
  const e = new Examination(plan, 's', { namespace: 'n', name: 's', hosts: [] }, 0)
  e.mark([], [])
  for (let t = 30_000; t <= 300_000; t += 30_000) e.look({ counts: [{ labels: { reporter: 'source', destination_workload: 'w', destination_workload_namespace: 'n', response_code: '500' }, value: t }], durations: [], meshAnswers: [] }, { now: t, monotonicMs: t, intervalMs: 30_000 })
  console.log('20', e.evidenceOf('s')?.checks)
})
