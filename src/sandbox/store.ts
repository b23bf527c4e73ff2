import { freeze } from './json.ts'
import type { KubeObject, ResourceName, StoreEvent } from './objects.ts'

/** A change with its place in the history and the object before it. */
export type Change = StoreEvent & { readonly version: number; readonly previous?: KubeObject }

type Listener = (change: Change) => void

/** Where an object is kept. */
export type Kept = { readonly resource: ResourceName; readonly object: KubeObject }

/** Objects of one resource by namespace and name, and the last changes. */
class Shelf {
  readonly namespaces = new Map<string, Map<string, KubeObject>>()
  readonly listeners = new Set<Listener>()
  history: Change[] = []
  /** Changes up to this version have left the history. */
  forgotten: number

  constructor(forgotten: number) {
    this.forgotten = forgotten
  }
}

/**
 * Objects with indexes, versions and a bounded history of changes. Everything in it is frozen, so nobody can change
 * an object but by putting another in its place; every change calls the listeners in order, before the write returns.
 */
export class Store {
  readonly #shelves = new Map<ResourceName, Shelf>()
  readonly #byUid = new Map<string, Kept>()
  readonly #byOwner = new Map<string, Set<string>>()
  readonly #listeners = new Set<Listener>()
  readonly #texts = new WeakMap<KubeObject, string>()
  readonly #historyLimit: number
  #version = 1
  #forgotten = 0

  constructor(historyLimit: number) {
    this.#historyLimit = historyLimit
  }

  /** The version of the last write. */
  get version(): number {
    return this.#version
  }

  /** The object of that name; `namespace` is empty for cluster-scoped ones. */
  get(resource: ResourceName, namespace: string, name: string): KubeObject | undefined {
    return this.#shelves.get(resource)?.namespaces.get(namespace)?.get(name)
  }

  /** All objects, or those of a namespace; in no order. */
  list(resource: ResourceName, namespace?: string): readonly KubeObject[] {
    const { namespaces } = this.#shelf(resource)
    if (namespace !== undefined) return [...(namespaces.get(namespace)?.values() ?? [])]
    return [...namespaces.values()].flatMap((names) => [...names.values()])
  }

  /** The object of that uid. */
  byUid(uid: string): Kept | undefined {
    return this.#byUid.get(uid)
  }

  /** The objects that name this uid as an owner. */
  ownedBy(uid: string): readonly Kept[] {
    return [...(this.#byOwner.get(uid) ?? [])].flatMap((owned) => this.#byUid.get(owned) ?? [])
  }

  /** The object's JSON text, made once. */
  text(object: KubeObject): string {
    const text = this.#texts.get(object) ?? JSON.stringify(object)
    this.#texts.set(object, text)
    return text
  }

  /** Keeps an object under the next version and freezes it; takes the place of the one of its name. */
  put(resource: ResourceName, draft: KubeObject): KubeObject {
    const { name, namespace = '', uid = '', ownerReferences = [] } = draft.metadata
    const { namespaces } = this.#shelf(resource)
    draft.metadata.resourceVersion = String(++this.#version)
    const object = freeze(draft)
    const previous = this.#take(resource, object)
    entry(namespaces, namespace, () => new Map<string, KubeObject>()).set(name, object)
    this.#byUid.set(uid, { resource, object })
    for (const owner of ownerReferences) entry(this.#byOwner, owner.uid, () => new Set<string>()).add(uid)
    this.#announce({ type: previous === undefined ? 'ADDED' : 'MODIFIED', resource, object, ...(previous && { previous }) })
    return object
  }

  /** Removes an object; a no-op where it is gone. */
  remove(resource: ResourceName, gone: KubeObject): void {
    const previous = this.#take(resource, gone)
    if (previous === undefined) return
    const resourceVersion = String(++this.#version)
    const object = freeze({ ...previous, metadata: { ...previous.metadata, resourceVersion } })
    this.#announce({ type: 'DELETED', resource, object, previous })
  }

  /** The changes after a version; undefined when some of them have left the history. */
  since(resource: ResourceName, version: number): readonly Change[] | undefined {
    const shelf = this.#shelf(resource)
    return version < shelf.forgotten ? undefined : shelf.history.filter((change) => change.version > version)
  }

  /** Forgets the history: whoever resumes from before this moment is told that the version has expired. */
  compact(): void {
    this.#forgotten = this.#version
    for (const shelf of this.#shelves.values()) Object.assign(shelf, { forgotten: this.#version, history: [] })
  }

  /** Calls back after every change, of one resource or of all; returns the way to stop it. */
  subscribe(listener: Listener, resource?: ResourceName): () => void {
    const listeners = resource === undefined ? this.#listeners : this.#shelf(resource).listeners
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  #shelf(resource: ResourceName): Shelf {
    return entry(this.#shelves, resource, () => new Shelf(this.#forgotten))
  }

  #announce(what: Omit<Change, 'version'>): void {
    const [shelf, change] = [this.#shelf(what.resource), { ...what, version: this.#version }]
    shelf.history.push(change)
    if (shelf.history.length > 2 * this.#historyLimit) {
      const gone = shelf.history.splice(0, shelf.history.length - this.#historyLimit)
      shelf.forgotten = gone.at(-1)?.version ?? shelf.forgotten
    }
    for (const listener of [...shelf.listeners, ...this.#listeners]) listener(change)
  }

  /** Takes what is kept under an object's name out of every index. */
  #take(resource: ResourceName, { metadata: { namespace = '', name } }: KubeObject): KubeObject | undefined {
    const names = this.#shelf(resource).namespaces.get(namespace)
    const object = names?.get(name)
    names?.delete(name)
    const { uid = '', ownerReferences = [] } = object?.metadata ?? {}
    this.#byUid.delete(uid)
    for (const owner of ownerReferences) this.#byOwner.get(owner.uid)?.delete(uid)
    return object
  }
}

const entry = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const found = map.get(key) ?? make()
  map.set(key, found)
  return found
}
