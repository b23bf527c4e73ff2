import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { destination, destinationRule, faulty, version, virtualService } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { namedSubsets } from '../oracle/objects.ts'
import { adopted, type AdoptedOptions } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const SLOW = [{ weight: 20, for: '5m' }, { weight: 50, for: '5m' }]
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const route = (name = 'service-c') => harness.object('virtualservices.networking.istio.io', name)
const http = (name = 'service-c') => (route(name)['spec'] as { http: readonly { name?: string; route: readonly { destination: { subset?: string }; weight?: number }[] }[] }).http
const weights = (name = 'service-c') => http(name).at(-1)?.route.map(({ destination: { subset }, weight }) => `${subset ?? 'any'} ${weight ?? ''}`)
const ended = () => harness.until(() => harness.status().rollout === undefined, 30_000)

/** v2 at 20 %, in the user's own VirtualService, for five minutes. */
async function midRollout({ objects = [virtualService()], ...options }: AdoptedOptions = {}): Promise<void> {
  harness = await adopted({ spec: { steps: SLOW }, objects, ...options })
  await harness.apply(version('v2'))
  await at('1/2')
  await harness.clock.advance(2000)
}

/** As kubectl edit does: the routes as somebody would have them. */
const edit = (...routes: readonly object[]) => harness.patch(virtualService(), { spec: { http: routes } })

describe('the VirtualService of the user, deleted in mid-rollout', () => {
  it('leaves the mesh to a route of Serin\'s own, to stable, at once, and ends the rollout', async () => {
    await midRollout()
    await harness.delete(virtualService())
    await harness.clock.advance(0)
    expect(weights('serin-service-c')).toEqual(['serin-v1 '])
    await ended()
    expect(['RouteDeleted', 'RouteLost']).toContain(harness.status().failed?.reason)
    expect(harness.status()).toMatchObject({ phase: 'Failed', stableRevision: 'v1' })
    expect(harness.meshMade()).toEqual([])
  })

  it('is pinned when it comes back, and the route of Serin\'s own goes after that', async () => {
    await midRollout()
    await harness.delete(virtualService())
    await harness.clock.advance(10_000)
    await harness.apply(virtualService())
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 '])
    expect(harness.find('virtualservices.networking.istio.io', 'serin-service-c')).toBeDefined()
    await harness.until(() => harness.find('virtualservices.networking.istio.io', 'serin-service-c') === undefined, 10_000)
    await harness.clock.advance(5000)
    expect(weights()).toEqual(['serin-v1 '])
    expect(harness.meshMade()).toEqual([])
    await harness.apply(version('v3'))
    await at('1/2')
    expect(weights()).toEqual(['serin-v1 80', 'serin-v3 20'])
  })

  it('and applied anew within a moment ends the rollout all the same: it is another object', async () => {
    await midRollout()
    harness.sandbox.cluster.faults.pauseWatches()
    await harness.delete(virtualService())
    await harness.apply(virtualService())
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.clock.advance(100)
    expect(weights()).toEqual(['serin-v1 '])
    await ended()
    expect(harness.status()).toMatchObject({ phase: 'Failed', failed: { revision: 'v2' } })
  })
})

describe('an edit of the VirtualService in mid-rollout', () => {
  it('outside the managed lists is kept, and nothing else happens', async () => {
    await midRollout()
    const before = harness.oracle.exposures.length
    await edit({ ...http()[0], timeout: '7s', retries: { attempts: 1 } })
    await harness.patch(virtualService(), { metadata: { labels: { team: 'a' } }, spec: { exportTo: ['*'] } })
    await harness.clock.advance(10_000)
    expect(http()[0]).toMatchObject({ timeout: '7s', retries: { attempts: 1 } })
    expect(weights()).toEqual(['serin-v1 80', 'serin-v2 20'])
    expect(harness.oracle.exposures).toHaveLength(before)
    expect(harness.status().phase).toBe('Progressing')
  })

  it.each([
    ['a greater weight', [destination('service-c', 'serin-v1', 10), destination('service-c', 'serin-v2', 90)]],
    ['all of it', [destination('service-c', 'serin-v2')]],
    ['a list without subset beside other weights', [destination('service-c', undefined, 50), destination('service-c', 'serin-v1', 50)]],
  ])('that exposes more, %s, is undone at once', async (_what, list) => {
    await midRollout()
    await edit({ route: list })
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 80', 'serin-v2 20'])
    expect(harness.events()).toContainEqual(expect.stringContaining('RouteRepaired'))
    await harness.clock.advance(5000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })

  it('that puts the original back, as GitOps does, is answered with the recorded weights', async () => {
    await midRollout()
    await harness.apply(virtualService())
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 80', 'serin-v2 20'])
    await harness.clock.advance(5000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })

  it.each([
    ['to nothing', [destination('service-c', 'serin-v1')]],
    ['to less', [destination('service-c', 'serin-v1', 95), destination('service-c', 'serin-v2', 5)]],
  ])('that lowers the canary %s by hand ends the rollout as aborted, and is left as written once nobody reaches the canary', async (what, list) => {
    await midRollout()
    await edit({ route: list })
    await harness.clock.advance(0)
    if (what === 'to nothing') expect(weights()).toEqual(['serin-v1 '])
    await ended()
    expect(harness.status()).toMatchObject({ phase: 'Failed', history: [{ revision: 'v2', result: 'Aborted' }] })
    expect(namedSubsets(route())).toEqual(['serin-v1'])
    expect(harness.meshMade()).toEqual([])
  })

  it('that exposes more for the third time in ten minutes leaves the route at stable, which is said', async () => {
    await midRollout()
    for (let time = 0; time < 3; time++) {
      await edit({ route: [destination('service-c', 'serin-v2')] })
      await harness.clock.advance(20_000)
    }
    expect(weights()).toEqual(['serin-v1 '])
    expect(harness.condition('Degraded')).toMatch(/^True RouteContested/)
    await ended()
    expect(harness.status()).toMatchObject({ phase: 'Failed', failed: { revision: 'v2', reason: 'RouteContested' } })
    expect(harness.meshMade()).toEqual([])
  })

  it('of the annotation alone, taken away, ends the rollout at stable', async () => {
    await midRollout()
    await harness.patch(virtualService(), { metadata: { annotations: { 'serin.dev/ledger': null } } })
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 '])
    await ended()
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'RouteLost' })
  })

  it('of a rollback that exposes the failed version again is undone at once', async () => {
    harness = await adopted({ objects: [virtualService()] })
    await harness.apply(faulty('v2', { replicas: 1 }))
    await harness.until(() => harness.status().phase === 'RollingBack', 30_000, 10)
    await edit({ route: [destination('service-c', 'serin-v1', 50), destination('service-c', 'serin-v2', 50)] })
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 '])
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    expect(harness.replicas('service-c-v2')).toBe(0)
    expect(harness.meshMade()).toEqual([])
  })
})

describe("Serin's own DestinationRule", () => {
  it.each([
    ['deleted', () => harness.delete(ownRule())],
    ['without the subset of the canary', () => harness.patch(ownRule(), { spec: { subsets: [{ name: 'serin-v1', labels: { version: 'v1' } }] } })],
    ['with a subset that selects something else', () => harness.patch(ownRule(), { spec: { subsets: [{ name: 'serin-v1', labels: { version: 'v1' } }, { name: 'serin-v2', labels: { version: 'v1' } }] } })],
  ])('%s in mid-rollout, is written again at once', async (_what, change) => {
    await midRollout()
    await change()
    await harness.clock.advance(0)
    expect(harness.object('destinationrules.networking.istio.io', 'serin-service-c')['spec']).toMatchObject({
      subsets: [{ name: 'serin-v1', labels: { version: 'v1' } }, { name: 'serin-v2', labels: { version: 'v2' } }],
    })
    await harness.clock.advance(5000)
    expect(harness.meshMade()).toEqual([])
  })

  it('carries the exportTo of the user\'s rule as written, and follows it', async () => {
    const trafficPolicy = { loadBalancer: { simple: 'ROUND_ROBIN' } }
    await midRollout({ objects: [virtualService(), destinationRule({ exportTo: ['*'], trafficPolicy })] })
    const own = () => harness.object('destinationrules.networking.istio.io', 'serin-service-c')['spec'] as { exportTo?: unknown; trafficPolicy?: unknown }
    expect(own()).toMatchObject({ exportTo: ['*'] })
    expect(own().trafficPolicy).toBeUndefined()
    await harness.patch(destinationRule(), { spec: { exportTo: null } })
    await harness.clock.advance(0)
    expect(own().exportTo).toBeUndefined()
    expect(harness.object('destinationrules.networking.istio.io', 'service-c')['spec']).toEqual({ host: 'service-c', trafficPolicy })
    await harness.clock.advance(5000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(harness.meshMade()).toEqual([])
  })
})

describe("the user's DestinationRule", () => {
  it('that comes in mid-rollout and would take the subsets from its callers rolls the canary back, and is named', async () => {
    await midRollout()
    await harness.apply(destinationRule({ workloadSelector: { matchLabels: { app: 'caller' } } }))
    await harness.clock.advance(0)
    expect(weights()).toEqual(['serin-v1 '])
    await ended()
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'RuleWorkloadSelector' })
  })
})

const ownRule = (): KubeObject => destinationRule({}, 'serin-service-c')
