import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { ABSENT, clustersOf, clustersPath, type HostClusters, shown, storyOf } from './config-dump.ts'
import { CALLERS, canary, deployment, EDGE, hostOf, namespace, type policy, type Proxy, proxiesOf, REFUSED, release, route, service, SHOP_NAMES, SHOPS, SUBSETS } from './two-rules-shops.ts'
import { type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const LONG = 600_000
const POLL_MS = 200
/** On a machine that others keep busy too. */
const PATIENCE_MS = 150_000
const ALL_MS = 3 * PATIENCE_MS

/** One look at a proxy: the clusters of every shop that it calls, while the Canaries did this. */
type Look = { readonly proxy: Proxy; readonly clusters: Readonly<Record<string, HostClusters>>; readonly doing: Readonly<Record<string, string>> }

const ADDRESS: Record<Proxy, string> = { caller: '', gateway: '', inside: '' }
const PROXIES: readonly Proxy[] = ['caller', 'gateway', 'inside']
const looks: Look[] = []
const statuses: Record<string, Partial<CanaryStatus>> = {}
const loads: Record<string, readonly RunningLoad[]> = {}
const watches: Promise<void>[] = []
let operator: OperatorProcess | undefined
let watching = true

const ask = (home: string, proxy: Proxy) => (proxy === 'gateway' ? { url: `http://${ADDRESS.gateway}:8080/`, headers: { host: `${home}.example` } } : { url: `http://shop.${home}/` })

type Governed = { readonly trafficPolicy?: ReturnType<typeof policy> }

/** Which revision, and which step of how many: 0 is dark. */
const doing = ({ canaryRevision, step, phase }: Partial<CanaryStatus>): string => (canaryRevision === undefined ? (phase ?? '') : `${canaryRevision} ${step ?? phase ?? ''}`)

async function look(proxy: Proxy): Promise<Look> {
  const during = Object.fromEntries(Object.entries(statuses).map(([home, status]) => [home, doing(status)]))
  const path = clustersPath(SHOP_NAMES.filter((home) => proxiesOf(home).includes(proxy)).map(hostOf))
  const answer = await suite.callFrom(ADDRESS[proxy], { url: `http://127.0.0.1:15000${path}` })
  if ('error' in answer || answer.status !== 200) throw new Error(`no config dump of ${proxy}: ${JSON.stringify(answer).slice(0, 300)}`)
  return { proxy, clusters: clustersOf(answer.body), doing: during }
}

async function repeatedly(poll: () => Promise<void>): Promise<void> {
  while (watching) {
    const next = performance.now() + POLL_MS
    await poll()
    await systemClock.sleep(Math.max(0, next - performance.now()))
  }
}

async function readStatuses(): Promise<void> {
  for (const { metadata, ...rest } of (await objects.list('serin.dev/v1beta1/canaries')) ?? []) {
    statuses[metadata.namespace ?? ''] = (rest as { status?: CanaryStatus }).status ?? {}
  }
}

/** Waits for every shop's Canary; says who is late, and what it is instead. */
async function untilAll(what: string, holds: (status: Partial<CanaryStatus>) => boolean): Promise<void> {
  const late = () => SHOP_NAMES.filter((home) => !holds(statuses[home] ?? {}))
  await objects.until(what, () => Promise.resolve(late().length === 0 ? true : undefined), PATIENCE_MS).catch((cause: unknown) => {
    throw new Error(`${what}: ${late().map((home) => `${home} is ${doing(statuses[home] ?? {})}, ${statuses[home]?.message ?? ''}`).join('; ')}`, { cause })
  })
}

const story = (home: string, proxy: Proxy, subset: string): readonly string[] =>
  storyOf(looks.filter((one) => one.proxy === proxy).map(({ clusters }) => clusters[hostOf(home)]?.[subset]))

/** The policy of a rule, or of one of its subsets, as Envoy would show it, in short. */
function written(rule: KubeObject | undefined, subset?: string): string {
  const { spec } = rule as unknown as { spec: Governed & { subsets?: readonly (Governed & { name: string })[] } }
  const of = spec.subsets?.find(({ name, trafficPolicy }) => name === subset && trafficPolicy !== undefined) ?? spec
  if (of.trafficPolicy === undefined) throw new Error('neither the rule nor its subset has a policy')
  const { connectionPool, outlierDetection, tls } = of.trafficPolicy
  return shown({ maxConnections: connectionPool.tcp.maxConnections, consecutive5xx: outlierDetection.consecutive5xxErrors, tls: tls === undefined ? 'auto' : tls.mode === 'DISABLE' ? 'none' : 'mutual' })
}

beforeAll(async () => {
  expect(suite.info.grade, 'what TLS a rule asks for').toBe('mtls')
  await objects.apply(...[CALLERS, ...SHOP_NAMES, ...Object.keys(REFUSED)].map(namespace), EDGE, deployment(CALLERS, 'caller', { app: 'caller' }), deployment('to-itself', 'inside', { app: 'inside' }))
  await objects.apply(...SHOP_NAMES.flatMap((home) => [service(home, SHOPS[home]?.exportTo), release(home, 'v1'), route(home, SHOPS[home]), ...(SHOPS[home]?.rules ?? [])]))
  await objects.apply(...Object.entries(REFUSED).flatMap(([home, [, ...rules]]) => [service(home), route(home), release(home, 'v1'), ...rules]))
  await Promise.all([...SHOP_NAMES.map((home) => [home, 'shop-v1']), [CALLERS, 'caller'], ['to-itself', 'inside']].map(([home = '', name = '']) => objects.ready(home, name, PATIENCE_MS)))
  const addresses = await Promise.all([objects.podAddress(CALLERS, 'app=caller'), objects.podAddress('istio-system', 'istio=ingressgateway'), objects.podAddress('to-itself', 'app=inside')])
  for (const [index, proxy] of PROXIES.entries()) ADDRESS[proxy] = addresses[index] ?? ''
  await Promise.all(SHOP_NAMES.flatMap((home) => proxiesOf(home).map((proxy) => objects.until(`${proxy} to reach ${home}`, async () => {
    const answer = await suite.callFrom(ADDRESS[proxy], ask(home, proxy))
    return 'status' in answer && answer.status === 200 ? true : undefined
  }, PATIENCE_MS))))
  for (const home of SHOP_NAMES) {
    loads[home] = proxiesOf(home).flatMap((proxy) => (proxy === 'gateway' ? [suite.startLoad({ ...ask(home, proxy), rps: 1, ms: LONG })]
      : ['GET', 'POST'].map((method) => suite.startLoad({ ...ask(home, proxy), method, rps: 3, ms: LONG }, ADDRESS[proxy]))))
  }
  looks.push(...(await Promise.all(PROXIES.map(look))))
  watches.push(...PROXIES.map((proxy) => repeatedly(async () => void looks.push(await look(proxy)))), repeatedly(readStatuses))
  operator = await suite.startOperator()
  await objects.apply(...[...SHOP_NAMES, ...Object.keys(REFUSED)].map(canary))
}, ALL_MS)

afterAll(async () => {
  watching = false
  await Promise.allSettled([...watches, ...Object.values(loads).flat().map((load) => load.stop())])
  operator?.kill('SIGTERM')
  await objects.discard(CALLERS, ...SHOP_NAMES, ...Object.keys(REFUSED))
})

test('v2 fails every POST and is rolled back once it carries weight', async () => {
  await untilAll('v1 to be adopted', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v1')
  await objects.apply(...SHOP_NAMES.map((home) => release(home, 'v2', { ERROR_RATE: '1', ERROR_METHODS: 'POST' })))
  await untilAll('v2 to have failed', ({ phase, failed }) => phase === 'Failed' && failed?.revision === 'v2')
  for (const home of SHOP_NAMES) expect(statuses[home]?.failed?.message).toContain('error-rate')
}, ALL_MS)

test('v3 is promoted; where the user writes a rule for the host only now, that does not hold it up', async () => {
  await objects.apply(...SHOP_NAMES.map((home) => release(home, 'v3')))
  const late = SHOP_NAMES.flatMap((home) => {
    const rule = SHOPS[home]?.appears
    return rule === undefined ? [] : [objects.until(`v3 of ${home} to carry weight`, () => Promise.resolve(statuses[home]?.canaryRevision === 'v3' && (statuses[home]?.rollout?.stepIndex ?? 0) >= 2 ? true : undefined), PATIENCE_MS).then(() => objects.apply(rule))]
  })
  await Promise.all(late)
  await untilAll('v3 to be promoted', ({ phase, stableRevision, previous }) => phase === 'Idle' && stableRevision === 'v3' && previous === undefined)
  await objects.until('the subset of v1 to be gone from every proxy', async () => {
    const last = await Promise.all(PROXIES.map(look))
    return last.every(({ clusters }) => Object.values(clusters).every((subsets) => !('serin-v1' in subsets))) ? true : undefined
  }, PATIENCE_MS)
  await systemClock.sleep(2 * POLL_MS)
  watching = false
  await Promise.all(watches)
  process.stderr.write(`  ${looks.length} config dumps compared\n`)
}, ALL_MS)

describe.each(SHOP_NAMES.flatMap((home) => proxiesOf(home).map((proxy) => [home, proxy] as const)))('%s, as Envoy of the %s has it', (home, proxy) => {
  const { rules: [governs], appears, subset = '' } = SHOPS[home] ?? { rules: [] }
  /** What a cluster of this subset had to have, one after another. Where no rule stands, what Istio has of itself. */
  const governed = (name: string) => {
    const unruled = looks.find((one) => one.proxy === proxy)?.clusters[hostOf(home)]?.['']
    const before = governs === undefined ? unruled && shown(unruled) : written(governs, name)
    return [before, ...(appears === undefined ? [] : [written(appears, name)])]
  }

  test('the rollouts were looked at, dark and at each step', () => {
    const seen = new Set(looks.filter((one) => one.proxy === proxy).map((one) => one.doing[home]))
    expect([...seen]).toEqual(expect.arrayContaining(['v2 0/4', 'v2 1/4', 'v2 3/4', 'v3 0/4', 'v3 1/4', 'v3 2/4', 'v3 3/4', 'v3 4/4']))
  })

  test('the default cluster has what the rules say, and nothing else at any time', () => {
    expect(story(home, proxy, '')).toEqual(governed(''))
  })

  test("the user's subsets keep what they had", () => {
    for (const { name } of SUBSETS) {
      const told = story(home, proxy, name)
      if (appears !== undefined) {
        // Until our rule, the older one, has dropped its copy of the broader rule's policy, Istio lets that govern the
        // newcomer's subsets too. Nothing can be done about it: nobody knows of the rule before Istio does.
        const transient = governs === undefined ? [] : told.slice(1, -1).filter((one) => one === written(governs))
        expect(told).toEqual([ABSENT, ...transient.slice(0, 1), written(appears)])
      } else if (governs?.metadata.name === 'shop') expect(told).toEqual(governed(name))
      else expect(told).toEqual([ABSENT])
    }
  })

  test('our subsets have the policy of what they replace', () => {
    const all = governed(subset)
    expect(story(home, proxy, 'serin-v1')).toEqual([ABSENT, ...all, ABSENT])
    expect(story(home, proxy, 'serin-v2')).toEqual([ABSENT, all[0], ABSENT])
    expect(story(home, proxy, 'serin-v3')).toEqual([ABSENT, ...all])
  })
})

test('no answer was made by the mesh itself', async () => {
  const tallies = await Promise.all(SHOP_NAMES.map(async (home) => [home, tally((await Promise.all((loads[home] ?? []).map((load) => load.stop()))).flat())] as const))
  for (const [home, counts] of tallies) process.stderr.write(`  ${home.padEnd(14)} ${JSON.stringify(counts)}\n`)
  for (const [home, counts] of tallies) expect(Object.keys(counts).toSorted(), home).toEqual(['v1 200', 'v2 200', 'v2 500', 'v3 200'])
})

test.each(Object.entries(REFUSED))('%s is refused by name, and nothing has moved', async (home, [reason, ...rules]) => {
  const stalled = statuses[home]?.conditions?.find(({ type }) => type === 'Stalled')
  expect(stalled).toMatchObject({ status: 'True', reason })
  expect(rules.some(({ metadata }) => stalled?.message.includes(`${metadata.namespace ?? ''}/${metadata.name} `))).toBe(true)
  const { body } = await objects.call('GET', `/apis/networking.istio.io/v1/namespaces/${home}/virtualservices/shop`)
  expect(body.metadata).toMatchObject({ generation: 1 })
  expect(body.metadata.annotations).toBeUndefined()
  const own = await objects.call('GET', `/apis/networking.istio.io/v1/namespaces/${home}/destinationrules/serin-shop`)
  expect(own.status).toBe(404)
})
