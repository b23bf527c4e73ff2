import type { CanaryStatus } from '../../src/api/canary.ts'
import { decide, type Pass } from '../../src/canary/decide.ts'
import type { Action, Decision } from '../../src/canary/decision.ts'
import { TARGET_GROWTHS } from '../../src/canary/target.ts'
import { canonicalJson } from '../../src/canary/template-hash.ts'
import type { World } from '../../src/canary/world.ts'
import type { Cluster } from './cluster.ts'
import type { Judge } from './judge.ts'
import type { Mutation } from './mutation.ts'
import { rvOf, versionOf, type Objects } from './objects.ts'
import { worldFrom } from './observed.ts'
import { Process } from './process.ts'
import { writesOf, type Write } from './writes.ts'

/** How a pass goes: its writes land after so many milliseconds (undefined: at once), and what it says afterwards is lost. */
export type Mishap = { readonly hangs?: (() => number) | undefined; readonly busyMs?: number; readonly loseStatus?: boolean }

/** The operator's processes: each looks through its own caches, decides, and writes what lands now, late or not at all. */
export class Operators {
  readonly #cluster: Cluster
  readonly #judge: Judge
  mutation: Mutation
  readonly #hung = new Set<Write>()
  processes: Process[]

  constructor(cluster: Cluster, judge: Judge, mutation: Mutation) {
    this.#cluster = cluster
    this.#judge = judge
    this.mutation = mutation
    this.processes = [new Process(cluster.objects, 0, 0)]
  }

  /** One pass of one process; true when it wrote or changed status. */
  pass(process: Process, { hangs, busyMs = 0, loseStatus = false }: Mishap = {}): boolean {
    const cluster = this.#cluster
    if (process.busyUntil > cluster.now || process.cache.canary.value === undefined) return false
    const seen = process.cache
    const first = this.#decide(seen, process)
    if (first.pass.decision.row === '0') return false
    const { action: intended } = first.pass.decision
    const live = intended.kind !== 'none' && intended.live && this.mutation.live !== false
    const looked = live ? liveFor(intended, seen, cluster.objects) : seen
    const { pass, world } = live ? this.#decide(looked, process) : first
    if (live && canonicalJson(pass.decision.action) !== canonicalJson(intended)) return false
    const { row, action, reason } = pass.decision
    cluster.note(`row ${row} ${action.kind}: ${reason}`)
    cluster.count(`row ${row}`)
    this.#judge.decided(pass, { looked, world, behind: process.behind(looked) !== undefined })
    const writes = writesOf(action, { row, seen: looked, cluster })
    // The target is not what was decided on: nothing is written, and the next look decides anew.
    if (writes.length === 0 && (action.kind === 'create' || action.kind === 'remake')) return true
    if (hangs !== undefined && writes.length > 0) {
      for (const write of writes) this.#hang(write, hangs())
      process.busyUntil = cluster.now + busyMs
      return true
    }
    const landed = writes.map((write) => this.#land(write, process))
    if (landed.includes(false)) return true
    grown(process, action, cluster.now)
    if (landed.length > 0) this.#judge.done()
    return loseStatus || this.#tell(pass, process, seen) || writes.length > 0
  }

  /** What a pass on fresh caches would come to now. */
  next(process: Process): Decision {
    process.cache = this.#cluster.objects
    return this.#decide(process.cache, process).pass.decision
  }

  /** What still hangs lands now. */
  landAll(): void {
    for (const write of this.#hung) this.#landLate(write)
  }

  /** Status and answers, on the Canary that was looked at or not at all. True: something changed. */
  #tell(pass: Pass, process: Process, seen: Objects): boolean {
    const { canary } = this.#cluster.objects
    const changed = canonicalJson(timeless(pass.status)) !== canonicalJson(timeless(seen.canary.value?.status))
    if (!changed) return this.#answer(pass, seen.canary.rv)
    if (canary.rv !== seen.canary.rv || canary.value === undefined) return true
    this.#cluster.put('canary', { ...canary.value, status: pass.status })
    process.written['canary'] = rvOf(this.#cluster.objects, 'canary')
    this.#answer(pass, process.written['canary'])
    return true
  }

  #answer({ answers }: Pass, known: number): boolean {
    const { objects } = this.#cluster
    if (answers.length === 0 || objects.canary.rv !== known) return false
    const results = new Map(answers.map(({ uid, result }) => [uid, result]))
    for (const result of results.values()) this.#cluster.count(`answer ${result}`)
    this.#cluster.put('actions', (objects.actions.value ?? []).map((asked) => (asked.result === undefined && results.has(asked.uid) ? { ...asked, result: results.get(asked.uid) ?? '' } : asked)))
    return true
  }

  #decide(objects: Objects, process: Process): { readonly pass: Pass; readonly world: World } {
    const world = worldFrom(objects, process, this.#cluster)
    const changed = this.mutation.world?.(world) ?? world
    const pass = decide(this.mutation.stale === false ? { ...changed, stale: undefined } : changed)
    return { pass: this.mutation.pass?.(pass, world) ?? pass, world: changed }
  }

  #hang(write: Write, ms: number): void {
    this.#hung.add(write)
    this.#cluster.later(ms, () => this.#landLate(write))
  }

  /** Its process hears of it through its caches alone. */
  #landLate(write: Write): void {
    if (this.#hung.delete(write)) this.#land(write)
  }

  /** The write reaches the server: done if nothing moved since it was computed. */
  #land(write: Write, process?: Process): boolean {
    const cluster = this.#cluster
    const { rv, value } = versionOf(cluster.objects, write.object)
    const isFenced = this.mutation.fenced !== false
    if (write.rv === -1 ? value !== undefined : isFenced && rv !== write.rv) return false
    cluster.note(`  lands on ${write.object}, decided at ${Math.round(write.decidedAt / 1000)}s`)
    this.#judge.landing(write)
    cluster.put(write.object, write.apply(cluster.objects))
    if (process !== undefined) process.written[write.object] = rvOf(cluster.objects, write.object)
    return true
  }
}

/** What src/controller/live reads: not the Canary, and of the target only what rests on it. */
function liveFor(action: Action, seen: Objects, now: Objects): Objects {
  const restsOnTarget = action.kind === 'target' || action.kind === 'refill' || (action.kind === 'routes' && action.writes.every(({ write }) => !write.lists))
  return { ...now, canary: seen.canary, actions: seen.actions, preview: seen.preview, target: restsOnTarget ? now.target : seen.target }
}

/** How often others undo a size is counted by how often it has to be set again. */
function grown({ growths, skewMs }: Process, action: Action, now: number): void {
  if (action.kind === 'workload') growths.scaled('web', action, now + skewMs)
  if (action.kind === 'target') growths.scaled('web', { revision: TARGET_GROWTHS, replicas: 1 }, now + skewMs)
}

/** What a status says beside times and numbers that change by themselves. */
const timeless = (status: CanaryStatus | undefined) => status && {
  ...status,
  conditions: status.conditions.map(({ type, status: state, reason }) => [type, state, reason]),
  message: undefined,
  checks: [],
  stable: undefined,
  canary: undefined,
  rollout: status.rollout && { ...status.rollout, observed: undefined, until: status.rollout.waitingFor === 'Pods' ? status.rollout.until : undefined },
}
