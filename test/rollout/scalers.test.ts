import { afterEach, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { autoscaler, kindOf, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const KIND = kindOf('autoscaling', 'v2', 'HorizontalPodAutoscaler')
const scalerOf = (name: string): KubeObject => {
  const made = autoscaler({ apiVersion: 'apps/v1', kind: 'Deployment', name })
  return { ...made, metadata: { ...made.metadata, name } }
}
const pods = () => harness.replicas('service-c-v2')
const size = (replicas: number) => harness.patch(version('v2'), { spec: { replicas } })

it('a version with an autoscaler of its own is started by Serin, and then waited for, not fought with', async () => {
  harness = await adopted({ replicas: 4, objects: [KIND, scalerOf('service-c-v1'), scalerOf('service-c-v2')], spec: { steps: [{ weight: 50, for: '20s' }], progressDeadline: '10m' } })
  await harness.apply(version('v2', { replicas: 0 }))
  await harness.until(() => harness.status().step === '1/1', 60_000)
  expect(pods()).toBe(2)
  for (let look = 0; look < 6; look++) {
    await size(1)
    await harness.clock.advance(15_000)
    expect(pods()).toBe(1)
  }
  expect(harness.status().message).toContain('the autoscaler of service-c-v2 has it at 1 pod, and 2 pods are needed')
  expect(harness.condition('Stalled')).toMatch(/^False/)

  await size(4)
  await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 120_000)
  expect(harness.meshMade()).toEqual([])
})

it('an autoscaler that comes in mid-rollout is heeded at once', async () => {
  harness = await adopted({ replicas: 4, objects: [KIND], spec: { steps: [{ weight: 50, for: '5m' }] } })
  await harness.apply(version('v2'))
  await harness.until(() => harness.status().step === '1/1' && pods() === 4, 60_000)
  await size(1)
  await harness.until(() => pods() === 4, 10_000)
  await harness.apply(scalerOf('service-c-v2'))
  await size(1)
  await harness.clock.advance(15_000)
  expect(pods()).toBe(1)
})
