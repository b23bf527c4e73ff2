import { Cluster } from './cluster.ts'
import { Dice, happen } from './dice.ts'
import { Judge } from './judge.ts'
import { Memory } from './memory.ts'
import type { Mutation } from './mutation.ts'
import { Broken, P, type Objects, type Versioned } from './objects.ts'
import { Operators } from './operators.ts'
import { Process } from './process.ts'
import type { Style } from './style.ts'
import { Users } from './users.ts'

const LANDS_WITHIN = 30_000
const STARTS_WITHIN = 20_000
/** istiod tells every proxy within the propagation that the Canary waits for. */
const SPREADS_WITHIN = P - 2000
const QUIET_PASSES = 60

/** A random walk over the model: everything that can happen around two operators, with the invariants asked after every step. */
export class Walk {
  readonly cluster: Cluster
  readonly #dice: Dice
  readonly #users: Users
  readonly #judge: Judge
  readonly #operators: Operators
  readonly #mutation: Mutation

  constructor(random: () => number, mutation: Mutation = {}) {
    const style = { ...styleOf(random), ...(mutation.weights?.['ask'] === 0 ? { approval: false } : {}), ...mutation.style }
    this.#mutation = mutation
    this.#dice = new Dice(random, style, mutation.weights)
    this.cluster = new Cluster(style, { spread: () => random() * SPREADS_WITHIN, start: () => random() * STARTS_WITHIN })
    const memory = new Memory(this.cluster)
    this.#users = new Users(this.cluster, memory)
    this.#judge = new Judge(this.cluster, memory)
    this.#operators = new Operators(this.cluster, this.#judge, mutation)
    this.#operators.processes = [this.#process()]
  }

  /** The Canary was deleted, and is gone. */
  get isOver(): boolean {
    return this.cluster.objects.canary.value === undefined
  }

  /** One random step. */
  step(): void {
    const choice = this.#dice.next(this.#operators.processes.length > 1 ? { second: 2, ...onlySecond(this.#mutation) } : {})
    this.cluster.count(choice)
    this.#perform(choice)
    this.#judge.check()
  }

  /** Faults end, one process with fresh caches goes on: it must come to rest, in a state that makes sense. */
  heal(): void {
    const { cluster } = this
    this.#operators.landAll()
    const process = this.#process()
    this.#operators.processes = [process]
    cluster.verdict = cluster.verdict === 'unsure' ? 'pass' : cluster.verdict
    this.#mend()
    for (let pass = 0, quiet = 0; !this.isOver && (quiet < QUIET_PASSES || this.#isAwaited()); pass++) {
      const { phase, message } = cluster.objects.canary.value?.status ?? {}
      if (pass > 2000) throw new Broken(`does not come to rest: ${String(phase)} ${message ?? ''}`)
      process.cache = cluster.objects
      quiet = this.#operators.pass(process) ? 0 : quiet + 1
      cluster.advance(3000, () => this.#judge.check())
    }
    if (this.isOver) cluster.advance(2 * P, () => this.#judge.check())
    this.#judge.atRest()
  }

  /** Pods are waited for, or a deletion, and not for ever. */
  #isAwaited(): boolean {
    const { status, deletedAt } = this.cluster.objects.canary.value ?? {}
    const { phase, rollout } = status ?? {}
    return deletedAt !== undefined || (phase === 'Progressing' && rollout?.waitingFor === 'Pods' && rollout.until !== undefined)
  }

  /** Whatever waits for somebody has its answer. */
  #mend(): void {
    const { objects, truth } = this.cluster
    this.#users.wish({ suspend: false, approval: false })
    this.#users.ask('Resume', undefined)
    for (const [revision, { value }] of Object.entries(objects.deployments)) if (value?.ready === false) this.#users.probes(revision, true)
    for (const [revision, { value }] of Object.entries(objects.deployments)) if (value?.orphaned === true) this.#users.template(revision, value.hash)
    if (this.cluster.style.source !== 'target' || objects.canary.value?.deletedAt !== undefined) return
    // Without stable's Deployment only its template helps: nothing else knows what was in it.
    const lost = truth !== undefined && objects.deployments[truth.stable]?.value === undefined
    if (lost || objects.target.value === undefined) this.#users.target({ template: truth?.stable ?? 'a', replicas: 2 })
  }

  #perform(choice: string): void {
    const dice = this.#dice
    const operators = this.#operators
    const process = operators.processes[Math.floor(dice.random() * operators.processes.length)] ?? this.#process()
    switch (choice) {
      case 'time': return this.cluster.advance(dice.maybe(0.8) ? dice.random() * 6000 : dice.random() * 40_000, () => this.#judge.check())
      case 'pass': return this.#pass(process)
      case 'sync': { process.cache = dice.maybe(0.7) ? this.cluster.objects : this.#partly(process.cache); return }
      case 'crash': { operators.processes = operators.processes.map((other) => (other === process ? this.#process() : other)); return }
      case 'second': { operators.processes = operators.processes.length > 1 ? [process] : [process, this.#process()]; return }
      case 'verdict': { this.cluster.verdict = dice.of(['pass', 'pass', 'pass', 'fail', 'unsure']); return }
      default: return happen(choice, { cluster: this.cluster, users: this.#users, dice })
    }
  }

  #pass(process: Process): void {
    const dice = this.#dice
    const hangs = dice.maybe(this.#mutation.hangs ?? 0.08) ? () => dice.random() * LANDS_WITHIN : undefined
    this.#operators.pass(process, { hangs, busyMs: dice.maybe(0.5) ? 5000 : 0, loseStatus: dice.maybe(0.08) })
  }

  /** Watches of different kinds are behind by different amounts. */
  #partly(cache: Objects): Objects {
    const { objects } = this.cluster
    const newer = <T>(mine: Versioned<T>, theirs: Versioned<T>) => (this.#dice.maybe(0.5) ? theirs : mine)
    const deployments = Object.entries(objects.deployments).map(([name, theirs]) => [name, newer(cache.deployments[name] ?? { rv: 0, value: undefined }, theirs)])
    return {
      user: newer(cache.user, objects.user),
      own: newer(cache.own, objects.own),
      gate: newer(cache.gate, objects.gate),
      rule: newer(cache.rule, objects.rule),
      canary: newer(cache.canary, objects.canary),
      actions: newer(cache.actions, objects.actions),
      target: newer(cache.target, objects.target),
      preview: newer(cache.preview, objects.preview),
      deployments: Object.fromEntries(deployments),
    }
  }

  #process(): Process {
    return new Process(this.cluster.objects, this.#dice.random() * 1e6, (this.#dice.random() - 0.5) * 2000)
  }
}

/** A second process leaves sooner than it comes, unless the walk is about two of them. */
const onlySecond = ({ weights }: Mutation) => (weights?.['second'] === undefined ? {} : { second: weights['second'] })

function styleOf(random: () => number): Style {
  const once = (chance: number) => random() < chance
  const common = { gate: once(0.5), affinity: once(0.2), preview: once(0.2), approval: once(0.3), windows: true, onDelete: once(0.8) ? ('Restore' as const) : ('Orphan' as const) }
  return once(0.5)
    ? { ...common, source: 'target', canaryReplicas: once(0.2) ? 1 : undefined, gated: once(0.15), scaled: once(0.3) }
    : { ...common, source: 'versions', canaryReplicas: undefined, gated: false, scaled: false }
}
