import type { Clock } from '../runtime/clock.ts'
import { seededRandom } from '../runtime/random.ts'
import { createFakeService, durationMs, environmentOf, type App } from './fake-service.ts'
import { ConnectionError, type Mesh, type MeshRequest, type MeshResponse } from './mesh.ts'
import type { PodRuntime } from './objects.ts'
import { createForwarder, listen, type Forwarder } from './proxy.ts'
import { keyOf } from './route-objects.ts'
import { workloadOf, type Workload } from './route-pods.ts'

/** How pods run: as functions, or as servers on loopback ports with a proxy in front of each. */
export type PodMode = 'function' | 'http'

type Options = {
  readonly clock: Clock
  readonly mesh: Mesh
  readonly mode: PodMode
  /** From the pod's creation to its first answer; default 300 ms. READY_CHECK_RESPONSE_DELAY of the pod comes on top. */
  readonly startMs?: number | undefined
}

/** A pod runtime that can be cleared away. */
export type MeshPodRuntime = PodRuntime & {
  /** Ends all pods. */
  readonly stopAll: () => void
}

type Peers = ReadonlyMap<string, Workload>
type Program = { readonly workload: Workload; readonly app: App; readonly signal: AbortSignal }

/** Runs pods behind the mesh. A pod whose READY_CHECK_RESPONSE_SUCCESS_CODE is not 200 runs, and never becomes ready. */
export function createPodRuntime({ clock, mesh, mode, startMs = 300 }: Options): MeshPodRuntime {
  const running = new Map<string, AbortController>()
  const workloads = new Map([[mesh.gateway().key, mesh.gateway()]])
  const forwarder = createForwarder()
  let started = 0
  const stop = (key: string) => {
    running.get(key)?.abort(new Error(`pod ${key} was stopped`))
    running.delete(key)
    workloads.delete(key)
  }
  return {
    async start(pod) {
      const [workload, env] = [workloadOf(pod), environmentOf(pod)]
      const { key } = workload
      stop(key)
      const { signal } = running.set(key, new AbortController()).get(key) ?? new AbortController()
      await clock.sleep(startMs + durationMs(env['READY_CHECK_RESPONSE_DELAY']), signal)
      started += 1
      const ip = `10.244.${(started >> 8) & 255}.${started & 255}`
      const call = (request: MeshRequest) => mesh.request(workload, request)
      const app = createFakeService(pod, { clock, random: seededRandom(`pod ${started}`), signal, call })
      workloads.set(key, workload)
      const program = { workload, app, signal }
      const ended = mode === 'http' ? await runAsServer(mesh, program, forwarder, workloads) : runAsFunction(mesh, program)
      if (signal.aborted) ended()
      signal.addEventListener('abort', ended, { once: true })
      signal.throwIfAborted()
      return { ip, ready: (env['READY_CHECK_RESPONSE_SUCCESS_CODE'] ?? '200') === '200' }
    },
    stop: (pod) => Promise.resolve(stop(keyOf(pod))),
    stopAll() {
      for (const key of running.keys()) stop(key)
      forwarder.close()
    },
  }
}

function runAsFunction(mesh: Mesh, { workload, app, signal }: Program): () => void {
  return mesh.attach(workload, (from, request) =>
    unlessEnded(
      signal,
      mesh.accept(from, workload, request, () => app(request)),
    ),
  )
}

/** A pod that ended while it worked has closed its connections. */
async function unlessEnded(signal: AbortSignal, answer: Promise<MeshResponse>): Promise<MeshResponse> {
  const response = await answer.catch((error: unknown) => {
    throw signal.aborted ? new ConnectionError('UC', { cause: error }) : error
  })
  if (signal.aborted) throw new ConnectionError('UC', { cause: signal.reason })
  return response
}

/** Stands in for the certificate: says who opened the connection. */
const PEER = 'x-mesh-peer'

/** A port on which the pod's proxy lets calls in. */
async function runAsServer(mesh: Mesh, { workload, app }: Program, forwarder: Forwarder, peers: Peers): Promise<() => void> {
  const server = await listen(({ headers: { [PEER]: from = '', ...headers }, ...rest }) => {
    const [peer, request] = [peers.get(from), { ...rest, headers }]
    if (peer === undefined) throw new Error(`the caller ${from} is gone`)
    return mesh.accept(peer, workload, request, () => app(request))
  })
  const detach = mesh.attach(workload, (from, request) =>
    forwarder.send(server.port, { ...request, headers: { ...request.headers, [PEER]: from.key } }),
  )
  return () => {
    detach()
    void server.close()
  }
}
