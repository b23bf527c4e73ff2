import { seededRandom } from '../../src/runtime/random.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { atEdge, caller, canary, destination, faulty, namespace, service, version, virtualService } from '../fixtures.ts'
import { Harness, uncheckedCrd, type Process } from '../harness.ts'
import { namedSubsets } from '../oracle/objects.ts'
import { Saboteur, type Fault } from './saboteur.ts'

const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', 'orphaned', '409', '429', '500', 'lost-answer', 'stale-caches']
const BLINDNESS = [undefined, undefined, 'down', 'slow', 'garbage', 'nan', 'empty'] as const
const ACTS = 25
const CALM_MS = 15_000
/** How long a contest of routes is remembered. */
const CONTEST_MS = 10 * 60_000

/** What a storm has done, and what is wrong after it. */
export type Aftermath = { readonly wrong: readonly string[]; readonly history: readonly string[] }

/** Users, Git, releases, a bad Prometheus and faults of every kind, all by chance; then calm, in which everything must come to rest. */
export class Storm {
  readonly #random: () => number
  readonly #harness = new Harness()
  readonly #saboteur: Saboteur
  readonly #history: string[] = []
  readonly #users: readonly KubeObject[]
  #process: Process | undefined
  #leave: () => void = () => undefined
  #versions = 1
  #raging = false

  constructor(seed: number) {
    this.#random = seededRandom(`storm ${seed}`)
    const { clock, sandbox } = this.#harness
    this.#saboteur = new Saboteur({ clock, faults: sandbox.cluster.faults, fate: () => this.#fate(), kill: () => this.#restart(100 + this.#random() * 500) })
    this.#users = this.#chance(0.5) ? [] : [virtualService(), ...(this.#chance(0.5) ? atEdge() : [])]
  }

  async rage(): Promise<Aftermath> {
    const harness = this.#harness
    await harness.apply(uncheckedCrd(), namespace(), service(), caller(), version('v1', { replicas: 2 }), ...this.#users)
    await harness.clock.advance(500)
    this.#leave = harness.users(20, { host: 'service-c', from: harness.insider })
    this.#start()
    await harness.apply(canary())
    await harness.until(() => harness.status().phase === 'Idle', 60_000)
    this.#raging = true
    for (let count = 0; count < ACTS; count++) {
      await this.#act()
      await harness.clock.advance(this.#random() * (this.#chance(0.3) ? 300 : 4000))
    }
    return this.#calm()
  }

  end(): void {
    this.#harness.stop()
  }

  async #calm(): Promise<Aftermath> {
    const harness = this.#harness
    this.#raging = false
    harness.sandbox.prometheus.fault = undefined
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.patch(canary(), { spec: { suspend: false } })
    // The last release may not have been seen yet: a watch was away.
    do {
      await harness.until(() => this.#isAtRest(), 2 * CONTEST_MS, 1000)
      await harness.clock.advance(CALM_MS)
    } while (!this.#isAtRest())
    this.#leave()
    await harness.clock.advance(CALM_MS + (harness.condition('Degraded').startsWith('True RouteContested') ? CONTEST_MS : 0))
    const written = this.#saboteur.writes.length
    await harness.clock.advance(2 * CALM_MS)
    const named = namedSubsets(harness.object('virtualservices.networking.istio.io', this.#users.length === 0 ? 'serin-service-c' : 'service-c'))
    const wrong = [
      ...harness.oracle.violations,
      ...harness.meshMade().map(({ at, status }) => `${at} ms: a user was answered ${status} by the mesh`),
      ...this.#saboteur.writes.slice(written).map((write) => `written with nothing left to do: ${write}`),
      ...(this.#isAtRest() ? [] : ['not at rest']),
      ...(named.join() === `serin-${harness.status().stableRevision ?? ''}` ? [] : [`named in the end: ${named.join()}`]),
    ]
    return { wrong, history: this.#history }
  }

  #isAtRest(): boolean {
    const { phase, rollout, previous } = this.#harness.status()
    return (phase === 'Idle' || phase === 'Failed') && rollout === undefined && previous === undefined
  }

  async #act(): Promise<void> {
    const { clock, sandbox: { cluster: { faults }, prometheus } } = this.#harness
    const acts: Readonly<Record<string, () => Promise<void> | void>> = {
      release: () => this.#release(),
      'release again': () => this.#release(),
      'release once more': () => this.#release(),
      desire: () => this.#harness.patch(canary(), { spec: { versions: { desired: this.#chance(0.3) ? null : `v${1 + Math.floor(this.#random() * this.#versions)}` } } }),
      suspend: () => this.#harness.patch(canary(), { spec: { suspend: this.#chance(0.5) } }),
      'put the original back': () => this.#harness.apply(...this.#users),
      lower: () => this.#edit((stable) => stable),
      raise: () => this.#edit((_stable, exposed) => exposed),
      grow: () => this.#harness.patch(version('v1'), { spec: { replicas: this.#harness.replicas('service-c-v1') + 1 } }),
      blind: () => { prometheus.fault = this.#pick(BLINDNESS) },
      'drop watches': () => faults.dropWatches(),
      kill: () => this.#restart(this.#random() * 1000),
    }
    const name = this.#pick(Object.keys(acts))
    this.#history.push(`${clock.monotonic()} ms: ${name}`)
    await acts[name]?.()
  }

  async #release(): Promise<void> {
    const make = this.#chance(0.35) ? faulty : version
    await this.#harness.apply(make(`v${++this.#versions}`, { replicas: this.#chance(0.5) ? 0 : 1 }))
  }

  /** Somebody sends everything to one revision by hand. */
  async #edit(choose: (stable: string, exposed: string) => string): Promise<void> {
    const exposed = this.#harness.oracle.exposed('service-c')?.revision
    if (exposed === undefined) return
    const subset = `serin-${choose(this.#harness.status().stableRevision ?? '', exposed)}`
    await this.#harness.patch(virtualService(), { spec: { http: [{ route: [destination('service-c', subset)] }] } })
  }

  #start(): void {
    this.#process = this.#harness.startOperator({ through: this.#saboteur.through })
  }

  #restart(afterMs: number): void {
    this.#process?.kill()
    void this.#harness.clock.sleep(afterMs).then(() => this.#start())
  }

  #fate(): Fault | undefined {
    if (!this.#raging || !this.#chance(0.06)) return undefined
    const fault = this.#pick(FAULTS)
    this.#history.push(`${this.#harness.clock.monotonic()} ms: ${fault}`)
    return fault
  }

  readonly #chance = (share: number): boolean => this.#random() < share

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T
  }
}
