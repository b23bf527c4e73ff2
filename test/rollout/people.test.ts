import { afterEach, describe, expect, it } from 'vitest'
import { caller, canary, faulty, namespace, service, version } from '../fixtures.ts'
import { crd, Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const at = (step: string) => harness.until(() => harness.status().step === step, 120_000)
const failed = (revision: string) => harness.until(() => harness.status().phase === 'Failed' && harness.status().failed?.revision === revision, 60_000)
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
const patch = (spec: object) => harness.patch(canary(), { spec })
const desire = (desired: string | null) => patch({ versions: { desired } })
/** Requests that the API server carried out, but for reads, status and events. */
const serving = () => harness.sandbox.cluster.requests.filter(({ method, path, status }) => method !== 'GET' && status < 300 && !/events|\/status$/.test(path)).map(({ method, path }) => `${method} ${path.split('/').slice(-2).join('/')}`)

describe('suspend', () => {
  it('at creation writes nothing but status and events, until it is taken back', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), caller(), version('v1'))
    harness.startOperator()
    await harness.apply(canary({ suspend: true }))
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(30_000)
    expect(serving()).toEqual([])
    expect(harness.status().phase).toBe('Suspended')
    await patch({ suspend: false })
    await stable('v1')
  })

  it('in a rollout freezes the step, but not the rollback', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '2s' }, { weight: 50, for: '2s' }] } })
    await harness.apply(version('v2'))
    await at('1/2')
    await patch({ suspend: true })
    await harness.clock.advance(30_000)
    expect(harness.status()).toMatchObject({ phase: 'Suspended', weight: '20%' })
    await harness.apply(faulty('v2'))
    await harness.clock.advance(10_000)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
  })

  it('at rest lets no new version start', async () => {
    harness = await adopted()
    await patch({ suspend: true })
    await harness.clock.advance(1000)
    harness.sandbox.cluster.forgetRequests()
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(10_000)
    expect(serving()).toEqual(['POST deployments'].map(() => expect.stringContaining('deployments') as string))
    await patch({ suspend: false })
    await stable('v2')
  })
})

describe('desired', () => {
  it('brings the previous stable back in one route write while it still stands', async () => {
    harness = await adopted({ spec: { scaleDownDelay: { previous: '60s' } } })
    await harness.apply(version('v2'))
    await stable('v2')
    await harness.clock.advance(5000)
    harness.sandbox.cluster.forgetRequests()
    const before = harness.clock.monotonic()
    await desire('v1')
    await harness.until(() => harness.oracle.exposed(OWN)?.revision === 'v1', 5000, 50)
    expect(harness.clock.monotonic() - before).toBeLessThanOrEqual(500)
    expect(serving().filter((write) => write.startsWith('PATCH virtualservices'))).toHaveLength(1)
    await stable('v1')
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('takes the previous stable through all steps again once it is gone', async () => {
    harness = await adopted({ spec: { rollbackWindow: '0s' } })
    await harness.apply(version('v2'))
    await stable('v2')
    await harness.until(() => harness.status().previous === undefined, 20_000)
    await desire('v1')
    await stable('v1')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 1', 'v2 2', 'v1 0', 'v1 1', 'v1 2'])
    expect(harness.oracle.violations).toEqual([])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('retries a failed version when it is named, and again only when it is named anew', async () => {
    harness = await adopted()
    await harness.apply(faulty('v2'))
    await failed('v2')
    await desire('v2')
    await harness.until(() => harness.oracle.exposures.length === 2, 30_000).catch(() => undefined)
    await failed('v2')
    await harness.clock.advance(30_000)
    expect(harness.status().history).toHaveLength(2)
    await desire(null)
    await harness.clock.advance(2000)
    await desire('v2')
    await harness.until(() => harness.status().phase === 'Progressing', 10_000)
    await failed('v2')
    expect(harness.status().history?.map(({ result }) => result)).toEqual(['RolledBack', 'RolledBack', 'RolledBack'])
  })

  it('naming stable in mid-rollout ends it at once, without a tombstone', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('1/2')
    await desire('v1')
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    await stable('v1')
    expect(harness.status().failed).toBeUndefined()
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'Reverted' })
    expect(harness.replicas('service-c-v2')).toBe(0)
  })

  it('that names no version stalls, which is said, and goes on when it comes', async () => {
    harness = await adopted()
    await desire('v7')
    await harness.clock.advance(5000)
    expect(harness.condition('Stalled')).toMatch(/^True VersionNotFound: no Deployment has version v7/)
    await harness.apply(version('v7'))
    await stable('v7')
  })
})

describe('a new version', () => {
  it('applied in mid-rollout supersedes the canary: to stable at once, drained, gone, then the new one starts dark', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.apply(version('v3', { replicas: 0 }))
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    expect(harness.replicas('service-c-v2')).toBe(1)
    await stable('v3')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v3 0', 'v3 1', 'v3 2'])
    expect(harness.status().history?.map(({ revision, result }) => `${revision} ${result}`)).toEqual(['v3 Promoted', 'v2 Superseded'])
    expect(harness.replicas('service-c-v2')).toBe(0)
    expect(harness.status().failed).toBeUndefined()
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('applied while promotion has begun waits for its end', async () => {
    harness = await adopted({ spec: { traffic: { propagation: '2s', drain: '2s' } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().phase === 'Promoting', 60_000)
    await harness.apply(version('v3', { replicas: 0 }))
    await stable('v3')
    expect(harness.status().history?.map(({ revision, result }) => `${revision} ${result}`)).toEqual(['v3 Promoted', 'v2 Promoted'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('two at once: the later created is rolled out, the other recorded and left as it is', async () => {
    harness = await adopted()
    harness.sandbox.cluster.faults.pauseWatches()
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(2000)
    await harness.apply(version('v3', { replicas: 0 }))
    harness.sandbox.cluster.faults.resumeWatches()
    await stable('v3')
    expect(harness.status().seen?.map(({ revision }) => revision)).toEqual(['v1', 'v2', 'v3'])
    expect(harness.replicas('service-c-v2')).toBe(0)
    expect(harness.oracle.exposures.every((exposure) => exposure.startsWith('v3'))).toBe(true)
  })
})

describe('a changed template', () => {
  const changed = (label: string, options = {}) => version(label, { ...options, env: { MESSAGE: 'changed' } })

  it('of the canary while it has weight takes it from users in the same pass, and starts at step 0', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('2/2')
    await harness.apply(changed('v2'))
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 1', 'v2 0', 'v2 1', 'v2 2'])
    expect(harness.oracle.violations).toEqual([])
  })

  it('of stable is said to have bypassed Serin, moves nothing, and is forgotten with the next version', async () => {
    harness = await adopted()
    await harness.apply(changed('v1', { replicas: 2 }))
    await harness.clock.advance(5000)
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: 'v1' })
    expect(harness.condition('Degraded')).toMatch(/^True StableChangedInPlace/)
    expect(harness.oracle.exposures).toEqual([])
    await harness.apply(version('v2'))
    await stable('v2')
    expect(harness.condition('Degraded')).toMatch(/^False/)
  })

  it('of a failed version is a new try', async () => {
    harness = await adopted()
    await harness.apply(faulty('v2'))
    await failed('v2')
    await harness.clock.advance(30_000)
    expect(harness.status().phase).toBe('Failed')
    await harness.apply(version('v2', { replicas: 0, env: { ERROR_RATE: '0' } }))
    await stable('v2')
    expect(harness.oracle.violations).toEqual([])
  })

  it('of a failed version back to what failed does not try that again', async () => {
    harness = await adopted()
    await harness.apply(faulty('v2', { replicas: 0 }))
    await failed('v2')
    await harness.apply(faulty('v3', { replicas: 0 }))
    await failed('v3')
    await harness.clock.advance(30_000)
    expect(harness.status().history?.map(({ revision }) => revision)).toEqual(['v3', 'v2'])
    expect(harness.status().seen?.map(({ revision, failed: why }) => `${revision} ${why ?? ''}`)).toEqual(['v1 ', 'v2 ErrorRate', 'v3 ErrorRate'])
  })
})

describe('the steps', () => {
  it('edited in mid-rollout keep the present weight, which must pass once more, and go on above it', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '4s' }, { weight: 50, for: '2s' }] } })
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.clock.advance(2000)
    await patch({ steps: [{ weight: 5, for: '2s' }, { weight: 20, for: '4s' }, { weight: 60, for: '2s' }, { weight: 80, for: '2s' }] })
    await harness.clock.advance(3000)
    expect(harness.status()).toMatchObject({ weight: '20%', step: '2/4' })
    await harness.until(() => harness.status().weight === '60%', 20_000)
    await stable('v2')
  })
})
