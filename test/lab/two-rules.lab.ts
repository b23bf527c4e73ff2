import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Canary } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { type ClusterPolicy, clustersOf, clustersPath, type HostClusters } from './config-dump.ts'
import { type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const LONG = 600_000
const POLL_MS = 200
const CALLERS = 'callers'

type Fields = Readonly<Record<string, unknown>>
type Proxy = 'caller' | 'gateway' | 'inside'

const object = (kind: string, namespace: string, name: string, spec: Fields, apiVersion = 'networking.istio.io/v1', annotations?: Readonly<Record<string, string>>): KubeObject =>
  ({ apiVersion, kind, metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) }, spec }) as unknown as KubeObject

const namespace = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }) as unknown as KubeObject

const SUBSETS = ['v1', 'v2'].map((version) => ({ name: `user-${version}`, labels: { version } }))

/** Of the blocks that a policy may have, three that Envoy shows in a cluster. The errors are more than the suite makes. */
const policy = (maxConnections: number, mode?: string): Fields =>
  ({ connectionPool: { tcp: { maxConnections } }, outlierDetection: { consecutive5xxErrors: 10_000 + maxConnections }, ...(mode === undefined ? {} : { tls: { mode } }) })

const hostRule = (home: string, fields: Fields): KubeObject => object('DestinationRule', home, 'shop', { host: 'shop', subsets: SUBSETS, ...fields })
const wildcard = (home: string, fields: Fields): KubeObject => object('DestinationRule', home, 'everything', { host: `*.${home}.svc.cluster.local`, ...fields })
/** For one namespace only, so that the others know nothing of it. */
const rootRule = (home: string, fields: Fields): KubeObject => object('DestinationRule', 'istio-system', `for-${home}`, { host: `*.${home}.svc.cluster.local`, ...fields })

type Shop = {
  readonly rules: readonly KubeObject[]
  /** A rule for the host that is made while the second release carries weight, and what governed before. */
  readonly appears?: KubeObject
  /** Of the VirtualService and the Service. */
  readonly exportTo?: readonly string[]
  /** What the route names. */
  readonly subset?: string
  readonly proxies?: readonly Proxy[]
  /** Its pods have sidecars. */
  readonly mutual?: boolean
}

const LISTED = ['.', CALLERS, 'istio-system']

/** Namespace → what stands there. */
const SHOPS: Readonly<Record<string, Shop>> = {
  'to-all': { rules: [hostRule('to-all', { exportTo: ['*'], trafficPolicy: policy(31, 'DISABLE') })] },
  'to-itself': { rules: [hostRule('to-itself', { exportTo: ['.'], trafficPolicy: policy(32, 'DISABLE') })], exportTo: ['.'], proxies: ['inside'] },
  'to-some': { rules: [hostRule('to-some', { exportTo: LISTED, trafficPolicy: policy(33, 'DISABLE') })], exportTo: LISTED.toReversed() },
  'top-level': { rules: [hostRule('top-level', { trafficPolicy: policy(34, 'ISTIO_MUTUAL') })], mutual: true },
  'by-wildcard': { rules: [wildcard('by-wildcard', { trafficPolicy: policy(35, 'ISTIO_MUTUAL') })], mutual: true },
  'by-root': { rules: [rootRule('by-root', { trafficPolicy: policy(36, 'DISABLE') })] },
  'late': { rules: [], appears: hostRule('late', { trafficPolicy: policy(37, 'DISABLE') }) },
  'late-beside': { rules: [wildcard('late-beside', { trafficPolicy: policy(38) })], appears: hostRule('late-beside', { trafficPolicy: policy(39, 'DISABLE') }) },
  'named-subset': {
    rules: [hostRule('named-subset', { trafficPolicy: policy(40), subsets: [{ ...SUBSETS[0], trafficPolicy: policy(41, 'DISABLE') }, SUBSETS[1]] })],
    subset: 'user-v1',
  },
}

const hostOf = (home: string): string => `shop.${home}.svc.cluster.local`
const SHOP_NAMES = Object.keys(SHOPS)
const proxiesOf = (home: string): readonly Proxy[] => SHOPS[home]?.proxies ?? ['caller', 'gateway']

function deployment(home: string, name: string, labels: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): KubeObject {
  const containers = [{ name: 'app', image: 'fake-service', env: Object.entries(env).map(([key, value]) => ({ name: key, value })) }]
  return object('Deployment', home, name, { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } }, 'apps/v1')
}

const release = (home: string, version: string, env: Readonly<Record<string, string>> = {}): KubeObject =>
  deployment(home, `shop-${version}`, { app: 'shop', version, ...(SHOPS[home]?.mutual === true ? {} : { 'sidecar.istio.io/inject': 'false' }) }, { NAME: version, ...env })

const service = (home: string, exportTo?: readonly string[]): KubeObject =>
  object('Service', home, 'shop', { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }, 'v1', exportTo && { 'networking.istio.io/exportTo': exportTo.join(',') })

const route = (home: string, { exportTo, subset }: Pick<Shop, 'exportTo' | 'subset'> = {}): KubeObject => object('VirtualService', home, 'shop', {
  hosts: ['shop', ...(exportTo?.includes('istio-system') === false ? [] : [`${home}.example`])],
  gateways: ['mesh', 'istio-system/edge'],
  ...(exportTo === undefined ? {} : { exportTo }),
  http: [{ name: 'main', route: [{ destination: { host: 'shop', ...(subset === undefined ? {} : { subset }) } }] }],
})

const canary = (home: string): KubeObject => object('Canary', home, 'shop', {
  versions: { selector: { matchLabels: { app: 'shop' } } },
  service: { name: 'shop' },
  traffic: { propagation: '500ms', drain: '1s' },
  steps: [
    { mirror: { match: [{ method: { exact: 'GET' } }] }, for: '1s' },
    { match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '1s' },
    { weight: 50, for: '2s', minRequests: 5 },
    { weight: 75, for: '1s', minRequests: 0 },
  ],
  analysis: { interval: '1s', metrics: [{ name: 'error-rate', max: '1%' }] },
  scaleDownDelay: { previous: '1s' },
}, 'serin.dev/v1beta1')

const EDGE = object('Gateway', 'istio-system', 'edge', { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*/*.example'] }] })

/** What must be refused: namespace → the reason, and the rules that stand there. */
const REFUSED: Readonly<Record<string, readonly [string, ...KubeObject[]]>> = {
  'narrower': ['RuleExportTo', hostRule('narrower', { exportTo: ['.'] })],
  'narrower-wildcard': ['RuleExportTo', wildcard('narrower-wildcard', { exportTo: ['.'], trafficPolicy: policy(51, 'DISABLE') })],
  'unequal': ['RuleExportTo', hostRule('unequal', {}), object('DestinationRule', 'unequal', 'shop-too', { host: hostOf('unequal'), exportTo: ['*'] })],
  'selective': ['RuleWorkloadSelector', hostRule('selective', { workloadSelector: { matchLabels: { app: 'caller' } } })],
  'selective-wildcard': ['RuleWorkloadSelector', wildcard('selective-wildcard', { workloadSelector: { matchLabels: { app: 'caller' } } })],
  'at-callers': ['RuleInCallersNamespace', object('DestinationRule', CALLERS, 'at-callers', { host: hostOf('at-callers') })],
  'private-root': ['RuleInCallersNamespace', rootRule('private-root', { exportTo: ['.'], trafficPolicy: policy(52, 'DISABLE') })],
  'broad-subsets': ['BroaderRuleWithSubsets', wildcard('broad-subsets', { subsets: SUBSETS })],
}

/** One look at a proxy: the clusters of every shop that it calls. */
type Look = { readonly proxy: Proxy; readonly at: number; readonly clusters: Readonly<Record<string, HostClusters>> }

const ADDRESS: Record<Proxy, string> = { caller: '', gateway: '', inside: '' }
const looks: Look[] = []
/** Namespace → what its Canary was doing, and since when. */
const moments: Record<string, { readonly at: number; readonly doing: string }[]> = {}
const loads: Record<string, readonly RunningLoad[]> = {}
let operator: OperatorProcess
let watching = true
const watches: Promise<void>[] = []

async function look(proxy: Proxy): Promise<Look> {
  const path = clustersPath(SHOP_NAMES.filter((home) => proxiesOf(home).includes(proxy)).map(hostOf))
  const at = Date.now()
  const answer = await suite.callFrom(ADDRESS[proxy], { url: `http://127.0.0.1:15000${path}` })
  if ('error' in answer || answer.status !== 200) throw new Error(`the config dump of ${proxy}: ${JSON.stringify(answer).slice(0, 300)}`)
  return { proxy, at, clusters: clustersOf(answer.body) }
}

async function repeatedly(poll: () => Promise<void>): Promise<void> {
  while (watching) {
    const next = performance.now() + POLL_MS
    await poll()
    await systemClock.sleep(Math.max(0, next - performance.now()))
  }
}

async function noteMoments(): Promise<void> {
  for (const { metadata, ...rest } of (await objects.list('serin.dev/v1beta1/canaries')) ?? []) {
    const { status } = rest as unknown as Canary
    const doing = status === undefined ? '' : `${status.canaryRevision ?? '-'} ${status.phase} ${status.step ?? ''}`.trim()
    const list = (moments[metadata.namespace ?? ''] ??= [])
    if (list.at(-1)?.doing !== doing) list.push({ at: Date.now(), doing })
  }
}

/** What a proxy's cluster was, without repetitions; "absent" where there was none. */
function story(home: string, proxy: Proxy, subset: string): readonly string[] {
  const seen = looks.filter((one) => one.proxy === proxy).map(({ clusters }) => clusters[hostOf(home)]?.[subset]?.config ?? 'absent')
  return seen.filter((one, index) => one !== seen[index - 1])
}

beforeAll(async () => {
  expect(suite.info.grade).toBe('mtls')
  await objects.apply(...[CALLERS, ...SHOP_NAMES, ...Object.keys(REFUSED)].map(namespace), EDGE, deployment(CALLERS, 'caller', { app: 'caller' }), deployment('to-itself', 'inside', { app: 'inside' }))
  await objects.apply(...SHOP_NAMES.flatMap((home) => [service(home, SHOPS[home]?.exportTo), release(home, 'v1'), route(home, SHOPS[home]), ...(SHOPS[home]?.rules ?? [])]))
  await objects.apply(...Object.entries(REFUSED).flatMap(([home, [, ...rules]]) => [service(home), route(home), release(home, 'v1'), ...rules]))
  await Promise.all([...SHOP_NAMES.map((home) => objects.ready(home, 'shop-v1')), objects.ready(CALLERS, 'caller'), objects.ready('to-itself', 'inside')])
  const addresses = await Promise.all([objects.podAddress(CALLERS, 'app=caller'), objects.podAddress('istio-system', 'istio=ingressgateway'), objects.podAddress('to-itself', 'app=inside')])
  for (const [index, proxy] of (['caller', 'gateway', 'inside'] as const).entries()) ADDRESS[proxy] = addresses[index] ?? ''
  await inEveryShop((home) => Promise.all(proxiesOf(home).map(async (proxy) => {
    let last: unknown
    await objects.until(`${proxy} to reach ${home}`, async () => {
      last = await suite.callFrom(ADDRESS[proxy], ask(home, proxy))
      return JSON.stringify(last).includes('"status":200') ? true : undefined
    }, 15_000).catch((e: unknown) => { console.log(home, proxy, JSON.stringify(last)); throw e })
  })))
  for (const home of SHOP_NAMES) loads[home] = proxiesOf(home).flatMap((proxy) => (proxy === 'gateway' ? [suite.startLoad({ ...ask(home, proxy), rps: 1, ms: LONG })] : ['GET', 'POST'].map((method) => suite.startLoad({ ...ask(home, proxy), method, rps: 4, ms: LONG }, ADDRESS[proxy]))))
  watches.push(...(['caller', 'gateway', 'inside'] as const).map((proxy) => repeatedly(async () => void looks.push(await look(proxy)))), repeatedly(noteMoments))
  operator = await suite.startOperator()
  await objects.apply(...[...SHOP_NAMES, ...Object.keys(REFUSED)].map(canary))
})

const ask = (home: string, proxy: Proxy) => (proxy === 'gateway' ? { url: `http://${ADDRESS.gateway}:8080/`, headers: { host: `${home}.example` } } : { url: `http://shop.${home}/` })

afterAll(async () => {
  watching = false
  await Promise.allSettled(watches)
  operator?.kill('SIGTERM')
  await Promise.all([CALLERS, ...SHOP_NAMES, ...Object.keys(REFUSED)].map((home) => objects.call('DELETE', `/api/v1/namespaces/${home}`)))
})

const inEveryShop = (what: (home: string) => Promise<unknown>) => Promise.all(SHOP_NAMES.map(what))

test('adopted', async () => {
  await inEveryShop((home) => suite.untilStatus(`${home}/shop`, 'v1 to be adopted', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v1'))
  await systemClock.sleep(1000)
})

test('v2 rolled back', async () => {
  await objects.apply(...SHOP_NAMES.map((home) => release(home, 'v2', { ERROR_RATE: '1', ERROR_METHODS: 'POST' })))
  await inEveryShop((home) => suite.untilStatus(`${home}/shop`, 'v2 to have failed', ({ phase, failed }) => phase === 'Failed' && failed?.revision === 'v2'))
})

test('v3 promoted', async () => {
  await objects.apply(...SHOP_NAMES.map((home) => release(home, 'v3')))
  await inEveryShop(async (home) => {
    await suite.untilStatus(`${home}/shop`, 'v3 to carry weight', ({ rollout }) => rollout?.revision === 'v3' && (rollout.stepIndex ?? 0) >= 2)
    const rule = SHOPS[home]?.appears
    if (rule !== undefined) await objects.apply(rule)
    await suite.untilStatus(`${home}/shop`, 'v3 to be promoted', ({ phase, stableRevision, previous }) => phase === 'Idle' && stableRevision === 'v3' && previous === undefined)
  })
  await systemClock.sleep(2000)
})

test('report', async () => {
  const { writeFileSync } = await import('node:fs')
  const { readFileSync } = await import('node:fs')
  watching = false
  await Promise.allSettled(watches)
  writeFileSync('/tmp/two-rules/looks.json', JSON.stringify({ looks, moments }))
  writeFileSync('/tmp/two-rules/operator.log', readFileSync(operator.log))
  for (const home of SHOP_NAMES) console.log(home, JSON.stringify(tally((await Promise.all((loads[home] ?? []).map((load) => load.stop()))).flat())))
  for (const home of SHOP_NAMES) for (const proxy of proxiesOf(home)) for (const subset of ['', 'user-v1', 'user-v2', 'serin-v1', 'serin-v2', 'serin-v3']) {
    const names = new Map<string, string>([['absent', 'absent']])
    const label = (p: ClusterPolicy | undefined) => (p === undefined ? 'absent' : `${p.maxConnections}/${p.consecutive5xx}/${p.tls}`)
    for (const one of looks) for (const p of Object.values(one.clusters[hostOf(home)] ?? {})) names.set(p.config, label(p))
    console.log(home.padEnd(14), proxy.padEnd(8), subset.padEnd(9), story(home, proxy, subset).map((c) => names.get(c)).join(' → '))
  }
  for (const [home, list] of Object.entries(moments)) console.log(home, list.map(({ doing }) => doing).join(' | '))
  for (const home of Object.keys(REFUSED)) console.log(home, JSON.stringify((await suite.status(home, 'shop')).conditions))
  console.log(looks.length)
})
describe('x', () => undefined)
