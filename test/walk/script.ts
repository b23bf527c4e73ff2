import type { Action } from '../../src/canary/decision.ts'
import { Cluster } from './cluster.ts'
import { Judge } from './judge.ts'
import { Memory } from './memory.ts'
import type { Mutation } from './mutation.ts'
import { Broken, P } from './objects.ts'
import { Operators, type Mishap } from './operators.ts'
import { Process } from './process.ts'
import { PLAIN, type Style } from './style.ts'
import { Users } from './users.ts'

const PASS_EVERY = 1000
const LONGEST = 1_800_000

/** A schedule of moves instead of a random one: what happens, when, and to whom. Proxies are as slow as they may be. */
export class Script {
  readonly cluster: Cluster
  readonly users: Users
  readonly #judge: Judge
  readonly #operators: Operators
  readonly leader: Process

  constructor(style: Partial<Style>, mutation: Mutation = {}) {
    this.cluster = new Cluster({ ...PLAIN, ...style }, { spread: () => P - 2000, start: () => 5000 })
    const memory = new Memory(this.cluster)
    this.users = new Users(this.cluster, memory)
    this.#judge = new Judge(this.cluster, memory)
    this.#operators = new Operators(this.cluster, this.#judge, mutation)
    this.leader = this.another()
  }

  get status() {
    return this.cluster.objects.canary.value?.status
  }

  get phase() {
    return this.status?.phase
  }

  /** Another process, with caches of this moment. */
  another(): Process {
    const process = new Process(this.cluster.objects, 0, 0)
    this.#operators.processes = [...this.#operators.processes, process]
    return process
  }

  /** One pass on fresh caches; on older ones where `process` is given with them. */
  pass(mishap: Mishap & { readonly by?: Process; readonly blind?: true } = {}): void {
    const process = mishap.by ?? this.leader
    if (mishap.blind !== true) process.cache = this.cluster.objects
    this.#operators.pass(process, mishap)
    this.#judge.check()
  }

  /** Whether the next pass of the leader would write more than status. */
  get servesNext(): boolean {
    const { kind } = this.#operators.next(this.leader).action
    return kind !== 'none' && kind !== 'status'
  }

  wait(ms: number): void {
    this.cluster.advance(ms, () => this.#judge.check())
  }

  /** With every rule in place, whatever the trace leaves out. */
  healthy(play: () => void): void {
    const { mutation } = this.#operators
    this.#operators.mutation = {}
    play()
    this.#operators.mutation = mutation
  }

  /** Passes, one a second, until `reached`. */
  until(reached: () => boolean, by = this.leader, mishap: Mishap = {}): void {
    for (const end = this.cluster.now + LONGEST; !reached(); this.wait(PASS_EVERY)) {
      if (this.cluster.now > end) throw new Broken(`never reached: ${String(reached)}; ${String(this.phase)} ${this.status?.message ?? ''}`)
      this.pass({ ...mishap, by })
    }
  }

  run(ms: number, by = this.leader): void {
    const end = this.cluster.now + ms
    this.until(() => this.cluster.now >= end, by)
  }

  /** Until the next pass of the leader would make a write of this row, and of this kind where one is named. */
  before(row: string, kind?: Action['kind']): void {
    this.until(() => {
      const { row: next, action } = this.#operators.next(this.leader)
      return next === row && (kind === undefined ? action.kind !== 'none' : action.kind === kind)
    })
  }

  must(holds: boolean, what: string): void {
    if (!holds) throw new Broken(what)
  }

  /** Long enough for everything to be over, and then at rest. */
  end(phase: string): void {
    this.run(900_000)
    this.#judge.atRest()
    this.must(this.phase === phase, `ends ${String(this.phase)}, not ${phase}: ${this.status?.message ?? ''}`)
  }

  /** The Canary was deleted: until it is gone, and everybody has heard of all that came with it. */
  gone(): void {
    this.until(() => this.cluster.objects.canary.value === undefined)
    this.wait(3 * P)
    this.#judge.atRest()
  }
}
