import type { Canary } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import type { Action } from '../canary/decision.ts'
import { TARGET_GROWTHS } from '../canary/target.ts'
import type { Leaving } from '../canary/world.ts'
import { resources } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { Ages } from './ages.ts'
import type { Analyst } from './analyst.ts'
import type { ConfigTracker, TargetConfig } from './config-tracker.ts'
import type { Fleet } from './fleet.ts'
import { Growths } from './growths.ts'
import { observe, type Observation } from './observe.ts'
import { snapshotOf, type Newest, type Snapshot, type Surroundings } from './snapshot.ts'
import type { OwnWrites } from './own-writes.ts'
import type { Stores } from './sources.ts'
import { Windows } from './windows.ts'
import { idOf } from './writes.ts'

export type LooksDeps = {
  readonly stores: Stores
  readonly clock: Clock
  readonly writes: OwnWrites
  readonly analyst: Analyst
  readonly fleet: Fleet
  readonly config: ConfigTracker
  readonly surroundings: Surroundings
}

/** Of one look. `now`: wall clock, milliseconds; the present unless two looks are to be of one moment. */
export type LookOptions = { readonly settings: Settings; readonly leaving: Leaving | undefined; readonly now?: number }

/** Looks at a Canary and what belongs to it: the caches, what was read or written since, and for how long things have been so. */
export class Looks {
  readonly #deps: LooksDeps
  readonly #ages = new Map<string, Ages>()
  readonly #growths = new Growths()
  readonly #windows = new Windows()

  constructor(deps: LooksDeps) {
    this.#deps = deps
  }

  /** What the caches hold, and newer what was read or written since. */
  snapshot(canary: Canary, settings: Settings): Snapshot {
    return snapshotOf(this.#deps.stores, canary, settings, { ...this.#deps.surroundings, newest: this.newest })
  }

  /** The same snapshot, which was read from the server: later looks know it, too. */
  learnt(snapshot: Snapshot): Snapshot {
    const { writes, clock } = this.#deps
    const read = [[resources.deployments, snapshot.deployments], [resources.virtualServices, snapshot.virtualServices], [resources.destinationRules, snapshot.destinationRules]] as const
    for (const [resource, objects] of read) for (const object of objects) writes.read(idOf(resource, keyOf(object)), object, clock.monotonic())
    return snapshot
  }

  observe(key: string, snapshot: Snapshot, { settings, leaving, now = this.#deps.clock.now() }: LookOptions): Observation {
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
      noSlot: this.noSlot(key, snapshot.canary),
      leaving,
      configOf: (target) => this.#configOf(key, target, settings, snapshot.canary),
    })
  }

  /** Why a rollout may not begin now, where too many others run. */
  noSlot(key: string, { metadata, status }: Canary): string | undefined {
    return status?.rollout === undefined ? this.#deps.fleet.refusal(key, metadata.namespace) : undefined
  }

  /** How often others undo a size is counted by how often it has to be set again. */
  count(key: string, action: Action): void {
    const atMs = this.#deps.clock.monotonic()
    if (action.kind === 'workload') this.#growths.scaled(key, action, atMs)
    if (action.kind === 'target') this.#growths.scaled(key, { revision: TARGET_GROWTHS, replicas: 1 }, atMs)
  }

  forget(key: string): void {
    this.#ages.delete(key)
    this.#growths.forget(key)
  }

  readonly newest: Newest = (resource, objects, ...named) => {
    const { writes, clock } = this.#deps
    const byKey = new Map<string, KubeObject | undefined>([...named.map((key) => [key, undefined] as const), ...objects.map((object) => [keyOf(object), object] as const)])
    return [...byKey].map(([key, object]) => writes.newest(idOf(resource, key), object, clock.monotonic())).filter((object) => object !== undefined)
  }

  /** A target made anew has nothing to do with what was recorded. */
  #configOf(key: string, target: KubeObject, settings: Settings, { status }: Canary): TargetConfig {
    const known = status?.observedTarget
    return this.#deps.config.configOf(key, target, settings, known?.uid === target.metadata.uid ? known.config : {})
  }
}
