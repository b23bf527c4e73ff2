import { backoffMs } from './backoff.ts'
import type { Clock } from './clock.ts'
import { asError, statusOf } from './failure.ts'
import type { ListWatch, WatchEvent } from './list-watch.ts'
import type { Log } from './log.ts'
import { type KubeObject, keyOf } from './object.ts'
import { openScope } from './scope.ts'
import type { StoreWriter } from './store.ts'

/** What a reflector is made of. */
export type ReflectorOptions<T extends KubeObject> = {
  /** For the log. */
  readonly name: string
  readonly listWatch: ListWatch
  readonly writer: StoreWriter<T>
  /** Cuts an object down to what is worth keeping, before it enters the store; one it throws on stays out. */
  readonly prune: (object: KubeObject) => T
  readonly clock: Clock
  readonly log: Log
  /** Yields [0, 1), to spread retries and watch ends. */
  readonly random: () => number
  /** A resource that need not exist: not served counts as empty, and is asked for again every 5 minutes. */
  readonly optional?: boolean
  /** How long a watch lasts before the server ends it; 290 s by default. */
  readonly watchMs?: number
}

type State = { readonly kind: 'stale' } | { readonly kind: 'current'; readonly resourceVersion: string }

const STALE: State = { kind: 'stale' }
const BACKOFF = { baseMs: 800, maxMs: 30_000 }
const ABSENT_RETRY_MS = 300_000
/** How much later than it was asked to a server may end a watch before the connection counts as dead. */
const IDLE_MARGIN_MS = 10_000
/** A watch that lived this long ends a series of failures, as does its first event. */
const HEALTHY_MS = 10_000
/** A watch that ends sooner than this without a single event is a failure: somebody between us and the server cuts it. */
const SHORT_MS = 1_000

/**
 * Keeps a store equal to what the API server has: list, watch, and again for ever, whatever fails.
 *
 *   stale ──list──▶ current ──watch──▶ current, at a later version
 *     ▲                │
 *     └──410, 404──────┘           any failure waits 0.8 s … 30 s first
 */
export class Reflector<T extends KubeObject = KubeObject> {
  /** Resolves at the first complete list; rejects where the reflector is stopped before. */
  readonly synced: Promise<void>
  readonly #options: ReflectorOptions<T>
  #state: State = STALE
  #failures = 0
  #filled = false
  #resolveSynced: () => void = () => undefined
  #rejectSynced: (reason: Error) => void = () => undefined

  constructor(options: ReflectorOptions<T>) {
    this.#options = options
    this.synced = new Promise((resolve, reject) => {
      this.#resolveSynced = resolve
      this.#rejectSynced = reject
    })
    // Nobody need be waiting when a stop rejects it.
    this.synced.catch(() => undefined)
  }

  /** Whether a whole list has been read. */
  get filled(): boolean {
    return this.#filled
  }

  /** Reflects until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#state.kind === 'stale') this.#state = await this.#list(signal)
        else await this.#watch(this.#state.resourceVersion, signal)
      } catch (thrown) {
        if (!signal.aborted) await this.#recover(asError(thrown), signal)
      }
    }
    this.#rejectSynced(asError(signal.reason))
  }

  async #list(signal: AbortSignal): Promise<State> {
    const objects: T[] = []
    let page = await this.#options.listWatch.list(undefined, signal)
    for (;;) {
      for (const item of page.items) objects.push(...this.#prune(item))
      if (page.next === undefined) break
      page = await this.#options.listWatch.list(page.next, signal)
    }
    this.#fill(objects)
    return { kind: 'current', resourceVersion: page.resourceVersion }
  }

  async #watch(resourceVersion: string, outer: AbortSignal): Promise<void> {
    const { clock, random, listWatch, watchMs = 290_000 } = this.#options
    const startedAt = clock.monotonic()
    const timeoutMs = Math.round(watchMs * (1 - 0.2 * random()))
    const scope = openScope(outer)
    scope.deadline(timeoutMs + IDLE_MARGIN_MS, clock, () => new Error('the watch outlived its end: the connection is dead'))
    let events = 0
    try {
      for await (const event of listWatch.watch({ resourceVersion, timeoutMs }, scope.signal)) {
        events++
        this.#apply(event)
      }
      if (events === 0 && clock.monotonic() - startedAt < SHORT_MS) throw new Error('the watch ended at once')
    } finally {
      if (events > 0 || clock.monotonic() - startedAt >= HEALTHY_MS) this.#failures = 0
      scope.close()
    }
  }

  #apply(event: WatchEvent): void {
    if (event.type === 'BOOKMARK') {
      this.#state = { kind: 'current', resourceVersion: event.resourceVersion }
      return
    }
    const [object] = event.type === 'DELETED' ? [] : this.#prune(event.object)
    if (object === undefined) this.#options.writer.remove(keyOf(event.object))
    else this.#options.writer.set(object)
    this.#state = { kind: 'current', resourceVersion: event.object.metadata.resourceVersion }
  }

  async #recover(err: Error, signal: AbortSignal): Promise<void> {
    const { name, log, clock, random } = this.#options
    const status = statusOf(err)
    const absent = status === 404 && this.#options.optional === true && this.#state.kind === 'stale'
    if (absent) this.#fill([])
    if (status === 410 || status === 404) this.#state = STALE
    const waitMs = absent ? ABSENT_RETRY_MS : backoffMs(BACKOFF, ++this.#failures, random)
    if (absent) log.debug({ reflector: name }, 'not served: counts as empty')
    else log.warn({ reflector: name, err, retryInMs: Math.round(waitMs) }, 'lost contact with the server')
    // A stop ends the wait early; the loop sees it.
    await clock.sleep(waitMs, signal).catch(() => undefined)
  }

  #fill(objects: readonly T[]): void {
    this.#options.writer.replace(objects)
    this.#filled = true
    this.#resolveSynced()
  }

  #prune(object: KubeObject): readonly T[] {
    try {
      return [this.#options.prune(object)]
    } catch (thrown) {
      this.#options.log.error(
        { reflector: this.#options.name, key: keyOf(object), err: asError(thrown) },
        'an object cannot be read',
      )
      return []
    }
  }
}
