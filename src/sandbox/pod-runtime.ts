import type { Clock } from '../runtime/clock.ts'
import { createFakeService, environmentOf } from './fake-service.ts'
import type { App, Call } from './fake-service.ts'
import { ConnectionError } from './mesh.ts'
import type { Mesh, MeshRequest, MeshResponse } from './mesh.ts'
import type { KubeObject, PodRuntime } from './objects.ts'
import { createForwarder, listen } from './proxy.ts'
import type { Forwarder } from './proxy.ts'
import { durationMs } from './route-decision.ts'
import { keyOf } from './route-objects.ts'
import { workloadOf } from './route-pods.ts'
import type { Workload } from './route-pods.ts'
import { createRandom } from './route-random.ts'

/** How pods run: as functions, or as servers on loopback ports with a proxy in front of each. */
export type PodMode = 'function' | 'http'

type Options = {
  readonly clock: Clock
  readonly mesh: Mesh
  readonly mode: PodMode
  /** From the pod's creation to its first answer; default 300 ms. READY_CHECK_RESPONSE_DELAY of the pod comes on top. */
  readonly startMs?: number
}

/** A pod runtime that can be cleared away. */
export type MeshPodRuntime = PodRuntime & {
  /** Ends all pods. */
  readonly stopAll: () => void
}

type Program = { readonly workload: Workload; readonly app: App; readonly signal: AbortSignal }
type Ended = () => void

/** Runs pods behind the mesh. A pod whose READY_CHECK_RESPONSE_SUCCESS_CODE is not 200 never becomes ready. */
export function createPodRuntime({ clock, mesh, mode, startMs = 300 }: Options): MeshPodRuntime {
  const running = new Map<string, AbortController>()
  const workloads = new Map<string, Workload>()
  const forwarder = createForwarder()
  const gateway = mesh.gateway()
  const peer = (key: string): Workload => workloads.get(key) ?? (key === gateway.key ? gateway : STRANGER)
  let started = 0

  const stop = (key: string) => {
    running.get(key)?.abort(new Error(`pod ${key} was stopped`))
    running.delete(key)
    workloads.delete(key)
  }
  return {
    async start(pod) {
      const key = keyOf(pod)
      stop(key)
      const { signal } = running.set(key, new AbortController()).get(key) ?? new AbortController()
      await clock.sleep(startMs + durationMs(environmentOf(pod)['READY_CHECK_RESPONSE_DELAY'] ?? '0s'), signal)
      refuseUnready(pod)
      started += 1
      const program = {
        workload: workloadOf(pod),
        app: createFakeService(pod, { clock, random: createRandom(started), signal }),
        signal,
      }
      workloads.set(key, program.workload)
      const ended = mode === 'http' ? await runAsServer(mesh, program, { forwarder, peer }) : runAsFunction(mesh, program)
      if (signal.aborted) ended()
      signal.addEventListener('abort', ended, { once: true })
      signal.throwIfAborted()
      return { ip: `10.244.${(started >> 8) & 255}.${started & 255}` }
    },
    stop: (pod) => Promise.resolve(stop(keyOf(pod))),
    stopAll() {
      for (const key of running.keys()) stop(key)
      forwarder.close()
    },
  }
}

function refuseUnready(pod: KubeObject): void {
  const code = environmentOf(pod)['READY_CHECK_RESPONSE_SUCCESS_CODE'] ?? '200'
  if (code !== '200') throw new Error(`pod ${keyOf(pod)} fails its readiness check with ${code}`)
}

/** A caller that is gone while its call is under way. */
const STRANGER: Workload = {
  key: '',
  pod: '',
  namespace: 'unknown',
  labels: {},
  workload: 'unknown',
  app: 'unknown',
  version: 'unknown',
  principal: 'unknown',
  gateways: [],
}

function runAsFunction(mesh: Mesh, { workload, app, signal }: Program): Ended {
  const call: Call = (uri, request) => mesh.request(workload, outbound(uri, request))
  return mesh.attach(workload, (from, request) =>
    unlessEnded(
      signal,
      mesh.accept(from, workload, request, () => app(request, call)),
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

/** Two ports: one on which the app's calls leave through its proxy, one on which its proxy lets calls in. */
async function runAsServer(
  mesh: Mesh,
  { workload, app }: Program,
  { forwarder, peer }: { readonly forwarder: Forwarder; readonly peer: (key: string) => Workload },
): Promise<Ended> {
  const sidecar = await listen((request) => mesh.request(workload, request))
  const call: Call = (uri, request) => forwarder.send(sidecar.port, outbound(uri, request))
  const server = await listen(({ headers: { [PEER]: from = '', ...headers }, ...rest }) => {
    const request = { ...rest, headers }
    return mesh.accept(peer(from), workload, request, () => app(request, call))
  })
  const detach = mesh.attach(workload, (from, request) =>
    forwarder.send(server.port, { ...request, headers: { ...request.headers, [PEER]: from.key } }),
  )
  return () => {
    detach()
    server.close()
    sidecar.close()
  }
}

function outbound(uri: string, { method, path, headers }: Parameters<Call>[1]): MeshRequest {
  const { host, pathname } = new URL(uri)
  return { method, host, path: pathname.replace(/\/$/, '') + path, headers }
}
