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
  readonly selection: Selection
  /** undefined or 0: what is there comes first, as ADDED events. */
  readonly since: number | undefined
  readonly timeoutMs: number
  readonly bookmarks: boolean
  readonly initialEvents: boolean
  readonly signal?: AbortSignal | undefined
  /** One event as a line of JSON. */
  readonly render: (type: string, object: KubeObject) => string
  /** A bookmark at a version as a line of JSON. */
  readonly bookmark: (version: number, initialEventsEnd: boolean) => string
}

const bookmarkIntervalMs = 60_000

/** Lines that one reader takes and the store's changes put in. */
class LineQueue {
  readonly #held: () => boolean
  #release: () => void = () => undefined
  #lines: string[] = []
  #outcome: { readonly error?: unknown } | undefined
  #wake: () => void = () => undefined

  constructor(held: () => boolean) {
    this.#held = held
  }

  onFinish(release: () => void): void {
    this.#release = release
  }

  push(line: string): void {
    this.#lines.push(line)
    this.#wake()
  }

  /** Ends the stream after what is in it, or breaks it at once with an error. */
  finish(outcome: { readonly error?: unknown }): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#release()
    this.#wake()
  }

  wake(): void {
    this.#wake()
  }

  async *read(): AsyncGenerator<string> {
    try {
      for (;;) {
        if (this.#outcome?.error !== undefined) throw this.#outcome.error
        if (this.#lines.length > 0 && !this.#held()) yield* this.#lines.splice(0)
        else if (this.#outcome !== undefined) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.finish({})
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
    for (const queue of this.#open) queue.finish({ error: new Error('the watch connection was reset') })
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
    const queue = new LineQueue(() => this.#paused)
    const deliver = (change: Change): void => {
      const type = typeFor(change, options.selection)
      if (type !== undefined) queue.push(options.render(type, change.object))
    }
    if (!this.#replay(options, queue, deliver)) {
      queue.finish({})
      return queue.read()
    }
    const done = new AbortController()
    const abort = () => queue.finish({ error: options.signal?.reason ?? new Error('aborted') })
    options.signal?.addEventListener('abort', abort, { once: true })
    const unwatch = this.#store.watch(options.resource, options.namespace, deliver)
    this.#open.add(queue)
    queue.onFinish(() => {
      unwatch()
      this.#open.delete(queue)
      options.signal?.removeEventListener('abort', abort)
      done.abort()
    })
    if (options.signal?.aborted === true) abort()
    else void this.#live(options, queue, done.signal)
    return queue.read()
  }

  #replay(options: WatchOptions, queue: LineQueue, deliver: (change: Change) => void): boolean {
    const { resource, namespace, since = 0 } = options
    if (since === 0) {
      this.#present(options, queue)
      return true
    }
    const changes = this.#store.since(resource, since)
    if (changes === undefined) queue.push(JSON.stringify({ type: 'ERROR', object: expired(since, this.#store.version).status }))
    for (const change of changes ?? []) if (namespace === '' || change.object.metadata.namespace === namespace) deliver(change)
    return changes !== undefined
  }

  #present({ resource, namespace, selection, ...options }: WatchOptions, queue: LineQueue): void {
    for (const object of this.#store.list(resource, namespace || undefined)) {
      if (selection.matches(object)) queue.push(options.render('ADDED', object))
    }
    if (options.initialEvents) queue.push(options.bookmark(this.#store.version, true))
  }

  async #live({ timeoutMs, bookmarks, bookmark }: WatchOptions, queue: LineQueue, signal: AbortSignal): Promise<void> {
    for (let leftMs = timeoutMs; leftMs > 0 && !signal.aborted; leftMs -= bookmarkIntervalMs) {
      // Rejects when the reader is gone: nothing is left to do then.
      await this.#clock.sleep(Math.min(leftMs, bookmarkIntervalMs), signal).catch(() => undefined)
      if (bookmarks && !signal.aborted) queue.push(bookmark(this.#store.version, false))
    }
    queue.finish({})
  }
}

/** What a change is to somebody who sees only a selection: an object that comes to match is new, one that ceases to is gone. */
const typeFor = ({ type, object, previous }: Change, { matches, constant }: Selection): StoreEvent['type'] | undefined => {
  const now = matches(object)
  if (constant || type !== 'MODIFIED') return now ? type : undefined
  const before = previous !== undefined && matches(previous)
  if (now) return before ? 'MODIFIED' : 'ADDED'
  return before ? 'DELETED' : undefined
}
