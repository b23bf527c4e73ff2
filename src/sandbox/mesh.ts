import type { Clock } from '../runtime/clock.ts'
import type { ClusterReader, KubeObject } from './objects.ts'
import { createMeshTally } from './mesh-tally.ts'
import type { VersionTally } from './mesh-tally.ts'
import { requestLabels } from './mesh-labels.ts'
import type { RequestReport, ResponseFlags } from './mesh-labels.ts'
import { createPropagatedView } from './mesh-propagation.ts'
import type { PropagatedView, PropagationOptions } from './mesh-propagation.ts'
import { createRequestMetrics } from './metrics/request-metrics.ts'
import type { RequestMetrics } from './metrics/request-metrics.ts'
import type { ScrapeTarget } from './metrics/tsdb.ts'
import { decideRoute } from './route-decision.ts'
import type { MirrorTarget, RouteDecision, RouteRequest } from './route-decision.ts'
import { applyHeaders } from './route-headers.ts'
import { ROOT_NAMESPACE } from './route-hosts.ts'
import type { Workload } from './route-pods.ts'
import { createRandom } from './route-random.ts'
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

/** The data plane: a proxy in every pod and one ingress gateway, all of one propagated view. */
export type Mesh = {
  /** Sends a request through the caller's own proxy. Never rejects: a proxy always answers. */
  readonly request: (caller: Workload, request: MeshRequest) => Promise<MeshResponse>
  /** The server's side: enforces policies, counts, and lets `answer` answer. */
  readonly accept: (
    peer: Workload,
    server: Workload,
    request: MeshRequest,
    answer: () => Promise<MeshResponse>,
  ) => Promise<MeshResponse>
  /** The ingress gateway, as a caller. */
  readonly gateway: () => Workload
  /** Puts a pod's proxy and app in place; returns the way to end them abruptly, which ends its metrics too. */
  readonly attach: (pod: Workload, receive: Receive) => () => void
  /** Decides as the caller's proxy would now, and sends nothing. */
  readonly decide: (caller: Workload, request: RouteRequest) => RouteDecision
  /** Per version of a Service's full name, what users saw and what was mirrored. */
  readonly tally: (service: string) => readonly VersionTally[]
  /** Every proxy that runs. */
  readonly targets: () => readonly ScrapeTarget[]
  /** Stops following the cluster. */
  readonly stop: () => void
}

/** What the mesh is made of. */
export type MeshOptions = PropagationOptions & {
  readonly clock: Clock
  readonly cluster: ClusterReader
  /** The same seed gives the same choices. */
  readonly seed: number
  /** Envoy's stats flush, which histograms wait for; default 5 s. */
  readonly flushMs?: number
  /** Told, in a sentence, of every object that asks for what the mesh does not do. */
  readonly onUnsupported?: (sentence: string, object: KubeObject) => void
}

type Proxy = { readonly metrics: RequestMetrics; readonly receive: Receive; readonly target: ScrapeTarget }

/** A mesh over a cluster's objects. */
export const createMesh = (options: MeshOptions): Mesh => new ProxyMesh(options)

class ProxyMesh implements Mesh {
  readonly #clock: Clock
  readonly #flushMs: number
  readonly #random: () => number
  readonly #view: PropagatedView
  readonly #stopped = new AbortController()
  readonly #tally = createMeshTally()
  readonly #proxies = new Map<string, Proxy>()

  constructor(options: MeshOptions) {
    this.#clock = options.clock
    this.#flushMs = options.flushMs ?? 5000
    this.#random = createRandom(options.seed)
    this.#view = createPropagatedView({
      ...options,
      signal: this.#stopped.signal,
      onChange: (object) => {
        const sentence = unsupported(object)
        if (sentence !== undefined) options.onUnsupported?.(sentence, object)
      },
    })
    this.attach(GATEWAY, () => Promise.reject(new ConnectionError('UF')))
  }

  readonly tally = (service: string) => this.#tally.of(service)
  readonly targets = () => [...this.#proxies.values()].map(({ target }) => target)
  readonly stop = () => this.#stopped.abort(new Error('the mesh was stopped'))
  readonly decide = (caller: Workload, request: RouteRequest) => decideRoute(this.#view.current(), caller, request, this.#random)

  gateway(): Workload {
    return { ...GATEWAY, gateways: this.#view.current().gateways(GATEWAY.labels) }
  }

  attach(workload: Workload, receive: Receive): () => void {
    const metrics = createRequestMetrics(this.#clock, this.#flushMs)
    const { namespace, pod, key } = workload
    const proxy = {
      metrics,
      receive,
      target: { labels: { namespace, pod, instance: `${pod}.${namespace}:15090` }, collect: metrics.collect },
    }
    this.#proxies.set(key, proxy)
    return () => {
      if (this.#proxies.get(key) === proxy) this.#proxies.delete(key)
    }
  }

  async request(caller: Workload, incoming: MeshRequest): Promise<MeshResponse> {
    const startedMs = this.#clock.monotonic()
    const decision = this.decide(caller, incoming)
    const { destination, service, headerChanges } = decision
    if (decision.delayMs > 0) await this.#clock.sleep(decision.delayMs)
    const headers = applyHeaders(
      incoming.headers,
      headerChanges.map(({ request }) => request),
    )
    const forward = { ...incoming, ...decision.forward, headers }
    for (const target of decision.mirrors) void this.#mirror(caller, target, forward)
    const { response, flags } =
      destination === undefined
        ? { response: plainResponse(decision.status, ANSWERS[decision.flags]), flags: decision.flags }
        : await this.#deliver(caller, destination, forward)
    this.#record(
      caller,
      { reporter: 'source', peer: caller, server: destination, service, status: response.status, flags },
      startedMs,
    )
    this.#tally.count(this.#view.current().resolve(service, caller.namespace), destination ?? UNKNOWN, {
      status: response.status,
      mirrored: false,
    })
    return {
      ...response,
      headers: applyHeaders(
        response.headers,
        headerChanges.map((changes) => changes.response),
      ),
    }
  }

  async accept(
    peer: Workload,
    server: Workload,
    request: MeshRequest,
    answer: () => Promise<MeshResponse>,
  ): Promise<MeshResponse> {
    const startedMs = this.#clock.monotonic()
    const view = this.#view.current()
    const response = view.policies(peer, server, request) ? await answer() : plainResponse(403, 'RBAC: access denied')
    const service = view.serviceOf(server)?.host ?? request.host
    this.#record(server, { reporter: 'destination', peer, server, service, status: response.status, flags: '-' }, startedMs)
    return response
  }

  async #deliver(
    caller: Workload,
    pod: Workload,
    request: MeshRequest,
  ): Promise<{ response: MeshResponse; flags: ResponseFlags }> {
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
    this.#tally.count(service, pod, { status: response.status, mirrored: true })
  }

  #record(reporter: Workload, report: RequestReport, startedMs: number): void {
    this.#proxies.get(reporter.key)?.metrics.record(requestLabels(report), this.#clock.monotonic() - startedMs)
  }
}

/** An answer of a proxy's own. */
export const plainResponse = (status: number, body: string): MeshResponse => ({
  status,
  headers: { 'content-type': 'text/plain' },
  body,
})

const ANSWERS = { '-': '', NC: '', NR: '', UH: 'no healthy upstream', FI: 'fault filter abort' } as const

const UNKNOWN = { version: 'unknown', workload: 'unknown' } as const

const GATEWAY: Workload = {
  key: `${ROOT_NAMESPACE}/istio-ingressgateway`,
  pod: 'istio-ingressgateway',
  namespace: ROOT_NAMESPACE,
  labels: { app: 'istio-ingressgateway', istio: 'ingressgateway' },
  workload: 'istio-ingressgateway',
  app: 'istio-ingressgateway',
  version: 'latest',
  principal: `cluster.local/ns/${ROOT_NAMESPACE}/sa/istio-ingressgateway-service-account`,
  gateways: [],
}
