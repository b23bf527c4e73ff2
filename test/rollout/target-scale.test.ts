import { afterEach, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { target } from '../fixtures.ts'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`
const namesOf = (pods: readonly KubeObject[]) => pods.map(({ metadata }) => metadata.name).toSorted()

/** The pods that an autoscaler of the Canary finds by what /scale says, and those of a revision's own Deployment. */
async function found(): Promise<readonly string[]> {
  const scale = await harness.call('GET', `/apis/serin.dev/v1beta1/namespaces/${NAMESPACE}/canaries/service-c/scale`)
  const { selector = '' } = scale.body['status'] as { selector?: string }
  const { body } = await harness.call('GET', `${PODS}?labelSelector=${encodeURIComponent(selector)}`)
  return namesOf(body['items'] as readonly KubeObject[])
}
const podsOf = (revision: string) => namesOf(harness.sandbox.cluster.reader.list('pods', NAMESPACE).filter(({ metadata }) => metadata.name.startsWith(`service-c-${revision}-`)))

it('the selector of /scale finds the pods of stable and no other: in a rollout, after it, and beside pods that only look like them', async () => {
  harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '10s' }], scaleDownDelay: { previous: '1h' } } })
  const first = harness.status().stableRevision ?? ''
  expect(harness.status().selector).toBe(`app=service-c,serin.dev/revision=${first}`)
  await harness.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'debug', namespace: NAMESPACE, labels: { 'serin.dev/revision': first } }, spec: { containers: [{ name: 'debug', image: 'debug:1' }] } })
  expect(await found()).toEqual(podsOf(first))
  await harness.apply(target('v2'))
  await harness.until(() => harness.status().step === '1/1', 60_000)
  const second = harness.status().canaryRevision ?? ''
  expect([podsOf(first).length, podsOf(second).length]).toEqual([2, 1])
  expect(await found()).toEqual(podsOf(first))
  await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === second, 60_000)
  expect([podsOf(first).length, podsOf(second).length]).toEqual([2, 2])
  expect(await found()).toEqual(podsOf(second))
})
