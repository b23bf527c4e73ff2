import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { caller, canary, namespace, service, version } from '../fixtures.ts'
import { crd, happyIstio, Harness, uncheckedCrd } from '../harness.ts'

const SERVICE = 'service-c.istioinaction.svc.cluster.local'

const uidsOf = (harness: Harness, label: string): readonly string[] => harness.pods(label).map(({ metadata }) => metadata.uid ?? '').sort()

describe('the story of examples/happy-istio', () => {
  const harness = new Harness()
  const failures = () => harness.answers.filter(({ status }) => status !== 200).length
  const usersOf = (label: string) => harness.sandbox.mesh.tally(SERVICE).find((tally) => tally.version === label) ?? { requests: 0, errors: 0, mirrored: 0, mirroredErrors: 0 }
  const has = (revision: string, phase: string) => harness.status().phase === phase && (phase === 'Failed' ? harness.status().failed?.revision : harness.status().stableRevision) === revision
  const told = { failuresAtAdoption: 0, failuresWithV2: 0, failuresBeforeV4: 0, usersOfV2: 0, usersOfV3: 0, errorsOfV3: 0, analysed: [] as readonly string[], whileDraining: [] as readonly string[] }

  beforeAll(async () => {
    await harness.apply(crd(), ...happyIstio('namespace', 'service-a', 'service-b', 'service-c-v1', 'gateway'))
    await harness.clock.advance(1000)
    harness.users(100)
    harness.users(2, { headers: { 'x-tester': 'yes' } })
    await harness.clock.advance(1000)
    harness.startOperator()
    await harness.apply(...happyIstio('canary'))
    await harness.until(() => has('v1', 'Idle'), 20_000)
    told.failuresAtAdoption = failures()
    await harness.apply(...happyIstio('service-c-v2'))
    await harness.until(() => has('v2', 'Failed'), 60_000)
    Object.assign(told, { failuresWithV2: failures(), usersOfV2: usersOf('v2').requests })
    await harness.apply(...happyIstio('service-c-v3'))
    await harness.until(() => has('v3', 'Failed'), 60_000)
    Object.assign(told, { failuresBeforeV4: failures(), usersOfV3: usersOf('v3').requests, errorsOfV3: usersOf('v3').errors })
    await harness.apply(...happyIstio('service-c-v4'))
    await harness.until(() => harness.status().weight === '50%', 60_000)
    told.analysed = uidsOf(harness, 'v4')
    await harness.until(() => has('v4', 'Idle'), 60_000)
    told.whileDraining = uidsOf(harness, 'v1')
    await harness.until(() => harness.replicas('service-c-v1') === 0, 60_000)
    await harness.clock.advance(2000)
  })
  afterAll(() => harness.stop())

  it('drops nothing at adoption', () => {
    expect(told.failuresAtAdoption).toBe(0)
  })

  it('catches v2 on copies of requests before any user meets it', () => {
    expect(told.usersOfV2).toBe(0)
    expect(told.failuresWithV2).toBe(0)
    expect(usersOf('v2').mirroredErrors).toBeGreaterThan(40)
    expect(harness.oracle.exposures.filter((exposure) => exposure.startsWith('v2'))).toEqual(['v2 0'])
    expect(harness.events()).toContainEqual(expect.stringMatching(/^Warning RolledBack: v2 rolled back: error-rate 100%/))
  })

  it('passes v3 on copies of GET requests and to testers, and catches it at 5 % on the first POSTs', () => {
    expect(harness.oracle.exposures.filter((exposure) => exposure.startsWith('v3'))).toEqual(['v3 0', 'v3 1', 'v3 2'])
    expect(usersOf('v3').mirrored).toBeGreaterThan(40)
    expect(usersOf('v3').mirroredErrors).toBe(0)
    expect(told.errorsOfV3).toBeGreaterThan(0)
  })

  it('keeps the errors that users meet below 1 % over the whole story', () => {
    expect(harness.answers.length).toBeGreaterThan(4000)
    expect(failures() / harness.answers.length).toBeLessThan(0.01)
    expect(harness.meshMade()).toEqual([])
  })

  it('promotes v4 step by step and in order, with the very pods that were analysed', () => {
    expect(harness.oracle.exposures.filter((exposure) => exposure.startsWith('v4'))).toEqual([0, 1, 2, 3, 4, 5].map((step) => `v4 ${step}`))
    expect(told.analysed).toHaveLength(1)
    expect(uidsOf(harness, 'v4')).toEqual(told.analysed)
    expect(harness.oracle.violations).toEqual([])
  })

  it('drains v1 at full size before it goes, without an error', () => {
    expect(told.whileDraining).toHaveLength(1)
    expect(uidsOf(harness, 'v1')).toEqual([])
    expect(failures()).toBe(told.failuresBeforeV4)
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: 'v4', weight: '0%' })
  })

  it('remembers how every version ended', () => {
    expect(harness.status().history?.map(({ revision, result, reason }) => [revision, result, reason])).toEqual([
      ['v4', 'Promoted', undefined], ['v3', 'RolledBack', 'ErrorRate'], ['v2', 'RolledBack', 'ErrorRate'],
    ])
  })
})

describe('a slow rollout', () => {
  let harness: Harness
  afterEach(() => harness.stop())

  it('takes hours of steps as it takes seconds of them', async () => {
    harness = new Harness({ scrapeMs: 120_000 })
    await harness.apply(uncheckedCrd(), namespace(), service(), caller(), version('v1'))
    await harness.clock.advance(1000)
    harness.startOperator()
    harness.users(0.05, { host: 'service-c', from: harness.insider })
    const steps = [{ weight: 5, for: '2h' }, { weight: 25, for: '2h' }, { weight: 50, for: '2h' }]
    await harness.apply(canary({ steps, analysis: { interval: '15m', minRequests: 10, metrics: [{ name: 'error-rate', max: '1%' }] } }))
    await harness.until(() => harness.status().phase === 'Idle')
    const startedAt = harness.clock.monotonic()
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2', 12 * 3_600_000, 600_000)
    expect(harness.clock.monotonic() - startedAt).toBeGreaterThan(6 * 3_600_000)
    expect(harness.clock.monotonic() - startedAt).toBeLessThan(7 * 3_600_000)
    expect(harness.oracle.violations).toEqual([])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })
})
