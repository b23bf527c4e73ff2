import type { KubeObject } from '../runtime/object.ts'

type Written = { readonly uid: string; readonly resourceVersion: string; readonly atMs: number }

/** An object that we made and the cache does not show: unseen so far, or made and deleted between two lists. */
const UNSEEN_MS = 60_000

/**
 * Remembers what this process wrote last, so that a cache that has not caught up is not believed: acting on it would
 * undo or repeat our own decision. Times are monotonic milliseconds.
 */
export class OwnWrites {
  readonly #written = new Map<string, Written>()
  readonly #deleted = new Map<string, string>()

  /** The server answered a write of ours with this object. */
  wrote(id: string, { metadata: { uid, resourceVersion } }: KubeObject, atMs: number): void {
    this.#written.set(id, { uid, resourceVersion, atMs })
    this.#deleted.delete(id)
  }

  /** The server answered a deletion of ours. */
  deleted(id: string, uid: string): void {
    this.#deleted.set(id, uid)
    this.#written.delete(id)
  }

  /** A watch told that this object is gone: what we wrote is no longer expected. */
  gone(id: string, uid: string): void {
    if (this.#written.get(id)?.uid === uid) this.#written.delete(id)
    if (this.#deleted.get(id) === uid) this.#deleted.delete(id)
  }

  /** Why what the cache has under `id` is older than our own last write of it; undefined when it is not. */
  behind(id: string, cached: KubeObject | undefined, nowMs: number): string | undefined {
    if (cached !== undefined && this.#deleted.get(id) === cached.metadata.uid) return `the cache still has ${id}, which Serin deleted`
    const written = this.#written.get(id)
    if (written === undefined) return undefined
    const unseen = cached === undefined ? nowMs - written.atMs < UNSEEN_MS : isOlder(cached.metadata.resourceVersion, written.resourceVersion)
    return unseen ? `the cache has not seen Serin's own write of ${id}` : undefined
  }
}

/** Resource versions compare as integers: etcd always kept that, and Kubernetes promises it (KEP-5504). */
const isOlder = (a: string, b: string): boolean => /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b)
