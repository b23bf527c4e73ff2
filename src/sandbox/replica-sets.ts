import { condition, controllerOf, controllerReference, counts, type ControllerParts } from './controllers.ts'
import { fieldsAt, listAt, numberAt, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'
import { roomFor } from './pod-troubles.ts'
import { isReady } from './route-pods.ts'

/** Where ReplicaSets are kept. */
export const replicaSets = 'replicasets.apps'

/** Keeps as many pods of each ReplicaSet as it asks for. */
export const runReplicaSets = (parts: ControllerParts): void => {
  const ask = (uid: string): void => parts.turns.ask(`replicaset ${uid}`, () => reconcile(parts, uid))
  parts.store.subscribe(({ object: { metadata } }) => {
    parts.turns.ask(`quota ${metadata.uid ?? ''}`, () => enforce(parts, metadata.uid ?? ''))
    // As the real one does in time, by trying again.
    parts.store.list(replicaSets, metadata.namespace).forEach((set) => ask(set.metadata.uid ?? ''))
  }, 'resourcequotas')
  parts.store.subscribe(({ resource, object }) => {
    const uid = resource === replicaSets ? (object.metadata.uid ?? '') : resource === 'pods' ? controllerOf(object) : ''
    if (uid !== '') ask(uid)
  })
}

/** A quota is in force once its status repeats what it says. */
const enforce = ({ store, writes }: ControllerParts, uid: string): void => {
  const kept = store.byUid(uid)
  if (kept !== undefined) writes.commit('resourcequotas', kept.object, { ...kept.object, status: { hard: fieldsAt(kept.object, 'spec', 'hard') } })
}

const podsOf = ({ store }: ControllerParts, uid: string): readonly KubeObject[] => {
  const owned = store.ownedBy(uid).filter(({ resource }) => resource === 'pods')
  return owned.map(({ object }) => object).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

const reconcile = (parts: ControllerParts, uid: string): void => {
  const { store, writes } = parts
  const kept = store.byUid(uid)
  if (kept?.resource !== replicaSets || kept.object.metadata.deletionTimestamp !== undefined) return
  const set = kept.object
  const pods = podsOf(parts, uid)
  const missing = numberAt(set, 'spec', 'replicas') - pods.length
  const { namespace } = set.metadata
  const room = roomFor(store.list('resourcequotas', namespace), store.list('pods', namespace).length)
  for (let made = 0; made < Math.min(missing, room.pods); made++) writes.make('pods', set.metadata.namespace ?? '', podOf(set))
  for (const pod of pods.toSorted(expendable).slice(0, Math.max(0, -missing))) writes.remove('pods', pod)
  const left = podsOf(parts, uid)
  const ready = left.filter(isReady).length
  const filled = counts({ fullyLabeledReplicas: left.length, readyReplicas: ready, availableReplicas: ready })
  const message = `pods "${set.metadata.name}-" is forbidden: ${room.refusal}`
  const failure = condition(listAt(set, 'status', 'conditions'), { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }, writes.now())
  const conditions = missing > room.pods ? { conditions: [failure] } : {}
  const status = { replicas: left.length, observedGeneration: set.metadata.generation ?? 1, ...filled, ...conditions }
  writes.commit(replicaSets, set, { ...set, status })
}

const podOf = (set: KubeObject): Fields => {
  const { labels, annotations } = fieldsAt(set, 'spec', 'template', 'metadata')
  const ownerReferences = [controllerReference(set)]
  const metadata = { generateName: `${set.metadata.name}-`, labels, annotations, ownerReferences }
  return { metadata, spec: fieldsAt(set, 'spec', 'template', 'spec') }
}

/** Pods that are not ready go first, then the youngest. */
const expendable = (a: KubeObject, b: KubeObject): number => {
  if (isReady(a) !== isReady(b)) return isReady(a) ? 1 : -1
  const age = (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '')
  return age === 0 ? a.metadata.name.localeCompare(b.metadata.name) : age
}
