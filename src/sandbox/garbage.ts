import { crdFinalizer, kindOfCrd } from './crds.ts'
import { isFields, listAt, textAt } from './json.ts'
import type { Kinds } from './kinds.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import type { Change, Kept, Store } from './store.ts'
import type { Turns } from './turns.ts'
import type { Writes } from './writes.ts'

/** What every controller of the cluster works with. */
export type ControllerParts = { readonly store: Store; readonly kinds: Kinds; readonly writes: Writes; readonly turns: Turns }

const crds: ResourceName = 'customresourcedefinitions.apiextensions.k8s.io'

/** Deletes what has lost its owner, empties namespaces and kinds that are going away, and serves the kinds that CustomResourceDefinitions define. */
export class Garbage {
  readonly #parts: ControllerParts

  constructor(parts: ControllerParts) {
    this.#parts = parts
    parts.store.subscribe((change) => this.#seen(change))
  }

  #seen(change: Change): void {
    const { resource, object, type, previous } = change
    const { uid = '', ownerReferences = [] } = object.metadata
    if (resource === crds) this.#define(change)
    if (type === 'DELETED') this.#gone(change)
    else if (object.metadata.deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined) {
      this.#ask('empty', uid, (kept) => this.#empty(kept))
    } else if (type === 'ADDED' && ownerReferences.length > 0) this.#ask('reap', uid, (kept) => this.#reap(kept))
  }

  #define({ type, object }: Change): void {
    if (type === 'DELETED') this.#parts.kinds.remove(kindOfCrd(object))
    else this.#parts.kinds.define(kindOfCrd(object))
  }

  #ask(what: string, uid: string, work: (kept: Kept) => void): void {
    const { turns, store } = this.#parts
    turns.ask(`${what} ${uid}`, () => {
      const kept = store.byUid(uid)
      if (kept !== undefined) work(kept)
    })
  }

  #gone({ resource, object }: Change): void {
    const { store } = this.#parts
    const { uid = '', namespace = '', ownerReferences = [] } = object.metadata
    for (const { object: owned } of store.ownedBy(uid)) this.#ask('reap', owned.metadata.uid ?? '', (kept) => this.#reap(kept))
    const waiting = [
      store.get('namespaces', '', namespace),
      store.get(crds, '', resource),
      ...ownerReferences.map((owner) => store.byUid(owner.uid)?.object),
    ]
    for (const holder of waiting) {
      if (holder?.metadata.deletionTimestamp !== undefined)
        this.#ask('let go', holder.metadata.uid ?? '', (kept) => this.#letGo(kept))
    }
  }

  #reap(kept: Kept): void {
    const owners = kept.object.metadata.ownerReferences ?? []
    if (owners.length > 0 && owners.every((owner) => this.#parts.store.byUid(owner.uid) === undefined)) this.#remove(kept)
  }

  #remove({ resource, object }: Kept): void {
    this.#parts.writes.remove(resource, object)
  }

  #empty(kept: Kept): void {
    const { store } = this.#parts
    const { metadata } = kept.object
    const owned = store.ownedBy(metadata.uid ?? '')
    if (metadata.finalizers?.includes('foregroundDeletion') === true) for (const dependent of owned) this.#remove(dependent)
    if (metadata.finalizers?.includes('orphan') === true) for (const dependent of owned) this.#disown(dependent, metadata.uid)
    for (const [resource, namespace] of this.#contents(kept)) {
      for (const object of store.list(resource, namespace)) this.#remove({ resource, object })
    }
    this.#ask('let go', metadata.uid ?? '', (current) => this.#letGo(current))
  }

  #disown({ resource, object }: Kept, owner: string | undefined): void {
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner)
    this.#parts.writes.commit(resource, object, { ...object, metadata: { ...object.metadata, ownerReferences } })
  }

  /** What a namespace or a kind holds, by resource and namespace. */
  #contents({ resource, object }: Kept): readonly (readonly [ResourceName, string | undefined])[] {
    if (resource === crds) return [[object.metadata.name, undefined]]
    if (resource !== 'namespaces') return []
    return this.#parts.kinds.list().flatMap((kind) => (kind.namespaced ? [[kind.resource, object.metadata.name] as const] : []))
  }

  #letGo(kept: Kept): void {
    const { store, writes } = this.#parts
    const { resource, object } = kept
    if (this.#contents(kept).some(([held, namespace]) => store.holds(held, namespace))) return
    const finished = [
      crdFinalizer,
      'orphan',
      ...(store.ownedBy(object.metadata.uid ?? '').length === 0 ? ['foregroundDeletion'] : []),
    ]
    const finalizers = (object.metadata.finalizers ?? []).filter((finalizer) => !finished.includes(finalizer))
    const draft: KubeObject = { ...object, metadata: { ...object.metadata, finalizers } }
    writes.commit(resource, object, resource === 'namespaces' ? { ...draft, spec: { finalizers: [] } } : draft)
  }
}

/** The uid of the controller that owns an object; empty where there is none. */
export const controllerOf = (object: KubeObject): string => {
  const owner = listAt(object, 'metadata', 'ownerReferences').find(
    (reference) => isFields(reference) && reference['controller'] === true,
  )
  return textAt(owner, 'uid')
}

/** The reference that makes an object the property of a controller. */
export const controllerReference = ({
  apiVersion,
  kind,
  metadata,
}: KubeObject): NonNullable<KubeObject['metadata']['ownerReferences']>[number] & { blockOwnerDeletion: boolean } => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
})
