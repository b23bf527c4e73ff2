import type { Leaving } from '../canary/world.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resourceName, resources } from '../kubernetes/resource.ts'
import { statusOf } from '../runtime/failure.ts'
import type { KubeObject } from '../runtime/object.ts'
import { prunedAs } from './prune.ts'
import { idOf, type CommitDeps } from './writes.ts'

/** On every Canary whose deletion puts something back: the API server keeps the object until it is done. */
export const FINALIZER = 'serin.dev/restore'

/** The Canary is being deleted, and nothing of ours keeps it. */
export const isGone = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(FINALIZER) !== true

const CRD = resourceName(resources.canaries)

/** Whether an object is being deleted, or gone; without the right to look it counts as staying: what is refused later says as much. */
export async function isGoing(read: Promise<KubeObject | undefined>): Promise<boolean> {
  try {
    const found = await read
    return found === undefined || found.metadata.deletionTimestamp !== undefined
  } catch (thrown) {
    if (statusOf(thrown) === 403) return false
    throw thrown
  }
}

/** The object's metadata as a merge patch that changes its finalizers, valid for the very version that was read. */
export function finalizerPatch({ metadata: { uid, resourceVersion, finalizers = [] } }: Pick<KubeObject, 'metadata'>, present: boolean): object {
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER)
  return { metadata: { uid, resourceVersion, finalizers: present ? [...others, FINALIZER] : others } }
}

/** What is known of a deletion; undefined while the Canary is to stay. Its namespace and the CRD are read live: nobody watches them. */
export async function leavingOf({ metadata }: KubeObject, seenAt: number, client: KubernetesClient, signal: AbortSignal): Promise<Leaving | undefined> {
  const { uid, namespace = '', deletionTimestamp } = metadata
  if (deletionTimestamp === undefined) return undefined
  const [space, crd] = await Promise.all([isGoing(client.get(resources.namespaces, namespace, signal)), isGoing(client.get(resources.customResourceDefinitions, CRD, signal))])
  const orphan = space ? `namespace ${namespace} is being deleted as well` : crd ? `the CustomResourceDefinition ${CRD} is being deleted as well` : undefined
  return { uid, since: Date.parse(deletionTimestamp), seenAt, orphan }
}

/** Sets the finalizer on a Canary, or takes it off this very version of it. */
export async function writeFinalizer({ client, writes, clock }: CommitDeps, canary: Pick<KubeObject, 'metadata'>, present: boolean, signal: AbortSignal): Promise<void> {
  const { uid, namespace = '', name, deletionTimestamp, finalizers = [] } = canary.metadata
  const answered = await client.mergePatch(resources.canaries, `${namespace}/${name}`, finalizerPatch(canary, present), { signal })
  const id = idOf(resources.canaries, `${namespace}/${name}`)
  if (deletionTimestamp !== undefined && !present && finalizers.every((finalizer) => finalizer === FINALIZER)) writes.deleted(id, uid)
  else writes.wrote(id, prunedAs(resources.canaries, answered), clock.monotonic())
}
