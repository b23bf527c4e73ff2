import { afterEach, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { autoscaler, kindOf, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const scalerOf = (name: string): KubeObject => {
  const made = autoscaler({ apiVersion: 'apps/v1', kind: 'Deployment', name })
  return { ...made, metadata: { ...made.metadata, name } }
}

// Fails: nobody asks whether a version's Deployment has a scaler of its own; its size is set against it until that counts as a contest.
it.fails('a version with an autoscaler of its own is waited for, not fought with', async () => {
  const kind = kindOf('autoscaling', 'v2', 'HorizontalPodAutoscaler')
  harness = await adopted({ replicas: 4, objects: [kind, scalerOf('service-c-v1'), scalerOf('service-c-v2')], spec: { steps: [{ weight: 50, for: '5m' }] } })
  await harness.apply(version('v2'))
  await harness.until(() => harness.status().step === '1/1', 60_000)
  for (let look = 0; look < 6; look++) {
    await harness.patch(version('v2'), { spec: { replicas: 1 } })
    await harness.clock.advance(15_000)
  }
  expect(harness.condition('Stalled')).not.toContain('ReplicasContested')
})
