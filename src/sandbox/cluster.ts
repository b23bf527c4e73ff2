import type { Clock } from '../runtime/clock.ts'
import type { Transport, TransportRequest } from '../runtime/transport.ts'
import { answer } from './api-server.ts'
import { Deployments } from './deployments.ts'
import { EndpointSlices } from './endpoint-slices.ts'
import { Garbage } from './garbage.ts'
import { istioCrds } from './istio-kinds.ts'
import { Kinds } from './kinds.ts'
import type { ClusterReader, PodRuntime } from './objects.ts'
import { Pods } from './kubelet.ts'
import { Refusal } from './refusals.ts'
import { ReplicaSets } from './replica-sets.ts'
import type { ApiAnswer, ApiRequest } from './requests.ts'
import { Store } from './store.ts'
import { Turns } from './turns.ts'
import { Watches } from './watch.ts'
import { timestamp, Writes } from './writes.ts'

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
  /** Forgets past changes: resuming a watch from before this moment gives 410. */
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

/** What the sandbox's cluster refuses or ignores, for whoever wonders why. */
export const unsupported: readonly string[] = [
  'CEL rules (x-kubernetes-validations) in CustomResourceDefinitions are not evaluated.',
  'Server-side apply is refused with 415.',
  'Protobuf bodies are refused with 415: kubectl 1.32 and later cannot `create` typed objects imperatively; `apply -f` works.',
  'Built-in kinds have no schema check: unknown fields are kept, and only what a rollout depends on is validated.',
  'No authentication, no RBAC, no admission webhooks, no conversion webhooks.',
  'No paging: `limit` is ignored. managedFields are dropped. Events do not expire.',
  'Pods have no logs, exec or port-forward; there are no nodes, volumes, quotas, Jobs, StatefulSets, DaemonSets or autoscalers.',
  'A Deployment rolls with all new pods first; maxSurge, minReadySeconds and probes are ignored.',
]

const requestLimit = 100_000

/** Brings up an empty cluster with the namespaces default and istio-system and Istio's kinds. */
export const createCluster = ({ clock, runtime, seed = 1, historyLimit = 2000 }: ClusterOptions): Cluster => {
  const store = new Store(historyLimit)
  const kinds = new Kinds()
  const writes = new Writes({ store, kinds, clock, random: randomFrom(seed) })
  const watches = new Watches(store, clock)
  const parts = { store, kinds, writes, turns: new Turns() }
  const { deployments, pods } = startControllers(parts, clock, runtime)
  populate(parts)
  const requests: LoggedRequest[] = []
  const faults: Faults = {
    dropWatches: () => watches.drop(),
    pauseWatches: () => watches.pause(),
    resumeWatches: () => watches.resume(),
    forgetHistory: () => store.compact(),
  }
  let closed = false
  const exchange = async (request: ApiRequest, timeoutMs: number): Promise<ApiAnswer> => {
    if (closed) throw new Error('connect ECONNREFUSED: the cluster is closed')
    const fate = (await faults.intercept?.(request)) ?? 'pass'
    if (fate === 'hang') await silence(clock, timeoutMs, request.signal)
    const answered =
      typeof fate === 'object' ? failure(fate) : await answer({ store, kinds, writes, watches, now: clock.now }, request)
    if (requests.length >= requestLimit) requests.splice(0, requestLimit / 2)
    requests.push({ method: request.method, path: request.path, status: answered.status })
    if (fate === 'lose-response')
      throw new Error(`${request.method} ${request.path}: the connection was reset before the response`)
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
    setPodReady: (namespace, name, ready) => pods.setReady(namespace, name, ready),
    close: () => {
      closed = true
      watches.drop()
      deployments.stop()
    },
  }
}

type Parts = ConstructorParameters<typeof Garbage>[0]

const startControllers = (parts: Parts, clock: Clock, runtime: PodRuntime) => {
  new Garbage(parts)
  const deployments = new Deployments(parts, clock)
  new ReplicaSets(parts)
  new EndpointSlices(parts)
  return { deployments, pods: new Pods(parts, runtime, () => timestamp(clock.now())) }
}

const populate = ({ store, writes, turns }: Parts): void => {
  store.subscribe(({ type, resource, object: { metadata } }) => {
    if (resource !== 'namespaces' || type !== 'ADDED') return
    const make = () => writes.make('serviceaccounts', metadata.name, { metadata: { name: 'default' } })
    turns.ask(`account ${metadata.name}`, make)
  })
  for (const name of ['default', 'istio-system']) writes.make('namespaces', '', { metadata: { name } })
  for (const crd of istioCrds()) writes.make('customresourcedefinitions.apiextensions.k8s.io', '', crd)
}

const silence = async (clock: Clock, timeoutMs: number, signal: AbortSignal | undefined): Promise<never> => {
  await clock.sleep(timeoutMs, signal)
  throw new Error(`no response within ${timeoutMs} ms`)
}

const reasons: Readonly<Record<number, string>> = {
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

const failure = ({ status, retryAfterSeconds }: Extract<Fate, object>): ApiAnswer => ({
  status,
  headers: {
    'content-type': 'application/json',
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  },
  body: JSON.stringify(new Refusal(status, reasons[status] ?? 'Unknown', `the request was made to fail with ${status}`).status),
})

const transportTo =
  (exchange: Cluster['exchange']): Transport =>
  async (request: TransportRequest) => {
    request.signal?.throwIfAborted()
    const { method, path, body = '', signal, timeoutMs } = request
    const names = Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const)
    const answered = await exchange({ method, path, body, signal, headers: Object.fromEntries(names) }, timeoutMs)
    return {
      status: answered.status,
      headers: answered.headers,
      text: async () => (typeof answered.body === 'string' ? answered.body : collect(answered.body)),
      lines: () => (typeof answered.body === 'string' ? linesOf(answered.body) : answered.body),
    }
  }

const collect = async (lines: AsyncIterable<string>): Promise<string> => {
  const parts: string[] = []
  for await (const line of lines) parts.push(`${line}\n`)
  return parts.join('')
}

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split('\n').filter((line) => line !== '')
}

/** Mulberry32: small, fast, and the same everywhere. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
