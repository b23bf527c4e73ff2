import type { ControllerParts } from './controllers.ts'
import { crdFinalizer, crds, kindOfCrd } from './crds.ts'
import type { ResourceName } from './objects.ts'
import type { Change, Kept } from './store.ts'

/**
 * Deletes what has lost its owner, empties namespaces and kinds that are going away, and serves the kinds that
 * CustomResourceDefinitions define.
 */
export const runGarbage = (parts: ControllerParts): void => {
  const { store, kinds, writes, turns } = parts
  const ask = (what: string, uid: string, work: (kept: Kept) => void): void =>
    turns.ask(`${what} ${uid}`, () => {
      const kept = store.byUid(uid)
      if (kept !== undefined) work(kept)
    })
  const reap = ({ resource, object }: Kept): void => {
    const { ownerReferences: owners = [] } = object.metadata
    const orphaned = owners.length > 0 && owners.every((owner) => store.byUid(owner.uid) === undefined)
    if (orphaned) writes.remove(resource, object)
  }
  /** What a namespace or a kind holds. */
  const contents = ({ resource, object: { metadata } }: Kept): readonly Kept[] => {
    const listed = (held: ResourceName, namespace?: string) =>
      store.list(held, namespace).map((each) => ({ resource: held, object: each }))
    if (resource === crds) return listed(metadata.name)
    const held = resource === 'namespaces' ? kinds.list().filter(({ namespaced }) => namespaced) : []
    return held.flatMap((kind) => listed(kind.resource, metadata.name))
  }
  const letGo = (kept: Kept): void => {
    const { resource, object } = kept
    if (contents(kept).length > 0) return
    const finalizers = object.metadata.finalizers?.filter((finalizer) => finalizer !== crdFinalizer)
    const metadata = { ...object.metadata, ...(finalizers && { finalizers }) }
    writes.commit(resource, object, { ...object, metadata, ...(resource === 'namespaces' && { spec: { finalizers: [] } }) })
  }
  const empty = (kept: Kept): void => {
    for (const { resource, object } of contents(kept)) writes.remove(resource, object)
    ask('let go', kept.object.metadata.uid ?? '', letGo)
  }
  const gone = ({ resource, object: { metadata } }: Change): void => {
    for (const { object } of store.ownedBy(metadata.uid ?? '')) ask('reap', object.metadata.uid ?? '', reap)
    for (const holder of [store.get('namespaces', '', metadata.namespace ?? ''), store.get(crds, '', resource)])
      if (holder?.metadata.deletionTimestamp !== undefined) ask('let go', holder.metadata.uid ?? '', letGo)
  }
  store.subscribe((change) => {
    const { resource, object, type, previous } = change
    const { uid = '', deletionTimestamp, ownerReferences = [] } = object.metadata
    if (resource === crds && type === 'DELETED') kinds.remove(kindOfCrd(object))
    else if (resource === crds) kinds.define(kindOfCrd(object))
    if (type === 'DELETED') gone(change)
    else if (deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined) ask('empty', uid, empty)
    else if (type === 'ADDED' && ownerReferences.length > 0) ask('reap', uid, reap)
  })
}
