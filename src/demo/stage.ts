import { defaultSettings } from '../config.ts'
import { createKubernetesClient, type KubernetesClient } from '../kubernetes/client.ts'
import { nodeTransport } from '../kubernetes/transport.ts'
import { createOperator, type OperatorOptions } from '../operator.ts'
import type { Clock } from '../runtime/clock.ts'
import { createLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import type { Transport } from '../runtime/transport.ts'
import { listen } from '../sandbox/http-listener.ts'
import { createLoad, loopbackSend, type Load } from '../sandbox/load.ts'
import { listenPrometheus } from '../sandbox/metrics/prometheus-server.ts'
import { listenGateway, type Listener } from '../sandbox/proxy.ts'
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import { countsOf } from './outcome.ts'

const SETTINGS = defaultSettings('serin-demo')

const PATIENCE_MS = 500

type Parts = {
  readonly clock: Clock
  /** Ends every wait. */
  readonly signal: AbortSignal
  readonly sandbox: Sandbox
  readonly api: Awaited<ReturnType<typeof listen>>
  readonly prometheus: Listener
  readonly gateway: Listener
}

/** Brings up the sandbox's cluster, mesh, gateway and Prometheus on loopback ports. */
export async function openStage(clock: Clock, signal: AbortSignal): Promise<Stage> {
  const sandbox = createSandbox({ clock, seed: 1, mode: 'http' })
  const [api, prometheus, gateway] = await Promise.all([listen(sandbox.cluster), listenPrometheus(sandbox.prometheus), listenGateway(sandbox.mesh)])
  return new Stage({ clock, signal, sandbox, api, prometheus, gateway })
}

/** A sandbox that runs, with all that the story needs to act on it. */
export class Stage {
  readonly clock: Clock
  readonly sandbox: Sandbox
  readonly client: KubernetesClient
  /** The API server's. */
  readonly url: string
  /** Requests that the operator made to the API server until now. */
  operatorRequests = 0
  readonly #parts: Parts
  readonly #transport: Transport
  readonly #stop = new AbortController()
  readonly #down = new AbortController()
  readonly #standing: Promise<void>
  readonly #running: Promise<void>[] = []

  constructor(parts: Parts) {
    const { clock, sandbox, api } = parts
    this.#parts = parts
    this.clock = clock
    this.sandbox = sandbox
    this.url = api.url
    this.#transport = nodeTransport({ baseUrl: api.url, clock })
    this.client = createKubernetesClient({ transport: this.#transport, clock, random: seededRandom('demo'), timeoutMs: 5_000 })
    this.#standing = sandbox.run(this.#down.signal)
  }

  /** Runs the operator until the stage closes; it talks to the API server and to Prometheus through their sockets. */
  startOperator(onStatus: NonNullable<OperatorOptions['onStatus']>): void {
    const { clock } = this
    const operator = createOperator({
      kubernetes: (request) => {
        this.operatorRequests += 1
        return this.#transport(request)
      },
      prometheus: nodeTransport({ baseUrl: `http://127.0.0.1:${this.#parts.prometheus.port}`, clock }),
      clock,
      random: seededRandom('operator'),
      log: createLog({ level: 'silent' }),
      settings: SETTINGS,
      onStatus,
    })
    this.#running.push(operator.run(this.#stop.signal))
  }

  /** Sends `rps` requests a second for `host` through the gateway, a tenth of them POST, until `signal` aborts. */
  startLoad(host: string, rps: number, signal: AbortSignal): Load {
    const send = withTesters(loopbackSend(`http://127.0.0.1:${this.#parts.gateway.port}`))
    const load = createLoad({ clock: this.clock, send, rps: 0, methods: { GET: 0.9, POST: 0.1 }, host })
    const scope = AbortSignal.any([signal, this.#stop.signal])
    this.#running.push(load.run(scope), rise(load, rps, (ms) => this.clock.sleep(ms, scope)).catch(unlessAborted(scope)))
    return load
  }

  /** Resolves once `done` holds; rejects when that takes longer than `mostMs`, or the story is interrupted. */
  async until(what: string, done: () => boolean, mostMs = 60_000): Promise<void> {
    for (const deadline = this.clock.monotonic() + mostMs; !done(); await this.sleep(50)) {
      if (this.clock.monotonic() > deadline) throw new Error(`after ${mostMs / 1000} s still waiting for ${what}`)
    }
  }

  /** Rejects when the story is interrupted. */
  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms, this.#parts.signal)
  }

  /** Ends everything, within a second. */
  async close(): Promise<void> {
    // The operator finishes what it does, for which it needs an API server that answers.
    this.#stop.abort(new Error('the stage was closed'))
    await Promise.race([Promise.all(this.#running), this.clock.sleep(PATIENCE_MS)])
    this.#down.abort(new Error('the stage was closed'))
    await this.#standing
    const { api, prometheus, gateway } = this.#parts
    await Promise.all([api.close(), prometheus.close(), gateway.close()])
  }
}

/** As answers keep up: a process that has just begun needs ten times as long for each. */
async function rise(load: Load, rps: number, sleep: (ms: number) => Promise<void>): Promise<void> {
  for (const rate of [0.1, 0.25, 0.5, 0.75, 1].map((part) => part * rps)) {
    load.setRate(rate)
    do await sleep(400)
    while (load.total().sent - countsOf(load.total()).answered > rate / 4)
  }
}

const unlessAborted = (signal: AbortSignal) => (error: unknown): void => {
  if (!signal.aborted) throw error
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
