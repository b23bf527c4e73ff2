import type { CanaryStatus } from '../../src/api/canary.ts'
import { decide, type Pass } from '../../src/canary/decide.ts'
import { factsOf } from '../../src/canary/facts.ts'
import { canonicalJson } from '../../src/canary/template-hash.ts'
import { EVERY_POD, type World } from '../../src/canary/world.ts'
import { P, Process, reachOf, rvOf, worldFrom, writesOf, type Asked, type Deployment, type Lists, type Mutation, type Objects, type Rule, type Verdict, type Versioned, type Write } from './model.ts'

/** What one kind of thing looks like to one proxy, now and in what is still on its way. */
type View<T> = { now: T; coming: { at: number; value: T }[] }
type Proxy = { routes: View<readonly string[]>; subsets: View<readonly string[]>; endpoints: View<readonly string[]> }

export type Counts = Record<string, number>

/** A broken invariant, with what led there. */
export class Broken extends Error {}

const VERSIONS = ['v1', 'v2', 'v3']
const LANDS_WITHIN = 30_000

/** A random walk over the model: everything that can happen around two operators, with the invariants asked after every step. */
export class Walk {
  readonly counts: Counts = {}
  readonly trace: string[] = []
  readonly #random: () => number
  readonly #mutation: Mutation
  #now = 0
  #rv = 100
  #uids = 0
  #objects: Objects
  #processes: Process[] = []
  #hung: { at: number; write: Write; process: Process | undefined }[] = []
  readonly #proxies: Proxy[]
  #verdict: Verdict = 'pass'
  /** Until then the environment itself has broken what proxies see: until the operator has mended it, and that has spread. */
  #excusedUntil = -1
  readonly #unmended = new Set<string>()
  #lastUserChange = -1
  /** When the environment last took a revision's pods away or gave them back. */
  readonly #flipped: Record<string, number> = {}
  /** When each rollout got its first tombstone. */
  readonly #buried = new Map<string, number>()
  readonly #buriedHashes = new Set<string>()
  readonly #doomed = new Set<string>()
  /** Revisions that somebody asked to promote: they may jump. */
  readonly #promoted = new Set<string>()

  constructor(random: () => number, mutation: Mutation = {}) {
    this.#random = random
    this.#mutation = mutation
    this.#objects = {
      user: this.#versioned({ uid: this.#uid(), own: false, lists: { kind: 'open' }, original: { kind: 'open' }, ledger: undefined }),
      own: { rv: 0, value: undefined },
      gate: this.#random() < 0.5 ? { rv: 0, value: undefined } : this.#versioned({ uid: this.#uid(), own: false, lists: { kind: 'open' }, original: { kind: 'open' }, ledger: undefined }),
      rule: { rv: 0, value: undefined },
      canary: this.#versioned({ status: undefined, desired: undefined, suspend: false, approval: mutation.weights?.['ask'] !== 0 && this.#random() < 0.3 }),
      actions: this.#versioned([]),
      deployments: { v1: this.#versioned(this.#deployment('a')) },
    }
    const gate = this.#objects.gate.value === undefined ? [] : [EVERY_POD]
    this.#proxies = [[EVERY_POD], [EVERY_POD], gate].map((reached) => ({
      routes: { now: reached, coming: [] },
      subsets: { now: [], coming: [] },
      endpoints: { now: ['v1'], coming: [] },
    }))
    this.#processes = [this.#process()]
  }

  /** One random step. */
  step(): void {
    const choice = this.#pick({ ...WEIGHTS, ...(this.#processes.length > 1 ? { second: 2 } : {}), ...this.#mutation.weights })
    this.counts[choice] = (this.counts[choice] ?? 0) + 1
    this.#perform(choice)
    this.#check()
  }

  /** Faults end, one process with fresh caches goes on: it must come to rest, in a state that makes sense. */
  heal(): void {
    this.#hung.forEach(({ write }) => this.#land(write, undefined))
    this.#hung = []
    this.#processes = [this.#process()]
    this.#verdict = this.#verdict === 'unsure' ? 'pass' : this.#verdict
    const canary = this.#objects.canary.value
    if (canary !== undefined) this.#put('canary', { ...canary, suspend: false, approval: false })
    this.#ask('Resume', undefined)
    for (const [revision, { value }] of Object.entries(this.#objects.deployments)) if (value !== undefined && !value.ready) {
      this.#flipped[revision] = this.#now
      this.#put(revision, { ...value, ready: true, since: this.#now })
    }
    let quiet = 0
    for (let pass = 0; quiet < 60; pass++) {
      if (pass > 2000) throw new Broken(`does not come to rest: ${canonicalJson(this.#objects.canary.value?.status?.phase ?? null)} ${this.#objects.canary.value?.status?.message ?? ''}`)
      const [process] = this.#processes
      if (process === undefined) return
      process.cache = this.#objects
      quiet = this.#pass(process, { hang: false, loseStatus: false }) ? 0 : quiet + 1
      this.#advance(3000)
      this.#check()
    }
    this.#checkRest()
  }

  #perform(choice: keyof typeof WEIGHTS): void {
    const process = this.#processes[Math.floor(this.#random() * this.#processes.length)] ?? this.#process()
    switch (choice) {
      case 'time': return this.#advance(this.#random() < 0.8 ? this.#random() * 6000 : this.#random() * 40_000)
      case 'pass': return void this.#pass(process, { hang: this.#random() < (this.#mutation.hangs ?? 0.08), loseStatus: this.#random() < 0.08 })
      case 'sync': { process.cache = this.#random() < 0.7 ? this.#objects : this.#partly(process.cache); return }
      case 'crash': { this.#processes = this.#processes.map((other) => (other === process ? this.#process() : other)); return }
      case 'second': { this.#processes = this.#processes.length > 1 ? [process] : [process, this.#process()]; return }
      case 'verdict': { this.#verdict = (['pass', 'pass', 'pass', 'fail', 'unsure'] as const)[Math.floor(this.#random() * 5)] ?? 'pass'; return }
      default: {
        this.trace.push(`${Math.round(this.#now / 1000)}s   somebody: ${choice}`)
        return this.#user(choice)
      }
    }
  }

  #user(choice: keyof typeof WEIGHTS): void {
    const revision = VERSIONS[Math.floor(this.#random() * VERSIONS.length)] ?? 'v1'
    const deployment = this.#objects.deployments[revision]?.value
    const user = this.#objects.user.value
    const canary = this.#objects.canary.value
    switch (choice) {
      case 'template': {
        const hash = String(Math.floor(this.#random() * 3))
        this.#buriedHashes.delete(`${revision}/${hash}`)
        const next = deployment === undefined ? this.#deployment(hash) : { ...deployment, hash, generation: deployment.generation + 1 }
        // A failed version is tried anew when its template changes; going back to the failed template is a change as well.
        this.#put(revision, next)
        return
      }
      case 'desired': {
        const desired = this.#random() < 0.4 || deployment === undefined ? undefined : revision
        if (desired !== undefined) for (const known of this.#buriedHashes) if (known.startsWith(`${desired}/`)) this.#buriedHashes.delete(known)
        if (canary !== undefined) this.#put('canary', { ...canary, desired })
        return
      }
      case 'remove': {
        if (revision !== this.#truth()?.stable && deployment !== undefined) {
          this.#flipped[revision] = this.#now
          this.#put(revision, undefined)
        }
        return
      }
      case 'suspend': { if (canary !== undefined) this.#put('canary', { ...canary, suspend: !canary.suspend }); return }
      case 'ask': {
        const kind = KINDS[Math.floor(this.#random() * KINDS.length)] ?? 'Pause'
        const meant = this.#random() < 0.7 ? (canary?.status?.rollout ?? canary?.status?.failed)?.revision : revision
        return this.#ask(kind, kind === 'Pause' || kind === 'Resume' ? undefined : (meant ?? revision))
      }
      case 'edit': {
        const lists: Lists = this.#random() < 0.5 ? { kind: 'open' } : { kind: 'user', revision }
        if (user !== undefined) this.#userRoute({ ...user, lists })
        return
      }
      case 'gate': {
        const gate = this.#objects.gate.value
        const fresh = { uid: this.#uid(), own: false, lists: { kind: 'open' }, original: { kind: 'open' }, ledger: undefined } as const
        const edited = gate && { ...gate, lists: this.#random() < 0.5 ? ({ kind: 'open' } as const) : ({ kind: 'user', revision } as const) }
        this.#userRoute(this.#random() < 0.3 ? undefined : (edited ?? fresh), 'gate')
        return
      }
      case 'delete': return this.#userRoute(undefined)
      case 'recreate': return this.#userRoute({ uid: this.#uid(), own: false, lists: { kind: 'open' }, original: { kind: 'open' }, ledger: this.#random() < 0.3 ? user?.ledger : undefined })
      case 'rule': {
        this.#excuse('rule')
        this.#put('rule', this.#random() < 0.5 ? undefined : this.#objects.rule.value && { ...this.#objects.rule.value, conform: false })
        return
      }
      case 'pods': {
        if (deployment === undefined) return
        this.#flipped[revision] = this.#now
        this.#put(revision, { ...deployment, ready: !deployment.ready, since: this.#now })
        return
      }
      default:
    }
  }

  #ask(action: Asked['action'], revision: string | undefined): void {
    if (action === 'Promote' && revision !== undefined) this.#promoted.add(revision)
    if (action === 'Retry') for (const known of this.#buriedHashes) if (known.startsWith(`${revision ?? ''}/`)) this.#buriedHashes.delete(known)
    const asked: Asked = { uid: this.#uid(), action, revision, step: undefined, reason: undefined, by: 'ada', expiresAt: this.#now + 120_000 }
    this.trace.push(`${Math.round(this.#now / 1000)}s   somebody asks: ${action} ${revision ?? ''} ${asked.uid}`)
    this.#put('actions', [...(this.#objects.actions.value ?? []), asked].slice(-20))
  }

  /** An answer is given on the Canary that stands now, or not at all. */
  #answer({ answers }: Pass, known: number): boolean {
    if (answers.length === 0 || this.#objects.canary.rv !== known) return false
    const results = new Map(answers.map(({ uid, result }) => [uid, result]))
    for (const result of results.values()) this.counts[`answer ${result}`] = (this.counts[`answer ${result}`] ?? 0) + 1
    this.#put('actions', (this.#objects.actions.value ?? []).map((asked) => (asked.result === undefined && results.has(asked.uid) ? { ...asked, result: results.get(asked.uid) ?? '' } : asked)))
    return true
  }

  /** A write of the route by somebody else: what it exposes until the next pass has spread is not our doing. */
  #userRoute(value: Objects['user']['value'], object: 'user' | 'gate' = 'user'): void {
    this.#excuse('routes')
    this.#lastUserChange = this.#now
    this.#put(object, value)
  }

  #excuse(what: 'rule' | 'routes'): void {
    this.#unmended.add(what)
    this.#excusedUntil = this.#now + 2 * P
  }

  #mended(what: 'rule' | 'routes'): void {
    if (this.#unmended.delete(what)) this.#excusedUntil = this.#now + 2 * P
  }

  get #excused(): boolean {
    return this.#unmended.size > 0 || this.#now < this.#excusedUntil
  }

  /** One pass of one process; true when it wrote or changed status. */
  #pass(process: Process, { hang, loseStatus }: { hang: boolean; loseStatus: boolean }): boolean {
    if (process.busyUntil > this.#now) return false
    this.#doomed.clear()
    const seen = process.cache
    const first = this.#decide(seen, process)
    if (first.decision.row === '0') return false
    const live = first.decision.action.kind !== 'none' && first.decision.action.live && this.#mutation.live !== false
    const looked = live ? { ...this.#objects, canary: seen.canary } : seen
    const pass = live ? this.#decide(looked, process) : first
    if (live && canonicalJson(pass.decision.action) !== canonicalJson(first.decision.action)) return false
    this.trace.push(`${Math.round(this.#now / 1000)}s row ${pass.decision.row} ${pass.decision.action.kind}: ${pass.decision.reason}`)
    if (this.trace.length > 60) this.trace.shift()
    this.counts[`row ${pass.decision.row}`] = (this.counts[`row ${pass.decision.row}`] ?? 0) + 1
    this.#mustAct(pass, looked, process)
    const writes = writesOf(pass.decision.action, looked, this.#now, () => this.#uid())
    if (hang && writes.length > 0) {
      for (const write of writes) this.#hung.push({ at: this.#now + this.#random() * LANDS_WITHIN, write, process })
      process.busyUntil = this.#now + (this.#random() < 0.5 ? 5000 : 0)
      return true
    }
    const landed = writes.map((write) => this.#land(write, process))
    if (landed.length > 0 && !landed.includes(false)) for (const name of this.#doomed) this.#bury(name)
    this.#doomed.clear()
    if (landed.includes(false) || loseStatus) return true
    const changed = canonicalJson(timeless(pass.status)) !== canonicalJson(timeless(seen.canary.value?.status))
    if (!changed) return this.#answer(pass, seen.canary.rv) || writes.length > 0
    const canary = this.#objects.canary
    if (canary.rv !== seen.canary.rv || canary.value === undefined) return true
    this.#put('canary', { ...canary.value, status: pass.status })
    process.written['canary'] = this.#objects.canary.rv
    this.#answer(pass, this.#objects.canary.rv)
    return true
  }

  /** With fresh caches a pass may not look away from what hurts users. */
  #mustAct(pass: Pass, seen: Objects, process: Process): void {
    const { row } = pass.decision
    const truth = this.#truth()
    const fresh = seen === this.#objects || canonicalJson(seen) === canonicalJson(this.#objects)
    if (!fresh || truth === undefined || row === '1' || process.behind(seen) !== undefined) return
    const status = seen.canary.value?.status
    const uncovered = seen.user.value === undefined && seen.own.value === undefined
    if (uncovered && row !== '2') throw new Broken(`the host is uncovered, and row ${row} looks away`)
    const open = this.#routes().some(({ lists }) => lists.kind === 'open')
    if (open && !['2', '3', '4', '5', '6', '7'].includes(row)) throw new Broken(`a route reaches every pod, and row ${row} looks away`)
    this.#mustHear(pass, seen)
    const exposed = this.#routes().some(({ ledger }) => ledger?.exposure !== undefined && ledger.exposure.revision === status?.rollout?.revision)
    const stable = seen.deployments[truth.stable]?.value
    if (this.#verdict === 'fail' && exposed && stable?.ready === true && stable.replicas > 0 && !['2', '3', '4', '6', '7', '13', '21'].includes(row) && status?.stableRevision === truth.stable && this.#sameTemplate(seen, status.rollout?.revision))
      throw new Broken(`the canary fails in front of users, and row ${row} looks away`)
  }

  /** What people have said holds: no step rises over a pause or without its approval, and an abort is not overlooked. */
  #mustHear({ decision: { row, action } }: Pass, { canary, actions, deployments }: Objects): void {
    const { status } = canary.value ?? {}
    const { rollout, paused, previous } = status ?? {}
    const [raise] = action.kind === 'routes' && row === '18' ? action.writes.flatMap(({ write }) => (write.lists ? (write.ledger.exposure ?? []) : [])) : []
    const present = this.#routes().flatMap(({ ledger }) => ledger?.exposure ?? [])
    const goesBack = rollout !== undefined && previous?.revision === rollout.revision
    const finishes = raise !== undefined && present.some(({ step }) => step === raise.step)
    if (paused !== undefined && (row === '20' || raise !== undefined) && action.kind === 'routes' && !goesBack && !finishes) throw new Broken(`row ${row} goes on while it is paused`)
    const granted = [...(rollout?.approvals ?? []), ...(rollout?.skips ?? [])]
    const isHeld = canary.value?.approval === true && present.every(({ step }) => step === 0) && present.length > 0
    if (isHeld && raise !== undefined && raise.step > 0 && !goesBack && !granted.some(({ exposure }) => exposure === undefined || exposure === `${present[0]?.step ?? ''}#${present[0]?.plan ?? ''}`)) throw new Broken('a step goes on that nobody approved')
    const aborted = actions.value?.some((asked) => asked.action === 'Abort' && asked.result === undefined && asked.revision === rollout?.revision && this.#now + 2000 < asked.expiresAt)
    const stable = deployments[this.#truth()?.stable ?? '']?.value
    if (aborted === true && status?.phase === 'Progressing' && stable?.ready === true && (row === '18' || row === '20')) throw new Broken(`row ${row} goes on over an abort`)
  }

  #sameTemplate({ deployments }: Objects, revision: string | undefined): boolean {
    return revision !== undefined && deployments[revision]?.value?.hash === this.#truth()?.open[revision]?.hash
  }

  /** A row that ends a rollout buries it, whatever is then written. */
  #doom(pass: Pass, world: World): void {
    const { c } = factsOf(world)
    if (c === undefined || !['2', '3', '4', '5', '6'].includes(pass.decision.row) || pass.status.phase !== 'RollingBack') return
    this.#doomed.add(`${c.revision}/${c.rollout}`)
  }

  #decide(objects: Objects, process: Process) {
    const world = worldFrom(objects, process, this.#now, this.#verdict)
    const seen = this.#mutation.world?.(world) ?? world
    const pass = decide(this.#mutation.stale === false ? { ...seen, stale: undefined } : seen)
    this.#doom(pass, seen)
    return this.#mutation.pass?.(pass, world) ?? pass
  }

  /** The write reaches the server: done if nothing moved since it was computed. */
  #land(write: Write, process: Process | undefined): boolean {
    const exists = write.object === 'own' || write.object === 'rule' ? this.#objects[write.object].value !== undefined : true
    if (write.rv === -1 ? exists : rvOf(this.#objects, write.object) !== write.rv) return false
    this.trace.push(`${Math.round(this.#now / 1000)}s   lands on ${write.object}, decided at ${Math.round(write.decidedAt / 1000)}s`)
    this.#judge(write)
    if (write.subsets !== undefined) this.#mended('rule')
    if (write.route?.lists === true) this.#mended('routes')
    this.#put(write.object, write.apply(this.#objects))
    if (process !== undefined && this.#processes.includes(process)) process.written[write.object] = rvOf(this.#objects, write.object)
    return true
  }

  /** What no write may do, asked as it lands. */
  #judge({ route, scale, subsets, decidedAt }: Write): void {
    const sinceUser = decidedAt <= this.#lastUserChange
    if (route !== undefined) this.#judgeRoute(route, decidedAt)
    if (scale !== undefined && scale.to < scale.from) {
      if (!sinceUser) this.#mustBeOut(scale.revision, 'is scaled down')
      const floor = this.#objects.deployments[scale.revision]?.value?.floor?.replicas
      const open = this.#truth()?.open[scale.revision] !== undefined
      if (open && floor !== undefined && scale.to < floor) throw new Broken(`${scale.revision} is shrunk below its floor`)
    }
    if (scale !== undefined && scale.to > scale.from && scale.revision !== this.#truth()?.stable && !sinceUser)
      for (const proxy of this.#proxies) if (everBy(proxy.routes, EVERY_POD)) throw new Broken(`${scale.revision} grows while a proxy sends requests to every pod`)
    if (subsets !== undefined)
      for (const revision of Object.keys(this.#objects.rule.value?.subsets ?? {})) if (subsets[revision] === undefined && !sinceUser) this.#mustBeOut(revision, 'loses its subset')
  }

  #judgeRoute({ ledger, lists }: NonNullable<Write['route']>, decidedAt: number): void {
    const truth = this.#truth()
    if (truth !== undefined && ledger.stable !== truth.stable && ledger.promotions !== truth.promotions + 1) throw new Broken(`stable moves from ${truth.stable} to ${ledger.stable} without a promotion`)
    for (const [revision, tombstone] of Object.entries(ledger.failed)) {
      this.#bury(`${revision}/${tombstone.rollout}`)
      if (!this.#buriedHashes.has(`${revision}/${tombstone.hash}`) && this.#truth()?.failed[revision]?.rollout !== tombstone.rollout) this.#buriedHashes.add(`${revision}/${tombstone.hash}`)
    }
    const { exposure } = ledger
    if (exposure === undefined || !lists) return
    const { revision, step } = exposure
    // Decided before, a late write may still land on another VirtualService than the tombstone: the next pass takes it back.
    if ((this.#buried.get(`${revision}/${ledger.open[revision]?.rollout ?? ''}`) ?? Infinity) < decidedAt) throw new Broken(`${revision} is exposed again by the rollout that failed`)
    const hash = ledger.open[revision]?.hash ?? ''
    if (this.#buriedHashes.has(`${revision}/${hash}`) && !this.#buried.has(`${revision}/${ledger.open[revision]?.rollout ?? ''}`)) throw new Broken(`${revision} failed with this very template, nobody asked for a retry, and it is exposed again`)
    const before = Math.max(-1, ...this.#routes().map((route) => (route.ledger?.exposure?.revision === revision ? route.ledger.exposure.step : -1)))
    const served = this.#truth()?.served?.[revision]
    const returns = served !== undefined && served.hash === ledger.open[revision]?.hash
    const goesBack = exposure.weight === 100 && (returns || this.#objects.canary.value?.status?.previous?.revision === revision)
    if (step > before + 1 && !goesBack && !this.#promoted.has(revision)) throw new Broken(`${revision} goes from step ${before} to ${step}`)
    if (this.#excused) return
    for (const proxy of this.#proxies) {
      if (!proxy.subsets.now.includes(revision)) throw new Broken(`${revision} is named before a proxy knows its subset`)
      if (!proxy.endpoints.now.includes(revision) && !this.#podsExcused(revision)) throw new Broken(`${revision} is named before a proxy knows its endpoints`)
    }
  }

  #bury(name: string): void {
    if (this.#buried.has(name)) return
    this.#buried.set(name, this.#now)
    this.trace.push(`${Math.round(this.#now / 1000)}s ${name} is buried`)
  }

  #mustBeOut(revision: string, what: string): void {
    for (const { routes } of this.#proxies)
      if (everBy(routes, revision) || everBy(routes, EVERY_POD)) throw new Broken(`${revision} ${what} while a proxy still sends requests there`)
  }

  /** After every step: no proxy has nowhere to go, unless the environment broke it just now. */
  #check(): void {
    if (this.#excused) return
    for (const { routes, subsets, endpoints } of this.#proxies)
      for (const name of routes.now) {
        if (name === EVERY_POD) continue
        const revision = name.replace(BY_USER, '')
        if (name === revision && !subsets.now.includes(revision)) throw new Broken(`a proxy routes to ${revision} and has no such subset (503 NC)`)
        if (!endpoints.now.includes(revision) && !this.#podsExcused(revision)) throw new Broken(`a proxy routes to ${revision} and has no endpoint for it (503 UH)`)
      }
  }

  /** Its pods went, or came back, by no doing of ours: a rollback to it waits for nothing (protocol section 5). */
  #podsExcused(revision: string): boolean {
    const deployment = this.#objects.deployments[revision]?.value
    return deployment === undefined || !deployment.ready || this.#now - (this.#flipped[revision] ?? -Infinity) < 2 * P
  }

  #checkRest(): void {
    const status = this.#objects.canary.value?.status
    const ledger = this.#truth()
    const phase = status?.phase ?? 'none'
    this.counts[`rests ${phase}`] = (this.counts[`rests ${phase}`] ?? 0) + 1
    if (!['Idle', 'Failed', 'Waiting', 'Initializing'].includes(phase)) throw new Broken(`rests in ${phase}: ${status?.message ?? ''}`)
    if (phase === 'Initializing' || phase === 'Waiting') return
    if (ledger === undefined || status?.stableRevision !== ledger.stable) throw new Broken('status and routes disagree about stable')
    const reached = this.#routes().flatMap(({ lists }) => reachOf(lists))
    if (reached.some((revision) => revision !== ledger.stable)) throw new Broken(`at rest ${reached.join()} are reached, stable is ${ledger.stable}`)
    const left = Object.keys(ledger.open).filter((revision) => revision !== ledger.stable)
    if (left.length > 0) throw new Broken(`at rest ${left.join()} are still open`)
    if (this.#objects.own.value !== undefined && this.#objects.user.value !== undefined) throw new Broken('at rest our own route stands beside the user’s')
  }

  #routes() {
    return [this.#objects.user.value, this.#objects.own.value, this.#objects.gate.value].flatMap((route) => (route === undefined ? [] : [route]))
  }

  #truth() {
    return this.#routes().flatMap(({ ledger, uid }) => (ledger === undefined || ledger.uid !== uid ? [] : [ledger])).sort((a, b) => b.promotions - a.promotions)[0]
  }

  #put(name: string, value: unknown): void {
    const next = { rv: ++this.#rv, value } as Versioned<never>
    if (name in this.#objects && name !== 'deployments') this.#objects = { ...this.#objects, [name]: next }
    else this.#objects = { ...this.#objects, deployments: { ...this.#objects.deployments, [name]: next as Versioned<Deployment> } }
    this.#push()
  }

  /** istiod tells every proxy, of each kind in its own time, always in order, within P. */
  #push(): void {
    const deciding = this.#objects.user.value ?? this.#objects.own.value
    const reachedBy = [deciding, deciding, this.#objects.gate.value].map((route, proxy) => (route === undefined ? (proxy === 2 ? [] : [EVERY_POD]) : reachedIn(route.lists)))
    const rule: Rule | undefined = this.#objects.rule.value
    const ready = Object.entries(this.#objects.deployments).filter(([, { value }]) => value !== undefined && value.ready && value.replicas > 0).map(([revision]) => revision)
    for (const [index, proxy] of this.#proxies.entries()) {
      this.#send(proxy.routes, reachedBy[index] ?? [])
      this.#send(proxy.subsets, rule === undefined ? [] : Object.keys(rule.subsets))
      this.#send(proxy.endpoints, ready)
    }
  }

  #send(view: View<readonly string[]>, value: readonly string[]): void {
    const last = view.coming.at(-1)
    if (canonicalJson(last?.value ?? view.now) === canonicalJson(value)) return
    view.coming.push({ at: Math.max(last?.at ?? 0, this.#now + this.#random() * (P - 2000)), value })
  }

  #advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = Math.min(end, ...this.#hung.map(({ at }) => at), ...this.#proxies.flatMap(({ routes, subsets, endpoints }) => [routes, subsets, endpoints].flatMap(({ coming }) => (coming[0] === undefined ? [] : [coming[0].at]))))
      this.#now = Math.max(this.#now, next)
      for (const { routes, subsets, endpoints } of this.#proxies) for (const view of [routes, subsets, endpoints]) while (view.coming[0] !== undefined && view.coming[0].at <= this.#now) view.now = view.coming.shift()?.value ?? view.now
      const due = this.#hung.filter(({ at }) => at <= this.#now)
      this.#hung = this.#hung.filter(({ at }) => at > this.#now)
      for (const { write } of due) this.#land(write, undefined)
      this.#check()
      if (this.#now >= end) return
    }
  }

  #partly(cache: Objects): Objects {
    const newer = <T>(mine: Versioned<T>, theirs: Versioned<T>) => (this.#random() < 0.5 ? theirs : mine)
    const names = Object.keys(this.#objects.deployments)
    return {
      user: newer(cache.user, this.#objects.user),
      own: newer(cache.own, this.#objects.own),
      gate: newer(cache.gate, this.#objects.gate),
      rule: newer(cache.rule, this.#objects.rule),
      canary: newer(cache.canary, this.#objects.canary),
      actions: this.#objects.actions.value?.length === 0 ? this.#objects.actions : newer(cache.actions, this.#objects.actions),
      deployments: Object.fromEntries(names.map((name) => [name, newer(cache.deployments[name] ?? { rv: 0, value: undefined }, this.#objects.deployments[name] ?? { rv: 0, value: undefined })])),
    }
  }

  #process(): Process {
    return new Process(this.#objects, this.#random() * 1e6, (this.#random() - 0.5) * 2000)
  }

  #deployment(hash: string): Deployment {
    return { uid: this.#uid(), generation: 1, hash, replicas: 2, ready: true, since: this.#now, stamp: undefined, floor: undefined, createdAt: this.#now }
  }

  #versioned<T>(value: T): Versioned<T> {
    return { rv: ++this.#rv, value }
  }

  #uid(): string {
    return `uid-${++this.#uids}`
  }

  #pick(weights: Readonly<Record<string, number>>): keyof typeof WEIGHTS {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    let left = this.#random() * total
    return (Object.entries(weights).find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'time') as keyof typeof WEIGHTS
  }
}

const WEIGHTS = { time: 34, pass: 40, sync: 24, crash: 0.3, second: 0.4, verdict: 1.5, template: 0.7, desired: 0.35, suspend: 0.1, edit: 0.12, delete: 0.06, recreate: 0.06, gate: 0.1, rule: 0.06, pods: 0.2, remove: 0.1, ask: 0.4 }

const KINDS = ['Approve', 'Approve', 'Skip', 'Promote', 'Pause', 'Resume', 'Resume', 'Abort', 'Retry'] as const

const reachedIn = (lists: Lists): readonly string[] => reachOf(lists).map((name) => (lists.kind === 'user' ? `${BY_USER}${name}` : name))

/** Marks a revision that a route of the user's own names through a subset of their own. */
const BY_USER = '~'

const everBy = ({ now, coming }: View<readonly string[]>, revision: string): boolean =>
  [now, ...coming.map(({ value }) => value)].some((names) => names.includes(revision) || names.includes(`${BY_USER}${revision}`))

const timeless = (status: CanaryStatus | undefined) => status && { ...status, conditions: status.conditions.map(({ type, status: state, reason }) => [type, state, reason]), message: undefined, checks: [], stable: undefined, canary: undefined, rollout: status.rollout && { ...status.rollout, observed: undefined, until: status.rollout.waitingFor === 'Pods' ? status.rollout.until : undefined } }
