import { afterEach, describe, expect, it } from 'vitest'
import { canary, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { ledgerOf } from '../oracle/objects.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const setReady = (label: string, ready: boolean, most = Infinity) =>
  harness.pods(label).slice(0, most).forEach(({ metadata }) => harness.sandbox.cluster.setPodReady(metadata.namespace ?? '', metadata.name, ready))

describe('a canary that loses', () => {
  it('all its pods gives everything back to stable at once', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('2/2')
    setReady('v2', false)
    await harness.clock.advance(0)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    await harness.until(() => harness.status().phase === 'Failed', 10_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'NoReadyCanary' })
  })

  it('its Deployment is rolled back, and the rollout ends', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.delete(version('v2'))
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    await harness.until(() => harness.status().rollout === undefined, 20_000)
    expect(harness.status().stableRevision).toBe('v1')
  })

  it('all its pods on the way back to the stable before has failed for good', async () => {
    harness = await adopted({ spec: { scaleDownDelay: { previous: '10m' } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 60_000)
    await harness.patch(canary(), { spec: { versions: { desired: 'v1' } } })
    await harness.until(() => harness.oracle.exposed(OWN)?.revision === 'v1', 10_000)
    setReady('v1', false)
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 10_000)
    const before = harness.oracle.exposures.length
    setReady('v1', true)
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Failed', stableRevision: 'v2', failed: { revision: 'v1', reason: 'NoReadyCanary' } })
    expect(harness.oracle.exposures).toHaveLength(before)
    expect(harness.replicas('service-c-v1')).toBe(0)
  })

  it('some of its pods is not raised before they are back', async () => {
    harness = await adopted({ replicas: 4, spec: { steps: [{ weight: 50, for: '2s' }, { weight: 75, for: '2s' }] } })
    await harness.apply(version('v2', { replicas: 4 }))
    await at('1/2')
    setReady('v2', false, 2)
    await harness.clock.advance(20_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '50%', rollout: { waitingFor: 'Pods' } })
    setReady('v2', true)
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
  })
})

describe('stable', () => {
  it('shrunk below its floor by somebody is restored as long as the rollout lasts', async () => {
    harness = await adopted({ replicas: 3, spec: { steps: [{ weight: 20, for: '20s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.patch(version('v1'), { spec: { replicas: 1 } })
    await harness.clock.advance(100)
    expect(harness.replicas('service-c-v1')).toBe(3)
    expect(harness.events()).toContainEqual(expect.stringContaining('StableRestored'))
  })

  it('grown by somebody in mid-rollout stays so, and the canary is sized from it', async () => {
    harness = await adopted({ replicas: 2, spec: { steps: [{ weight: 25, for: '2s' }, { weight: 50, for: '2s' }] } })
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.patch(version('v1'), { spec: { replicas: 6 } })
    await at('2/2')
    expect(harness.replicas('service-c-v1')).toBe(6)
    expect(harness.replicas('service-c-v2')).toBe(3)
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
    expect(harness.replicas('service-c-v2')).toBe(6)
  })

  it('without a ready pod is no way back: a failing canary is held, which is said, until there is one', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '30s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    setReady('v1', false)
    await harness.patch(canary(), { spec: { analysis: { metrics: [{ name: 'error-rate', max: '0%' }] } } })
    await harness.clock.advance(5000)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(20)
    expect(harness.condition('Degraded')).toMatch(/^True NoStableEndpoint/)
    expect(harness.condition('Ready')).toMatch(/^False/)
    setReady('v2', false)
    await harness.clock.advance(5000)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(20)
    setReady('v1', true)
    await harness.clock.advance(100)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
  })

  it('whose Deployment is deleted in mid-rollout holds everything, and is said to be gone', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '5s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.delete(version('v1'))
    await harness.clock.advance(30_000)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(20)
    expect(harness.condition('Degraded')).toMatch(/^True NoStableEndpoint/)
    expect(harness.status().stableRevision).toBe('v1')
  })

  it('and which is given up leaves everything to the canary, once that is as big as stable was', async () => {
    harness = await adopted({ replicas: 4, spec: { steps: [{ weight: 25, for: '1h' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.patch(version('v2'), { spec: { replicas: 1 } })
    await harness.delete(version('v1'))
    harness.oracle.mayJump = true
    await harness.patch(canary(), { spec: { versions: { desired: 'v2' } } })
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(harness.replicas('service-c-v2')).toBe(4)
  })
})

describe('a Canary that is deleted with onDelete Orphan', () => {
  it.each(['1/2', '2/2'])('at step %s leaves everything as it is', async (step) => {
    harness = await adopted({ spec: { onDelete: 'Orphan' } })
    await harness.apply(version('v2'))
    await at(step)
    const standing = () => JSON.stringify(['virtualservices.networking.istio.io', 'destinationrules.networking.istio.io'].map((resource) => harness.object(resource, OWN)['spec']))
    const before = [standing(), harness.replicas('service-c-v1'), harness.replicas('service-c-v2')]
    await harness.delete(canary())
    await harness.clock.advance(1000)
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(30_000)
    expect([standing(), harness.replicas('service-c-v1'), harness.replicas('service-c-v2')]).toEqual(before)
    expect(harness.find('canaries.serin.dev', 'service-c')).toBeUndefined()
    expect(harness.sandbox.cluster.requests.filter(({ method }) => method !== 'GET')).toEqual([])
    expect(harness.meshMade()).toEqual([])
  })

  it('and made again in mid-rollout goes back to stable without an error, and rolls out what is named', async () => {
    harness = await adopted({ spec: { onDelete: 'Orphan' } })
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.delete(canary())
    await harness.clock.advance(2000)
    await harness.apply(canary())
    await harness.until(() => harness.status().phase === 'Idle', 60_000)
    await harness.patch(canary(), { spec: { versions: { desired: 'v2' } } })
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 60_000)
    expect(harness.meshMade()).toEqual([])
    expect(ledgerOf(harness.object('virtualservices.networking.istio.io', OWN))?.promotions).toBe(1)
  })
})
