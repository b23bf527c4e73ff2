import { asError } from './failure.ts'
import type { Log } from './log.ts'
import { type KubeObject, keyOf, splitKey } from './object.ts'

/**
 * Told of every change: both where an object changed, one where it came or went. Another uid under the same key is a
 * going and a coming.
 */
export type ChangeListener<T> = (next: T | undefined, previous: T | undefined) => void

/** The last known state of some objects, to be read by anybody. What it hands out is frozen to the ground. */
export type Store<T extends KubeObject = KubeObject> = {
  readonly get: (key: string) => T | undefined
  readonly list: () => readonly T[]
  /** The objects whose index of that name yields `value`; throws for an index that was never defined. */
  readonly by: (index: string, value: string) => readonly T[]
  /** Calls back after every change, once the whole of it is readable; returns the way to stop that. */
  readonly onChange: (listener: ChangeListener<T>) => () => void
}

/** The other side of a store, for whoever fills it. */
export type StoreWriter<T extends KubeObject = KubeObject> = {
  readonly set: (object: T) => void
  readonly remove: (key: string) => void
  /** Makes `objects` the whole content, or that of one namespace; only differences are told to listeners. */
  readonly replace: (objects: Iterable<T>, namespace?: string) => void
}

/** The values under which an index files an object; one that throws files it nowhere. */
export type IndexFunction<T> = (object: T) => readonly string[]

/** What a store is made of; a listener that throws is logged and stops nobody else. */
export type StoreOptions<T> = {
  readonly log: Log
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>
}

type Change<T> = readonly [next: T | undefined, previous: T | undefined]

/** An empty store and its writer. */
export const createStore = <T extends KubeObject = KubeObject>(
  options: StoreOptions<T>,
): { readonly store: Store<T>; readonly writer: StoreWriter<T> } => {
  const objects = new Map<string, T>()
  const indexes = new Map(Object.entries(options.indexes ?? {}).map(([name, values]) => [name, new Index(values, options.log)]))
  const listeners = new Set<ChangeListener<T>>()

  const swap = (key: string, next: T | undefined): readonly Change<T>[] => {
    const previous = objects.get(key)
    if (next === undefined) objects.delete(key)
    else objects.set(key, deepFreeze(next))
    for (const index of indexes.values()) index.swap(key, next, previous)
    return changesBetween(next, previous)
  }
  const tell = (changes: readonly Change<T>[]) => {
    for (const [next, previous] of changes) {
      for (const listener of listeners) callSafely(options.log, listener, next, previous)
    }
  }
  return {
    store: {
      get: (key) => objects.get(key),
      list: () => [...objects.values()],
      by: (name, value) => {
        const index = indexes.get(name)
        if (index === undefined) throw new Error(`this store has no index "${name}"`)
        return index.keys(value).flatMap((key) => objects.get(key) ?? [])
      },
      onChange: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    },
    writer: {
      set: (object) => tell(swap(keyOf(object), object)),
      remove: (key) => tell(swap(key, undefined)),
      replace: (items, namespace) => {
        const incoming = new Map([...items].map((object) => [keyOf(object), object]))
        const gone = [...objects.keys()].filter((key) => !incoming.has(key) && (namespace === undefined || splitKey(key).namespace === namespace))
        tell([...gone.flatMap((key) => swap(key, undefined)), ...[...incoming].flatMap(([key, object]) => swap(key, object))])
      },
    },
  }
}

class Index<T> {
  readonly #indexFunction: IndexFunction<T>
  readonly #log: Log
  readonly #keys = new Map<string, Set<string>>()

  constructor(indexFunction: IndexFunction<T>, log: Log) {
    this.#indexFunction = indexFunction
    this.#log = log
  }

  keys(value: string): readonly string[] {
    return [...(this.#keys.get(value) ?? [])]
  }

  swap(key: string, next: T | undefined, previous: T | undefined): void {
    for (const value of this.#values(previous)) this.#forget(value, key)
    for (const value of this.#values(next)) {
      const keys = this.#keys.get(value)
      if (keys === undefined) this.#keys.set(value, new Set([key]))
      else keys.add(key)
    }
  }

  #values(object: T | undefined): readonly string[] {
    try {
      return object === undefined ? [] : this.#indexFunction(object)
    } catch (thrown) {
      this.#log.error({ err: asError(thrown) }, 'an index function failed: the object is left out of that index')
      return []
    }
  }

  #forget(value: string, key: string): void {
    const keys = this.#keys.get(value)
    keys?.delete(key)
    if (keys?.size === 0) this.#keys.delete(value)
  }
}

const changesBetween = <T extends KubeObject>(next: T | undefined, previous: T | undefined): readonly Change<T>[] => {
  if (next === undefined || previous === undefined) return next === previous ? [] : [[next, previous]]
  if (next.metadata.uid !== previous.metadata.uid)
    return [
      [undefined, previous],
      [next, undefined],
    ]
  return next.metadata.resourceVersion === previous.metadata.resourceVersion ? [] : [[next, previous]]
}

const callSafely = <T>(log: Log, listener: ChangeListener<T>, next: T | undefined, previous: T | undefined): void => {
  try {
    listener(next, previous)
  } catch (thrown) {
    log.error({ err: asError(thrown) }, 'a change listener failed')
  }
}

const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}
