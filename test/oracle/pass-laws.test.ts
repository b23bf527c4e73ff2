import { describe, expect, it } from 'vitest'
import type { Metric } from '../../src/api/settings.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { canary, destination, destinationRule, version, virtualService } from '../fixtures.ts'
import { questionOf, verdictOf } from './answers.ts'
import * as laws from './pass-laws.ts'
import { actsOf, carriedBy } from './requests.ts'

const METRIC: Metric = { name: 'error-rate', kind: 'error-rate', max: 0.01, percentile: 99, statusCodes: ['5xx'], grpcStatus: [], failureThreshold: 2, minRequests: undefined, dryRun: false }
const NOW = 10_000
const read = (atMs = NOW, isAnswered = true, askedMs = atMs): laws.Read => ({ askedMs, atMs, isAnswered })
const reads = (one: laws.Read) => new Map([['/apis/apps/v1/namespaces/a/deployments/web', one], ['/apis/networking.istio.io/v1/namespaces/a/destinationrules/serin-web', read()]])
const answers = (askedMs: number, verdict: 'value' | 'empty' | 'error', mesh: 'value' | 'error' = 'value') =>
  new Map([['counts', { askedMs, verdict }], ['mesh', { askedMs: NOW, verdict: mesh }]] as const)
const demand = { questions: ['counts', 'mesh'], needsRequests: true } as const
const checks = (failures: number, dryRun = false) =>
  laws.failedLooks([{ name: 'error-rate', verdict: 'Fail', failures }], [{ ...METRIC, dryRun }]).map((look) => ({ ...look, atMs: NOW }))
const status = { phase: 'Progressing', waits: [], seen: [], routes: [], checks: [], history: [], conditions: [] } as const
const rollout = { revision: 'v2', stepIndex: 0, startedAt: '2026-01-01T00:00:00Z' }
const told = { ...status, rollout }
const known = new Map([['u', '41']])
const seen = (generation: number) => ({ ...status, seen: [{ revision: 'v1', uid: 'u', hash: '', generation, since: '' }] })
const target = (generation: number) => ({ ...status, observedTarget: { name: 'web', uid: 'u', generation, revision: 'a' } })

/** Each law is broken here once, and kept once: one that cannot fail proves nothing. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['S9 nothing before the route', laws.notFirst('v2', []), laws.notFirst('v2', ['PATCH canaries/web'])],
  ['S9 a gate is not said to have failed first', laws.toldFirst(told, checks(1), ['v2']), laws.toldFirst(told, checks(2), ['v2'])],
  ['S9 what is written may be told', laws.toldFirst(told, checks(2), []), laws.toldFirst({ ...told, phase: 'RollingBack' }, [], ['v2'])],
  ['S9 at the look that decides', laws.late(checks(2), { atMs: NOW, freeSinceMs: 0 }, 1000), laws.late(checks(3), { atMs: NOW, freeSinceMs: 0 }, 1000)],
  ['S9 as soon as there is a way back', laws.late(checks(3), { atMs: NOW, freeSinceMs: NOW - 999 }, 1000), laws.late(checks(3), { atMs: NOW, freeSinceMs: NOW - 1000 }, 1000)],
  ['S9 a refused write is tried again', laws.late(checks(3), { atMs: NOW - 1, freeSinceMs: 0 }, 1000), laws.late(checks(4), { atMs: NOW, freeSinceMs: 0 }, 1000)],
  ['S11 a read that failed', laws.unseen(['raise'], reads(read()), NOW), laws.unseen(['raise'], reads(read(NOW, false)), NOW)],
  ['S11 long ago', laws.unseen(['scale-down'], reads(read(NOW - 2001, false)), NOW), laws.unseen(['scale-down'], reads(read(NOW - 2000, false)), NOW)],
  ['S11 a rollback needs none', laws.unseen(['withdrawal'], reads(read(NOW, false)), NOW), laws.unseen(['promotion'], reads(read(NOW, false)), NOW)],
  ['S11 read in this pass', laws.unasked(['raise'], reads(read()), NOW), laws.unasked(['raise'], reads(read(NOW - 2001)), NOW)],
  ['S11 asked for together', laws.unasked(['raise'], reads(read(NOW - 2001, true, NOW)), NOW), laws.unasked(['raise'], reads(read(NOW - 2001, true, NOW - 1)), NOW)],
  ['S11 the routes, too, where they are not written', laws.unasked(['withdrawal'], reads(read()), NOW), laws.unasked(['scale-down'], reads(read()), NOW)],
  ['S11 answered in this step', laws.blind('v2', answers(501, 'value'), demand, 500), laws.blind('v2', answers(500, 'value'), demand, 500)],
  ['S11 by numbers', laws.blind('v2', answers(501, 'value'), demand, 500), laws.blind('v2', answers(501, 'error'), demand, 500)],
  ['S11 of the mesh as well', laws.blind('v2', answers(501, 'value'), demand, 500), laws.blind('v2', answers(501, 'value', 'error'), demand, 500)],
  ['S11 of some requests', laws.blind('v2', answers(501, 'empty'), { ...demand, needsRequests: false }, 500), laws.blind('v2', answers(501, 'empty'), demand, 500)],
  ['S15 an error is no absence', laws.unseen(['creation'], reads(read()), NOW), laws.unseen(['creation'], reads(read(NOW, false)), NOW)],
  ['S15 nor does it let go', laws.unseen(['release'], new Map(), NOW), laws.unseen(['release'], reads(read(NOW, false)), NOW)],
  ['S15 an old version', laws.outdated('it', { uid: 'u', resourceVersion: '41' }, known), laws.outdated('it', { uid: 'u', resourceVersion: '9' }, known)],
  ['S15 made twice', laws.madeTwice('it', 'another', new Set('u')), laws.madeTwice('it', 'u', new Set('u'))],
  ['S15 an older version of the target', laws.recalled(target(2), target(2)), laws.recalled(target(3), target(2))],
  ['S15 an older look at a version', laws.recalled(seen(1), seen(2)), laws.recalled(seen(2), seen(1))],
]

describe('the laws of a pass', () => {
  it.each(CASES)('%s', (_law, kept, broken) => {
    expect(kept).toEqual([])
    expect(broken).toHaveLength(1)
  })

  it('count no look that decides nothing', () => {
    expect(checks(5, true)).toEqual([])
    expect(laws.failedLooks([{ name: 'error-rate', verdict: 'Error', failures: 5 }], [METRIC])).toEqual([])
  })
})

const open = { v1: { rollout: 'a', hash: '' }, v2: { rollout: 'b', hash: '' } }
const exposure = (step: number, revision = 'v2') => ({ revision, weight: 5, match: [], step, plan: 'p' })
const ledger = (over: object): KubeObject => {
  const object = virtualService({ http: [{ route: [destination('web')] }] })
  return { ...object, metadata: { ...object.metadata, annotations: { 'serin.dev/ledger': JSON.stringify({ uid: 'u', stable: 'v1', promotions: 0, open, failed: {}, ...over }) } } }
}
const held = (finalizers: string[]): KubeObject => ({ ...canary(), metadata: { ...canary().metadata, finalizers } })
const tombstone = (rollout: string) => ({ failed: { v2: { rollout, hash: '', reason: 'ErrorRate', message: '', at: 0 } } })

describe('what a write does', () => {
  it.each([
    ['virtualservices', ledger({}), ledger({ exposure: exposure(0) }), ['raise']],
    ['virtualservices', ledger({ exposure: exposure(0) }), ledger({ exposure: exposure(1) }), ['raise']],
    ['virtualservices', ledger({ exposure: exposure(1) }), ledger({ exposure: exposure(1) }), []],
    ['virtualservices', ledger({ exposure: exposure(1) }), ledger({ exposure: exposure(0) }), []],
    ['virtualservices', ledger({ exposure: exposure(2) }), ledger({ stable: 'v2', promotions: 1 }), ['promotion']],
    ['virtualservices', ledger({ exposure: exposure(0) }), ledger(tombstone('b')), ['withdrawal']],
    ['virtualservices', ledger({ exposure: exposure(0) }), ledger(tombstone('another')), []],
    ['virtualservices', ledger({}), undefined, ['deletion']],
    ['destinationrules', destinationRule({ subsets: [{ name: 'a' }, { name: 'b' }] }), destinationRule({ subsets: [{ name: 'b' }] }), ['removal of a subset']],
    ['destinationrules', destinationRule({ subsets: [{ name: 'a' }] }), destinationRule({ subsets: [{ name: 'a' }, { name: 'b' }] }), []],
    ['deployments', version('v1', { replicas: 2 }), version('v1', { replicas: 1 }), ['scale-down']],
    ['deployments', version('v1', { replicas: 1 }), version('v1', { replicas: 2 }), []],
    ['canaries', held(['serin.dev/restore', 'x']), held(['x']), ['release']],
    ['canaries', held(['x']), held(['serin.dev/restore']), []],
  ])('%s %#', (plural, before, after, acts) => {
    expect(actsOf(plural, before, after)).toEqual(acts)
  })

  it.each([
    [[{ op: 'replace', path: '/metadata/resourceVersion', value: '7' }, { op: 'replace', path: '/metadata/uid', value: 'u' }]],
    [{ metadata: { uid: 'u', resourceVersion: '7' } }],
    [{ kind: 'DeleteOptions', preconditions: { uid: 'u', resourceVersion: '7' } }],
  ])('is computed from the version that it names %#', (body) => {
    expect(carriedBy(body)).toEqual({ uid: 'u', resourceVersion: '7' })
  })
})

describe('what Prometheus says', () => {
  const vector = (...values: readonly string[]) => JSON.stringify({ status: 'success', data: { result: values.map((value) => ({ metric: {}, value: [1, value] })) } })

  it.each([
    ['numbers', 200, vector('1', '0.5'), 'value'],
    ['nothing', 200, vector(), 'empty'],
    ['no number', 200, vector('1', 'NaN'), 'error'],
    ['a part', 200, JSON.stringify({ ...JSON.parse(vector('1')) as object, warnings: ['a store is away'] }), 'error'],
    ['an error', 503, JSON.stringify({ status: 'error', error: 'timeout' }), 'error'],
    ['a page', 200, '<html>', 'error'],
  ])('%s', (_what, code, text, verdict) => {
    expect(verdictOf(code, text)).toBe(verdict)
  })

  it('is an answer to one question', () => {
    const asked = (promql: string, more = '') => `/api/v1/query?query=${encodeURIComponent(promql)}${more}`
    expect(questionOf(asked('sum(istio_requests_total{destination_service=~"a"})'))).toBe('counts')
    expect(questionOf('/api/v1/query', `query=${encodeURIComponent('sum(istio_request_duration_milliseconds_bucket)')}`)).toBe('durations')
    expect(questionOf(asked('istio_requests_total{response_flags!~"-"}', '&time=7'))).toBe('mesh then')
    expect(questionOf('/-/ready')).toBeUndefined()
  })
})
