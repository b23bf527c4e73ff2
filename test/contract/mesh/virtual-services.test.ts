import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HTTPMatch } from '../../../src/api/canary.ts'
import { isContradicted } from '../../../src/istio/delegate-refusals.ts'
import { differs } from '../differences.ts'
import { sumOf } from '../queries.ts'
import { CALLER, counted, destinationRule, failed, fiveSigma, openShop, sourceOf, subset, to, virtualService, type Service, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop.close())

const ruled = async (): Promise<Service> => {
  const service = await shop.service()
  await shop.apply(destinationRule(service, ['v1', 'v2']))
  await shop.spread()
  return service
}

const header = (value: string) => [{ headers: { 'x-tester': { exact: value } } }]

/** Both versions answer: nothing keeps a request from either. */
async function expectAllPods(service: Service): Promise<void> {
  const answers = await shop.many(service)
  expect(failed(answers)).toEqual([])
  const { least, most } = fiveSigma(0.5, answers.length)
  expect(counted(answers)['v2']).toBeGreaterThanOrEqual(least)
  expect(counted(answers)['v2']).toBeLessThanOrEqual(most)
}

/** Requests to v2 by one side's account, once no more come in. */
async function countedBy(reporter: 'source' | 'destination'): Promise<number> {
  const look = () => sumOf(shop, `istio_requests_total{reporter="${reporter}",destination_workload="shop-v2",destination_workload_namespace="${shop.namespace}",response_code="200"}`)
  return shop.until('counters to stand still', async () => {
    const before = await look()
    await shop.sleep(2000)
    return (await look()) === before ? before : undefined
  })
}

describe('routes of one VirtualService', () => {
  test('are tried in their order, and the first that matches is taken', async () => {
    const service = await ruled()
    await shop.apply(virtualService(service, [{ match: header('a'), ...to(service, { v2: undefined }) }, { match: [...header('a'), ...header('b')], ...to(service, { v1: undefined }) }, to(service, { v1: 100 })]))
    await shop.spread()
    const asked = await Promise.all(['a', 'b', 'c'].map((value) => shop.ask(service, { headers: { 'x-tester': value } })))
    expect(asked.map(sourceOf)).toEqual(['v2', 'v1', 'v1'])
  })

  test('answer 404 themselves where none matches', async () => {
    const service = await ruled()
    await shop.apply(virtualService(service, [{ match: header('a'), ...to(service, { v2: undefined }) }]))
    await shop.spread()
    expect((await shop.ask(service)).status).toBe(404)
  })

  test('hold together: a header route, weights, and a mirror that leaves the answers alone', async () => {
    const service = await ruled()
    const mirrored = { mirrors: [{ destination: { host: service.host, subset: 'v2' }, percentage: { value: 50 } }] }
    const before = await countedBy('destination')
    await shop.apply(virtualService(service, [{ name: 'testers', match: header('a'), ...to(service, { v2: undefined }) }, { name: 'main', ...to(service, { v1: 90, v2: 10 }), ...mirrored }]))
    await shop.spread()
    const [users, testers] = await Promise.all([shop.many(service, { ms: 2000 }), shop.many(service, { rps: 20, headers: { 'x-tester': 'a' } })])
    expect(counted(testers)).toEqual({ v2: testers.length })
    expect(failed(users)).toEqual([])
    const { v2 = 0 } = counted(users)
    const direct = fiveSigma(0.1, users.length)
    expect(v2).toBeGreaterThanOrEqual(direct.least)
    expect(v2).toBeLessThanOrEqual(direct.most)
    const copies = fiveSigma(0.5, users.length)
    const copied = (await countedBy('destination')) - before - v2 - testers.length
    expect(copied).toBeGreaterThanOrEqual(copies.least)
    expect(copied).toBeLessThanOrEqual(copies.most)
  })

  test('read a cookie by a regular expression, and give one by destination', async () => {
    const service = await ruled()
    const [own, first] = [to(service, { v1: 0 }).route[0], to(service, { v2: undefined }).route[0]]
    const sticky = { ...own, headers: { response: { add: { 'set-cookie': 'revision=v1; Path=/' } } } }
    await shop.apply(virtualService(service, [{ match: [{ headers: { cookie: { regex: '(.*;\\s*)?revision=v2(;.*)?' } } }], route: [first] }, { route: [sticky] }]))
    await shop.spread()
    const asked = await Promise.all(['', 'revision=v2', 'a=b; revision=v2; c=d', 'revision=v22'].map((cookie) => shop.ask(service, { headers: { cookie } })))
    expect(asked.map(sourceOf)).toEqual(['v1', 'v2', 'v2', 'v1'])
    expect(asked.map(({ headers }) => headers['set-cookie'] !== undefined)).toEqual([true, false, false, true])
  })

  test('give each destination’s own cookie with its answers, in which %% stands for %', async () => {
    const service = await ruled()
    const giving = (version: string) => ({ ...to(service, { [version]: 50 }).route[0], headers: { response: { add: { 'set-cookie': `revision=${version}; Max-Age=60; Path=/a%%20b` } } } })
    await shop.apply(virtualService(service, [{ route: [giving('v1'), giving('v2')] }]))
    await shop.spread()
    const asked = await Promise.all(Array.from({ length: 40 }, () => shop.ask(service)))
    expect(new Set(asked.map(sourceOf))).toEqual(new Set(['v1', 'v2']))
    for (const answer of asked) expect(answer.headers['set-cookie']).toBe(`revision=${sourceOf(answer)}; Max-Age=60; Path=/a%20b`)
  })

  test('compare cookies one by one: another of the same value, or one whose name ends alike, is another cookie', async () => {
    const service = await ruled()
    const of = (regex: string, version: string) => ({ match: [{ headers: { cookie: { regex } } }], ...to(service, { [version]: undefined }) })
    await shop.apply(virtualService(service, [of('(.*;\\s*)?a\\.b=1\\+1(;.*)?', 'v2'), of('(.*;\\s*)?group=b[^;]*(;.*)?', 'v2'), of('(.*;\\s*)?kind=([bc]|d.)(;.*)?', 'v2'), to(service, { v1: 100 })]))
    await shop.spread()
    const cookies = ['a.b=1+1', 'x=y; a.b=1+1', 'aXb=1+1', 'c.a.b=1+1', 'a.b=11', 'group=beta; z=1', 'group=a; z=b', 'kind=d1', 'kind=d', 'kind=dd1']
    const asked = await Promise.all(cookies.map((cookie) => shop.ask(service, { headers: { cookie } })))
    expect(asked.map(sourceOf)).toEqual(['v2', 'v2', 'v1', 'v1', 'v1', 'v2', 'v1', 'v2', 'v1', 'v1'])
  })
})

describe('a mirror', () => {
  test('to a subset that no rule defines, or that has no pods, costs the caller nothing', async () => {
    const service = await shop.service()
    await shop.apply(destinationRule(service, [], { subsets: [subset('v1'), subset('empty')] }))
    await shop.spread()
    for (const name of ['undefined', 'empty']) {
      await shop.apply(virtualService(service, [{ ...to(service, { v1: 100 }), mirrors: [{ destination: { host: service.host, subset: name }, percentage: { value: 100 } }] }]))
      await shop.spread()
      expect(counted(await shop.many(service, { rps: 100 }))).toEqual({ v1: 100 })
    }
  })

  test('sends copies with the unchanged Host, each of them answered by the receiver and counted nowhere else', async () => {
    const service = await ruled()
    // Whoever does not send this very Host is turned away by v2.
    const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'own-host', namespace: shop.namespace }, spec: { action: 'DENY', selector: { matchLabels: { version: 'v2' } }, rules: [{ to: [{ operation: { paths: ['/copied'], notHosts: [service.host] } }] }] } }
    await shop.apply(policy, virtualService(service, [{ match: header('direct'), ...to(service, { v2: undefined }) }, { ...to(service, { v1: undefined }), mirrors: [{ destination: { host: service.host, subset: 'v2' }, percentage: { value: 100 } }] }]))
    await shop.spread()
    const shortName = `${service.name}.${shop.namespace}`
    await shop.until('another Host to be turned away', async () => ((await shop.request(CALLER, { host: shortName, path: '/copied', headers: { 'x-tester': 'direct' } })).status === 403 ? true : undefined))
    const before = [await countedBy('destination'), await countedBy('source')]
    const answers = await shop.many(service, { rps: 50, path: '/copied' })
    expect(counted(answers)).toEqual({ v1: answers.length })
    expect([await countedBy('destination'), await countedBy('source')]).toEqual([(before[0] ?? 0) + answers.length, before[1]])
    await shop.remove(policy)
  })
})

describe('without a VirtualService that speaks for it', () => {
  test('a host is answered by all pods of the Service', async () => {
    await expectAllPods(await ruled())
  })

  test.each<[string, (service: Service) => Record<string, unknown>]>([
    ['for a gateway only', ({ name }) => ({ gateways: [`${name}-edge`] })],
    ["that is not exported to the caller's namespace", () => ({ exportTo: ['.'] })],
  ])('as with one %s', async (_, spec) => {
    const service = await ruled()
    await shop.apply(virtualService(service, [to(service, { v1: undefined })], spec(service)))
    await shop.spread()
    await expectAllPods(service)
  })

  test('as with a route that names no subset', async () => {
    const service = await ruled()
    await shop.apply(virtualService(service, [to(service)]))
    await shop.spread()
    await expectAllPods(service)
  })

  test('and from the moment that the one it had is deleted', async () => {
    const service = await ruled()
    const own = virtualService(service, [to(service, { v1: undefined })])
    await shop.apply(own)
    await shop.spread()
    expect(counted(await shop.many(service, { rps: 50 }))).toEqual({ v1: 50 })
    await shop.remove(own)
    await shop.spread()
    await expectAllPods(service)
  })
})

describe('of two VirtualServices for one host', () => {
  const older = (service: Service) => virtualService(service, [{ match: header('a'), ...to(service, { v1: undefined }) }])
  const newer = (service: Service, namespace = shop.namespace) => virtualService(service, [to(service, { v2: undefined })], {}, { name: `${service.name}-newer`, namespace })

  test.each([
    ["in the Service's namespace", () => shop.namespace],
    ["in the callers' namespace", () => shop.callers],
  ])('the older wins whole, beside a newer one %s: what it does not match is 404', async (_, namespace) => {
    const service = await ruled()
    await shop.apply(older(service))
    await shop.nextSecond()
    await shop.apply(newer(service, namespace()))
    await shop.spread()
    expect(sourceOf(await shop.ask(service, { headers: { 'x-tester': 'a' } }))).toBe('v1')
    expect((await shop.ask(service)).status).toBe(404)
  })

  test('the newer takes over without an error when the older is deleted, and keeps the host when that comes again', async () => {
    const service = await ruled()
    const first = virtualService(service, [to(service, { v1: undefined })])
    await shop.apply(first)
    await shop.nextSecond()
    await shop.apply(newer(service))
    await shop.spread()
    const load = shop.many(service, { ms: 1500 })
    await shop.sleep(400)
    await shop.remove(first)
    const answers = await load
    expect(failed(answers)).toEqual([])
    expect(Object.keys(counted(answers)).toSorted()).toEqual(['v1', 'v2'])
    await shop.nextSecond()
    await shop.apply(first)
    await shop.spread()
    expect(counted(await shop.many(service, { rps: 50 }))).toEqual({ v2: 50 })
  })
})

describe('a delegate', () => {
  const root = (service: Service, match: object = {}) => virtualService(service, [{ ...match, delegate: { name: `${service.name}-routes`, namespace: shop.namespace } }])
  const delegate = (service: Service, http: readonly Record<string, unknown>[]) => virtualService(service, http, { hosts: [] }, { name: `${service.name}-routes` })

  test.each([
    ['without', {}],
    ['with', { match: [{ uri: { prefix: '/' } }] }],
  ])('gives its header routes and weights, %s a match in the root, and changes cost nothing', async (_, match) => {
    const service = await ruled()
    const routes = (v2: number) => delegate(service, [{ match: header('a'), ...to(service, { v2: undefined }) }, to(service, { v1: 100 - v2, v2 })])
    await shop.apply(routes(0), root(service, match))
    await shop.spread()
    expect(sourceOf(await shop.ask(service, { headers: { 'x-tester': 'a' } }))).toBe('v2')
    const load = shop.many(service, { ms: 2000 })
    for (const v2 of [25, 50, 75, 100]) {
      await shop.sleep(300)
      await shop.apply(routes(v2))
    }
    const answers = await load
    expect(failed(answers)).toEqual([])
    expect(answers.at(-1)?.version).toBe('v2')
  })

  const tester = { headers: { 'x-tester': { exact: 'a' } } }
  test.each<['kept' | 'dropped' | 'dropped by Istio alone', string, Record<string, unknown>, HTTPMatch]>([
    ['kept', 'another header', { headers: { 'x-plan': { exact: 'paid' } } }, tester],
    ['kept', 'the same header and text', tester, tester],
    ['dropped', 'the same header with another text', { headers: { 'x-tester': { exact: 'b' } } }, tester],
    ['dropped', 'another method', { method: { exact: 'GET' } }, { method: { exact: 'POST' } }],
    ['kept', 'a path within', { uri: { prefix: '/a' } }, { uri: { prefix: '/a/b' } }],
    ['dropped', 'a path elsewhere', { uri: { prefix: '/a' } }, { uri: { prefix: '/b' } }],
    ['dropped by Istio alone', 'a prefix of an exact path', { uri: { exact: '/a/b' } }, { uri: { prefix: '/a' } }],
    ['dropped by Istio alone', 'a path within a regular expression', { uri: { regex: '/a.*' } }, { uri: { prefix: '/a/b' } }],
    ['dropped by Istio alone', "no word of the root's namespace of callers", { sourceNamespace: 'callers' }, tester],
  ])('has its match %s where that says %s', async (becomes, _what, written, ours) => {
    const service = await ruled()
    const theirs = 'sourceNamespace' in written ? { sourceNamespace: shop.callers } : written
    await shop.apply(delegate(service, [{ match: [ours], ...to(service, { v2: undefined }) }, to(service, { v1: undefined })]), root(service, { match: [theirs] }))
    await shop.spread()
    const answers = await Promise.all(['a', 'b'].map((value) => shop.ask(service, { path: '/a/b', headers: { 'x-tester': value, 'x-plan': 'paid' } })))
    const isKept = becomes === 'kept' || (becomes !== 'dropped' && differs(shop, 'regular expressions of a root'))
    expect(answers.map(sourceOf).includes('v2')).toBe(isKept)
    expect(isContradicted(theirs, ours)).toBe(becomes !== 'kept')
  })

  test('that is deleted while its root stays lets every request through to all pods', async () => {
    const service = await ruled()
    const routes = delegate(service, [to(service, { v1: undefined })])
    await shop.apply(routes, root(service))
    await shop.spread()
    expect(counted(await shop.many(service, { rps: 50 }))).toEqual({ v1: 50 })
    await shop.remove(routes)
    await shop.spread()
    await expectAllPods(service)
  })
})
