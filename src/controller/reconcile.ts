import type { Canary, CanaryStatus } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { decide, held, type Pass } from '../canary/decide.ts'
import type { Action, EventNote } from '../canary/decision.ts'
import { dueChecks } from '../canary/due-checks.ts'
import { factsOf } from '../canary/facts.ts'
import { TARGET_GROWTHS } from '../canary/target.ts'
import type { Leaving } from '../canary/world.ts'
import { serviceHost } from '../istio/host-name.ts'
import { serviceHosts } from '../istio/hosts.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { isConflict, isInvalid, isUnknownOutcome } from '../kubernetes/errors.ts'
import { resources } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Outcome } from '../runtime/controller.ts'
import { asError } from '../runtime/failure.ts'
import type { Log } from '../runtime/log.ts'
import { keyOf, splitKey, type KubeObject } from '../runtime/object.ts'
import { Ages } from './ages.ts'
import { WriteRefusedError } from './fenced-client.ts'
import type { Fleet } from './fleet.ts'
import { Growths } from './growths.ts'
import type { Analyst } from './analyst.ts'
import { commit } from './commit.ts'
import type { ConfigTracker, TargetConfig } from './config-tracker.ts'
import { idOf } from './writes.ts'
import { TargetMovedError } from './commit-target.ts'
import { refuseAll, settle } from './canary-actions.ts'
import { isGone, leavingOf, writeFinalizer } from './leaving.ts'
import { readLive, readRoutes, restsOnLive } from './live.ts'
import { observe, snapshotOf, type Newest, type Observation, type Snapshot, type Surroundings } from './observe.ts'
import type { OwnWrites } from './own-writes.ts'
import { Rests, versionsIn } from './rests.ts'
import { Specs, stalled, type Read } from './specs.ts'
import { rivalsOf, yieldTo } from './rivals.ts'
import type { Stores } from './sources.ts'
import type { StatusWriter } from './status-writer.ts'
import { Windows } from './windows.ts'

export type ReconcileDeps = {
  readonly client: KubernetesClient
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Log
  readonly writes: OwnWrites
  readonly analyst: Analyst
  readonly fleet: Fleet
  readonly config: ConfigTracker
  readonly statusWriter: StatusWriter
  readonly announce: (canary: Canary, events: readonly EventNote[]) => void
  readonly onStatus: (canary: Pick<Canary, 'metadata'>, status: CanaryStatus | undefined) => void
  readonly surroundings: Surroundings
  readonly propagationMs: number
  /** Why nothing may be advanced, such as an older CRD on the server; undefined when all is well. */
  readonly frozen: () => string | undefined
}

const DONE: Outcome = { kind: 'done' }
/** Of a write of routes that others keep getting ahead of. */
const MOST_TRIES = 4
/** A cache that is behind, or a write that came to nothing: look again soon. */
const SOON: Outcome = { kind: 'requeue', afterMs: 250 }

/** The Canary itself was written: status belongs to what stands there now. */
const ON_CANARY: readonly Action['kind'][] = ['finalizer', 'size']
/** Nothing but status was to be written. */
const IDLE: readonly Action['kind'][] = ['none', 'status']

/** One pass for one Canary: observe, decide, at most one serving write, then what it came to. Level-based; any of it may be repeated. */
export class Reconciler {
  readonly #deps: ReconcileDeps
  readonly #ages = new Map<string, Ages>()
  readonly #growths = new Growths()
  readonly #rests = new Rests()
  readonly #windows = new Windows()
  readonly #specs: Specs
  /** What is known of those that are being deleted. */
  readonly #leaving = new Map<string, Leaving>()

  constructor(deps: ReconcileDeps) {
    this.#deps = deps
    this.#specs = new Specs(deps)
  }

  readonly reconcile = async (key: string, signal: AbortSignal): Promise<Outcome> => {
    const { stores, writes, clock } = this.#deps
    const cached = stores.canaries.get(key)
    const object = cached && writes.newest(idOf(resources.canaries, key), cached, clock.monotonic())
    if (object === undefined || isGone(object)) return this.#forget(key, object, object === undefined ? `there is no Canary ${splitKey(key).name}` : `Canary ${splitKey(key).name} is being deleted`, signal)
    const leaving = await this.#leave(key, object, signal)
    const { elder } = rivalsOf(stores.canaries, object)
    if (elder !== undefined) {
      if (leaving !== undefined) return this.#release(key, object, `Canary ${keyOf(elder)} has what this one wanted`, signal)
      await this.#forget(key, object, `Canary ${keyOf(elder)} has what this one wants`, signal)
      return yieldTo(elder, object as unknown as Canary, this.#deps, signal)
    }
    const { usable, problem } = this.#read(key, object)
    if (usable !== undefined) return this.#pass(key, usable.canary, usable.settings, signal)
    return leaving === undefined ? this.#refuse(object, problem ?? '', signal) : this.#release(key, object, problem ?? '', signal)
  }

  async #leave(key: string, object: KubeObject, signal: AbortSignal): Promise<Leaving | undefined> {
    const leaving = await leavingOf(object, this.#leaving.get(key)?.seenAt ?? this.#deps.clock.now(), this.#deps.client, signal)
    // One that was made anew under the name stays.
    if (leaving === undefined) this.#leaving.delete(key)
    else this.#leaving.set(key, leaving)
    return leaving
  }

  /** Only a change of the spec helps: said where it was written. */
  #read(key: string, object: KubeObject): Read {
    const canary = object as unknown as Canary
    const said = this.#specs.problem(key) ?? canary.status?.conditions.find(({ type }) => type === 'Stalled')?.message
    const read = this.#specs.read(key, object)
    const isNew = read.problem !== undefined && read.problem !== said && !this.#leaving.has(key)
    if (isNew) this.#deps.announce(canary, [{ type: 'Warning', reason: 'InvalidSpec', note: read.problem }])
    return read
  }

  async #pass(key: string, canary: Canary, settings: Settings, signal: AbortSignal): Promise<Outcome> {
    const { client, clock } = this.#deps
    const snapshot = snapshotOf(this.#deps.stores, canary, settings, { ...this.#deps.surroundings, newest: this.#newest })
    const seen = this.#seen(key, snapshot)
    const rested = this.#rests.still(key, seen, clock.monotonic())
    if (rested !== undefined) return rested
    const cached = this.#observe(key, snapshot, settings)
    const first = this.#decide(key, cached)
    this.#follow(key, cached)
    let [observation, pass]: [Observation, Pass] = [cached, first]
    if (first.decision.row === '0') {
      // An old cache must not keep a rollback waiting: what stands there now is read, and decided on once.
      observation = this.#observe(key, this.#learnt(await readLive(client, cached, first.decision.action, signal)), settings, cached.world.now)
      pass = this.#decide(key, observation)
    } else if (restsOnLive(first.decision.action)) {
      // One moment for both looks: what carries its time is the same decision.
      observation = this.#observe(key, this.#learnt(await readLive(client, cached, first.decision.action, signal)), settings, cached.world.now)
      pass = this.#decide(key, observation)
      if (canonicalJson(pass.decision.action) !== canonicalJson(first.decision.action)) return SOON
    }
    const acted = await this.#act(key, observation, pass, { signal, tries: MOST_TRIES })
    const outcome = sooner(acted, await settle(this.#deps, { key, actions: snapshot.actions, canary: snapshot.canary as unknown as KubeObject }, pass.answers, signal))
    if (pass.decision.action.kind === 'none' && pass === first) this.#rests.begin(key, seen, { outcome, nowMs: clock.monotonic() })
    return outcome
  }

  #seen(key: string, snapshot: Snapshot): string {
    const { analyst, config, frozen } = this.#deps
    return [analyst.looks(key), config.turns(key), frozen(), this.#specs.problem(key), this.#noSlot(key, snapshot.canary), versionsIn(snapshot)].join(' ')
  }

  #learnt(snapshot: Snapshot): Snapshot {
    const { writes, clock } = this.#deps
    const read = [[resources.deployments, snapshot.deployments], [resources.virtualServices, snapshot.virtualServices], [resources.destinationRules, snapshot.destinationRules]] as const
    for (const [resource, objects] of read) for (const object of objects) writes.read(idOf(resource, keyOf(object)), object, clock.monotonic())
    return snapshot
  }

  /** A refused write of routes is decided again on what stands there now, at once: nobody waits for a cache to roll back. */
  async #act(key: string, observation: Observation, pass: Pass, { signal, tries }: { readonly signal: AbortSignal; readonly tries: number }): Promise<Outcome> {
    const { analyst, client, log } = this.#deps
    const { decision, status } = pass
    try {
      const writes = await commit(this.#deps, observation, decision.action, signal)
      if (writes > 0 && decision.action.kind !== 'workload') analyst.wrote(key)
      this.#count(key, decision.action)
      if (decision.action.kind !== 'none')
        log.info({ canary: key, row: decision.row, action: decision.action.kind, writes, phase: status.phase, step: status.step, weight: status.weight, reason: decision.reason }, 'decided')
      return await this.#tell(observation.snapshot.canary, pass, { wrote: writes > 0, signal })
    } catch (thrown) {
      if (!isConflict(thrown) && !isInvalid(thrown)) return this.#refused(observation, thrown, signal)
      log.debug({ canary: key, row: decision.row, err: thrown }, 'refused: somebody wrote first')
      if (decision.action.kind !== 'routes' || tries === 0) return isConflict(thrown) ? SOON : this.#refused(observation, thrown, signal)
      const again = this.#observe(key, this.#learnt(await readRoutes(client, observation, signal)), observation.world.settings)
      const next = this.#decide(key, again)
      return restsOnLive(next.decision.action) ? SOON : this.#act(key, again, next, { signal, tries: tries - 1 })
    }
  }

  /** How often others undo a size is counted by how often it has to be set again. */
  #count(key: string, action: Action): void {
    const atMs = this.#deps.clock.monotonic()
    if (action.kind === 'workload') this.#growths.scaled(key, action, atMs)
    if (action.kind === 'target') this.#growths.scaled(key, { revision: TARGET_GROWTHS, replicas: 1 }, atMs)
  }

  /** A write that the server will not take is said where people look, and tried again with a back-off. */
  async #refused({ world, snapshot }: Observation, thrown: unknown, signal: AbortSignal): Promise<Outcome> {
    // Nobody refused it but we ourselves, for a moment: a rollback waits no longer than that.
    if (thrown instanceof WriteRefusedError || thrown instanceof TargetMovedError) return SOON
    if (!isUnknownOutcome(thrown)) await this.#deps.statusWriter.write(snapshot.canary, held(world, 'WriteRefused', asError(thrown).message.slice(0, 250)), signal)
    throw thrown
  }

  /** Status and events, after the write that they tell of. */
  async #tell(canary: Canary, { decision, status: decided, wakeAfterMs }: Pass, { wrote, signal }: { readonly wrote: boolean; readonly signal: AbortSignal }): Promise<Outcome> {
    const { announce, statusWriter, onStatus, frozen } = this.#deps
    const status = { ...decided, message: frozen() ?? decided.message ?? '' }
    // After a write nothing may hold the event back; where status is all that is written, it must be true first.
    if (wrote) announce(canary, decision.events)
    const { kind } = decision.action
    if (kind === 'finalizer' && this.#leaving.has(keyOf(canary))) return this.#forget(keyOf(canary), undefined, `Canary ${canary.metadata.name} is being deleted`, signal)
    if (wrote && ON_CANARY.includes(kind)) return SOON
    const laterMs = await statusWriter.write(canary, status, signal)
    if (!wrote) announce(canary, decision.events)
    onStatus(canary, status)
    const idle = !wrote && !IDLE.includes(kind)
    const delays = [wakeAfterMs, laterMs, idle ? 1000 : undefined].filter((ms) => ms !== undefined)
    return delays.length === 0 ? DONE : { kind: 'requeue', afterMs: Math.min(...delays) }
  }

  #observe(key: string, snapshot: Snapshot, settings: Settings, now = this.#deps.clock.now()): Observation {
    const { clock, surroundings, analyst } = this.#deps
    const ages = this.#ages.get(key) ?? new Ages()
    this.#ages.set(key, ages)
    return observe(snapshot, {
      settings,
      surroundings,
      ages,
      now,
      monotonicMs: clock.monotonic(),
      evidence: (step) => analyst.evidence(key, step),
      growths: this.#growths.repeated(key, clock.monotonic()),
      closed: this.#windows.closed(settings.windows, clock.now()),
      noSlot: this.#noSlot(key, snapshot.canary),
      leaving: this.#leaving.get(key),
      configOf: (target) => this.#configOf(key, target, settings, snapshot.canary),
    })
  }

  /** A target made anew has nothing to do with what was recorded. */
  #configOf(key: string, target: KubeObject, settings: Settings, { status }: Canary): TargetConfig {
    const known = status?.observedTarget
    return this.#deps.config.configOf(key, target, settings, known?.uid === target.metadata.uid ? known.config : {})
  }

  #noSlot(key: string, { metadata, status }: Canary): string | undefined {
    return status?.rollout === undefined ? this.#deps.fleet.refusal(key, metadata.namespace) : undefined
  }

  readonly #newest: Newest = (resource, objects, ...named) => {
    const { writes, clock } = this.#deps
    const byKey = new Map<string, KubeObject | undefined>([...named.map((key) => [key, undefined] as const), ...objects.map((object) => [keyOf(object), object] as const)])
    return [...byKey].map(([key, object]) => writes.newest(idOf(resource, key), object, clock.monotonic())).filter((object) => object !== undefined)
  }

  #follow(key: string, { world, input }: Observation): void {
    const { analyst } = this.#deps
    const plan = dueChecks(factsOf(world))
    if (plan === undefined) return analyst.forget(key)
    const names = { namespace: input.canary.namespace, name: input.settings.service, hosts: serviceHosts(input) }
    analyst.follow(key, plan, serviceHost(input), names)
  }

  #decide(key: string, { world }: Observation): Pass {
    const pass = decide(world)
    if (world.status?.rollout === undefined && pass.status.rollout !== undefined) this.#deps.fleet.begins(key)
    const invalid = this.#specs.problem(key)
    return invalid === undefined ? pass : { ...pass, status: stalled(pass.status, invalid, world) }
  }

  /** Nothing of it can be used, not even to protect anybody. */
  async #refuse(object: KubeObject, problem: string, signal: AbortSignal): Promise<Outcome> {
    const { clock, statusWriter } = this.#deps
    const canary = object as unknown as Canary
    const before = canary.status ?? { phase: 'Initializing', waits: [], seen: [], routes: [], checks: [], history: [], conditions: [] }
    await statusWriter.write(canary, stalled(before, problem, { status: before, now: clock.now() }), signal)
    return DONE
  }

  /** A Canary that cannot be acted on is not held when somebody deletes it. */
  async #release(key: string, object: KubeObject, why: string, signal: AbortSignal): Promise<Outcome> {
    await writeFinalizer(this.#deps, object, false, signal)
    return this.#forget(key, object, why, signal)
  }

  /** Nothing is known of it any more; whoever asks something of it is told why that is refused. */
  async #forget(key: string, canary: KubeObject | undefined, why: string, signal: AbortSignal): Promise<Outcome> {
    const { namespace = '', name } = splitKey(key)
    this.#ages.delete(key)
    this.#growths.forget(key)
    this.#rests.forget(key)
    this.#specs.forget(key)
    this.#leaving.delete(key)
    this.#deps.analyst.forget(key)
    this.#deps.config.forget(key)
    this.#deps.statusWriter.forget(key)
    this.#deps.onStatus({ metadata: { namespace, name } }, undefined)
    const actions = this.#newest(resources.canaryActions, this.#deps.stores.canaryActions.by('canary', key))
    return sooner(DONE, await settle(this.#deps, { key, actions, canary }, refuseAll(actions, why), signal))
  }
}

/** The outcome, but no later than in so many milliseconds. */
const sooner = (outcome: Outcome, ms: number | undefined): Outcome =>
  (ms === undefined || (outcome.kind === 'requeue' && outcome.afterMs <= ms) ? outcome : { kind: 'requeue', afterMs: ms })
