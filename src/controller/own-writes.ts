import type { KubeObject } from '../runtime/object.ts'

type Written = { readonly object: KubeObject; readonly atMs: number }

/** An object that we made and the cache does not show: unseen so far, or made and deleted between two lists. */
const UNSEEN_MS = 60_000

/**
 * What the server answered our own writes with, for as long as the caches have not caught up: a write that was answered
 * is as good as a watch that tells of it, and a dead watch must not keep a rollback waiting. Monotonic milliseconds.
 */
export class OwnWrites {
  readonly #written = new Map<string, Written>()
  readonly #deleted = new Map<string, string>()

  /** The server answered a write of ours with this object. */
  wrote(id: string, object: KubeObject, atMs: number): void {
    this.#written.set(id, { object, atMs })
    this.#deleted.delete(id)
  }

  /** The server showed this object when it was read live: no cache may show an older one again. */
  readonly read = (id: string, object: KubeObject, atMs: number): void => {
    const known = this.#written.get(id)
    if (known === undefined || isOlder(known.object.metadata.resourceVersion, object.metadata.resourceVersion)) this.wrote(id, object, atMs)
  }

  /** The server answered a deletion of ours. */
  deleted(id: string, uid: string): void {
    this.#deleted.set(id, uid)
    this.#written.delete(id)
  }

  /** A watch told that this object is gone: what we wrote is no longer expected. */
  gone(id: string, uid: string): void {
    if (this.#written.get(id)?.object.metadata.uid === uid) this.#written.delete(id)
    if (this.#deleted.get(id) === uid) this.#deleted.delete(id)
  }

  /** The newer of what the cache has under `id` and what we last wrote there. */
  newest(id: string, cached: KubeObject | undefined, nowMs: number): KubeObject | undefined {
    if (cached !== undefined && this.#deleted.get(id) === cached.metadata.uid) return undefined
    const written = this.#written.get(id)
    if (written === undefined) return cached
    const ahead = cached === undefined ? nowMs - written.atMs < UNSEEN_MS : isOlder(cached.metadata.resourceVersion, written.object.metadata.resourceVersion)
    if (ahead) return written.object
    this.#written.delete(id)
    return cached
  }
}

/** Resource versions compare as integers: etcd always kept that, and Kubernetes promises it (KEP-5504). */
export const isOlder = (a: string, b: string): boolean => /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b)
