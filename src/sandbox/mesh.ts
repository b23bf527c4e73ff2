import type { Clock } from '../runtime/clock.ts'
import { seededRandom } from '../runtime/random.ts'
import { requestLabels, UNKNOWN, type RequestReport, type ResponseFlags } from './mesh-labels.ts'
import { createPropagatedView, type PropagatedView } from './mesh-propagation.ts'
import { MeshTally, type VersionTally } from './mesh-tally.ts'
import { createRequestMetrics, type RequestMetrics, type Sample } from './metrics/request-metrics.ts'
import type { ClusterReader, KubeObject } from './objects.ts'
import { decideRoute, type MirrorTarget, type RouteDecision, type RouteRequest } from './route-decision.ts'
import { ROOT_NAMESPACE } from './route-hosts.ts'
import type { Workload } from './route-pods.ts'
import { unsupported } from './route-support.ts'

/** An HTTP request in the mesh. */
export type MeshRequest = RouteRequest & { readonly body?: string }

/** An HTTP response in the mesh; header names in lower case. */
export type MeshResponse = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** How a request reaches a pod. Rejects with a ConnectionError where the pod does not answer. */
export type Receive = (peer: Workload, request: MeshRequest) => Promise<MeshResponse>

/** The pod refused the connection (UF), or closed it before the answer was whole (UC). */
export class ConnectionError extends Error {
  readonly flags: 'UF' | 'UC'

  constructor(flags: 'UF' | 'UC', options?: ErrorOptions) {
    super(flags === 'UF' ? 'connection refused' : 'connection closed before the response', options)
    this.flags = flags
  }
}

/** What the mesh is made of. */
export type MeshOptions = {
  readonly clock: Clock
  readonly cluster: ClusterReader
  /** The same seed gives the same choices. */
  readonly seed: number
  /** Between two scrapes of Prometheus, milliseconds; default 1 s. */
  readonly scrapeMs?: number
  /** Told, in a sentence, of every object that asks for what the mesh does not do. */
  readonly onUnsupported?: (sentence: string, object: KubeObject) => void
}

type Delivery = { readonly response: MeshResponse; readonly flags: ResponseFlags }
type Proxy = { readonly metrics: RequestMetrics; readonly receive: Receive; endedMs: number }

/** The data plane over a cluster's objects: a proxy in every pod and one ingress gateway, all of one propagated view. */
export class Mesh {
  readonly #options: MeshOptions
  readonly #random: () => number
  readonly #view: PropagatedView
  readonly #stopped = new AbortController()
  readonly #tally = new MeshTally()
  readonly #proxies = new Map<string, Proxy>()
  /** With those that have ended: Prometheus remembers them. */
  #scraped: readonly Proxy[] = []

  constructor(options: MeshOptions) {
    this.#options = options
    this.#random = seededRandom(`mesh ${options.seed}`)
    const onChange = (object: KubeObject): void => {
      const sentence = unsupported(object)
      if (sentence !== undefined) options.onUnsupported?.(sentence, object)
    }
    this.#view = createPropagatedView({ ...options, signal: this.#stopped.signal, onChange })
    this.attach(GATEWAY, () => Promise.reject(new ConnectionError('UF')))
  }

  /** Per version of a Service's full name, what users saw and what was mirrored. */
  tally(service: string): readonly VersionTally[] {
    return this.#tally.of(service)
  }

  /** The series of every proxy that ran at a time of the wall clock (now, unless given), as of the last scrape before. */
  samples(atMs = this.#options.clock.now()): readonly Sample[] {
    const { clock } = this.#options
    const monotonicMs = clock.monotonic() + atMs - clock.now()
    return this.#scraped.flatMap(({ metrics, endedMs }) => (endedMs > monotonicMs ? metrics.samples(monotonicMs) : []))
  }

  /** Stops following the cluster. */
  stop(): void {
    this.#stopped.abort(new Error('the mesh was stopped'))
  }

  /** Decides as the caller's proxy would now, and sends nothing. */
  decide(caller: Workload, request: RouteRequest): RouteDecision {
    return decideRoute(this.#view.current(), caller, request, this.#random)
  }

  /** The trafficPolicies that DestinationRules ask for and the mesh itself ignores: by subset, "" for the host without one. */
  policies(caller: Workload, header: string): Readonly<Record<string, unknown>> {
    const view = this.#view.current()
    const service = view.service(view.resolve(header, caller.namespace))
    if (service === undefined) return {}
    const { subsets, policy } = view.rule(caller, service)
    return { '': policy, ...Object.fromEntries([...subsets].map(([name, { policy: own }]) => [name, own])) }
  }

  /** The counters of a workload's proxy start again at 0, as when its container restarts. */
  resetCounters({ key }: Workload): void {
    this.#proxies.get(key)?.metrics.reset()
  }

  /** The ingress gateway, as a caller. */
  gateway(): Workload {
    return GATEWAY
  }

  /** Puts a pod's proxy and app in place; returns the way to end them abruptly, which ends its metrics too. */
  attach({ namespace, pod, key }: Workload, receive: Receive): () => void {
    const { clock, scrapeMs = 1000 } = this.#options
    const metrics = createRequestMetrics(clock, scrapeMs, { namespace, pod, instance: `${pod}.${namespace}:15090` })
    const proxy = { metrics, receive, endedMs: Infinity }
    this.#proxies.set(key, proxy)
    this.#scraped = [...this.#scraped.filter(({ endedMs }) => endedMs > clock.monotonic() - MEMORY_MS), proxy]
    return () => {
      proxy.endedMs = Math.min(proxy.endedMs, clock.monotonic())
      if (this.#proxies.get(key) === proxy) this.#proxies.delete(key)
    }
  }

  /** Sends a request through the caller's own proxy. Never rejects: a proxy always answers. */
  async request(caller: Workload, request: MeshRequest): Promise<MeshResponse> {
    const startedMs = this.#options.clock.monotonic()
    const { destination, service, mirrors, addedHeaders, ...own } = this.decide(caller, request)
    for (const target of mirrors) void this.#mirror(caller, target, request)
    const { response, flags } =
      destination === undefined
        ? { response: plainResponse(own.status, ANSWERS[own.flags]), flags: own.flags }
        : await this.#deliver(caller, destination, request)
    const { status } = response
    this.#record(caller, { reporter: 'source', peer: caller, server: destination, service, status, flags }, startedMs)
    this.#tally.count(this.#view.current().resolve(service, caller.namespace), destination ?? UNKNOWN, status)
    return { ...response, headers: withAdded(response.headers, addedHeaders) }
  }

  /** The server's side: enforces policies, counts, and lets `answer` answer. */
  async accept(
    peer: Workload,
    server: Workload,
    request: MeshRequest,
    answer: () => Promise<MeshResponse>,
  ): Promise<MeshResponse> {
    const startedMs = this.#options.clock.monotonic()
    const view = this.#view.current()
    const response = view.policies(peer, server, request) ? await answer() : plainResponse(403, 'RBAC: access denied')
    const service = view.serviceOf(server)?.host ?? request.host
    this.#record(server, { reporter: 'destination', peer, server, service, status: response.status, flags: '-' }, startedMs)
    return response
  }

  async #deliver(caller: Workload, pod: Workload, request: MeshRequest): Promise<Delivery> {
    try {
      const proxy = this.#proxies.get(pod.key)
      if (proxy === undefined) throw new ConnectionError('UF')
      return { response: await proxy.receive(caller, request), flags: '-' }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      return { response: plainResponse(503, `upstream connect error: ${error.message}`), flags: error.flags }
    }
  }

  /** Fire and forget: nothing that happens to a copy may cost the caller anything. */
  async #mirror(caller: Workload, { pod, service }: MirrorTarget, request: MeshRequest): Promise<void> {
    const { response } = await this.#deliver(caller, pod, request)
    this.#tally.count(service, pod, response.status, true)
  }

  #record(reporter: Workload, report: RequestReport, startedMs: number): void {
    this.#proxies.get(reporter.key)?.metrics.record(requestLabels(report), this.#options.clock.monotonic() - startedMs)
  }
}

/** A header that is there already gets one more value. In what is written, %% stands for %. */
const withAdded = (headers: MeshResponse['headers'], added: MeshResponse['headers']): MeshResponse['headers'] =>
  Object.entries(added).reduce((all, [name, text]) => {
    const [key, value] = [name.toLowerCase(), text.replaceAll('%%', '%')]
    return { ...all, [key]: all[key] === undefined ? value : `${all[key]}, ${value}` }
  }, headers)

const plainResponse = (status: number, body: string): MeshResponse => ({
  status,
  headers: { 'content-type': 'text/plain' },
  body,
})

/** How long a proxy that has ended is remembered. */
const MEMORY_MS = 3_600_000

const ANSWERS = { '-': '', NC: '', NR: '', UH: 'no healthy upstream', FI: 'fault filter abort' } as const

const GATEWAY: Workload = {
  key: `${ROOT_NAMESPACE}/istio-ingressgateway`,
  pod: 'istio-ingressgateway',
  namespace: ROOT_NAMESPACE,
  labels: { app: 'istio-ingressgateway', istio: 'ingressgateway' },
  workload: 'istio-ingressgateway',
  app: 'istio-ingressgateway',
  version: 'latest',
  principal: `cluster.local/ns/${ROOT_NAMESPACE}/sa/istio-ingressgateway-service-account`,
  side: 'gateway',
}
