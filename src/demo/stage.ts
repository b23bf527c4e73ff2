import { createKubernetesClient, type KubernetesClient } from '../kubernetes/client.ts'
import { nodeTransport } from '../kubernetes/transport.ts'
import { createOperator, type OperatorOptions, type OperatorSettings } from '../operator.ts'
import type { Clock } from '../runtime/clock.ts'
import { createLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { listen } from '../sandbox/http-listener.ts'
import { createLoad, loopbackSend, type Load } from '../sandbox/load.ts'
import { listenPrometheus } from '../sandbox/metrics/prometheus-server.ts'
import { listenGateway } from '../sandbox/proxy.ts'
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts'

const SETTINGS: OperatorSettings = {
  namespace: undefined,
  concurrency: 8,
  propagationMs: 15_000,
  requestTimeoutMs: 5_000,
  queryTimeoutMs: 5_000,
  rootNamespace: 'istio-system',
  clusterDomain: 'cluster.local',
  healthPort: undefined,
  instance: 'serin-demo',
}

/** A sandbox on loopback ports, with all that the story needs to act on it. */
export type Stage = {
  readonly clock: Clock
  readonly sandbox: Sandbox
  /** The API server's URL. */
  readonly url: string
  readonly client: KubernetesClient
  /** Runs the operator until the stage closes, against the API server's and Prometheus's sockets. */
  readonly startOperator: (onStatus: NonNullable<OperatorOptions['onStatus']>) => void
  /** Requests that the operator made to the API server until now. */
  readonly operatorRequests: () => number
  /** Sends `rps` requests a second for `host` through the gateway until `signal` aborts. */
  readonly startLoad: (host: string, rps: number, signal: AbortSignal) => Load
  /** Resolves once `done` holds; rejects with `what` when that takes longer than `mostMs` (60 s), or the stage closes. */
  readonly until: (what: string, done: () => boolean, mostMs?: number) => Promise<void>
  readonly sleep: (ms: number) => Promise<void>
  /** Ends everything; resolves when all of it has ended. */
  readonly close: () => Promise<void>
}

/** Brings up the sandbox's cluster, mesh, gateway and Prometheus; `signal` ends every wait on it. */
export async function openStage(clock: Clock, signal: AbortSignal): Promise<Stage> {
  const sandbox = createSandbox({ clock, seed: 1, mode: 'http' })
  const stop = new AbortController()
  const ended = new Error('the stage was closed')
  const [api, prometheus, gateway] = await Promise.all([listen(sandbox.cluster), listenPrometheus(sandbox.prometheus), listenGateway(sandbox.mesh)])
  const running: Promise<void>[] = [sandbox.run(stop.signal)]
  const transport = nodeTransport({ baseUrl: api.url, clock })
  const client = createKubernetesClient({ transport, clock, random: seededRandom('demo'), timeoutMs: 5_000 })
  let operatorRequests = 0
  return {
    clock,
    sandbox,
    url: api.url,
    client,
    startOperator: (onStatus) => {
      const operator = createOperator({
        kubernetes: (request) => (operatorRequests++, transport(request)),
        prometheus: nodeTransport({ baseUrl: `http://127.0.0.1:${prometheus.port}`, clock }),
        clock,
        random: seededRandom('operator'),
        log: createLog({ level: 'silent' }),
        settings: SETTINGS,
        onStatus,
      })
      running.push(operator.run(stop.signal))
    },
    operatorRequests: () => operatorRequests,
    startLoad: (host, rps, until) => {
      const send = withTesters(loopbackSend(`http://127.0.0.1:${gateway.port}`))
      const load = createLoad({ clock, send, rps: 0, methods: { GET: 0.9, POST: 0.1 }, host })
      const scope = AbortSignal.any([until, stop.signal])
      running.push(load.run(scope), rise(load, rps, (ms) => clock.sleep(ms, scope)))
      return load
    },
    until: async (what, done, mostMs = 60_000) => {
      for (const deadline = clock.monotonic() + mostMs; !done(); await clock.sleep(50, signal)) {
        if (clock.monotonic() > deadline) throw new Error(`after ${mostMs / 1000} s still waiting for ${what}`)
      }
    },
    sleep: (ms) => clock.sleep(ms, signal),
    close: async () => {
      stop.abort(ended)
      await Promise.all(running)
      prometheus.close()
      gateway.close()
      await api.close()
    },
  }
}

/** By and by: a process that has just begun answers its first requests ten times slower. */
async function rise(load: Load, rps: number, sleep: (ms: number) => Promise<void>): Promise<void> {
  for (const part of [0.1, 0.2, 0.4, 0.7, 1]) {
    load.setRate(rps * part)
    await sleep(700).catch(() => undefined)
  }
}

type Send = ReturnType<typeof loopbackSend>

/** Every fiftieth reader is a tester, known by the header that the Canary's second step asks for. */
function withTesters(send: Send): Send {
  let reads = 0
  return (request) => {
    const isTester = request.method === 'GET' && ++reads % 50 === 0
    return send(isTester ? { ...request, headers: { ...request.headers, 'x-tester': 'yes' } } : request)
  }
}
