import type { KubeObject } from '../../src/sandbox/objects.ts'
import { namedSubsets, OURS, reachesEveryPod } from './objects.ts'
import type { Scene } from './scene.ts'

/** Which subsets the routes name, and named until when; whether any reaches every pod. */
export class Naming {
  readonly #scene: Scene
  /** VirtualService → as it stands; subset → when any of them named it last. */
  readonly #routes = new Map<string, KubeObject>()
  readonly #namedAt = new Map<string, number>()
  #openUntil = -Infinity

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Undefined: it is gone. */
  stands(key: string, object: KubeObject | undefined): void {
    const { now } = this.#scene
    if (this.#isOpen) this.#openUntil = now
    for (const subset of namedBy(this.#routes.get(key))) this.#namedAt.set(subset, now)
    if (object === undefined) this.#routes.delete(key)
    else this.#routes.set(key, object)
  }

  /** Until when a route reached every pod of the Service: now, while one does. */
  get openUntil(): number {
    return this.#isOpen ? this.#scene.now : this.#openUntil
  }

  /** When any route named it last: now, while one does; never, where none did. */
  lastNamed(subset: string): number {
    const isNamed = [...this.#routes.values()].some((object) => namedBy(object).includes(subset))
    return isNamed ? this.#scene.now : (this.#namedAt.get(subset) ?? -Infinity)
  }

  /** The host has no VirtualService, or one that names no subset of it. */
  get #isOpen(): boolean {
    const { service } = this.#scene
    return this.#routes.size === 0 || [...this.#routes.values()].some((object) => reachesEveryPod(object, service))
  }
}

/** Those of ours. */
const namedBy = (object: KubeObject | undefined): readonly string[] => (object === undefined ? [] : namedSubsets(object).filter((subset) => subset.startsWith(OURS)))
