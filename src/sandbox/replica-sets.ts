import { fieldsAt, numberAt, type Fields } from './json.ts'
import { controllerOf, controllerReference, type ControllerParts } from './garbage.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { isReady } from './kubelet.ts'
import type { Change } from './store.ts'

/** Where ReplicaSets are kept. */
export const replicaSets: ResourceName = 'replicasets.apps'

/** Counts with the zeros left out, as the API server writes them. */
export const counts = (values: Readonly<Record<string, number>>): Fields =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0))

/** Keeps as many pods of each ReplicaSet as it asks for. */
export class ReplicaSets {
  readonly #parts: ControllerParts

  constructor(parts: ControllerParts) {
    this.#parts = parts
    parts.store.subscribe((change) => this.#seen(change))
  }

  #seen({ resource, object }: Change): void {
    const uid = resource === replicaSets ? (object.metadata.uid ?? '') : resource === 'pods' ? controllerOf(object) : ''
    if (uid !== '') this.#parts.turns.ask(`replicaset ${uid}`, () => this.#reconcile(uid))
  }

  #podsOf(uid: string): readonly KubeObject[] {
    const owned = this.#parts.store.ownedBy(uid).filter(({ resource }) => resource === 'pods')
    return owned.map(({ object }) => object).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }

  #reconcile(uid: string): void {
    const { store, writes } = this.#parts
    const kept = store.byUid(uid)
    if (kept?.resource !== replicaSets || kept.object.metadata.deletionTimestamp !== undefined) return
    const set = kept.object
    const pods = this.#podsOf(uid)
    const missing = numberAt(set, ['spec', 'replicas'], 1) - pods.length
    for (let made = 0; made < missing; made++) writes.make('pods', set.metadata.namespace ?? '', podOf(set))
    for (const pod of pods.toSorted(expendable).slice(0, Math.max(0, -missing))) writes.remove('pods', pod)
    const left = this.#podsOf(uid)
    const ready = left.filter(isReady).length
    const filled = counts({ fullyLabeledReplicas: left.length, readyReplicas: ready, availableReplicas: ready })
    writes.commit(replicaSets, set, {
      ...set,
      status: { replicas: left.length, observedGeneration: set.metadata.generation ?? 1, ...filled },
    })
  }
}

const podOf = (set: KubeObject): Fields => {
  const { labels, annotations } = fieldsAt(set, 'spec', 'template', 'metadata')
  return {
    metadata: { generateName: `${set.metadata.name}-`, labels, annotations, ownerReferences: [controllerReference(set)] },
    spec: fieldsAt(set, 'spec', 'template', 'spec'),
  }
}

/** Pods that are not ready go first, then the youngest. */
const expendable = (a: KubeObject, b: KubeObject): number => {
  if (isReady(a) !== isReady(b)) return isReady(a) ? 1 : -1
  const age = (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '')
  return age === 0 ? a.metadata.name.localeCompare(b.metadata.name) : age
}
