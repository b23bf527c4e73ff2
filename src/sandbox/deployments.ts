import { createHash } from 'node:crypto'
import { condition, controllerOf, controllerReference, counts, type ControllerParts } from './controllers.ts'
import { at, canonical, clone, fieldsAt, listAt, numberAt, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'
import { replicaSets } from './replica-sets.ts'

const deployments = 'deployments.apps'
const hashLabel = 'pod-template-hash'

const letters = 'bcdfghjklmnpqrstvwxz2456789'

const templateHash = (template: unknown): string => {
  const bytes = [...createHash('sha256').update(canonical(template)).digest().subarray(0, 10)]
  return bytes.map((byte) => letters[byte % letters.length]).join('')
}

const wantedBy = (object: KubeObject): number => numberAt(object, 'spec', 'replicas')
const total = (sets: readonly KubeObject[], field: string): number =>
  sets.reduce((sum, set) => sum + numberAt(set, 'status', field), 0)

/** Runs each Deployment as one ReplicaSet per template: the new one comes up first, then the old ones go down. */
export const runDeployments = (parts: ControllerParts): void => {
  parts.store.subscribe(({ resource, object }) => {
    const uid = resource === deployments ? (object.metadata.uid ?? '') : resource === replicaSets ? controllerOf(object) : ''
    if (uid !== '') parts.turns.ask(`deployment ${uid}`, () => reconcile(parts, uid))
  })
}

const setsOf = ({ store }: ControllerParts, uid: string): readonly KubeObject[] =>
  store.ownedBy(uid).flatMap(({ resource, object }) => (resource === replicaSets ? [object] : []))

const reconcile = (parts: ControllerParts, uid: string): void => {
  const { store, writes } = parts
  const kept = store.byUid(uid)
  if (kept?.resource !== deployments || kept.object.metadata.deletionTimestamp !== undefined) return
  const deployment = kept.object
  const hash = templateHash(fieldsAt(deployment, 'spec', 'template'))
  const isCurrent = (set: KubeObject): boolean => set.metadata.labels?.[hashLabel] === hash
  const current = setsOf(parts, uid).find(isCurrent)
  if (current === undefined) writes.make(replicaSets, deployment.metadata.namespace ?? '', setOf(deployment, hash))
  else {
    scale(parts, current, wantedBy(deployment))
    let spare = Math.max(0, wantedBy(deployment) - numberAt(current, 'status', 'readyReplicas'))
    for (const set of setsOf(parts, uid).filter((each) => !isCurrent(each))) {
      const stays = Math.min(wantedBy(set), spare)
      spare -= stays
      scale(parts, set, stays)
    }
  }
  const sets = setsOf(parts, uid)
  const status = statusOf(deployment, sets, sets.filter(isCurrent), writes.now())
  writes.commit(deployments, deployment, { ...deployment, status })
}

const scale = ({ writes }: ControllerParts, set: KubeObject, replicas: number): void => {
  if (wantedBy(set) !== replicas) writes.commit(replicaSets, set, { ...set, spec: { ...fieldsAt(set, 'spec'), replicas } })
}

const setOf = (deployment: KubeObject, hash: string): Fields => {
  const template = clone(fieldsAt(deployment, 'spec', 'template'))
  const labels = { ...fieldsAt(template, 'metadata', 'labels'), [hashLabel]: hash }
  const selector = fieldsAt(deployment, 'spec', 'selector')
  const ownerReferences = [controllerReference(deployment)]
  return {
    metadata: { name: `${deployment.metadata.name}-${hash}`, labels, ownerReferences },
    spec: {
      replicas: wantedBy(deployment),
      selector: { ...selector, matchLabels: { ...fieldsAt(selector, 'matchLabels'), [hashLabel]: hash } },
      template: { ...template, metadata: { ...fieldsAt(template, 'metadata'), labels } },
    },
  }
}

const statusOf = (deployment: KubeObject, sets: readonly KubeObject[], current: readonly KubeObject[], now: string): Fields => {
  const wanted = wantedBy(deployment)
  const [replicas, updated, available] = [total(sets, 'replicas'), total(current, 'replicas'), total(sets, 'availableReplicas')]
  const isAvailable = available >= wanted - mayBeMissing(deployment)
  const isComplete = [replicas, updated, available].every((number) => number === wanted)
  const known = listAt(deployment, 'status', 'conditions')
  const timed = (type: string, status: string, reason: string): Fields => {
    const before = known.find((each) => at(each, 'type') === type && at(each, 'reason') === reason)
    return { ...condition(known, { type, status, reason }, now), lastUpdateTime: at(before, 'lastUpdateTime') ?? now }
  }
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...counts({ replicas, updatedReplicas: updated, readyReplicas: total(sets, 'readyReplicas'), availableReplicas: available }),
    ...counts({ unavailableReplicas: Math.max(0, wanted - available) }),
    conditions: [
      timed('Available', isAvailable ? 'True' : 'False', isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable'),
      ...current.flatMap((set) => listAt(set, 'status', 'conditions').filter((each) => at(each, 'type') === 'ReplicaFailure')),
      timed('Progressing', 'True', isComplete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated'),
    ],
  }
}

const mayBeMissing = (deployment: KubeObject): number => {
  const limit = at(deployment, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable') ?? 0
  return typeof limit === 'string' ? Math.floor((Number.parseInt(limit, 10) / 100) * wantedBy(deployment)) : Number(limit)
}
