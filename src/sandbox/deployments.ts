import { createHash } from 'node:crypto'
import type { Clock } from '../runtime/clock.ts'
import { controllerOf, controllerReference, type ControllerParts } from './garbage.ts'
import { at, canonical, clone, fieldsAt, isFields, listAt, numberAt, textAt, type Fields } from './json.ts'
import type { KubeObject, ResourceName } from './objects.ts'
import { condition } from './kubelet.ts'
import { counts, replicaSets } from './replica-sets.ts'
import type { Change } from './store.ts'
import { timestamp } from './writes.ts'

const deployments: ResourceName = 'deployments.apps'
const hashLabel = 'pod-template-hash'
const revisionAnnotation = 'deployment.kubernetes.io/revision'

const letters = 'bcdfghjklmnpqrstvwxz2456789'

const templateHash = (template: unknown): string =>
  [...createHash('sha256').update(canonical(template)).digest().subarray(0, 10)].map((byte) => letters[byte % letters.length]).join('')

const revisionOf = (set: KubeObject): number => Number(set.metadata.annotations?.[revisionAnnotation] ?? 0)
const wantedBy = (object: KubeObject): number => numberAt(object, ['spec', 'replicas'], 1)
const total = (sets: readonly KubeObject[], field: string): number => sets.reduce((sum, set) => sum + numberAt(set, ['status', field]), 0)

/** Runs each Deployment as one ReplicaSet per template: the new one comes up first, then the old ones go down. */
export class Deployments {
  readonly #parts: ControllerParts
  readonly #clock: Clock
  /** The next look at a rollout that does not progress, by uid: its wall-clock time. */
  readonly #deadlines = new Map<string, number>()

  constructor(parts: ControllerParts, clock: Clock) {
    this.#parts = parts
    this.#clock = clock
    parts.store.subscribe((change) => this.#seen(change))
  }

  #seen({ resource, object }: Change): void {
    const uid = resource === deployments ? (object.metadata.uid ?? '') : resource === replicaSets ? controllerOf(object) : ''
    if (uid !== '') this.#ask(uid)
  }

  #ask(uid: string): void {
    this.#parts.turns.ask(`deployment ${uid}`, () => this.#reconcile(uid))
  }

  #sets(uid: string): readonly KubeObject[] {
    const owned = this.#parts.store.ownedBy(uid).flatMap(({ resource, object }) => (resource === replicaSets ? [object] : []))
    return owned.toSorted((a, b) => revisionOf(b) - revisionOf(a))
  }

  #reconcile(uid: string): void {
    const kept = this.#parts.store.byUid(uid)
    if (kept?.resource !== deployments || kept.object.metadata.deletionTimestamp !== undefined) return
    const deployment = kept.object
    const hash = templateHash(fieldsAt(deployment, 'spec', 'template'))
    const paused = fieldsAt(deployment, 'spec')['paused'] === true
    const sets = this.#sets(uid)
    const current = sets.find((set) => set.metadata.labels?.[hashLabel] === hash) ?? (paused ? sets[0] : undefined)
    if (current === undefined && !paused) this.#createSet(deployment, hash, sets)
    else if (current !== undefined) this.#roll(deployment, current, sets.filter((set) => set !== current))
    this.#report(uid, hash)
  }

  #createSet(deployment: KubeObject, hash: string, others: readonly KubeObject[]): void {
    const { kinds, writes, store } = this.#parts
    const endpoint = kinds.endpoint('apps', 'v1', 'replicasets')
    const { name, namespace = '' } = deployment.metadata
    if (endpoint === undefined || store.get('namespaces', '', namespace)?.metadata.deletionTimestamp !== undefined) return
    const template = clone(fieldsAt(deployment, 'spec', 'template'))
    const labels = { ...fieldsAt(template, 'metadata', 'labels'), [hashLabel]: hash }
    const selector = fieldsAt(deployment, 'spec', 'selector')
    const annotations = { [revisionAnnotation]: String(Math.max(0, ...others.map(revisionOf)) + 1) }
    const recreated = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate' && others.some((set) => wantedBy(set) > 0)
    writes.create(endpoint, namespace, {
      metadata: { name: `${name}-${hash}`, labels, annotations, ownerReferences: [controllerReference(deployment)] },
      spec: {
        replicas: recreated ? 0 : wantedBy(deployment),
        selector: { ...selector, matchLabels: { ...fieldsAt(selector, 'matchLabels'), [hashLabel]: hash } },
        template: { ...template, metadata: { ...fieldsAt(template, 'metadata'), labels } },
      },
    })
  }

  #roll(deployment: KubeObject, current: KubeObject, older: readonly KubeObject[]): void {
    const wanted = wantedBy(deployment)
    const recreate = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate'
    this.#scale(current, recreate && total(older, 'replicas') > 0 ? wantedBy(current) : wanted)
    const newest = Math.max(...older.map(revisionOf), 0)
    if (revisionOf(current) < newest) this.#annotate(current, newest + 1)
    let spare = recreate ? 0 : Math.max(0, wanted - numberAt(current, ['status', 'readyReplicas']))
    for (const set of older) {
      const stays = Math.min(wantedBy(set), spare)
      spare -= stays
      this.#scale(set, stays)
    }
    const idle = older.filter((set) => wantedBy(set) === 0 && numberAt(set, ['status', 'replicas']) === 0)
    const kind = this.#parts.kinds.of(replicaSets)
    if (kind !== undefined) for (const set of idle.slice(numberAt(deployment, ['spec', 'revisionHistoryLimit'], 10))) this.#parts.writes.remove(kind, set)
  }

  #scale(set: KubeObject, replicas: number): void {
    const kind = this.#parts.kinds.of(replicaSets)
    if (kind === undefined || wantedBy(set) === replicas) return
    this.#parts.writes.commit(kind, set, { ...set, spec: { ...fieldsAt(set, 'spec'), replicas } })
  }

  #annotate(set: KubeObject, revision: number): void {
    const { kinds, writes, store } = this.#parts
    const kind = kinds.of(replicaSets)
    const live = store.byUid(set.metadata.uid ?? '')?.object
    if (kind === undefined || live === undefined) return
    const annotations = { ...live.metadata.annotations, [revisionAnnotation]: String(revision) }
    writes.commit(kind, live, { ...live, metadata: { ...live.metadata, annotations } })
  }

  #report(uid: string, hash: string): void {
    const { kinds, writes, store } = this.#parts
    const kind = kinds.of(deployments)
    const deployment = store.byUid(uid)?.object
    if (kind === undefined || deployment === undefined) return
    const sets = this.#sets(uid)
    const current = sets.find((set) => set.metadata.labels?.[hashLabel] === hash)
    const available = total(sets, 'availableReplicas')
    const status: Fields = {
      observedGeneration: deployment.metadata.generation ?? 1,
      ...counts({
        replicas: total(sets, 'replicas'),
        updatedReplicas: current === undefined ? 0 : total([current], 'replicas'),
        readyReplicas: total(sets, 'readyReplicas'),
        availableReplicas: available,
        unavailableReplicas: Math.max(0, wantedBy(deployment) - available),
      }),
    }
    const conditions = [this.#available(deployment, available), this.#progressing(deployment, status)]
    const revision = current?.metadata.annotations?.[revisionAnnotation]
    const annotations = { ...deployment.metadata.annotations, ...(revision !== undefined && { [revisionAnnotation]: revision }) }
    writes.commit(kind, deployment, { ...deployment, metadata: { ...deployment.metadata, annotations }, status: { ...status, conditions } })
  }

  #available(deployment: KubeObject, available: number): Fields {
    const enough = available >= wantedBy(deployment) - mayBeMissing(deployment)
    const wanted = enough
      ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
      : { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable', message: 'Deployment does not have minimum availability.' }
    return this.#timed(deployment, wanted, false)
  }

  #progressing(deployment: KubeObject, status: Fields): Fields {
    const { name, uid = '' } = deployment.metadata
    const wanted = wantedBy(deployment)
    const before = fieldsAt(deployment, 'status')
    const complete = ['replicas', 'updatedReplicas', 'availableReplicas'].every((field) => (status[field] ?? 0) === wanted)
    const moved = ['replicas', 'updatedReplicas', 'readyReplicas', 'observedGeneration'].some((field) => (status[field] ?? 0) !== (before[field] ?? 0))
    const deadlineMs = numberAt(deployment, ['spec', 'progressDeadlineSeconds'], 600) * 1000
    const known = conditionOf(deployment, 'Progressing')
    const late = !moved && this.#clock.now() - Date.parse(textAt(known, 'lastUpdateTime')) >= deadlineMs
    const of = (status: string, reason: string, message: string): Fields => ({ type: 'Progressing', status, reason, message })
    if (complete) return this.#timed(deployment, of('True', 'NewReplicaSetAvailable', `Deployment "${name}" has successfully progressed.`), moved)
    if (late) return this.#timed(deployment, of('False', 'ProgressDeadlineExceeded', `Deployment "${name}" has timed out progressing.`), false)
    this.#wakeAt(uid, deadlineMs)
    return this.#timed(deployment, of('True', 'ReplicaSetUpdated', `Deployment "${name}" is progressing.`), moved)
  }

  #timed(deployment: KubeObject, wanted: Fields, moved: boolean): Fields {
    const now = timestamp(this.#clock.now())
    const before = conditionOf(deployment, textAt(wanted, 'type'))
    const changed = moved || before['reason'] !== wanted['reason']
    return { ...condition([before], wanted, now), lastUpdateTime: changed ? now : before['lastUpdateTime'] }
  }

  #wakeAt(uid: string, delayMs: number): void {
    const due = this.#clock.now() + delayMs
    if (this.#deadlines.has(uid) || delayMs > longestDeadlineMs) return
    this.#deadlines.set(uid, due)
    void this.#clock.sleep(delayMs).then(() => {
      this.#deadlines.delete(uid)
      this.#ask(uid)
    })
  }
}

/** Deadlines beyond a day mean "never". */
const longestDeadlineMs = 86_400_000

const conditionOf = (object: KubeObject, type: string): Fields =>
  listAt(object, 'status', 'conditions').filter(isFields).find((known) => known['type'] === type) ?? {}

const mayBeMissing = (deployment: KubeObject): number => {
  const limit = at(deployment, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable') ?? 0
  return typeof limit === 'string' ? Math.floor((Number.parseInt(limit, 10) / 100) * wantedBy(deployment)) : Number(limit)
}
