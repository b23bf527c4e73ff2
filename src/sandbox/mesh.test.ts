import { describe, expect, it } from 'vitest'
import { caller, destinationRule, pod, policy, service, testMesh, virtualService } from './mesh.fixture.ts'
import type { TestMesh } from './mesh.fixture.ts'

const rule = (...names: readonly string[]) =>
  destinationRule('app', { host: 'app', subsets: names.map((name) => ({ name, labels: { version: name } })) })
const routeTo = (subset: string, extra: object = {}) =>
  virtualService('app', { hosts: ['app'], http: [{ route: [{ destination: { host: 'app', subset } }], ...extra }] })

async function shop(options: Parameters<typeof testMesh>[1] = {}, env: Record<string, string> = {}) {
  const world = testMesh([service('app'), rule('v1', 'v2'), routeTo('v1')], options)
  const client = caller('shop')
  await world.run(pod('app', 'v1'), pod('app', 'v2', env))
  world.mesh.attach(client, () => Promise.reject(new Error('nobody calls the client')))
  return { ...world, client }
}

const version = (world: TestMesh) =>
  world.mesh.decide(caller('shop'), { method: 'GET', host: 'app', path: '/', headers: {} }).destination?.version

describe('propagation', () => {
  it('takes 110 ms on an idle mesh', async () => {
    const world = await shop()
    world.cluster.put(routeTo('v2'))
    await world.clock.advance(109)
    expect(version(world)).toBe('v1')
    await world.clock.advance(1)
    expect(version(world)).toBe('v2')
  })

  it('starts its wait again at every change anywhere, but not beyond 10 s', async () => {
    const world = await shop()
    world.cluster.put(routeTo('v2'))
    const changes = async (count: number, from: number) => {
      for (let change = 0; change < count; change += 1) {
        world.cluster.put(
          virtualService('other', { hosts: ['other'], http: [{ name: String(from + change) }] }, { namespace: 'far' }),
        )
        await world.clock.advance(90)
      }
    }
    await changes(100, 0)
    expect(version(world)).toBe('v1')
    await changes(12, 100)
    expect(version(world)).toBe('v2')
  })

  it('is not set off by annotations, statuses or heartbeats', async () => {
    const world = await shop()
    const changed = { ...routeTo('v2'), metadata: { ...routeTo('v2').metadata } }
    world.cluster.put(changed)
    for (let beat = 0; beat < 11; beat += 1) {
      await world.clock.advance(10)
      world.cluster.put({ ...changed, metadata: { ...changed.metadata, annotations: { beat: String(beat) } } })
      world.cluster.put({ ...pod('app', 'v1'), status: { beat, conditions: [{ type: 'Ready', status: 'True' }] } })
    }
    expect(version(world)).toBe('v2')
  })

  it('leaves a route without its subset for as long as the rule is written later', async () => {
    const world = await shop()
    const flags = () => world.mesh.decide(world.client, { method: 'GET', host: 'app', path: '/', headers: {} }).flags
    world.cluster.put(routeTo('v3'))
    await world.clock.advance(150)
    expect(flags()).toBe('NC')
    world.cluster.put(rule('v1', 'v3'))
    await world.clock.advance(109)
    expect(flags()).toBe('NC')
    await world.clock.advance(1)
    expect(flags()).toBe('UH')
  })

  it('brings no route at all while one has several entries and only weights of 0', async () => {
    const world = await shop()
    const nothing = ['v1', 'v2'].map((subset) => ({ destination: { host: 'app', subset }, weight: 0 }))
    const other = virtualService('other', { hosts: ['other'], http: [{ route: nothing }] }, { namespace: 'far' })
    world.cluster.put(other, routeTo('v2'))
    await world.clock.advance(1000)
    expect(version(world)).toBe('v1')
    world.cluster.remove(other)
    await world.clock.advance(110)
    expect(version(world)).toBe('v2')
  })

  it('carries a route and its subset of one push together', async () => {
    const world = await shop()
    world.cluster.put(routeTo('v3'))
    await world.clock.advance(50)
    world.cluster.put(rule('v1', 'v3'))
    await world.clock.advance(99)
    expect(version(world)).toBe('v1')
    await world.clock.advance(50)
    expect(world.mesh.decide(world.client, { method: 'GET', host: 'app', path: '/', headers: {} }).flags).toBe('UH')
  })
})

describe('what a request leaves behind', () => {
  const flags =
    'sum by (reporter, destination_service, destination_workload, destination_version, response_code, response_flags) (istio_requests_total)'

  it.each<[string, (world: Awaited<ReturnType<typeof shop>>) => void | Promise<void>, Record<string, number>]>([
    [
      'an answer',
      () => undefined,
      {
        'source app-v1 v1 app.shop.svc.cluster.local 200 -': 1,
        'destination app-v1 v1 app.shop.svc.cluster.local 200 -': 1,
      },
    ],
    ['an undefined subset', ({ cluster }) => cluster.put(routeTo('v9')), { 'source unknown unknown app 503 NC': 1 }],
    [
      'a subset without endpoints',
      ({ cluster }) =>
        cluster.put(rule('v1'), destinationRule('app', { host: 'app', subsets: [{ name: 'v1', labels: { a: 'b' } }] })),
      { 'source unknown unknown app.shop.svc.cluster.local 503 UH': 1 },
    ],
    [
      'a request without a route',
      ({ cluster }) => cluster.put(routeTo('v1', { match: [{ uri: { exact: '/x' } }] })),
      { 'source unknown unknown app 404 NR': 1 },
    ],
    [
      'an injected fault',
      ({ cluster }) => cluster.put(routeTo('v1', { fault: { abort: { httpStatus: 503, percentage: { value: 100 } } } })),
      { 'source unknown unknown app.shop.svc.cluster.local 503 FI': 1 },
    ],
    [
      'a pod that is gone',
      ({ pods }) => pods.stop(pod('app', 'v1')),
      { 'source app-v1 v1 app.shop.svc.cluster.local 503 UF': 1 },
    ],
    [
      'a policy that denies',
      ({ cluster }) =>
        cluster.put(
          policy('deny', { selector: { matchLabels: { app: 'app' } }, rules: [{ from: [{ source: { namespaces: ['far'] } }] }] }),
        ),
      { 'source app-v1 v1 app.shop.svc.cluster.local 403 -': 1, 'destination app-v1 v1 app.shop.svc.cluster.local 403 -': 1 },
    ],
    [
      'a copy',
      ({ cluster }) => cluster.put(routeTo('v1', { mirror: { host: 'app', subset: 'v2' } })),
      {
        'source app-v1 v1 app.shop.svc.cluster.local 200 -': 1,
        'destination app-v1 v1 app.shop.svc.cluster.local 200 -': 1,
        'destination app-v2 v2 app.shop.svc.cluster.local 500 -': 1,
      },
    ],
  ])('%s', async (_, change, expected) => {
    const world = await shop({}, { ERROR_RATE: '1' })
    await change(world)
    await world.clock.advance(150)
    await world.sendMany(1, world.client)
    await world.clock.advance(1000)
    expect(sortedKeys(world.query(flags))).toEqual(sortedKeys(expected))
  })

  it('shows in counters at the next scrape, in histograms after the next flush, and in the tally', async () => {
    const world = await shop({}, {})
    await world.clock.advance(5000 - (world.clock.monotonic() % 5000))
    await world.sendMany(10, world.client)
    await world.clock.advance(999)
    expect(world.query('istio_requests_total')).toEqual({})
    await world.clock.advance(1)
    expect(world.query('sum(istio_requests_total{reporter="source"})')).toEqual({ '': 10 })
    expect(world.query('istio_request_duration_milliseconds_count')).toEqual({})
    await world.clock.advance(4000)
    expect(world.mesh.samples(world.clock.now() - 4001)).toEqual([])
    expect(world.mesh.samples(world.clock.now() - 4000)).toHaveLength(2)
    expect(world.query('sum by (le) (istio_request_duration_milliseconds_bucket{reporter="source",le=~"0.5|.Inf"})')).toEqual({
      '0.5': 10,
      '+Inf': 10,
    })
    expect(world.mesh.tally('app.shop.svc.cluster.local')).toEqual([
      { version: 'v1', workload: 'app-v1', requests: 10, errors: 0, mirrored: 0, mirroredErrors: 0 },
    ])
  })
})

describe('a mesh', () => {
  it('decides the same for the same seed', async () => {
    const run = async () => {
      const world = testMesh([service('app')])
      await world.run(pod('app', 'v1'), pod('app', 'v2', { ERROR_RATE: '0.3' }))
      return world.sendMany(200, caller('shop'))
    }
    expect(await run()).toEqual(await run())
  })

  it('says what it does not do, of what is there and of what comes', () => {
    const sentences: string[] = []
    const world = testMesh([virtualService('old', odd('tcp'))], { onUnsupported: (sentence) => sentences.push(sentence) })
    world.cluster.put(virtualService('new', odd('tls')))
    expect(sentences).toEqual([
      'VirtualService shop/old: the mesh does not implement spec.tcp',
      'VirtualService shop/new: the mesh does not implement spec.tls',
    ])
  })
})

const odd = (field: string): object => ({ hosts: ['a'], [field]: [] })

const sortedKeys = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([key, value]) => `${key.split(' ').toSorted().join(' ')} ${value}`)
    .toSorted()
