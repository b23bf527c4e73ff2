import { freeze } from './json.ts'
import type { KubeObject, ResourceName, StoreEvent } from './objects.ts'

/** A change with its place in the history and the object before it. */
export type Change = StoreEvent & { readonly version: number; readonly previous?: KubeObject }

type Listener = (change: Change) => void

/** Where an object is kept. */
export type Kept = { readonly resource: ResourceName; readonly object: KubeObject }

/** Objects of one resource: by namespace and name, by namespace and label, and the last changes. */
class Shelf {
  readonly namespaces = new Map<string, Map<string, KubeObject>>()
  readonly labels = new Map<string, Set<string>>()
  readonly listeners = new Map<string, Set<Listener>>()
  history: Change[] = []
  /** Changes up to this version have left the history. */
  forgotten = 0
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

  /** All objects, or those of a namespace, or those of a namespace with a label; in no order. */
  list(resource: ResourceName, namespace?: string, label?: readonly [string, string]): readonly KubeObject[] {
    const shelf = this.#shelves.get(resource)
    if (shelf === undefined) return []
    if (namespace === undefined) return [...shelf.namespaces.values()].flatMap((names) => [...names.values()])
    const names = shelf.namespaces.get(namespace) ?? new Map<string, KubeObject>()
    if (label === undefined) return [...names.values()]
    const labelled = shelf.labels.get(labelKey(namespace, ...label)) ?? []
    return [...labelled].flatMap((name) => names.get(name) ?? [])
  }

  /** Whether any object of a resource is there, in a namespace or at all. */
  holds(resource: ResourceName, namespace?: string): boolean {
    const namespaces = this.#shelves.get(resource)?.namespaces
    return namespace === undefined ? (namespaces?.size ?? 0) > 0 : (namespaces?.get(namespace)?.size ?? 0) > 0
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
    const known = this.#texts.get(object)
    if (known !== undefined) return known
    const text = JSON.stringify(object)
    this.#texts.set(object, text)
    return text
  }

  /** Keeps an object under the next version and freezes it; takes the place of the one of its name. */
  put(resource: ResourceName, draft: KubeObject): KubeObject {
    const { name, namespace = '' } = draft.metadata
    const shelf = this.#shelf(resource)
    const previous = shelf.namespaces.get(namespace)?.get(name)
    draft.metadata.resourceVersion = String(++this.#version)
    const object = freeze(draft)
    if (previous !== undefined) this.#unindex(shelf, previous)
    this.#index(resource, shelf, object)
    this.#announce(shelf, {
      type: previous === undefined ? 'ADDED' : 'MODIFIED',
      resource,
      object,
      version: this.#version,
      ...(previous && { previous }),
    })
    return object
  }

  /** Removes an object; a no-op where it is gone. */
  remove(resource: ResourceName, { metadata }: KubeObject): void {
    const shelf = this.#shelf(resource)
    const previous = shelf.namespaces.get(metadata.namespace ?? '')?.get(metadata.name)
    if (previous === undefined) return
    this.#unindex(shelf, previous)
    const version = ++this.#version
    const object = freeze({ ...previous, metadata: { ...previous.metadata, resourceVersion: String(version) } })
    this.#announce(shelf, { type: 'DELETED', resource, object, version, previous })
  }

  /** The changes after a version; undefined when some of them have left the history. */
  since(resource: ResourceName, version: number): readonly Change[] | undefined {
    const shelf = this.#shelf(resource)
    return version < shelf.forgotten ? undefined : shelf.history.filter((change) => change.version > version)
  }

  /** Forgets the history: whoever resumes from before this moment is told that the version has expired. */
  compact(): void {
    for (const shelf of this.#shelves.values()) {
      shelf.forgotten = this.#version
      shelf.history = []
    }
  }

  /** Calls back after every change of every resource; returns the way to stop it. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back after every change of one resource, in one namespace or (empty) in all; returns the way to stop it. */
  watch(resource: ResourceName, namespace: string, listener: Listener): () => void {
    const { listeners } = this.#shelf(resource)
    entry(listeners, namespace, () => new Set<Listener>()).add(listener)
    return () => listeners.get(namespace)?.delete(listener)
  }

  #shelf(resource: ResourceName): Shelf {
    return entry(this.#shelves, resource, () => new Shelf())
  }

  #announce(shelf: Shelf, change: Change): void {
    shelf.history.push(change)
    if (shelf.history.length > 2 * this.#historyLimit) {
      const gone = shelf.history.splice(0, shelf.history.length - this.#historyLimit)
      shelf.forgotten = gone.at(-1)?.version ?? shelf.forgotten
    }
    const namespace = change.object.metadata.namespace ?? ''
    const scopes = namespace === '' ? [''] : ['', namespace]
    for (const scope of scopes) for (const listener of shelf.listeners.get(scope) ?? []) listener(change)
    for (const listener of this.#listeners) listener(change)
  }

  #index(resource: ResourceName, shelf: Shelf, object: KubeObject): void {
    const { name, namespace = '', uid = '', labels = {}, ownerReferences = [] } = object.metadata
    entry(shelf.namespaces, namespace, () => new Map<string, KubeObject>()).set(name, object)
    this.#byUid.set(uid, { resource, object })
    for (const pair of Object.entries(labels))
      entry(shelf.labels, labelKey(namespace, ...pair), () => new Set<string>()).add(name)
    for (const owner of ownerReferences) entry(this.#byOwner, owner.uid, () => new Set<string>()).add(uid)
  }

  #unindex(shelf: Shelf, object: KubeObject): void {
    const { name, namespace = '', uid = '', labels = {}, ownerReferences = [] } = object.metadata
    const names = shelf.namespaces.get(namespace)
    names?.delete(name)
    if (names?.size === 0) shelf.namespaces.delete(namespace)
    this.#byUid.delete(uid)
    for (const pair of Object.entries(labels)) discard(shelf.labels, labelKey(namespace, ...pair), name)
    for (const owner of ownerReferences) discard(this.#byOwner, owner.uid, uid)
  }
}

const labelKey = (namespace: string, key: string, value: string): string => `${namespace} ${key}=${value}`

const entry = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

const discard = (map: Map<string, Set<string>>, key: string, member: string): void => {
  const members = map.get(key)
  members?.delete(member)
  if (members?.size === 0) map.delete(key)
}
