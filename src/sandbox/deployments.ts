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
  [...createHash('sha256').update(canonical(template)).digest().subarray(0, 10)]
    .map((byte) => letters[byte % letters.length])
    .join('')

const revisionOf = (set: KubeObject): number => Number(set.metadata.annotations?.[revisionAnnotation] ?? 0)
const wantedBy = (object: KubeObject): number => numberAt(object, ['spec', 'replicas'], 1)
const total = (sets: readonly KubeObject[], field: string): number =>
  sets.reduce((sum, set) => sum + numberAt(set, ['status', field]), 0)

/** Runs each Deployment as one ReplicaSet per template: the new one comes up first, then the old ones go down. */
export class Deployments {
  readonly #parts: ControllerParts
  readonly #clock: Clock
  /** What ends the wait for the deadline of a rollout, by uid. */
  readonly #waits = new Map<string, AbortController>()

  constructor(parts: ControllerParts, clock: Clock) {
    this.#parts = parts
    this.#clock = clock
    parts.store.subscribe((change) => this.#seen(change))
  }

  /** Ends all waits. */
  stop(): void {
    for (const uid of this.#waits.keys()) this.#forget(uid)
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
    if (kept?.resource !== deployments || kept.object.metadata.deletionTimestamp !== undefined) return this.#forget(uid)
    const deployment = kept.object
    const hash = templateHash(fieldsAt(deployment, 'spec', 'template'))
    const paused = fieldsAt(deployment, 'spec')['paused'] === true
    const sets = this.#sets(uid)
    const current = sets.find((set) => set.metadata.labels?.[hashLabel] === hash) ?? (paused ? sets[0] : undefined)
    if (current === undefined && !paused) this.#createSet(deployment, hash, sets)
    else if (current !== undefined)
      this.#roll(
        deployment,
        current,
        sets.filter((set) => set !== current),
      )
    this.#report(uid, hash)
  }

  #createSet(deployment: KubeObject, hash: string, others: readonly KubeObject[]): void {
    const { name, namespace = '' } = deployment.metadata
    const template = clone(fieldsAt(deployment, 'spec', 'template'))
    const labels = { ...fieldsAt(template, 'metadata', 'labels'), [hashLabel]: hash }
    const selector = fieldsAt(deployment, 'spec', 'selector')
    const annotations = { [revisionAnnotation]: String(Math.max(0, ...others.map(revisionOf)) + 1) }
    const recreated = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate' && others.some((set) => wantedBy(set) > 0)
    this.#parts.writes.make(replicaSets, namespace, {
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
    const kept = numberAt(deployment, ['spec', 'revisionHistoryLimit'], 10)
    for (const set of idle.slice(kept)) this.#parts.writes.remove(replicaSets, set)
  }

  #scale(set: KubeObject, replicas: number): void {
    if (wantedBy(set) !== replicas)
      this.#parts.writes.commit(replicaSets, set, { ...set, spec: { ...fieldsAt(set, 'spec'), replicas } })
  }

  #annotate(set: KubeObject, revision: number): void {
    const { writes, store } = this.#parts
    const live = store.byUid(set.metadata.uid ?? '')?.object ?? set
    const annotations = { ...live.metadata.annotations, [revisionAnnotation]: String(revision) }
    writes.commit(replicaSets, live, { ...live, metadata: { ...live.metadata, annotations } })
  }

  #report(uid: string, hash: string): void {
    const { writes, store } = this.#parts
    const deployment = store.byUid(uid)?.object
    if (deployment === undefined) return
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
    writes.commit(deployments, deployment, {
      ...deployment,
      metadata: { ...deployment.metadata, annotations },
      status: { ...status, conditions },
    })
  }

  #available(deployment: KubeObject, available: number): Fields {
    const enough = available >= wantedBy(deployment) - mayBeMissing(deployment)
    const wanted = enough
      ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
      : {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        }
    return this.#timed(deployment, wanted, false)
  }

  #progressing(deployment: KubeObject, status: Fields): Fields {
    const { name, uid = '' } = deployment.metadata
    const before = fieldsAt(deployment, 'status')
    const known = conditionOf(deployment, 'Progressing')
    const complete = ['replicas', 'updatedReplicas', 'availableReplicas'].every(
      (field) => (status[field] ?? 0) === wantedBy(deployment),
    )
    const moved = ['replicas', 'updatedReplicas', 'readyReplicas', 'observedGeneration'].some(
      (field) => (status[field] ?? 0) !== (before[field] ?? 0),
    )
    const deadlineMs = numberAt(deployment, ['spec', 'progressDeadlineSeconds'], 600) * 1000
    const leftMs = moved ? deadlineMs : Date.parse(textAt(known, 'lastUpdateTime')) + deadlineMs - this.#clock.now()
    const late = !moved && (leftMs <= 0 || known['reason'] === 'ProgressDeadlineExceeded')
    if (complete || late) this.#forget(uid)
    else this.#wakeIn(uid, leftMs)
    const [reason, said] = complete
      ? ['NewReplicaSetAvailable', 'has successfully progressed']
      : late
        ? ['ProgressDeadlineExceeded', 'has timed out progressing']
        : ['ReplicaSetUpdated', 'is progressing']
    const wanted = {
      type: 'Progressing',
      status: late && !complete ? 'False' : 'True',
      reason,
      message: `Deployment "${name}" ${said}.`,
    }
    return this.#timed(deployment, wanted, moved)
  }

  #timed(deployment: KubeObject, wanted: Fields, moved: boolean): Fields {
    const now = timestamp(this.#clock.now())
    const before = conditionOf(deployment, textAt(wanted, 'type'))
    const changed = moved || before['reason'] !== wanted['reason']
    return { ...condition([before], wanted, now), lastUpdateTime: changed ? now : before['lastUpdateTime'] }
  }

  #wakeIn(uid: string, delayMs: number): void {
    if (this.#waits.has(uid) || delayMs > longestDeadlineMs) return
    const wait = new AbortController()
    this.#waits.set(uid, wait)
    const due = () => {
      this.#waits.delete(uid)
      this.#ask(uid)
    }
    this.#clock.sleep(delayMs, wait.signal).then(due, () => undefined)
  }

  #forget(uid: string): void {
    this.#waits.get(uid)?.abort(new Error('the rollout has ended'))
    this.#waits.delete(uid)
  }
}

/** Deadlines beyond a day mean "never". */
const longestDeadlineMs = 86_400_000

const conditionOf = (object: KubeObject, type: string): Fields =>
  listAt(object, 'status', 'conditions')
    .filter(isFields)
    .find((known) => known['type'] === type) ?? {}

const mayBeMissing = (deployment: KubeObject): number => {
  const limit = at(deployment, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable') ?? 0
  return typeof limit === 'string' ? Math.floor((Number.parseInt(limit, 10) / 100) * wantedBy(deployment)) : Number(limit)
}
