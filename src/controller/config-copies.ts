import { copyName, MISSING } from '../canary/tracked-config.ts'
import { revisionLabel } from '../api/settings.ts'
import { isAlreadyExists } from '../kubernetes/errors.ts'
import { keyOf, type KubeObject, type NewObject } from '../runtime/object.ts'
import { TargetMovedError } from './commit-target.ts'
import { configResource, contentHash } from './config-content.ts'
import { configOf, LEFT_ALONE } from './revision-deployment.ts'
import { CANARY } from './stamps.ts'
import { replicasOf } from './workloads.ts'
import type { CommitDeps } from './writes.ts'

/** Makes the copies that a revision lacks, before it is given pods. Throws where those without one could not start. */
export async function makeCopies(deps: CommitDeps, deployment: KubeObject, isStable: boolean, signal: AbortSignal): Promise<void> {
  const { namespace = '', uid } = deployment.metadata
  const isStarting = replicasOf(deployment) === 0
  const lacking = Object.entries(configOf(deployment)).map(([id, hash]) => [...id.split(' '), hash])
    .filter(([kind = '', name = '', hash]) => hash !== MISSING && !deps.config.stands(kind, `${namespace}/${copyName(name, deployment.metadata.name)}`, uid))
  await Promise.all(lacking.map(([kind = '', name = '', hash = '']) => makeCopy(deps, deployment, { kind, name, hash, isStarting, isStable }, signal)))
}

type Wanted = { readonly kind: string; readonly name: string; readonly hash: string; readonly isStarting: boolean; readonly isStable: boolean }

async function makeCopy(deps: CommitDeps, deployment: KubeObject, { kind, name, hash, isStarting, isStable }: Wanted, signal: AbortSignal): Promise<void> {
  const key = `${deployment.metadata.namespace ?? ''}/${name}`
  const original = await deps.client.get(configResource(kind), key, signal)
  deps.config.learnt(kind, key, original)
  if (original !== undefined && contentHash(original) === hash) return create(deps, deployment, copyOf(original, kind, deployment), signal)
  // Its pods that run have what they need; those to come say what they lack.
  if (!isStarting) return
  if (original === undefined) throw new Error(`${kind} ${name}, of which ${deployment.metadata.name} needs a copy, is gone: apply it as it was, or something else to release`)
  if (isStable) throw new Error(`${kind} ${name} is no longer what ${deployment.metadata.name} was made with, and the copy of that is gone: set it back, or release something else`)
  throw new TargetMovedError(`${kind} ${name} is no longer what ${deployment.metadata.name} was made with`)
}

/** One that stands is as it was made: it cannot be changed. */
async function create({ client }: CommitDeps, { metadata }: KubeObject, copy: NewObject, signal: AbortSignal): Promise<void> {
  const resource = configResource(copy.kind)
  try {
    await client.create(resource, copy, signal)
  } catch (thrown) {
    if (!isAlreadyExists(thrown)) throw thrown
    const standing = await client.get(resource, keyOf(copy), signal)
    if (standing?.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true) return
    if (standing === undefined || standing.metadata.annotations?.[CANARY] !== undefined) throw new TargetMovedError(`${copy.kind} ${copy.metadata.name} is of a Deployment that is gone, and goes, too`)
    throw new Error(`${copy.kind} ${copy.metadata.name} exists and is not Serin's: rename or delete it`, { cause: thrown })
  }
}

/** Goes with its Deployment. A Secret's type is what others look for it by, and promises keys that nobody here asks for. */
function copyOf(original: KubeObject, kind: string, { metadata: { name, namespace = '', uid, annotations = {}, labels = {} } }: KubeObject): NewObject {
  const { data, binaryData } = original
  return {
    apiVersion: 'v1',
    kind,
    metadata: {
      name: copyName(original.metadata.name, name),
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'serin', [revisionLabel]: labels[revisionLabel] ?? '' },
      annotations: { [CANARY]: annotations[CANARY] ?? '', ...LEFT_ALONE },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid }],
    },
    immutable: true,
    ...(data === undefined ? {} : { data }),
    ...(binaryData === undefined ? {} : { binaryData }),
    ...(kind === 'Secret' ? { type: 'Opaque' } : {}),
  }
}
