import type { KubeObject } from '../../src/runtime/object.ts'

export const CALLERS = 'callers'

type Fields = Readonly<Record<string, unknown>>
export type Proxy = 'caller' | 'gateway' | 'inside'

const object = (kind: string, namespace: string, name: string, spec: Fields, apiVersion = 'networking.istio.io/v1', annotations?: Readonly<Record<string, string>>): KubeObject =>
  ({ apiVersion, kind, metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) }, spec }) as unknown as KubeObject

export const namespace = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }) as unknown as KubeObject

export const SUBSETS = ['v1', 'v2'].map((version) => ({ name: `user-${version}`, labels: { version } }))

/** Of the blocks that a policy may have, three that Envoy shows in a cluster. The errors are more than the suite makes. */
export const policy = (maxConnections: number, mode?: 'DISABLE' | 'ISTIO_MUTUAL') =>
  ({ connectionPool: { tcp: { maxConnections } }, outlierDetection: { consecutive5xxErrors: 10_000 + maxConnections }, tls: mode && { mode } })

const hostRule = (home: string, fields: Fields): KubeObject => object('DestinationRule', home, 'shop', { host: 'shop', subsets: SUBSETS, ...fields })
const wildcard = (home: string, fields: Fields): KubeObject => object('DestinationRule', home, 'everything', { host: `*.${home}.svc.cluster.local`, ...fields })
/** For one namespace only, so that the others know nothing of it. */
const rootRule = (home: string, fields: Fields): KubeObject => object('DestinationRule', 'istio-system', `for-${home}`, { host: `*.${home}.svc.cluster.local`, ...fields })

export type Shop = {
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
export const SHOPS: Readonly<Record<string, Shop>> = {
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

export const hostOf = (home: string): string => `shop.${home}.svc.cluster.local`
export const SHOP_NAMES = Object.keys(SHOPS)
export const proxiesOf = (home: string): readonly Proxy[] => SHOPS[home]?.proxies ?? ['caller', 'gateway']

export function deployment(home: string, name: string, labels: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): KubeObject {
  const containers = [{ name: 'app', image: 'fake-service', env: Object.entries(env).map(([key, value]) => ({ name: key, value })) }]
  return object('Deployment', home, name, { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } }, 'apps/v1')
}

export const release = (home: string, version: string, env: Readonly<Record<string, string>> = {}): KubeObject =>
  deployment(home, `shop-${version}`, { app: 'shop', version, ...(SHOPS[home]?.mutual === true ? {} : { 'sidecar.istio.io/inject': 'false' }) }, { NAME: version, ...env })

export const service = (home: string, exportTo?: readonly string[]): KubeObject =>
  object('Service', home, 'shop', { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }, 'v1', exportTo && { 'networking.istio.io/exportTo': exportTo.join(',') })

/** An app that ends an idle connection while a request is on its way is no part of this; and no retry hides a cluster that is not there. */
const RETRIES = { attempts: 3, retryOn: 'reset,connect-failure,refused-stream' }

export const route = (home: string, { exportTo, subset }: Pick<Shop, 'exportTo' | 'subset'> = {}): KubeObject => object('VirtualService', home, 'shop', {
  hosts: ['shop', ...(exportTo?.includes('istio-system') === false ? [] : [`${home}.example`])],
  gateways: ['mesh', 'istio-system/edge'],
  ...(exportTo === undefined ? {} : { exportTo }),
  http: [{ name: 'main', retries: RETRIES, route: [{ destination: { host: 'shop', ...(subset === undefined ? {} : { subset }) } }] }],
})

export const canary = (home: string): KubeObject => object('Canary', home, 'shop', {
  versions: { selector: { matchLabels: { app: 'shop' } } },
  service: { name: 'shop' },
  traffic: { propagation: '500ms', drain: '1s' },
  steps: [
    { mirror: { match: [{ method: { exact: 'GET' } }] }, for: '1s', minRequests: 0 },
    { match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '1s' },
    { weight: 50, for: '2s', minRequests: 5 },
    { weight: 75, for: '1s', minRequests: 0 },
  ],
  analysis: { interval: '1s', metrics: [{ name: 'error-rate', max: '1%' }] },
  scaleDownDelay: { previous: '1s' },
}, 'serin.dev/v1beta1')

export const EDGE = object('Gateway', 'istio-system', 'edge', { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*/*.example'] }] })

/** What must be refused: namespace → the reason, and the rules that stand there. */
export const REFUSED: Readonly<Record<string, readonly [string, ...KubeObject[]]>> = {
  'narrower': ['RuleExportTo', hostRule('narrower', { exportTo: ['.'] })],
  'narrower-wildcard': ['RuleExportTo', wildcard('narrower-wildcard', { exportTo: ['.'], trafficPolicy: policy(51, 'DISABLE') })],
  'unequal': ['RuleExportTo', hostRule('unequal', {}), object('DestinationRule', 'unequal', 'shop-too', { host: hostOf('unequal'), exportTo: ['*'] })],
  'selective': ['RuleWorkloadSelector', hostRule('selective', { workloadSelector: { matchLabels: { app: 'caller' } } })],
  'selective-wildcard': ['RuleWorkloadSelector', wildcard('selective-wildcard', { workloadSelector: { matchLabels: { app: 'caller' } } })],
  'at-callers': ['RuleInCallersNamespace', object('DestinationRule', CALLERS, 'at-callers', { host: hostOf('at-callers') })],
  'private-root': ['RuleInCallersNamespace', rootRule('private-root', { exportTo: ['.'], trafficPolicy: policy(52, 'DISABLE') })],
  'broad-subsets': ['BroaderRuleWithSubsets', wildcard('broad-subsets', { subsets: SUBSETS })],
}
