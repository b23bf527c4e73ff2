import { afterEach, describe, expect, it } from 'vitest'
import { faulty, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const metrics = [{ name: 'error-rate', max: '1%' }]
const at = (step: string) => harness.until(() => harness.status().step === step, 120_000)
const sinceStep = () => harness.clock.now() - Date.parse(harness.status().rollout?.stepStartedAt ?? '')

describe('the analysis', () => {
  it('is made on a cron schedule in UTC where one is given', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '10s' }], analysis: { schedule: '*/30 * * * * *', minRequests: 4, failureThreshold: 1, metrics } } })
    await harness.apply(faulty('v2'))
    await at('1/1')
    await harness.until(() => harness.status().phase === 'Failed', 120_000)
    const seconds = new Date(harness.status().failed?.at ?? '').getUTCSeconds()
    expect([0, 30]).toContain(seconds)
  })

  it('shows what it sees before initialDelay is over, and judges after', async () => {
    harness = await adopted({ spec: { analysis: { interval: '1s', minRequests: 4, failureThreshold: 1, initialDelay: '12s', metrics } } })
    await harness.apply(faulty('v2'))
    await at('1/2')
    await harness.clock.advance(10_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(harness.status().checks?.[0]).toMatchObject({ verdict: 'Fail', failures: 0 })
    await harness.until(() => harness.status().phase === 'Failed', 20_000)
  })

  it('holds a step beyond "for" until each metric has judged minRequests', async () => {
    harness = await adopted({ rps: 10, spec: { steps: [{ weight: 10, for: '2s' }], analysis: { interval: '1s', minRequests: 20, metrics } } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(12_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '10%' })
    expect(harness.status().message).toMatch(/held at step-1: error-rate: \d+ more requests needed/)
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
  })

  it('rolls back a step that still waits at its deadline', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '2s', minRequests: 1_000_000, deadline: '30s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    const began = harness.clock.monotonic() - sinceStep()
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'Deadline' })
    expect(Date.parse(harness.status().failed?.at ?? '') - harness.clock.now() + harness.clock.monotonic() - began).toBeGreaterThanOrEqual(30_000)
  })

  it('gives up a version whose pods are not ready by progressDeadline, before anybody met it', async () => {
    harness = await adopted({ spec: { progressDeadline: '20s' } })
    await harness.apply(version('v2', { env: { READY_CHECK_RESPONSE_SUCCESS_CODE: '500' } }))
    await harness.clock.advance(15_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', rollout: { waitingFor: 'Pods' } })
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'ProgressDeadline' })
    expect(harness.oracle.exposures).toEqual([])
    expect(harness.replicas('service-c-v2')).toBe(0)
  })

  it('judges testers by what they were answered, where a step has only a match', async () => {
    harness = await adopted({ spec: { steps: [{ match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '5s' }, { weight: 20, for: '3s' }] } })
    await harness.apply(faulty('v2'))
    await at('1/2')
    await harness.clock.advance(3000)
    expect(harness.status().phase).toBe('Progressing')
    const leave = harness.users(10, { host: 'service-c', from: harness.insider, headers: { 'x-tester': 'yes' } })
    await harness.until(() => harness.status().phase === 'Failed', 20_000)
    leave()
    expect(harness.oracle.exposures).toEqual(['v2 0'])
    expect(harness.status().failed).toMatchObject({ reason: 'ErrorRate' })
  })

  it('ends nothing where the metric is a dry run, and shows it', async () => {
    harness = await adopted({ spec: { analysis: { interval: '1s', minRequests: 4, failureThreshold: 1, metrics: [{ name: 'error-rate', max: '1%', dryRun: true }] } } })
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().checks?.[0]?.verdict === 'Fail', 20_000)
    expect(harness.status().checks?.[0]?.dryRun).toBe(true)
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
  })

  it('takes up the time it had observed after a restart, but for what was not written down', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '40s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    const began = harness.clock.monotonic()
    await harness.clock.advance(25_000)
    harness.kill()
    await harness.clock.advance(1000)
    harness.startOperator()
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(harness.clock.monotonic() - began).toBeGreaterThan(40_000)
    expect(harness.clock.monotonic() - began).toBeLessThan(60_000)
  })
})
