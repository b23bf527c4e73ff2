import { VirtualClock } from '../../src/runtime/virtual-clock.ts'
import { isReady, workloadOf, type Workload } from '../../src/sandbox/route-pods.ts'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { policyOfRule } from './cluster-policy.ts'
import type { Answer, Caller, Ground, Load, Request, Response } from './ground.ts'

/** Time stands still but while somebody waits; several may wait at once. */
class Pump {
  readonly #clock: VirtualClock
  #waiting = 0
  #runs = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  async until<T>(done: Promise<T>): Promise<T> {
    this.#waiting++
    void this.#run()
    try {
      return await done
    } finally {
      this.#waiting--
    }
  }

  async #run(): Promise<void> {
    if (this.#runs) return
    this.#runs = true
    while (this.#waiting > 0) await this.#clock.advance(1)
    this.#runs = false
  }
}

/** The embedded cluster, mesh and Prometheus, without a socket, in virtual time. */
export function sandboxGround(): Ground {
  const clock = new VirtualClock()
  const pump = new Pump(clock)
  const stop = new AbortController()
  const { cluster, mesh, prometheus, run } = createSandbox({ clock, seed: 1, mode: 'function' })
  void run(stop.signal)
  const namespace = 'contract'

  const callerOf = (from: Caller): Workload => {
    if (from === 'gateway') return mesh.gateway()
    const home = from.namespace ?? `${namespace}-callers`
    const found = cluster.reader.list('pods', home).filter(isReady).map(workloadOf).find(({ workload }) => workload === from.deployment)
    if (found === undefined) throw new Error(`no ready pod of Deployment ${home}/${from.deployment}`)
    return found
  }
  const send = async (from: Workload, { host, method = 'GET', path = '/', headers = {}, timeoutMs = 10_000 }: Request): Promise<Response> => {
    const late = clock.sleep(timeoutMs).then(() => ({ status: 0, headers: {}, body: `no answer within ${timeoutMs} ms` }))
    return Promise.race([mesh.request(from, { host, method, path, headers }), late])
  }
  const load = async (from: Workload, { rps, ms, ...request }: Load): Promise<readonly Answer[]> => {
    const answers: Promise<Answer>[] = []
    const [at, startMs] = [clock.now(), clock.monotonic()]
    for (let sent = 0; sent < Math.ceil((rps * ms) / 1000); sent++) {
      await clock.sleep(startMs + (sent * 1000) / rps - clock.monotonic())
      const sentMs = clock.monotonic() - startMs
      answers.push(send(from, request).then(({ status, headers }) => ({ at: at + sentMs, ms: clock.monotonic() - startMs - sentMs, status, version: headers['x-version'] ?? '' })))
    }
    return Promise.all(answers)
  }
  return {
    kind: 'sandbox',
    kubernetes: (request) => cluster.transport(request),
    prometheus: (request) => prometheus.transport(request),
    namespace,
    clock,
    now: clock.now,
    sleep: (ms) => pump.until(clock.sleep(ms)),
    request: async (from, request) => pump.until(send(callerOf(from), request)),
    load: async (from, wanted) => pump.until(load(callerOf(from), wanted)),
    policies: async (from, host) => Object.fromEntries(Object.entries(mesh.policies(callerOf(from), host)).map(([subset, policy]) => [subset, policyOfRule(policy)])),
    resetCounters: async (from) => mesh.resetCounters(callerOf(from)),
    end: () => stop.abort(new Error('the world was closed')),
  }
}
