import { admitted, slotRefusal, type Limits, type Member } from '../canary/fleet.ts'
import { jsonOf, listOf, textOf } from '../istio/json.ts'
import { isUnknownOutcome } from '../kubernetes/errors.ts'
import type { Outcome } from '../runtime/controller.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import type { Store } from '../runtime/store.ts'

export type FleetOptions = {
  readonly canaries: Store
  /** The newer of what the cache has and what was written last. */
  readonly newest: (object: KubeObject) => KubeObject
  /** 0: any number. */
  readonly maxRollouts: number
  readonly maxRolloutsPerNamespace: number
  readonly now: () => number
  readonly wake: (key: string) => void
}

type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>

/**
 * How many releases are under way, and who is next. Both stand in the statuses of the Canaries, so that a restart keeps
 * the line; only what this process has just decided, and nobody can see yet, is remembered here.
 */
export class Fleet {
  readonly #options: FleetOptions
  readonly #limits: Limits
  /** Decided to begin in their last pass. */
  readonly #beginning = new Set<string>()
  /** Whose last pass failed: nobody waits behind them. */
  readonly #failing = new Set<string>()

  constructor(options: FleetOptions) {
    this.#options = options
    this.#limits = { cluster: options.maxRollouts || Infinity, namespace: options.maxRolloutsPerNamespace || Infinity }
  }

  /** Why a Canary that has none under way may not begin a release now; undefined when it may. */
  refusal(key: string, namespace: string): string | undefined {
    if (this.#isUnlimited) return undefined
    const others = this.#members()
    const known = others.find((member) => member.key === key)
    const asking: Member = { key, namespace, isUnderWay: false, waitsSince: known?.waitsSince ?? this.#options.now() }
    return slotRefusal([...others.filter((member) => member !== known), asking], this.#limits, asking)
  }

  /** It has just been decided that this Canary begins one. */
  begins(key: string): void {
    this.#beginning.add(key)
  }

  /** The same reconcile, which keeps its place in what is remembered here. */
  around(reconcile: Reconcile): Reconcile {
    return async (key, signal) => {
      this.#beginning.delete(key)
      try {
        const outcome = await reconcile(key, signal)
        this.#failing.delete(key)
        return outcome
      } catch (thrown) {
        // A write without an answer may have begun it.
        if (!isUnknownOutcome(thrown)) this.#beginning.delete(key)
        this.#failing.add(key)
        this.#wakeNext()
        throw thrown
      }
    }
  }

  /** Wakes whoever is next when a slot becomes free, or the line moves; returns the way to stop that. */
  watch(): () => void {
    if (this.#isUnlimited) return () => undefined
    return this.#options.canaries.onChange((next, previous) => {
      if (next === undefined && previous !== undefined) this.#forget(keyOf(previous))
      if (placeOf(next) !== placeOf(previous)) this.#wakeNext()
    })
  }

  get #isUnlimited(): boolean {
    return this.#limits.cluster === Infinity && this.#limits.namespace === Infinity
  }

  #forget(key: string): void {
    this.#beginning.delete(key)
    this.#failing.delete(key)
  }

  #wakeNext(): void {
    if (!this.#isUnlimited) admitted(this.#members(), this.#limits).forEach(this.#options.wake)
  }

  #members(): readonly Member[] {
    const { canaries, newest, now } = this.#options
    return canaries.list().map((cached): Member => {
      const object = newest(cached)
      const key = keyOf(object)
      const status = jsonOf(object['status'])
      const isUnderWay = this.#beginning.has(key) || (status['rollout'] !== undefined && status['phase'] !== 'RollingBack' && object.metadata.deletionTimestamp === undefined)
      const waitsSince = this.#failing.has(key) ? undefined : lineSince(object, now())
      return { key, namespace: object.metadata.namespace ?? '', isUnderWay, waitsSince }
    })
  }
}

/** Since when it stands in line: whoever waited for a window that is open by now stands there too. */
function lineSince(object: KubeObject, now: number): number | undefined {
  const wait = listOf(jsonOf(object['status'])['waits']).find((each) => each['for'] === 'Slot' || (each['for'] === 'Window' && Date.parse(textOf(each['until']) ?? '') <= now))
  return wait === undefined ? undefined : Date.parse(textOf(wait['since']) ?? '')
}

/** What of a Canary moves the line. */
function placeOf(object: KubeObject | undefined): string {
  const { rollout, waits, phase } = jsonOf(object?.['status'])
  return JSON.stringify([object !== undefined && object.metadata.deletionTimestamp === undefined, rollout !== undefined, phase, listOf(waits).map((wait) => [wait['for'], wait['since']])])
}
