import { afterEach, describe, expect, it } from 'vitest'
import { atEdge, destination, faulty, service, version, virtualService } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const [gateway, shop] = atEdge()
if (gateway === undefined || shop === undefined) throw new Error('nothing at the edge')
const OBJECTS = [gateway, shop, virtualService()]

const list = (name: string, index = 0) => (harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: readonly { route: readonly { destination: { host: string; subset?: string }; weight?: number }[] }[] }).http[index]?.route
const weights = (name: string, index = 0) => list(name, index)?.map(({ destination: { host, subset }, weight }) => `${subset ?? host} ${weight ?? ''}`)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000, 10)

/** Requests that change a VirtualService, at whatever moment of virtual time. */
const routeWrites = () => harness.sandbox.cluster.requests.filter(({ method, path, status }) => method === 'PATCH' && path.includes('virtualservices') && status < 300).map(({ path }) => path.split('/').at(-1))

describe('two VirtualServices for one Service, one for the mesh and one at a gateway', () => {
  it('are raised together, step by step, and promoted', async () => {
    harness = await adopted({ objects: OBJECTS })
    harness.users(20)
    expect([weights('service-c'), weights('shop')]).toEqual([['serin-v1 '], ['serin-v1 ']])
    await harness.apply(version('v2'))
    for (const [step, expected] of [['1/2', ['serin-v1 80', 'serin-v2 20']], ['2/2', ['serin-v1 50', 'serin-v2 50']]] as const) {
      await at(step)
      expect([weights('service-c'), weights('shop')]).toEqual([expected, expected])
    }
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
    expect([weights('service-c'), weights('shop')]).toEqual([['serin-v2 '], ['serin-v2 ']])
    expect(harness.find('virtualservices.networking.istio.io', 'serin-service-c')).toBeUndefined()
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(harness.oracle.violations).toEqual([])
  })

  it('are rolled back in one pass, both at once', async () => {
    harness = await adopted({ objects: OBJECTS })
    await harness.apply(faulty('v2'))
    await at('1/2')
    harness.sandbox.cluster.forgetRequests()
    await harness.until(() => harness.status().phase !== 'Progressing', 20_000, 10)
    expect([weights('service-c'), weights('shop')]).toEqual([['serin-v1 '], ['serin-v1 ']])
    expect(new Set(routeWrites().slice(0, 2))).toEqual(new Set(['service-c', 'shop']))
    expect(harness.sandbox.cluster.requests.filter(({ path }) => !path.includes('watch=1')).slice(0, 2).every(({ path }) => path.includes('virtualservices'))).toBe(true)
  })

  it('of which one refuses the rollback leave the other at stable, and follow as soon as it is accepted', async () => {
    harness = await adopted({ objects: OBJECTS })
    await harness.apply(faulty('v2'))
    await at('1/2')
    let refused = 0
    harness.sandbox.cluster.faults.intercept = ({ method, path }) => (method === 'PATCH' && path.includes('virtualservices/service-c') && refused++ < 2 ? { status: 500 } : 'pass')
    await harness.until(() => weights('shop')?.length === 1, 20_000, 10)
    await harness.until(() => weights('service-c')?.length === 1, 2000, 10)
    expect(refused).toBe(3)
    await harness.until(() => harness.status().phase === 'Failed', 20_000)
    expect(harness.oracle.violations).toEqual([])
  })

  it('of which the one at the gateway is deleted in mid-rollout go on with the other', async () => {
    harness = await adopted({ objects: OBJECTS, spec: { steps: [{ weight: 20, for: '10s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    await harness.delete(shop)
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(weights('service-c')).toEqual(['serin-v2 '])
    expect(harness.meshMade()).toEqual([])
  })

  it('of which the one at the gateway is new in mid-rollout: it is given stable or the present weights at once, never all pods', async () => {
    harness = await adopted({ objects: [gateway, virtualService()], spec: { steps: [{ weight: 20, for: '10s' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    await harness.apply(shop)
    await harness.clock.advance(0)
    expect(weights('shop')?.every((entry) => entry.startsWith('serin-'))).toBe(true)
    await harness.until(() => harness.status().rollout === undefined, 60_000)
    expect([weights('service-c'), weights('shop')]).toEqual([weights('service-c'), weights('service-c')])
    expect(harness.meshMade()).toEqual([])
  })
})

describe('a route that is shared with another Service', () => {
  it('leaves that its share at every step, and the numbers come back in the end', async () => {
    const shared = virtualService({ http: [{ route: [destination('service-c', undefined, 75), destination('legacy', undefined, 25)] }] })
    harness = await adopted({ objects: [service('legacy'), version('v1', { app: 'legacy' }), shared] })
    expect(weights('service-c')).toEqual(['serin-v1 75', 'legacy 25'])
    await harness.apply(version('v2'))
    for (const step of ['1/2', '2/2']) {
      await at(step)
      const entries = list('service-c') ?? []
      const sum = entries.reduce((total, { weight = 0 }) => total + weight, 0)
      expect((entries.find((entry) => entry.destination.host === 'legacy')?.weight ?? 0) / sum).toBe(0.25)
      expect((entries.find((entry) => entry.destination.subset === 'serin-v2')?.weight ?? 0) / sum).toBeCloseTo(step === '1/2' ? 0.15 : 0.375)
    }
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
    expect(weights('service-c')).toEqual(['serin-v2 75', 'legacy 25'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })
})

describe('routes for some requests only', () => {
  it('are all managed, and a match step is inserted before each of them', async () => {
    const http = [
      { name: 'api', match: [{ uri: { prefix: '/api' } }], route: [destination('service-c')] },
      { name: 'rest', route: [destination('service-c')] },
    ]
    harness = await adopted({ objects: [virtualService({ http })], spec: { steps: [{ match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '2s' }, { weight: 50, for: '2s' }] } })
    await harness.apply(version('v2'))
    await at('1/2')
    const names = () => (harness.object('virtualservices.networking.istio.io', 'service-c')['spec'] as { http: readonly { name?: string }[] }).http.map(({ name }) => name)
    expect(names()).toHaveLength(4)
    expect(names().filter((name) => name === 'api' || name === 'rest')).toEqual(['api', 'rest'])
    await at('2/2')
    expect(names()).toEqual(['api', 'rest'])
    expect([weights('service-c', 0), weights('service-c', 1)]).toEqual([['serin-v1 50', 'serin-v2 50'], ['serin-v1 50', 'serin-v2 50']])
    await harness.until(() => harness.status().stableRevision === 'v2', 20_000)
  })
})
