import { afterEach, describe, expect, it } from 'vitest'
import { istioCrds } from '../../src/sandbox/istio-kinds.ts'
import { caller, canary, destination, destinationRule, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, type Harness } from '../harness.ts'
import { adopted, type AdoptedOptions } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const SLOW = { steps: [{ weight: 20, for: '5m' }, { weight: 50, for: '5m' }] }
const http = (name = 'service-c') => (harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: readonly { route: readonly { destination: { subset?: string }; weight?: number }[] }[] }).http
const weights = (name?: string) => http(name).at(-1)?.route.map(({ destination: { subset }, weight }) => `${subset ?? 'any'} ${weight ?? ''}`)
const BOTH = ['serin-v1 80', 'serin-v2 20']

/** v2 at 20 % for five minutes; what was answered before does not count. */
async function midRollout({ objects = [virtualService()], ...options }: AdoptedOptions = {}, step = '1/2'): Promise<void> {
  harness = await adopted({ spec: SLOW, objects, ...options })
  await harness.apply(version('v2'))
  await harness.until(() => harness.status().step === step, 60_000)
  await harness.clock.advance(2000)
  harness.answers.splice(0)
}

/** Requests within the next `ms`, answered or not, but for the lease. */
async function requestsWithin(ms: number): Promise<number> {
  let count = 0
  harness.sandbox.cluster.faults.intercept = ({ path }) => {
    if (!path.includes('leases')) count++
    return 'pass'
  }
  await harness.clock.advance(ms)
  return count
}

const wrong = () => harness.answers.filter(({ status }) => status !== 200)
const [virtualServiceCrd] = istioCrds()

describe('deleted in mid-rollout', () => {
  it('the Service: nothing moves and nothing shrinks, which is said; it goes on once the Service is back', async () => {
    await midRollout()
    await harness.delete(service())
    await harness.clock.advance(5000)
    expect(harness.status().message).toMatch(/Service istioinaction\/service-c does not exist/)
    expect(weights()).toEqual(BOTH)
    expect([harness.replicas('service-c-v1'), harness.replicas('service-c-v2')]).toEqual([2, 1])
    expect(await requestsWithin(60_000)).toBeLessThan(20)
    await harness.apply(service())
    await harness.until(() => /does not exist/.test(harness.status().message ?? '') === false, 10_000)
    harness.answers.splice(0)
    await harness.clock.advance(20_000)
    expect(wrong()).toEqual([])
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })

  it("the user's DestinationRule: the subsets of Serin stand in a rule of their own, and nobody notices", async () => {
    await midRollout({ objects: [virtualService(), destinationRule({ trafficPolicy: { loadBalancer: { simple: 'RANDOM' } }, exportTo: ['*'] })] })
    await harness.delete(destinationRule())
    await harness.clock.advance(5000)
    expect(harness.object('destinationrules.networking.istio.io', 'serin-service-c')['spec']).not.toHaveProperty('exportTo')
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(weights()).toEqual(BOTH)
    expect(wrong()).toEqual([])
  })

  it("the user's DestinationRule whose subset the routes named at first: the rollout and its promotion need it no more", async () => {
    const named = virtualService({ http: [{ route: [destination('service-c', 'one')] }] })
    await midRollout({ objects: [named, destinationRule({ subsets: [{ name: 'one', labels: { version: 'v1' } }] })], spec: { steps: [{ weight: 20, for: '10s' }] } }, '1/1')
    await harness.delete(destinationRule())
    await harness.until(() => harness.status().stableRevision === 'v2', 30_000)
    await harness.clock.advance(5000)
    expect(weights()).toEqual(['serin-v2 '])
    expect(wrong()).toEqual([])
  })

  it('the Canary itself, with onDelete Orphan: routes and pods stay as they are', async () => {
    await midRollout({ spec: { ...SLOW, onDelete: 'Orphan' } })
    await harness.delete(canary())
    await harness.clock.advance(30_000)
    expect(weights()).toEqual(BOTH)
    expect([harness.replicas('service-c-v1'), harness.replicas('service-c-v2')]).toEqual([2, 1])
    expect(wrong()).toEqual([])
    expect(await requestsWithin(60_000)).toBeLessThan(10)
  })

  it('the CustomResourceDefinition of Canary: routes and pods stay, nothing spins, and a new Canary takes over', async () => {
    await midRollout()
    await harness.delete(crd())
    harness.sandbox.cluster.faults.dropWatches()
    await harness.clock.advance(5000)
    expect(weights()).toEqual(BOTH)
    expect(await requestsWithin(120_000)).toBeLessThan(40)
    expect(wrong()).toEqual([])
    await harness.apply(crd())
    await harness.apply(canary(SLOW))
    await harness.until(() => harness.find('canaries.serin.dev', 'service-c') !== undefined && harness.status().weight === '20%', 120_000)
    expect(wrong()).toEqual([])
  })

  it('the CustomResourceDefinition of VirtualService: said, without spinning; routes stand again once it is back', async () => {
    await midRollout()
    if (virtualServiceCrd === undefined) throw new Error('the sandbox has no VirtualService')
    await harness.delete(virtualServiceCrd)
    harness.sandbox.cluster.faults.dropWatches()
    await harness.clock.advance(5000)
    expect(harness.condition('Stalled')).toMatch(/^True WriteRefused: POST virtualservices.networking.istio.io istioinaction\/serin-service-c: 404/)
    expect([harness.replicas('service-c-v1'), harness.replicas('service-c-v2')]).toEqual([2, 1])
    // One refused create for each look of the analysis, which is made every second here.
    expect(await requestsWithin(120_000)).toBeLessThan(200)
    await harness.apply(virtualServiceCrd)
    await harness.until(() => harness.find('virtualservices.networking.istio.io', 'serin-service-c') !== undefined, 60_000)
    expect(weights('serin-service-c')).toEqual(['serin-v1 '])
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'RouteDeleted' })
  })

  it('the namespace: creates are refused, nothing spins, and nothing is left to do', async () => {
    await midRollout()
    await harness.delete(namespace())
    await harness.clock.advance(5000)
    expect(await requestsWithin(120_000)).toBeLessThan(20)
    expect(harness.find('canaries.serin.dev', 'service-c')).toBeUndefined()
    await harness.apply(namespace(), service(), caller(), version('v1', { replicas: 2 }), virtualService(), canary(SLOW))
    await harness.until(() => harness.status().phase === 'Idle', 60_000)
  })

  it('the namespace, held up by a finalizer: its routes go first, and the refused creates come seldom', async () => {
    await midRollout()
    await harness.patch(canary(), { metadata: { finalizers: ['example.com/held'] } })
    await harness.delete(namespace())
    await harness.clock.advance(5000)
    expect(harness.find('canaries.serin.dev', 'service-c')?.metadata.deletionTimestamp).toBeDefined()
    expect(await requestsWithin(120_000)).toBeLessThan(20)
  })
})
