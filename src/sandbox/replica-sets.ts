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

  #reconcile(uid: string): void {
    const { store, kinds, writes } = this.#parts
    const kept = store.byUid(uid)
    if (kept?.resource !== replicaSets || kept.object.metadata.deletionTimestamp !== undefined) return
    const set = kept.object
    const pods = store.ownedBy(uid).flatMap(({ resource, object }) => (resource === 'pods' && object.metadata.deletionTimestamp === undefined ? [object] : []))
    const missing = numberAt(set, ['spec', 'replicas'], 1) - pods.length
    for (let made = 0; made < missing; made++) this.#createPod(set)
    for (const pod of pods.toSorted(expendable).slice(0, Math.max(0, -missing))) this.#remove(pod)
    const kind = kinds.of(replicaSets)
    const current = store.byUid(uid)?.object
    if (kind === undefined || current === undefined) return
    const left = store.ownedBy(uid).filter(({ resource, object }) => resource === 'pods' && object.metadata.deletionTimestamp === undefined)
    const ready = left.filter(({ object }) => isReady(object)).length
    const replicas = { replicas: left.length, observedGeneration: current.metadata.generation ?? 1 }
    const status = { ...replicas, ...counts({ fullyLabeledReplicas: left.length, readyReplicas: ready, availableReplicas: ready }) }
    writes.commit(kind, current, { ...current, status })
  }

  #createPod(set: KubeObject): void {
    const { kinds, writes } = this.#parts
    const endpoint = kinds.endpoint('', 'v1', 'pods')
    const { name, namespace = '', deletionTimestamp } = set.metadata
    const home = this.#parts.store.get('namespaces', '', namespace)
    if (endpoint === undefined || deletionTimestamp !== undefined || home?.metadata.deletionTimestamp !== undefined) return
    const { labels, annotations } = fieldsAt(set, 'spec', 'template', 'metadata')
    const metadata = { generateName: `${name}-`, labels, annotations, ownerReferences: [controllerReference(set)] }
    writes.create(endpoint, namespace, { metadata, spec: fieldsAt(set, 'spec', 'template', 'spec') })
  }

  #remove(pod: KubeObject): void {
    const kind = this.#parts.kinds.of('pods')
    if (kind !== undefined) this.#parts.writes.remove(kind, pod)
  }
}

/** Pods that are not ready go first, then the youngest. */
const expendable = (a: KubeObject, b: KubeObject): number => {
  if (isReady(a) !== isReady(b)) return isReady(a) ? 1 : -1
  const age = (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '')
  return age === 0 ? a.metadata.name.localeCompare(b.metadata.name) : age
}
