import type { Clock } from './clock.ts'
import { LeaderElector, type LeaderElectorOptions } from './leader-election.ts'
import type { LeasePort, LeaseRecord } from './lease.ts'
import { createLog } from './log.ts'
import type { KubeObject, NewObject } from './object.ts'
import { seededRandom } from './random.ts'
import type { VirtualClock } from './virtual-clock.ts'

export const TIMES = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 }
const REQUEST_TIMEOUT_MS = 5000

/** What becomes of one request: it never arrives, its answer never does, or the server refuses it. */
export type Fate = 'pass' | 'no-request' | 'no-answer' | number

export type Call = { readonly at: number; readonly who: string; readonly verb: 'get' | 'create' | 'update' }

/** The way from one candidate to the server. */
export type Network = { delayMs: number; fate: (verb: Call['verb']) => Fate }

/** One Lease, as an API server keeps it. */
export class LeaseServer {
  lease: KubeObject | undefined
  readonly calls: Call[] = []
  /** Every record that was written, in order. */
  readonly records: LeaseRecord[] = []
  readonly #clock: VirtualClock
  #version = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get record(): LeaseRecord | undefined {
    return this.lease?.['spec'] as LeaseRecord | undefined
  }

  /** A write of somebody who asks nobody. */
  put(record: Partial<LeaseRecord>, uid = 'uid-1'): void {
    const spec = { ...this.record, ...record } as LeaseRecord
    this.lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'serin', namespace: 'ns', uid, resourceVersion: String(++this.#version) }, spec }
    this.records.push(spec)
  }

  port(who: string, network: Network): LeasePort {
    const call = async <T>(verb: Call['verb'], answer: () => T): Promise<T> => {
      this.calls.push({ at: this.#clock.monotonic(), who, verb })
      await this.#clock.sleep(network.delayMs / 2)
      const fate = network.fate(verb)
      if (typeof fate === 'number') throw refusal(fate)
      const answered = fate === 'no-request' ? undefined : answer()
      if (fate === 'pass') await this.#clock.sleep(network.delayMs / 2)
      else await this.#clock.sleep(REQUEST_TIMEOUT_MS - network.delayMs / 2)
      if (fate !== 'pass' || answered === undefined) throw new Error('no answer')
      return answered
    }
    return {
      get: async () => (await call('get', () => ({ lease: this.lease }))).lease,
      create: (object) => call('create', () => this.#create(object)),
      update: (patch) => call('update', () => this.#update(patch as NewObject)),
    }
  }

  #create({ spec }: NewObject): KubeObject {
    if (this.lease !== undefined) throw refusal(409)
    this.put(spec as LeaseRecord, `uid-${this.#version + 1}`)
    return this.#kept()
  }

  #update({ metadata: { uid, resourceVersion }, spec }: NewObject): KubeObject {
    if (this.lease === undefined) throw refusal(404)
    if (uid !== this.lease.metadata.uid) throw refusal(422)
    if (resourceVersion !== this.lease.metadata.resourceVersion) throw refusal(409)
    this.put(spec as LeaseRecord, this.lease.metadata.uid)
    return this.#kept()
  }

  #kept(): KubeObject {
    if (this.lease === undefined) throw new Error('nothing is kept')
    return this.lease
  }
}

const refusal = (status: number) => Object.assign(new Error(`refused with ${status}`), { status })

/** One process that would lead. */
export type Candidate = {
  readonly elector: LeaderElector
  readonly network: Network
  readonly lines: string[]
  /** Monotonic time since which it has led; undefined while it does not, also once it has lost the lead or stopped. */
  readonly leadsSince: () => number | undefined
  readonly lostAt: () => number | undefined
  readonly mayWrite: (timeoutMs?: number) => boolean
  /** As on SIGTERM; resolves when the lease was given back, or was left. */
  readonly stop: () => Promise<void>
  /** As on SIGKILL. */
  readonly kill: () => void
}

/** Starts one. */
export function candidate(server: LeaseServer, clock: Clock, name: string, overrides: Partial<LeaderElectorOptions> = {}): Candidate {
  const network: Network = { delayMs: 0, fate: () => 'pass' }
  const lines: string[] = []
  const stop = new AbortController()
  let [since, lost, dead]: [number | undefined, number | undefined, boolean] = [undefined, undefined, false]
  const elector = new LeaderElector({
    ...TIMES,
    lease: { namespace: 'ns', name: 'serin' },
    port: server.port(name, network),
    identity: name,
    clock,
    random: seededRandom(name),
    log: createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    ...overrides,
  })
  elector.lost.addEventListener('abort', () => [since, lost] = [undefined, clock.monotonic()], { once: true })
  const acquired = elector.acquire(stop.signal).then((leads) => {
    if (leads) since = clock.monotonic()
  })
  return {
    elector, network, lines,
    leadsSince: () => since,
    lostAt: () => lost,
    mayWrite: (timeoutMs = 0) => !dead && elector.refusal(timeoutMs) === undefined,
    stop: async () => {
      stop.abort(new Error('stopped'))
      await acquired
      since = undefined
      await elector.release()
    },
    kill: () => {
      dead = true
      since = undefined
      network.fate = () => 'no-request'
      stop.abort(new Error('killed'))
    },
  }
}
