import type { Clock } from '../runtime/clock.ts'
import { seededRandom } from '../runtime/random.ts'
import type { Transport, TransportRequest } from '../runtime/transport.ts'
import { answer } from './api-server.ts'
import { Turns, type ControllerParts } from './controllers.ts'
import { crds } from './crds.ts'
import { runDeployments } from './deployments.ts'
import { runEndpointSlices } from './endpoint-slices.ts'
import { runGarbage } from './garbage.ts'
import { istioCrds } from './istio-kinds.ts'
import { Kinds } from './kinds.ts'
import { runKubelet } from './kubelet.ts'
import type { ClusterReader, PodRuntime } from './objects.ts'
import { Pages } from './pages.ts'
import { Refusal } from './refusals.ts'
import { runReplicaSets } from './replica-sets.ts'
import { ok, type ApiAnswer, type ApiRequest } from './requests.ts'
import { Store } from './store.ts'
import { Watches } from './watch.ts'
import { Writes } from './writes.ts'

/** What becomes of a request: passes, is answered with an error, never answered, or carried out with its answer lost. */
export type Fate = 'pass' | 'hang' | 'lose-response' | { readonly status: number; readonly retryAfterSeconds?: number }

/** The switches of a cluster that misbehaves. */
export type Faults = {
  /** Asked before every request; a promise holds the request back until it resolves. */
  intercept?: ((request: ApiRequest) => Fate | Promise<Fate>) | undefined
  /** Breaks every open watch. */
  readonly dropWatches: () => void
  /** Lets every watch fall behind, until `resumeWatches`. */
  readonly pauseWatches: () => void
  readonly resumeWatches: () => void
  /** Forgets past changes: resuming a watch or a list from before this moment gives 410. */
  readonly forgetHistory: () => void
}

/** One request that was answered. */
export type LoggedRequest = { readonly method: string; readonly path: string; readonly status: number }

/** A Kubernetes cluster in memory. */
export type Cluster = {
  readonly reader: ClusterReader
  /** The API server, without a socket. */
  readonly transport: Transport
  /** The same API server for an HTTP listener; rejects where the connection is to break. */
  readonly exchange: (request: ApiRequest, timeoutMs: number) => Promise<ApiAnswer>
  readonly faults: Faults
  /** The last requests, oldest first. */
  readonly requests: readonly LoggedRequest[]
  readonly forgetRequests: () => void
  /** Sets the Ready condition of a running pod; throws where there is none of that name. */
  readonly setPodReady: (namespace: string, name: string, ready: boolean) => void
  /** Ends all watches. The cluster answers no more. */
  readonly close: () => void
}

/** What a cluster is made of. */
export type ClusterOptions = {
  readonly clock: Clock
  readonly runtime: PodRuntime
  /** Makes uids and generated names the same in every run; 1 unless given. */
  readonly seed?: number
  /** How many past changes of each resource a watch can resume from; 2,000 unless given. */
  readonly historyLimit?: number
}

/** What the sandbox refuses or ignores, for whoever wonders why. */
export const unsupported: readonly string[] = [
  'CEL rules (x-kubernetes-validations) in CustomResourceDefinitions are not evaluated.',
  'Server-side apply is refused with 415.',
  'Protobuf bodies are refused with 415: kubectl 1.32 and later cannot `create` typed objects imperatively; `apply -f` works.',
  'Built-in kinds have no schema: `explain` knows nothing, unknown fields are kept, only what a rollout depends on is checked.',
  'Tables have the columns of `get`, not those of `get -o wide`.',
  'No authentication, no RBAC, no admission webhooks, no conversion webhooks.',
  'Tables come whole: `limit` is ignored for them. managedFields are dropped. Events do not expire.',
  'Deletion in the foreground and orphaning are refused with 400, deletion of a collection with 405.',
  'Pods have no logs, exec or port-forward; there are no nodes, volumes, Jobs, StatefulSets, DaemonSets or autoscalers; quotas count pods only.',
  'A Deployment rolls with all new pods first, and keeps every ReplicaSet; strategy Recreate, maxSurge, minReadySeconds, ' +
    'revisionHistoryLimit, progressDeadlineSeconds, pausing and probes are ignored, and there are no revisions to undo.',
  'Pods end abruptly: there is no graceful end, and no sidecar that outlives its app. A restart is a new pod.',
  'The mesh ignores timeouts, retries, ports, traffic policies, mTLS modes and Gateways: one gateway serves every host. It ' +
    'names, and ignores, headers but those that a destination adds to answers, JWT ' +
    'claims, rewrites, redirects, delays, TCP and TLS routes and whatever else it does not know.',
  'A delegate has what its root and its own matches both let through. Istio drops a match of a delegate beside ' +
    'regular expressions of a root, an exact text that it only begins like, or a namespace of callers that it does not repeat.',
  'Prometheus answers selectors, and sums of them (by, without), over two metrics of Istio; general PromQL is a 400.',
]

const requestLimit = 100_000

/** Brings up an empty cluster with the namespaces default and istio-system and Istio's kinds. */
export const createCluster = ({ clock, runtime, seed = 1, historyLimit = 2000 }: ClusterOptions): Cluster => {
  const store = new Store(historyLimit)
  const kinds = new Kinds()
  const writes = new Writes({ store, kinds, clock, random: seededRandom(`cluster ${seed}`) })
  const watches = new Watches(store, clock)
  const pages = new Pages()
  const setPodReady = startControllers({ store, kinds, writes, turns: new Turns() }, runtime)
  const requests: LoggedRequest[] = []
  const faults = faultsOf(store, watches, pages)
  // What led to this is nobody's to watch.
  faults.forgetHistory()
  let closed = false
  const exchange = async (request: ApiRequest, timeoutMs: number): Promise<ApiAnswer> => {
    if (closed) throw new Error('connect ECONNREFUSED: the cluster is closed')
    const fate = (await faults.intercept?.(request)) ?? 'pass'
    const { method, path, signal } = request
    if (fate === 'hang') {
      await clock.sleep(timeoutMs, signal)
      throw new Error(`no response within ${timeoutMs} ms`)
    }
    const answered = typeof fate === 'object' ? failure(fate) : answer({ store, kinds, writes, watches, pages, now: clock.now }, request)
    if (requests.length >= requestLimit) requests.splice(0, requestLimit / 2)
    requests.push({ method, path, status: answered.status })
    if (fate === 'lose-response') throw new Error(`${method} ${path}: the connection was reset before the response`)
    return answered
  }
  return {
    reader: {
      list: (resource, namespace) => store.list(resource, namespace),
      get: (...place) => store.get(...place),
      subscribe: (listener) => store.subscribe(listener),
    },
    transport: transportTo(exchange),
    exchange,
    faults,
    requests,
    forgetRequests: () => void requests.splice(0),
    setPodReady,
    close: () => {
      closed = true
      watches.drop()
    },
  }
}

const faultsOf = (store: Store, watches: Watches, pages: Pages): Faults => ({
  dropWatches: () => watches.drop(),
  pauseWatches: () => watches.pause(),
  resumeWatches: () => watches.resume(),
  forgetHistory: () => {
    store.compact()
    pages.forget()
  },
})

const startControllers = (parts: ControllerParts, runtime: PodRuntime): Cluster['setPodReady'] => {
  const { store, writes, turns } = parts
  runGarbage(parts)
  runDeployments(parts)
  runReplicaSets(parts)
  runEndpointSlices(parts)
  store.subscribe(({ type, object: { metadata } }) => {
    const make = () => writes.make('serviceaccounts', metadata.name, { metadata: { name: 'default' } })
    if (type === 'ADDED') turns.ask(`account ${metadata.name}`, make)
  }, 'namespaces')
  for (const name of ['default', 'istio-system']) writes.make('namespaces', '', { metadata: { name } })
  for (const crd of istioCrds()) writes.make(crds, '', crd)
  return runKubelet(parts, runtime)
}

const reasons: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

const failure = ({ status, retryAfterSeconds }: Extract<Fate, object>): ApiAnswer => {
  const refusal = new Refusal(status, reasons[status] ?? 'Unknown', `the request was made to fail with ${status}`)
  const answered = ok(refusal.status)
  const later = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  return { ...answered, status, headers: { ...answered.headers, ...later } }
}

const transportTo =
  (exchange: Cluster['exchange']): Transport =>
  async ({ method, path, body = '', signal, timeoutMs, headers = {} }: TransportRequest) => {
    signal?.throwIfAborted()
    const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const answered = await exchange({ method, path, body, signal, headers: named }, timeoutMs)
    const { body: given } = answered
    return {
      status: answered.status,
      headers: answered.headers,
      text: async () => (typeof given === 'string' ? given : (await collected(given)).join('\n')),
      lines: () => (typeof given === 'string' ? linesOf(given) : given),
    }
  }

const collected = async (lines: AsyncIterable<string>): Promise<readonly string[]> => {
  const parts: string[] = []
  for await (const line of lines) parts.push(line)
  return parts
}

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split('\n').filter((line) => line !== '')
}
