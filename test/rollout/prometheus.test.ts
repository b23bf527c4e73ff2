import { afterEach, describe, expect, it } from 'vitest'
import { faulty, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const seconds = (text = '0s') => Number.parseFloat(text)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)

describe.each(['down', 'slow', 'garbage', 'nan'] as const)('while Prometheus is %s', (fault) => {
  it.each(['1/2', '2/2'])('step %s is held, which is said, and goes on once there are answers', async (step) => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at(step)
    harness.sandbox.prometheus.fault = fault
    await harness.clock.advance(60_000)
    const { weight, message, rollout, phase } = harness.status()
    expect({ phase, weight, step: harness.status().step }).toEqual({ phase: 'Progressing', weight: step === '1/2' ? '20%' : '50%', step })
    expect(message).toMatch(/^held at step-\d: Prometheus: /)
    expect(rollout?.waitingFor).toBe('Evidence')
    expect(seconds(rollout?.observed)).toBeLessThan(2)
    expect(harness.condition('Degraded')).toMatch(/^True PrometheusBlind/)
    expect(harness.events().filter((event) => event.startsWith('Warning PrometheusBlind'))).toHaveLength(1)
    expect(harness.status().checks?.map(({ verdict }) => verdict)).toEqual(['Error'])
    harness.sandbox.prometheus.fault = undefined
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(harness.condition('Degraded')).toMatch(/^False/)
    expect(harness.oracle.violations).toEqual([])
  })
})

describe('while Prometheus is down', () => {
  it('a canary without ready pods is rolled back at once all the same', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('1/2')
    harness.sandbox.prometheus.fault = 'down'
    await harness.clock.advance(3000)
    killPods('v2')
    await harness.clock.advance(0)
    expect(harness.oracle.exposed('serin-service-c')).toBeUndefined()
    await harness.until(() => harness.status().phase === 'Failed', 10_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'NoReadyCanary' })
  })

  it('a deadline ends the hold', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '2s', deadline: '20s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    harness.sandbox.prometheus.fault = 'down'
    await harness.clock.advance(15_000)
    expect(harness.status().weight).toBe('20%')
    await harness.clock.advance(8000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'Deadline' })
  })

  it('blind time is no failure, and no bad answer is forgotten', async () => {
    harness = await adopted({ spec: { analysis: { interval: '1s', minRequests: 4, failureThreshold: 3, metrics: [{ name: 'error-rate', max: '1%' }] } } })
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().checks?.[0]?.failures === 1, 20_000)
    harness.sandbox.prometheus.fault = 'garbage'
    await harness.clock.advance(20_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(harness.status().checks?.[0]?.failures).toBe(1)
    harness.sandbox.prometheus.fault = undefined
    await harness.clock.advance(2500)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'ErrorRate' })
  })
})

describe('while Prometheus knows of no requests', () => {
  const withoutData = async (noData: string) => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '3s' }], analysis: { interval: '1s', minRequests: 4, noData, metrics: [{ name: 'error-rate', max: '1%' }] } } })
    harness.sandbox.prometheus.fault = 'empty'
    await harness.apply(version('v2'))
    await at('1/1')
  }

  it('noData: Hold holds at the end of "for", and time counts', async () => {
    await withoutData('Hold')
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(harness.status().message).toMatch(/no requests yet, 4 needed/)
    expect(seconds(harness.status().rollout?.observed)).toBeGreaterThanOrEqual(3)
    expect(harness.condition('Degraded')).toMatch(/^False/)
    harness.sandbox.prometheus.fault = undefined
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
  })

  it('noData: Pass goes on at the end of "for", not before', async () => {
    await withoutData('Pass')
    await harness.clock.advance(2500)
    expect(harness.status().weight).toBe('20%')
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
  })

  it('noData: Fail rolls back at the end of "for", not before', async () => {
    await withoutData('Fail')
    await harness.clock.advance(2500)
    expect(harness.status().weight).toBe('20%')
    await harness.until(() => harness.status().phase === 'Failed', 20_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'NoData' })
  })
})

function killPods(label: string): void {
  for (const pod of harness.pods(label)) harness.sandbox.cluster.setPodReady(pod.metadata.namespace ?? '', pod.metadata.name, false)
}
