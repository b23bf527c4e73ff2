import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import type { Caller } from '../ground.ts'
import { CALLER, counted, destinationRule, failed, openShop, subset, to, virtualService, type Service, type Shop } from './shop.ts'

let shop: Shop
beforeAll(async () => {
  shop = await openShop()
  await shop.workload('neighbour', { app: 'neighbour' })
})
afterAll(() => shop.close())

type Fields = Readonly<Record<string, unknown>>
type RuleOf = (service: Service) => KubeObject

/** The rule of whoever owns the Service, with a subset for v1, and one beside it with a subset for v2. */
const user = (service: Service, fields: Fields = {}) => destinationRule(service, ['v1'], fields)
const ours = (service: Service, fields: Fields = {}) => destinationRule(service, ['v2'], fields, { name: `${service.name}-revisions` })

/** Each subset by a header of its name. */
const bySubset: RuleOf = (service) =>
  virtualService(service, ['v1', 'v2'].map((name) => ({ match: [{ headers: { 'x-subset': { exact: name } } }], ...to(service, { [name]: undefined }) })))

/** What answers for each subset. */
const reached = async (service: Service, from: Caller = CALLER): Promise<string> => {
  const answers = await Promise.all(['v1', 'v2'].map((name) => shop.ask(service, { headers: { 'x-subset': name } }, from)))
  return answers.map(({ status, headers }) => (status === 200 ? headers['x-version'] : status)).join(' ')
}

/** The first is older by a second at least. */
async function written(...rules: readonly RuleOf[]): Promise<Service> {
  const service = await shop.service()
  await shop.apply(bySubset(service))
  for (const [index, rule] of rules.entries()) {
    if (index > 0) await shop.nextSecond()
    await shop.apply(rule(service))
  }
  await shop.spread()
  return service
}

const policies = ({ host }: Service) => shop.policies(CALLER, host)

const upTo = (maxConnections: number, more: Fields = {}): Fields => ({ trafficPolicy: { connectionPool: { tcp: { maxConnections } }, ...more } })
const ejecting = { outlierDetection: { consecutive5xxErrors: 7 } }

/** A pod in the Service's own namespace. */
const inside = (): Caller => ({ deployment: 'neighbour', namespace: shop.namespace })

describe.each([
  ["the user's is older", 'user'],
  ['ours is older', 'ours'],
])('of two DestinationRules for one host, where %s,', (_age, older) => {
  const pair = (theirs: Fields = {}, own: Fields = {}) => {
    const rules: readonly RuleOf[] = [(service) => user(service, theirs), (service) => ours(service, own)]
    return written(...(older === 'user' ? rules : rules.toReversed()))
  }
  const onlyNewer = older === 'user' ? '503 v2' : 'v1 503'

  test('the subsets of both are there when neither says exportTo', async () => {
    expect(await reached(await pair())).toBe('v1 v2')
  })

  test('the subsets of both are there when exportTo names the same namespaces in any order', async () => {
    const [one, other] = [shop.namespace, shop.callers]
    expect(await reached(await pair({ exportTo: [one, other] }, { exportTo: [other, one] }))).toBe('v1 v2')
  })

  test.each([
    ['everybody against unset', { exportTo: ['*'] }, {}],
    ['unset against everybody', {}, { exportTo: ['*'] }],
  ])('the newer replaces the older whole when exportTo is written differently: %s', async (_case, theirs, own) => {
    expect(await reached(await pair(theirs, own))).toBe(onlyNewer)
  })

  test('a private one beside one for all is seen at home alone, and there the newer replaces the older', async () => {
    const service = await pair({}, { exportTo: ['.'] })
    expect(await reached(service, inside())).toBe(onlyNewer)
    expect(await reached(service)).toBe('v1 503')
  })

  test('"." is not its own namespace\'s name: the newer replaces the older', async () => {
    expect(await reached(await pair({ exportTo: ['.'] }, { exportTo: [shop.namespace] }), inside())).toBe(onlyNewer)
  })

  test('a policy at the top of only one holds for the host and for the subsets of both', async () => {
    const policy = { maxConnections: 33, consecutive5xxErrors: 7 }
    expect(await policies(await pair(upTo(33, ejecting), {}))).toEqual({ '': policy, v1: policy, v2: policy })
    expect(await policies(await pair({}, upTo(33, ejecting)))).toEqual({ '': policy, v1: policy, v2: policy })
  })

  test("of two policies at the top the older one's holds for all subsets, the other's for none", async () => {
    const policy = older === 'user' ? { maxConnections: 33 } : { maxConnections: 44, random: true }
    expect(await policies(await pair(upTo(33), upTo(44, { loadBalancer: { simple: 'RANDOM' } })))).toEqual({ '': policy, v1: policy, v2: policy })
  })

  test("of two subsets of one name the older one's is taken", async () => {
    const swapped = [subset('v1', { labels: { version: 'v2' } }), subset('v2')]
    expect(await reached(await pair({}, { subsets: swapped }))).toBe(older === 'user' ? 'v1 v2' : 'v2 v2')
  })
})

test('two rules of the same second go by name', async () => {
  const service = await shop.service()
  const [first, last] = [destinationRule(service, [], { subsets: [subset('v1')], ...upTo(33) }, { name: `a-${service.name}` }), destinationRule(service, [], { subsets: [subset('v1', { labels: { version: 'v2' } }), subset('v2')], ...upTo(44) }, { name: `z-${service.name}` })]
  const stamps = await shop.until('two rules of one second', async () => {
    await shop.nextSecond()
    await shop.apply(last, first)
    const made = await Promise.all([first, last].map(({ metadata }) => shop.call('GET', `/apis/networking.istio.io/v1/namespaces/${shop.namespace}/destinationrules/${metadata.name}`)))
    const seconds = new Set(made.map(({ body }) => body.metadata.creationTimestamp))
    if (seconds.size === 1) return seconds
    await shop.remove(first, last)
    return undefined
  })
  expect(stamps.size).toBe(1)
  await shop.apply(bySubset(service))
  await shop.spread()
  expect(await reached(service)).toBe('v1 v2')
  expect(await policies(service)).toMatchObject({ '': { maxConnections: 33 }, v2: { maxConnections: 33 } })
})

test("a policy of a subset replaces whole blocks of the host's, and leaves the other blocks", async () => {
  const own = { trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 9 } } } }
  const service = await written((each) => destinationRule(each, [], { subsets: [subset('v1', own), subset('v2')], ...upTo(33, ejecting) }))
  expect(await policies(service)).toEqual({
    '': { maxConnections: 33, consecutive5xxErrors: 7 },
    v1: { maxRequestsPerConnection: 9, consecutive5xxErrors: 7 },
    v2: { maxConnections: 33, consecutive5xxErrors: 7 },
  })
})

describe('a rule for the host', () => {
  test("in the callers' namespace hides all others from them, and from nobody else", async () => {
    const service = await written(user, ours)
    const theirs = destinationRule(service, ['v2'], {}, { name: 'callers', namespace: shop.callers })
    await shop.apply(theirs)
    await shop.spread()
    expect(await reached(service)).toBe('503 v2')
    expect(await reached(service, inside())).toBe('v1 v2')
    await shop.remove(theirs)
  })

  test("in the root namespace is ignored beside one in the Service's", async () => {
    const service = await written(user)
    const root = destinationRule(service, ['v2'], upTo(55), { name: `${shop.namespace}-root`, namespace: 'istio-system' })
    await shop.apply(root)
    await shop.spread()
    expect(await reached(service)).toBe('v1 503')
    expect(await policies(service)).toEqual({ '': {}, v1: {} })
    await shop.remove(root)
  })

  test("makes the subsets and the policy of a root-namespace rule vanish when it comes, and lets them return when it goes", async () => {
    const service = await written()
    const root = destinationRule(service, ['v1'], upTo(55), { name: `${shop.namespace}-root`, namespace: 'istio-system' })
    const policy = { maxConnections: 55 }
    await shop.apply(root)
    await shop.spread()
    expect(await reached(service)).toBe('v1 503')
    expect(await policies(service)).toEqual({ '': policy, v1: policy })
    await shop.apply(ours(service))
    await shop.spread()
    expect(await reached(service)).toBe('503 v2')
    expect(await policies(service)).toEqual({ '': {}, v2: {} })
    await shop.remove(ours(service))
    await shop.spread()
    expect(await policies(service)).toEqual({ '': policy, v1: policy })
    await shop.remove(root)
  })

  test.each([
    ["of the Service's namespace", () => `*.${shop.namespace}.svc.cluster.local`, () => shop.namespace],
    ['of the root namespace', () => '*.local', () => 'istio-system'],
  ])('makes the policy of a wildcard rule %s vanish, TLS mode included', async (_, host, namespace) => {
    const service = await written()
    const wild = destinationRule({ name: `wild-${service.name}`, host: host() }, [], upTo(66, { ...ejecting, tls: { mode: 'DISABLE' } }), { namespace: namespace() })
    await shop.apply(wild)
    await shop.spread()
    expect(await policies(service)).toEqual({ '': { maxConnections: 66, consecutive5xxErrors: 7, tls: 'DISABLE' } })
    await shop.apply(ours(service))
    await shop.spread()
    expect(await policies(service)).toEqual({ '': {}, v2: {} })
    await shop.remove(wild, ours(service))
  })
})

test('that comes and goes beside another, with a subset alone, costs no request to the subset of the other', async () => {
  const service = await written(user)
  await shop.apply(virtualService(service, [to(service, { v1: undefined })]))
  await shop.spread()
  const load = shop.many(service, { ms: 2500 })
  for (let time = 0; time < 5; time++) {
    await shop.sleep(200)
    await shop.apply(ours(service))
    await shop.sleep(200)
    await shop.remove(ours(service))
  }
  const answers = await load
  expect(failed(answers)).toEqual([])
  expect(Object.keys(counted(answers))).toEqual(['v1'])
})
