/** What a thing looks like now, and how often its specs were written so far. */
export type Appearance = { readonly content: string; readonly generation: number }

type Standing = Appearance & { readonly sinceMs: number }

/**
 * How long things have stood unbroken, on this process's own monotonic clock. A wait belongs to content, whoever wrote
 * it: what changes starts anew, an unrelated edit beside it does not. Where the same content was written over more
 * than once between two looks, it may have been something else in between, and starts anew as well.
 */
export class Ages {
  readonly #standing = new Map<string, Standing>()

  /** Takes note of how `name` looks at `nowMs`; returns its age in milliseconds. */
  observe(name: string, seen: Appearance, nowMs: number): number {
    const before = this.#standing.get(name)
    const unbroken = before !== undefined && before.content === seen.content && Math.abs(seen.generation - before.generation) <= 1
    const sinceMs = unbroken ? before.sinceMs : nowMs
    this.#standing.set(name, { ...seen, sinceMs })
    return nowMs - sinceMs
  }
}
