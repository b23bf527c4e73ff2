import { afterEach, describe, expect, it } from 'vitest'
import { atEdge, destination, version, virtualService } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted, type AdoptedOptions } from './adopted.ts'

let harness: Harness
afterEach(() => {
  expect(harness.oracle.violations).toEqual([])
  harness.stop()
})

const OWN = 'serin-service-c'
const step = (wanted: string) => harness.until(() => harness.status().step === wanted, 60_000)
const idle = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
const httpOf = (name: string) => (harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: readonly Record<string, unknown>[] }).http

type Asked = { readonly path?: string; readonly method?: string; readonly headers?: Readonly<Record<string, string>> }

/** The share of `count` such requests that the canary answers. */
async function share({ path = '/', method = 'GET', headers = {} }: Asked, count = 200): Promise<number> {
  const workload = harness.insider()
  if (workload === undefined) throw new Error('nobody calls')
  const answers = await Promise.all(Array.from({ length: count }, () => harness.sandbox.mesh.request(workload, { method, host: 'service-c', path, headers })))
  return answers.filter((answer) => answer.headers['x-version'] === 'v2').length / count
}

const MATCHES: readonly [string, object, Asked, Asked][] = [
  ['a header', { headers: { 'x-tester': { exact: 'yes' } } }, { headers: { 'x-tester': 'yes' } }, { headers: { 'x-tester': 'no' } }],
  ['the user agent', { headers: { 'user-agent': { regex: '.*Firefox.*' } } }, { headers: { 'user-agent': 'Mozilla/5.0 Firefox/1' } }, { headers: { 'user-agent': 'curl/8' } }],
  ['a cookie', { cookies: { beta: { exact: 'on' } } }, { headers: { cookie: 'a=b; beta=on; c=d' } }, { headers: { cookie: 'beta=once; xbeta=on' } }],
  ['the beginning of a cookie', { cookies: { group: { prefix: 'b.' } } }, { headers: { cookie: 'group=b.2' } }, { headers: { cookie: 'a=1; group=bx; c=b.' } }],
  ['a pattern of a cookie', { cookies: { group: { regex: '[bc]|d.' } } }, { headers: { cookie: 'group=d1; a=b' } }, { headers: { cookie: 'group=a' } }],
  ['a query parameter', { queryParams: { beta: { exact: '1' } } }, { path: '/?a=b&beta=1' }, { path: '/?beta=2' }],
  ['the absence of a header', { uri: { prefix: '/' }, withoutHeaders: { 'x-old': { exact: 'yes' } } }, {}, { headers: { 'x-old': 'yes' } }],
  ['a path and a method', { uri: { prefix: '/new' }, method: { exact: 'PUT' } }, { path: '/new/x', method: 'PUT' }, { path: '/new/x' }],
]

describe('users of one kind', () => {
  it.each(MATCHES)('by %s reach the canary, and nobody else does', async (_, match, hit, miss) => {
    harness = await adopted({ rps: 1, spec: { steps: [{ match: [match], for: '2s' }] } })
    await harness.apply(version('v2', { replicas: 2 }))
    await step('1/1')
    await harness.clock.advance(500)
    expect([await share(hit), await share(miss)]).toEqual([1, 0])
    await idle('v2')
    expect(httpOf(OWN)).toHaveLength(1)
  })

  it.each(MATCHES)('by %s all reach the canary beside a share of the others', async (_, match, hit, miss) => {
    harness = await adopted({ rps: 1, spec: { steps: [{ match: [match], weight: 30, for: '2s' }], analysis: { metrics: [] } } })
    await harness.apply(version('v2', { replicas: 2 }))
    await step('1/1')
    await harness.clock.advance(500)
    const others = await share(miss, 400)
    expect(await share(hit)).toBe(1)
    expect(Math.abs(others - 0.3)).toBeLessThan(0.12)
  })

  it.each([
    ['labels', { sourceLabels: { version: 'v1', app: 'caller' } }, { sourceLabels: { app: 'batch' } }],
    ['namespace', { sourceNamespace: 'istioinaction' }, { sourceNamespace: 'elsewhere' }],
  ])('by the %s of the caller’s pod reach the canary, and nobody else does', async (_, hit, miss) => {
    harness = await adopted({ rps: 1, spec: { steps: [{ match: [miss], for: '2s' }, { match: [hit], for: '2s' }, { match: [miss], weight: 30, for: '2s' }], analysis: { metrics: [] } } })
    await harness.apply(version('v2', { replicas: 2 }))
    const shares: number[] = []
    for (const wanted of ['1/3', '2/3', '3/3']) {
      await step(wanted)
      await harness.clock.advance(500)
      shares.push(await share({}, 400))
    }
    expect(shares.slice(0, 2)).toEqual([0, 1])
    expect(Math.abs((shares[2] ?? 0) - 0.3)).toBeLessThan(0.12)
  })
})

describe('users by a claim of their JWT', () => {
  const claims = [{ claims: { 'realm.group': { exact: 'staff' } } }]
  const steps = [{ match: claims, for: '2s' }]

  it('are asked for at the gateway by Istio’s own name of it, and in the mesh, where no request has one, not at all', async () => {
    const match = [{ uri: { prefix: '/' } }]
    const edge = virtualService({ hosts: ['shop.example'], gateways: ['edge'], http: [{ name: 'main', match, route: [destination('service-c')] }] }, 'shop')
    harness = await adopted({ objects: [atEdge()[0] ?? edge, edge], spec: { steps } })
    await harness.apply(version('v2'))
    await step('1/1')
    expect(httpOf('shop')).toMatchObject([
      { name: 'serin-match-main-1', match: [{ uri: { prefix: '/' }, headers: { '@request.auth.claims.realm.group': { exact: 'staff' } } }], route: [destination('service-c', 'serin-v2')] },
      { name: 'main' },
    ])
    expect(httpOf(OWN)).toHaveLength(1)
    await harness.clock.advance(500)
    expect(await share({})).toBe(0)
    await idle('v2')
  })

  it.each<[string, AdoptedOptions['objects'], string]>([
    ['beside the mesh', [virtualService({ gateways: ['mesh', 'edge'] })], 'service-c'],
    ['where no gateway leads to the Service', [], OWN],
  ])('are refused %s, with both places', async (_, objects, name) => {
    harness = await adopted({ objects: [...(objects ?? [])], spec: { steps: [{ weight: 20, for: '2s' }] } })
    await harness.patch(harness.canary(), { spec: { steps } })
    await harness.apply(version('v2'))
    await harness.clock.advance(3000)
    expect(harness.condition('Stalled')).toContain(`True UnmatchableProduct: spec.steps[0].match[0].claims and VirtualService istioinaction/${name} gateways exclude each other`)
    expect(harness.oracle.exposures).toEqual([])
  })
})

describe('a share', () => {
  it('of a hundredth of a percent is what one user in ten thousand meets, beside a destination of the user’s own', async () => {
    const route = [{ destination: { host: 'service-c' }, weight: 75 }, { destination: { host: 'caller' }, weight: 25 }]
    harness = await adopted({ objects: [virtualService({ http: [{ name: 'main', route }] })], rps: 1, spec: { steps: [{ weight: '0.01%', for: '2s' }, { weight: '0.02%', for: '2s' }], analysis: { metrics: [] } } })
    await harness.apply(version('v2'))
    await step('1/2')
    expect(httpOf('service-c')[0]?.['route']).toEqual([destination('service-c', 'serin-v1', 29_997), destination('service-c', 'serin-v2', 3), destination('caller', undefined, 10_000)])
    expect(harness.status().weight).toBe('0.01%')
    await step('2/2')
    expect(httpOf('service-c')[0]?.['route']).toEqual([destination('service-c', 'serin-v1', 14_997), destination('service-c', 'serin-v2', 3), destination('caller', undefined, 5000)])
    await idle('v2')
    expect(httpOf('service-c')[0]?.['route']).toEqual([destination('service-c', 'serin-v2', 75), destination('caller', undefined, 25)])
  })
})

describe('blue-green', () => {
  it.each<[string, object]>([
    ['in the dark', { for: '3s' }],
    ['on copies of all requests', { mirror: {}, for: '3s' }],
    ['on copies of a tenth of the reading requests', { mirror: { percent: 10, match: [{ method: { exact: 'GET' } }] }, for: '3s' }],
  ])('%s, then all at once', async (_, dark) => {
    harness = await adopted({ rps: 50, spec: { steps: [dark, { weight: 100, for: '2s' }] } })
    await harness.apply(version('v2', { replicas: 2 }))
    await step('1/2')
    await harness.clock.advance(500)
    expect(await share({})).toBe(0)
    await step('2/2')
    const { requests, mirrored } = harness.sandbox.mesh.tally('service-c.istioinaction.svc.cluster.local').find((one) => one.version === 'v2') ?? { requests: 0, mirrored: 0 }
    expect(requests).toBe(0)
    expect(mirrored > 0).toBe('mirror' in dark)
    await harness.clock.advance(500)
    expect(await share({})).toBe(1)
    // Stable is still there, for one step back.
    expect(harness.replicas('service-c-v1')).toBe(2)
    await idle('v2')
    expect(harness.meshMade()).toEqual([])
  })
})
