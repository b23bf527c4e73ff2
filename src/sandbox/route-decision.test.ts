import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../runtime/random.ts'
import { caller, destinationRule, pod, service, testCluster, virtualService } from './mesh.fixture.ts'
import type { KubeObject } from './objects.ts'
import { decideRoute } from './route-decision.ts'
import type { RouteRequest } from './route-decision.ts'
import type { HttpRoute, RouteDestination } from './route-objects.ts'
import { ROUTE_RESOURCES } from './route-objects.ts'
import type { RouteObjects } from './route-objects.ts'
import { createRouteView } from './route-view.ts'

const HOST = 'app.shop.svc.cluster.local'
const BASE = [service('app'), pod('app', 'v1'), pod('app', 'v2')]
const RULE = destinationRule('app', {
  host: 'app',
  subsets: [
    { name: 'v1', labels: { version: 'v1' } },
    { name: 'v2', labels: { version: 'v2' } },
  ],
})

const view = (...objects: readonly KubeObject[]) => {
  const cluster = testCluster(...objects)
  return createRouteView(
    Object.fromEntries(ROUTE_RESOURCES.map((resource) => [resource, cluster.list(resource)])) as RouteObjects,
  )
}

const to = (subset: string, weight?: number, host = 'app'): RouteDestination => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
})

const mesh = (...http: readonly HttpRoute[]) => virtualService('app', { hosts: ['app'], http })

const request = (overrides: Partial<RouteRequest> = {}): RouteRequest => ({
  method: 'GET',
  host: 'app.shop',
  path: '/',
  headers: {},
  ...overrides,
})

const decide = (objects: readonly KubeObject[], overrides: Partial<RouteRequest> = {}, from = caller()) =>
  decideRoute(view(...BASE, ...objects), from, request(overrides), seededRandom('1'))

function versions(objects: readonly KubeObject[], count = 4000, from = caller()) {
  const [known, random] = [view(...BASE, ...objects), seededRandom('5')]
  const counts: Record<string, number> = {}
  for (let sent = 0; sent < count; sent += 1) {
    const { destination, flags } = decideRoute(known, from, request(), random)
    const key = destination?.version ?? flags
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

describe('weights', () => {
  it.each([
    ['are shares of whatever they add up to', [to('v1', 30), to('v2', 30)], 0.5],
    ['go below a percent', [to('v1', 999), to('v2', 1)], 0.001],
    ['of 0 beside others get nothing', [to('v1', 100), to('v2', 0)], 0],
    ['that are not written get nothing beside written ones', [to('v1', 5), to('v2')], 0],
    ['of a lone destination mean all, even at 0', [to('v2', 0)], 1],
    ['may name one subset twice', [to('v2', 25), to('v1', 50), to('v2', 25)], 0.5],
  ])('%s', (_, route, share) => {
    const { v2 = 0 } = versions([RULE, mesh({ route })])
    if (share === 0 || share === 1) expect(v2 / 4000).toBe(share)
    else expect(Math.abs(v2 / 4000 - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / 4000))
  })

  it('are honoured at any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 }), (one, two) => {
        const { v2 = 0 } = versions([RULE, mesh({ route: [to('v1', one), to('v2', two)] })], 2000)
        const share = two / (one + two)
        return Math.abs(v2 / 2000 - share) <= 5 * Math.sqrt((share * (1 - share)) / 2000) + 1 / 2000
      }),
      { numRuns: 40 },
    )
  })
})

describe('what the proxy answers itself', () => {
  it.each([
    [
      'a subset no rule defines',
      [mesh({ route: [to('v1')] })],
      { status: 503, flags: 'NC', service: 'app.shop', destination: undefined },
    ],
    [
      'a Service that is not there',
      [mesh({ route: [{ destination: { host: 'gone' } }] })],
      { status: 503, flags: 'NC', service: 'app.shop' },
    ],
    [
      'a subset without endpoints',
      [destinationRule('app', { host: HOST, subsets: [{ name: 'v1', labels: { version: 'v9' } }] }), mesh({ route: [to('v1')] })],
      { status: 503, flags: 'UH', service: HOST, destination: undefined },
    ],
    [
      'a request no route matches',
      [mesh({ match: [{ uri: { prefix: '/only' } }], route: [to('v1')] })],
      { status: 404, flags: 'NR', service: 'app.shop' },
    ],
    [
      'an injected fault',
      [RULE, mesh({ route: [to('v1')], fault: { abort: { httpStatus: 503, percentage: { value: 100 } } } })],
      { status: 503, flags: 'FI', service: HOST, destination: undefined },
    ],
  ])('%s', (_, objects, expected) => {
    expect(decide(objects)).toMatchObject(expected)
  })

  it('is 404 for a host that means nothing', () => {
    expect(decide([], { host: 'nobody' })).toMatchObject({ status: 404, flags: 'NR', service: 'nobody' })
  })

  it('leaves pods out that are not ready or on their way out', () => {
    const deleted = pod('app', 'v1', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    const { destination } = decideRoute(
      view(service('app'), deleted, { ...pod('app', 'v2'), status: {} }),
      caller(),
      request(),
      seededRandom('1'),
    )
    expect(destination).toBeUndefined()
  })
})

describe('VirtualServices', () => {
  it('that are absent, for a gateway only, or not exported to the caller leave every ready pod reachable', () => {
    const route = [to('v1')]
    for (const objects of [
      [],
      [virtualService('app', { hosts: ['app'], gateways: ['edge'], http: [{ route }] })],
      [virtualService('app', { hosts: ['app'], exportTo: ['.'], http: [{ route }] })],
    ]) {
      const { v2 = 0 } = versions([RULE, ...objects], 1000)
      expect(v2).toBeGreaterThan(400)
      expect(v2).toBeLessThan(600)
    }
    expect(
      versions([RULE, virtualService('app', { hosts: ['app'], exportTo: ['.'], http: [{ route }] })], 100, caller('shop')),
    ).toEqual({ v1: 100 })
  })

  it('without a subset in the route reach every ready pod, too', () => {
    expect(Object.keys(versions([RULE, mesh({ route: [{ destination: { host: 'app' } }] })], 100))).toHaveLength(2)
  })

  it('take the host by any of its names, and by wildcard', () => {
    for (const host of ['app.shop', 'app.shop.svc', HOST, `${HOST}:80`]) {
      expect(decide([RULE, mesh({ route: [to('v2')] })], { host }).destination?.version).toBe('v2')
    }
    expect(decide([RULE, mesh({ route: [to('v2')] })], { host: 'app' }, caller('shop')).destination?.version).toBe('v2')
    const wild = virtualService('wild', { hosts: ['*.shop.svc.cluster.local'], http: [{ route: [to('v2')] }] })
    expect(decide([RULE, wild]).destination?.version).toBe('v2')
    expect(
      decide([
        RULE,
        wild,
        virtualService('exact', { hosts: [HOST], http: [{ route: [to('v1')] }] }, { creationTimestamp: '2026-02-01T00:00:00Z' }),
      ]).destination?.version,
    ).toBe('v1')
  })

  it('of one host for the mesh: the older wins whole, and what it does not match is 404', () => {
    const older = virtualService('z-older', {
      hosts: ['app'],
      http: [{ match: [{ uri: { prefix: '/v2' } }], route: [to('v2')] }],
    })
    const newer = virtualService(
      'newer',
      { hosts: [HOST], http: [{ route: [to('v1', undefined, HOST)] }] },
      { namespace: 'callers', creationTimestamp: '2026-01-02T00:00:00Z' },
    )
    expect(decide([RULE, older, newer]).status).toBe(404)
    expect(decide([RULE, newer, older], { path: '/v2' }).destination?.version).toBe('v2')
    expect(decide([RULE, newer]).destination?.version).toBe('v1')
  })

  it('of one host at a gateway join, those without a match last', () => {
    const http = (version: string, match?: HttpRoute['match']) => [
      { ...(match && { match }), route: [to(version, undefined, 'app')] },
    ]
    const objects = [
      RULE,
      virtualService('all', { hosts: ['shop.example'], gateways: ['edge'], http: http('v1') }),
      virtualService(
        'some',
        { hosts: ['shop.example'], gateways: ['shop/edge'], http: http('v2', [{ headers: { 'X-Tester': { exact: 'yes' } } }]) },
        { creationTimestamp: '2026-01-02T00:00:00Z' },
      ),
    ]
    const edge = { ...caller('istio-system'), side: 'gateway' as const }
    expect(decide(objects, { host: 'shop.example' }, edge).destination?.version).toBe('v1')
    expect(decide(objects, { host: 'shop.example', headers: { 'x-tester': 'yes' } }, edge).destination?.version).toBe('v2')
    expect(decide(objects, { host: 'other.example' }, edge)).toMatchObject({ status: 404, flags: 'NR' })
  })

  it('route testers first, then weights with a share of copies, all in one', () => {
    const objects = [
      RULE,
      mesh(
        { name: 'testers', match: [{ headers: { cookie: { regex: '.*tester=1.*' } } }], route: [to('v2')] },
        {
          name: 'main',
          route: [to('v1', 90), to('v2', 10)],
          mirror: { host: 'app', subset: 'v2' },
          mirrorPercentage: { value: 50 },
        },
      ),
    ]
    expect(decide(objects, { headers: { cookie: 'a=b; tester=1' } })).toMatchObject({
      routeName: 'testers',
      destination: { version: 'v2' },
      mirrors: [],
    })
    const [known, random] = [view(...BASE, ...objects), seededRandom('9')]
    const decisions = Array.from({ length: 1000 }, () => decideRoute(known, caller(), request(), random))
    expect(decisions.filter(({ destination }) => destination?.version === 'v2').length).toBeCloseTo(100, -2)
    const mirrored = decisions.filter(({ mirrors }) => mirrors.length === 1)
    expect(Math.abs(mirrored.length - 500)).toBeLessThan(60)
    expect(mirrored[0]).toMatchObject({ routeName: 'main', mirrors: [{ pod: { version: 'v2' }, service: HOST }] })
  })

  it('lose a copy to an undefined subset without cost to the caller, and copy all where no share is written', () => {
    const decided = decide([
      RULE,
      mesh({
        route: [to('v1')],
        mirrors: [{ destination: { host: 'app', subset: 'gone' } }, { destination: { host: 'app', subset: 'v2' } }],
      }),
    ])
    expect(decided).toMatchObject({ status: 0, destination: { version: 'v1' } })
    expect(decided.mirrors.map(({ pod: { version } }) => version)).toEqual(['v2'])
  })

  it('delegate, and fall back to all pods once the delegate is gone', () => {
    const root = virtualService('root', {
      hosts: ['app'],
      http: [{ match: [{ method: { exact: 'GET' } }], delegate: { name: 'leaf' } }],
    })
    const leaf = virtualService('leaf', {
      http: [{ match: [{ uri: { prefix: '/x' } }], route: [to('v2')] }, { route: [to('v1')] }],
    })
    expect(decide([RULE, root, leaf], { path: '/x' }).destination?.version).toBe('v2')
    expect(decide([RULE, root, leaf]).destination?.version).toBe('v1')
    expect(decide([RULE, root, leaf], { method: 'POST' }).flags).toBe('NR')
    expect(Object.keys(versions([RULE, root], 100)).toSorted()).toEqual(['v1', 'v2'])
  })

  it.each<[string, NonNullable<HttpRoute['match']>[number], Partial<RouteRequest>, Partial<RouteRequest>]>([
    ['uri', { uri: { regex: '/a/[0-9]+' } }, { path: '/a/12?q=1' }, { path: '/a/12/b' }],
    ['method', { method: { exact: 'POST' } }, { method: 'POST' }, {}],
    ['absent headers', { withoutHeaders: { 'x-old': {} } }, {}, { headers: { 'x-old': '' } }],
    ['query', { queryParams: { v: { exact: '2' } } }, { path: '/?v=2' }, { path: '/?v=20' }],
    [
      'header and uri together',
      { uri: { prefix: '/a' }, headers: { a: { prefix: 'b' } } },
      { path: '/ab', headers: { a: 'bc' } },
      { path: '/ab' },
    ],
  ])('match by %s', (_, match, fits, fails) => {
    const objects = [RULE, mesh({ match: [match], route: [to('v2')] })]
    expect(decide(objects, fits).destination?.version).toBe('v2')
    expect(decide(objects, fails).flags).toBe('NR')
  })

  it('match by who asks', () => {
    const objects = [
      RULE,
      mesh(
        { match: [{ sourceLabels: { app: 'client' }, gateways: ['mesh'] }], route: [to('v2')] },
        { match: [{ sourceNamespace: 'other' }], route: [to('v1')] },
      ),
    ]
    expect(decide(objects).destination?.version).toBe('v2')
    expect(decide(objects, {}, caller('other', {})).destination?.version).toBe('v1')
    expect(decide(objects, {}, caller('callers', {})).flags).toBe('NR')
  })
})
