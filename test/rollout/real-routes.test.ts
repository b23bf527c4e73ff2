import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, destination, destinationRule, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness, manifests } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

type Entry = { readonly destination: { readonly host: string; readonly subset?: string; readonly port?: unknown }; readonly weight?: number; readonly headers?: unknown }
type Http = readonly (Readonly<Record<string, unknown>> & { readonly name?: string; readonly route?: readonly Entry[] })[]
const spec = (name: string) => harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: Http; tcp?: readonly { route: readonly Entry[] }[] }
const users = (name: string) => spec(name).http.filter((route) => route.name?.startsWith('serin-') !== true)
const lists = (name: string) => users(name).map(({ route = [] }) => route.map(({ destination: { host, subset }, weight }) => [subset ?? host, weight].filter((part) => part !== undefined).join(' ')))
/** All but the lists, and what stands beside the lists. */
const rest = (name: string) => ({ ...spec(name), http: users(name).map(({ route: _list, ...other }) => other) })
const at = (step: string, name?: string) => harness.until(() => harness.status(name).step === step, 60_000, 10)
const promoted = (name?: string) => harness.until(() => harness.status(name).stableRevision === 'v2' && harness.status(name).phase === 'Idle', 60_000)
const wrong = () => harness.answers.filter(({ status }) => status !== 200)

/** The example, adopted, under load from inside and outside. */
async function example(folder: string, ...more: readonly KubeObject[]): Promise<void> {
  harness = new Harness()
  const app = { app: 'reviews' }
  await harness.apply(crd(), namespace(), caller(), service('reviews'), version('v1', { ...app, replicas: 2 }), ...more, ...manifests(`examples/${folder}/`).filter(({ kind }) => kind !== 'Canary'))
  await harness.clock.advance(1000)
  harness.startOperator()
  await harness.apply(...manifests(`examples/${folder}/canary.yaml`))
  await harness.until(() => harness.status('reviews').phase === 'Idle', 20_000)
}

describe('examples/routes', () => {
  it('are followed through a release; all but the managed lists stays as it was written', async () => {
    const app = { app: 'reviews' }
    await example('routes', version('v0', app), service('reviews-legacy', { selector: { app: 'legacy' } }), version('v1', { app: 'legacy' }))
    const names = ['reviews-inside', 'reviews-outside']
    const before = names.map(rest)
    harness.users(20, { host: 'reviews', from: harness.insider })
    harness.users(20, { host: 'eu.reviews.example' })
    expect(lists('reviews-inside')).toEqual([['serin-v1 90', 'reviews-legacy 10'], ['first'], ['serin-v1']])
    expect(lists('reviews-outside')).toEqual([['serin-v1'], ['serin-v1']])
    await harness.apply(version('v2', app))
    await at('1/2', 'reviews')
    expect(spec('reviews-inside').http.map(({ name }) => name)).toEqual(['serin-match-api-1', 'api', 'old', 'serin-match-rest-1', 'rest'])
    await at('2/2', 'reviews')
    // 25 % of 90 is 22.5: every weight of that route is doubled, and the foreign share stays a tenth.
    expect(lists('reviews-inside')).toEqual([['serin-v1 135', 'serin-v2 45', 'reviews-legacy 20'], ['first'], ['serin-v1 75', 'serin-v2 25']])
    expect(lists('reviews-outside')).toEqual([['serin-v1 75', 'serin-v2 25'], ['serin-v1 75', 'serin-v2 25']])
    const [api] = users('reviews-inside')
    expect(api?.route?.map(({ headers }) => headers)).toEqual(['reviews', 'reviews', 'legacy'].map((from) => ({ response: { add: { 'x-from': from } } })))
    expect(api?.route?.map(({ destination: { port } }) => port)).toEqual([{ number: 80 }, { number: 80 }, undefined])
    await promoted('reviews')
    expect(lists('reviews-inside')).toEqual([['serin-v2 90', 'reviews-legacy 10'], ['first'], ['serin-v2']])
    expect(names.map(rest)).toEqual(before)
    expect(harness.replicas('reviews-v0')).toBe(1)
    expect(wrong()).toEqual([])
    expect(harness.oracle.violations).toEqual([])
  })

  it('applied again as a whole, one VirtualService after the other, count as one sync: the second in ten minutes leaves the rollout alone', async () => {
    const app = { app: 'reviews' }
    await example('routes', version('v0', app), service('reviews-legacy', { selector: { app: 'legacy' } }), version('v1', { app: 'legacy' }))
    const sync = async () => {
      for (const object of manifests('examples/routes/virtual-services.yaml')) {
        await harness.apply(object)
        await harness.clock.advance(200)
      }
    }
    harness.users(20, { host: 'reviews', from: harness.insider })
    harness.users(20, { host: 'eu.reviews.example' })
    await harness.apply(version('v2', app))
    await sync()
    await at('2/2', 'reviews')
    await sync()
    expect(lists('reviews-outside')).toEqual([['serin-v1 75', 'serin-v2 25'], ['serin-v1 75', 'serin-v2 25']])
    await promoted('reviews')
    expect(harness.condition('Degraded', 'reviews')).toMatch(/^False/)
    expect(wrong()).toEqual([])
    await sync()
    expect(harness.condition('Degraded', 'reviews')).toMatch(/^True RouteContested/)
    expect(lists('reviews-outside')).toEqual([['serin-v2'], ['serin-v2']])
    expect(wrong()).toEqual([])
  })
})

describe('examples/delegate', () => {
  it('is followed through a release, and the root stays as it was written', async () => {
    await example('delegate')
    harness.users(20)
    const before = spec('shop')
    await harness.apply(version('v2', { app: 'reviews' }))
    await at('1/1', 'reviews')
    expect(lists('reviews')).toEqual([['serin-v1 75', 'serin-v2 25']])
    await promoted('reviews')
    expect(lists('reviews')).toEqual([['serin-v2']])
    expect(spec('shop')).toEqual(before)
    expect(wrong()).toEqual([])
  })
})

describe('hosts', () => {
  it.each([
    ['short', ['service-c']],
    ['in full', ['service-c.istioinaction.svc.cluster.local']],
    ['a wildcard', ['*.istioinaction.svc.cluster.local']],
  ])('%s, has the mesh: nothing of Serin\'s own stands beside it', async (_what, hosts) => {
    harness = await adopted({ objects: [virtualService({ hosts })] })
    await harness.apply(version('v2'))
    await promoted()
    expect(lists('service-c')).toEqual([['serin-v2']])
    expect(harness.find('virtualservices.networking.istio.io', 'serin-service-c')).toBeUndefined()
    expect(wrong()).toEqual([])
  })

  it('taken out in mid-rollout leave the mesh to a route of Serin\'s own at once, which goes when they are back', async () => {
    harness = await adopted({ objects: [virtualService()], spec: { steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    await harness.patch(virtualService(), { spec: { hosts: ['elsewhere'] } })
    await harness.clock.advance(0)
    expect(lists('serin-service-c')).toEqual([['serin-v1']])
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    await harness.patch(virtualService(), { spec: { hosts: ['service-c'] } })
    await harness.until(() => harness.find('virtualservices.networking.istio.io', 'serin-service-c') === undefined, 20_000)
    await harness.clock.advance(3000)
    expect(lists('service-c')).toEqual([['serin-v1']])
    expect(harness.meshMade()).toEqual([])
  })
})

describe('a port that goes by connection', () => {
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'mysql-main', port: 3306 }]
  const tcp = () => spec('serin-service-c').tcp?.map(({ route }) => route.map(({ destination: { subset, port } }) => ({ subset, port })))
  const pinned = (subset: string) => [[{ subset, port: { number: 3306 } }]]

  it('stays at stable in Serin\'s own VirtualService until the promotion, and moves with it', async () => {
    harness = await adopted({ objects: [service('service-c', { ports })] })
    expect(tcp()).toEqual(pinned('serin-v1'))
    await harness.apply(version('v2'))
    await at('2/2')
    expect(tcp()).toEqual(pinned('serin-v1'))
    await promoted()
    expect(tcp()).toEqual(pinned('serin-v2'))
    expect(wrong()).toEqual([])
  })

  it('that is new in mid-rollout, or whose route somebody changes, is held at stable at once', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    expect(tcp()).toBeUndefined()
    await harness.patch(service(), { spec: { ports } })
    await harness.clock.advance(0)
    expect(tcp()).toEqual(pinned('serin-v1'))
    await harness.patch(virtualService({}, 'serin-service-c'), { spec: { tcp: [{ match: [{ port: 3306 }], route: [destination('service-c')] }] } })
    await harness.clock.advance(0)
    expect(tcp()).toEqual(pinned('serin-v1'))
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })
})

describe('Git that still names the old version after a promotion', () => {
  it.each([
    ['as a subset of its own', [destination('service-c', 'one')]],
    ['with the new one at weight 0', [destination('service-c', 'one', 100), destination('service-c', 'two', 0)]],
  ])('%s: every sync is answered at once, nobody meets an empty subset, and it is said from the third on', async (_what, route) => {
    const subsets = [{ name: 'one', labels: { version: 'v1' } }, { name: 'two', labels: { version: 'v2' } }]
    const git = virtualService({ http: [{ route }] })
    harness = await adopted({ objects: [git, destinationRule({ subsets })] })
    await harness.apply(version('v2'))
    await promoted()
    await harness.until(() => harness.replicas('service-c-v1') === 0, 60_000)
    for (let sync = 0; sync < 4; sync++) {
      await harness.apply(git)
      await harness.clock.advance(0)
      expect(lists('service-c')).toEqual([[expect.stringMatching(/^serin-v2/)]])
      await harness.clock.advance(30_000)
    }
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: 'v2' })
    expect(harness.condition('Degraded')).toMatch(/^True RouteContested/)
    expect(harness.replicas('service-c-v1')).toBe(0)
    expect(wrong()).toEqual([])
    expect(harness.answers.slice(-40).every(({ version: answered }) => answered === 'v2')).toBe(true)
  })
})
