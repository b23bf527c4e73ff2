import type { Clock } from '../runtime/clock.ts'
import type { KubeObject, ResourceName, StoreEvent } from './objects.ts'
import { expired } from './refusals.ts'
import type { Selection } from './selectors.ts'
import type { Change, Store } from './store.ts'

/** One watch as its client asked for it. */
export type WatchOptions = {
  readonly resource: ResourceName
  /** Empty for all namespaces. */
  readonly namespace: string
  readonly matches: Selection
  /** 0: what is there comes first, as ADDED events. */
  readonly since: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** One event as a line of JSON. */
  readonly render: (type: string, object: KubeObject) => string
  /** A bookmark at a version as a line of JSON; undefined where none are wanted. */
  readonly bookmark: ((version: number) => string) | undefined
  /** The bookmark that says that what is there has been told; undefined where nobody asked for it. */
  readonly told?: ((version: number) => string) | undefined
}

const bookmarkIntervalMs = 60_000

/** Lines that one reader takes and the store's changes put in. */
class LineQueue {
  readonly #held: () => boolean
  readonly #ended = new AbortController()
  #lines: string[] = []
  #failure: Error | undefined
  #wake: () => void = () => undefined

  constructor(held: () => boolean) {
    this.#held = held
  }

  /** Aborts when the stream ends, for whatever reason. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  push(line: string): void {
    this.#lines.push(line)
    this.#wake()
  }

  /** Ends the stream after what is in it, or breaks it at once with a failure. */
  finish(failure?: Error): void {
    this.#failure ??= this.ended.aborted ? undefined : failure
    this.#ended.abort()
    this.#wake()
  }

  wake(): void {
    this.#wake()
  }

  async *read(): AsyncGenerator<string> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure
        if (this.#lines.length > 0 && !this.#held()) yield* this.#lines.splice(0)
        else if (this.ended.aborted) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.finish()
    }
  }
}

/** All open watches of a cluster. */
export class Watches {
  readonly #store: Store
  readonly #clock: Clock
  readonly #open = new Set<LineQueue>()
  #paused = false

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Breaks every open connection. */
  drop(): void {
    for (const queue of this.#open) queue.finish(new Error('the watch connection was reset'))
  }

  /** Holds back everything that the watches would deliver, until `resume`. */
  pause(): void {
    this.#paused = true
  }

  /** Delivers what was held back. */
  resume(): void {
    this.#paused = false
    for (const queue of this.#open) queue.wake()
  }

  /**
   * Opens a watch at once and gives its lines. They end after the timeout, and throw on abort and on `drop`. A version
   * that has left the history gives a single ERROR line.
   */
  open(options: WatchOptions): AsyncGenerator<string> {
    const { resource, namespace, matches, since, signal, render, told } = options
    const queue = new LineQueue(() => this.#paused)
    const deliver = (change: Change): void => {
      const type = typeFor(change, matches)
      const inside = namespace === '' || change.object.metadata.namespace === namespace
      if (inside && type !== undefined) queue.push(render(type, change.object))
    }
    const present = since > 0 ? [] : this.#store.list(resource, namespace || undefined).filter(matches)
    for (const object of present) queue.push(render('ADDED', object))
    if (told !== undefined) queue.push(told(this.#store.version))
    const missed = since > 0 ? this.#store.since(resource, since) : []
    missed?.forEach(deliver)
    if (missed === undefined) queue.push(JSON.stringify({ type: 'ERROR', object: expired(since, this.#store.version).status }))
    const abort = () => queue.finish(signal?.reason as Error)
    const unwatch = this.#store.subscribe(deliver, resource)
    const release = () => {
      unwatch()
      this.#open.delete(queue)
      signal?.removeEventListener('abort', abort)
    }
    this.#open.add(queue)
    queue.ended.addEventListener('abort', release, { once: true })
    signal?.addEventListener('abort', abort, { once: true })
    if (missed === undefined) queue.finish()
    else if (signal?.aborted === true) abort()
    else void this.#live(options, queue)
    return queue.read()
  }

  async #live({ timeoutMs, bookmark }: WatchOptions, queue: LineQueue): Promise<void> {
    for (let leftMs = timeoutMs; leftMs > 0 && !queue.ended.aborted; leftMs -= bookmarkIntervalMs) {
      // Rejects when the reader is gone: nothing is left to do then.
      await this.#clock.sleep(Math.min(leftMs, bookmarkIntervalMs), queue.ended).catch(() => undefined)
      if (bookmark !== undefined && !queue.ended.aborted) queue.push(bookmark(this.#store.version))
    }
    queue.finish()
  }
}

/** What a change is to somebody who sees only a selection: an object that comes to match is new, one that ceases to is gone. */
const typeFor = ({ type, object, previous }: Change, matches: Selection): StoreEvent['type'] | undefined => {
  const now = matches(object)
  if (type !== 'MODIFIED') return now ? type : undefined
  const before = previous !== undefined && matches(previous)
  return now ? (before ? 'MODIFIED' : 'ADDED') : before ? 'DELETED' : undefined
}
