import { describe, expect, it } from 'vitest'
import type { CheckPlan } from '../canary/due-checks.ts'
import { settings } from '../canary/world.fixture.ts'
import type { Answers } from './ask.ts'
import { Examination } from './examination.ts'

const NAMES = { namespace: 'test', name: 'web', hosts: ['web.test.svc.cluster.local', 'web.test'] }
const SECOND = 1000
const INTERVAL = 10 * SECOND

const plan = (over: Partial<CheckPlan> = {}): CheckPlan => ({
  rollout: 'v2@t', step: 'v2@t#0#p', clock: { kind: 'interval', everyMs: INTERVAL }, metrics: settings().analysis.metrics,
  workload: 'web-v2', reporter: 'source', minRequests: 50, initialDelayMs: 0, exposed: true, previewed: false, countsInMs: 0, stepStartedAt: 0, stepAgeMs: 0, observedMs: 0, propagationMs: 15 * SECOND, remembered: [], ...over,
})
const counter = (value: number, code = '200', pod = 'a') => ({
  labels: { instance: pod, pod, reporter: 'source', destination_workload: 'web-v2', destination_workload_namespace: 'test', response_code: code, response_flags: '-' }, value,
})
const answers = (over: Partial<Answers> = {}): Answers => ({ counts: [], durations: [], meshAnswers: [], ...over })
const at = (seconds: number) => ({ now: seconds * SECOND, monotonicMs: seconds * SECOND, intervalMs: INTERVAL })
const started = (over: Partial<CheckPlan> = {}) => {
  const examination = new Examination(plan(over), 'web.test.svc.cluster.local', NAMES, 0)
  examination.mark([counter(0), counter(0, '500')], [])
  return examination
}
const evidence = (examination: Examination, step = plan().step) => examination.evidenceOf(step) ?? expect.fail('no evidence of this step')

describe('an examination', () => {
  it('counts the time between two ticks that both saw, and only once the exposure has spread', () => {
    const examination = started({ countsInMs: 15 * SECOND })
    for (const tick of [10, 20, 30]) examination.look(answers(), at(tick))
    expect(evidence(examination).observedMs).toBe(5 * SECOND + 10 * SECOND)
  })

  it('loses no time to the looks in between', () => {
    const examination = started()
    examination.look(answers(), at(10))
    for (const second of [12, 15, 19]) examination.follow(plan(), second * SECOND)
    examination.look(answers(), at(20))
    expect(evidence(examination).observedMs).toBe(10 * SECOND)
  })

  it('counts no blind time, and a gap as two intervals at most', () => {
    const examination = started()
    examination.look(answers(), at(10))
    examination.blind('down', 20 * SECOND, INTERVAL)
    examination.look(answers(), at(30))
    expect(evidence(examination).observedMs).toBe(0)
    examination.look(answers(), at(300))
    expect(evidence(examination).observedMs).toBe(20 * SECOND)
  })

  it('is blind after five intervals without an answer, and sees again at the first', () => {
    const examination = started()
    for (let tick = 1; tick <= 5; tick++) examination.blind('down', tick * INTERVAL, INTERVAL)
    expect(evidence(examination).blindSince).toBeUndefined()
    examination.blind('down', 6 * INTERVAL, INTERVAL)
    expect(evidence(examination).blindSince).toBe(INTERVAL)
    expect(evidence(examination).checks).toMatchObject([{ verdict: 'Error', message: 'Prometheus: down' }])
    examination.look(answers(), at(70))
    expect(evidence(examination).blindSince).toBeUndefined()
  })

  it('judges what grew since the step began, and begins anew with another step, on the same counters', () => {
    const examination = started()
    examination.look(answers({ counts: [counter(90), counter(10, '500')] }), at(10))
    expect(evidence(examination).checks).toMatchObject([{ verdict: 'Fail', failures: 1, requests: 100 }])
    examination.follow(plan({ step: 'next' }), 11 * SECOND)
    expect(examination.evidenceOf(plan().step)).toBeUndefined()
    examination.look(answers({ counts: [counter(190), counter(10, '500')] }), at(20))
    expect(evidence(examination, 'next').checks).toMatchObject([{ verdict: 'Pass', failures: 0, requests: 100 }])
  })

  it('goes on after a restart with the time and the failures that status remembers', () => {
    const remembered = [{ name: 'error-rate', verdict: 'Fail', failures: 1 }] as const
    const examination = new Examination(plan({ observedMs: 40 * SECOND, remembered }), 'web', NAMES, 0)
    expect(examination.needsMarks).toBe(true)
    examination.mark([counter(0, '500')], [])
    examination.look(answers({ counts: [counter(100, '500')] }), at(10))
    expect(evidence(examination)).toMatchObject({ observedMs: 40 * SECOND, checks: [{ verdict: 'Fail', failures: 2 }] })
  })

  it('blames a change of ours for what the mesh answers itself soon after, and holds for the rest', () => {
    const meshAnswers = (flags: string) => [{ labels: { destination_service: 'web.test.svc.cluster.local', response_flags: flags }, by: 3 }]
    const broken = started()
    broken.wrote(0)
    broken.look(answers({ meshAnswers: meshAnswers('NC') }), at(10))
    expect(evidence(broken).broken).toContain('3 requests')
    const unusual = started()
    unusual.usual([], 600 * SECOND)
    unusual.look(answers({ meshAnswers: meshAnswers('NR') }), at(100))
    expect(evidence(unusual)).toMatchObject({ broken: undefined, unusual: expect.stringContaining('more than usual') as string })
    const usual = started()
    usual.usual(meshAnswers('NR').map((growth) => ({ ...growth, by: 600 })), 600 * SECOND)
    usual.look(answers({ meshAnswers: meshAnswers('NR') }), at(100))
    expect(evidence(usual).unusual).toBeUndefined()
  })

  it('tells requests that reach a dark pod', () => {
    const examination = started({ exposed: false })
    examination.look(answers({ counts: [{ labels: { ...counter(0).labels, reporter: 'destination' }, value: 4 }] }), at(10))
    expect(evidence(examination).darkReached).toContain('4 requests')
    expect(evidence(examination).checks).toEqual([])
  })
})

describe('time before an exposure', () => {
  it('does not count, even where routes need no time to spread', () => {
    const examination = started({ step: 'dark', exposed: false })
    examination.look(answers(), at(10))
    examination.follow(plan({ propagationMs: 0 }), 19 * SECOND)
    examination.look(answers(), at(20))
    expect(evidence(examination).observedMs).toBe(SECOND)
  })
})
