import { type Json, jsonOf, listOf, textOf } from '../../src/istio/json.ts'
import { subsetName } from '../../src/istio/subset-name.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import type { Call, CallAnswer } from './lab-info.ts'
import { END_ANNOTATION } from './pod.ts'

export const NAMESPACE = 'strategies'
export const USERS = `${NAMESPACE}-users`
export const HOST = `shop.${NAMESPACE}.svc.cluster.local`

const object = (value: object): KubeObject => value as KubeObject
export const inShop = (apiVersion: string, kind: string, name: string, spec: object, namespace = NAMESPACE): KubeObject => object({ apiVersion, kind, metadata: { name, namespace }, spec })
export const namespaces = (): readonly KubeObject[] => [NAMESPACE, USERS].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))

/** A Deployment of one app, whose pods end abruptly. */
export const workload = (name: string, labels: Readonly<Record<string, string>>, namespace = NAMESPACE): KubeObject => inShop('apps/v1', 'Deployment', name, {
  selector: { matchLabels: labels },
  template: { metadata: { labels, annotations: { [END_ANNOTATION]: 'abrupt' } }, spec: { containers: [{ name: 'app', image: 'fake-service', ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: name }] }] } },
}, namespace)

export const version = (app: string, name: string): KubeObject => workload(`${app}-${name}`, { app, version: name })
export const service = (name: string): KubeObject => inShop('v1', 'Service', name, { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] })

/** A route that nobody is to touch: its users stay with what is stable when the Canary comes, and would be managed were it listed. */
export const LEGACY = { name: 'legacy', match: [{ uri: { prefix: '/legacy' } }], timeout: '3s', route: [{ destination: { host: 'shop', subset: 'first' } }] }

/** What stands before Serin does, and what it is to leave alone. */
export const surroundings = (): readonly KubeObject[] => [
  inShop('security.istio.io/v1', 'PeerAuthentication', 'default', { mtls: { mode: 'STRICT' } }),
  service('shop'), version('shop', 'v1'), service('reviews'), version('reviews', 'v1'),
  workload('batch', { app: 'batch' }), workload('batch', { app: 'batch' }, USERS), workload('users', { app: 'users' }, USERS),
  inShop('networking.istio.io/v1', 'DestinationRule', 'shop', { host: 'shop', subsets: [{ name: 'first', labels: { version: 'v1' } }] }),
  inShop('networking.istio.io/v1', 'VirtualService', 'inside', { hosts: ['shop'], http: [LEGACY, { name: 'main', route: [{ destination: { host: 'shop' } }] }] }),
]

/** The Canary; a merge patch, in which null takes away what an earlier release had. */
export const canary = ({ traffic = {}, ...spec }: { readonly steps: readonly object[]; readonly traffic?: object; readonly preview?: object }): KubeObject => inShop('serin.dev/v1beta1', 'Canary', 'shop', {
  preview: null, ...spec,
  traffic: { propagation: '500ms', drain: '1500ms', httpRoutes: ['main'], sessionAffinity: null, ...traffic },
  analysis: { interval: '1s', minRequests: 0, metrics: [] }, scaleDownDelay: { previous: '1s' },
  versions: { selector: { matchLabels: { app: 'shop' } } }, service: { name: 'shop' },
})

/** A VirtualService, or the API server's word that there is none. */
export type Routes = KubeObject & { readonly spec?: { readonly http: readonly { readonly name?: string; readonly route: readonly { readonly destination: { readonly subset?: string } }[] }[] } }

/** What made an answer: a version, or whatever else there was instead. */
export const sourceOf = (answer: CallAnswer): string => ('error' in answer ? answer.error : (answer.headers['x-version'] ?? `${answer.status} by the mesh`))

/** What an Envoy's admin is asked for its routes. */
export const ROUTES: Call = { url: 'http://127.0.0.1:15000/config_dump?resource=dynamic_route_configs&name_regex=^80$' }

/** From the answer to that: the routes of the shop's host, as istiod gave them. */
function routesIn(dump: string): readonly Json[] {
  const configs = listOf(jsonOf(JSON.parse(dump))['configs']).map((entry) => jsonOf(entry['route_config']))
  const hosts = configs.flatMap((config) => listOf(config['virtual_hosts'])).filter(({ domains }) => Array.isArray(domains) && domains.includes(HOST))
  if (hosts.length !== 1) throw new Error(`${hosts.length} virtual hosts for ${HOST}`)
  return listOf(hosts[0]?.['routes'])
}

/** Percent of the main route's requests that go to a version. */
export function percentIn(dump: string, revision: string): number {
  const main = routesIn(dump).find(({ name }) => name === 'main')
  const to = jsonOf(main?.['route'])
  const clusters = to['cluster'] === undefined ? listOf(jsonOf(to['weighted_clusters'])['clusters']) : [{ name: to['cluster'], weight: 1 }]
  const sum = (entries: readonly Json[]) => entries.reduce((total, { weight }) => total + Number(weight), 0)
  return (100 * sum(clusters.filter(({ name }) => textOf(name)?.split('|')[2] === subsetName(revision)))) / sum(clusters)
}

/** Whether any route of the host leads to a version. */
export const isNamedIn = (dump: string, revision: string): boolean => JSON.stringify(routesIn(dump)).includes(`|${subsetName(revision)}|`)

/** A user's browser: it sends back the cookies that it was given, and knows who answered it. */
export class Browser {
  readonly met: string[] = []
  cookie = ''
  readonly #ask: (headers: Readonly<Record<string, string>>) => Promise<CallAnswer>

  constructor(ask: (headers: Readonly<Record<string, string>>) => Promise<CallAnswer>) {
    this.#ask = ask
  }

  async visit(): Promise<string> {
    const answer = await this.#ask(this.cookie === '' ? {} : { cookie: this.cookie })
    const given = 'error' in answer ? undefined : answer.headers['set-cookie']
    this.cookie = given?.split(';')[0] ?? this.cookie
    const source = sourceOf(answer)
    this.met.push(source)
    return source
  }
}
