import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { target, targetCanary } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
})

const RESTARTED = 'kubectl.kubernetes.io/restartedAt'
const NOTE = 'example.com/note'

const stableNow = () => harness.status().stableRevision ?? ''
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stableNow() !== before, 60_000)
const annotate = (object: KubeObject, annotations: object) => harness.patch(object, { spec: { template: { metadata: { annotations } } } })
const nothingBypassed = () => expect(harness.condition('Degraded')).toMatch(/^False/)

/** The target at an image, with a note in its pod template. */
function noted(image: string, note: string): KubeObject {
  const { spec, ...rest } = target(image) as KubeObject & { spec: { template: { metadata: object } } }
  return { ...rest, spec: { ...spec, template: { ...spec.template, metadata: { ...spec.template.metadata, annotations: { [NOTE]: note } } } } }
}

describe('ignoreAnnotations', () => {
  it('that are none make a restart a release like any other', async () => {
    harness = await adoptedTarget({ spec: { ignoreAnnotations: [] } })
    const first = stableNow()
    await annotate(target('v1'), { [RESTARTED]: '2026-01-01T00:00:00Z' })
    await promotedFrom(first)
    expect(harness.status().history).toMatchObject([{ result: 'Promoted' }])
    nothingBypassed()
  })

  it('of one’s own make no version: what has one is released with it, and follows its changes in place', async () => {
    harness = await adoptedTarget({ spec: { ignoreAnnotations: [RESTARTED, NOTE] } })
    const first = stableNow()
    await harness.apply(noted('v2', 'monday'))
    await promotedFrom(first)
    const second = stableNow()
    const before = harness.pods(second).map(({ metadata }) => metadata.uid)
    await annotate(target('v2'), { [NOTE]: 'tuesday' })
    await harness.until(() => harness.pods(second).length === 2 && harness.pods(second).every(({ metadata }) => !before.includes(metadata.uid)), 20_000)
    expect(harness.status().history).toMatchObject([{ result: 'Promoted' }])
    nothingBypassed()
  })

  it('that are edited in mid-rollout end nothing, and hold for what was made before', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '20s' }] } })
    const first = stableNow()
    await harness.apply(noted('v2', 'monday'))
    await harness.until(() => harness.status().step === '1/1', 60_000)
    await harness.patch(targetCanary(), { spec: { ignoreAnnotations: [NOTE] } })
    await promotedFrom(first)
    expect(harness.status().history).toMatchObject([{ result: 'Promoted' }])
    const second = stableNow()
    await annotate(target('v2'), { [NOTE]: 'tuesday' })
    await harness.until(() => harness.events().some((event) => event.startsWith('Normal Restarted')), 20_000)
    await harness.clock.advance(10_000)
    expect(stableNow()).toBe(second)
    nothingBypassed()
  })

  it('that change hide no edit of what serves', async () => {
    harness = await adoptedTarget({ spec: { ignoreAnnotations: [NOTE] } })
    const first = stableNow()
    await annotate(harness.object('deployments.apps', `service-c-${first}`), { 'example.com/other': 'edited' })
    await harness.until(() => harness.condition('Degraded').startsWith('True StableChangedInPlace'), 10_000)
    await annotate(target('v1'), { [NOTE]: 'monday' })
    await harness.until(() => harness.events().some((event) => event.startsWith('Normal Restarted')), 20_000)
    await harness.clock.advance(10_000)
    expect(harness.condition('Degraded')).toMatch(/^True StableChangedInPlace/)
  })
})
