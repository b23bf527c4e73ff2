import type { JsonPatchOperation, KubernetesClient } from '../kubernetes/client.ts'
import { resourceName, type Resource } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import type { KubeObject } from '../runtime/object.ts'
import type { ConfigTracker } from './config-tracker.ts'
import type { OwnWrites } from './own-writes.ts'
import { prunedAs } from './prune.ts'

export type CommitDeps = { readonly client: KubernetesClient; readonly writes: OwnWrites; readonly clock: Clock; readonly config: Pick<ConfigTracker, 'stands' | 'learnt'> }

export type Patch = { readonly key: string; readonly operations: readonly JsonPatchOperation[]; readonly signal: AbortSignal }

/** Patches an object, and remembers what the server answered. */
export async function patched(deps: CommitDeps, resource: Resource, { key, operations, signal }: Patch): Promise<void> {
  const answered = await deps.client.jsonPatch(resource, key, operations, { signal })
  deps.writes.wrote(idOf(resource, key), prunedAs(resource, answered), deps.clock.monotonic())
}

/** Creates an object, and remembers what the server answered. */
export async function create(deps: CommitDeps, resource: Resource, object: Parameters<KubernetesClient['create']>[1], signal: AbortSignal): Promise<void> {
  const made: KubeObject = await deps.client.create(resource, object, signal)
  deps.writes.wrote(idOf(resource, `${made.metadata.namespace ?? ''}/${made.metadata.name}`), prunedAs(resource, made), deps.clock.monotonic())
}

type Named = { readonly [K in 'namespace' | 'name' | 'uid' | 'resourceVersion']?: string | undefined }

/** Deletes this very version of this very object. */
export async function removed({ client, writes }: CommitDeps, resource: Resource, { metadata }: { readonly metadata: Named }, signal: AbortSignal): Promise<void> {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = metadata
  await client.delete(resource, `${namespace}/${name}`, { uid, resourceVersion }, signal)
  writes.deleted(idOf(resource, `${namespace}/${name}`), uid)
}

/** How many were written, once every one is answered; throws the first refusal. */
export async function allOf(writes: readonly Promise<void>[]): Promise<number> {
  const results = await Promise.allSettled(writes)
  const refused = results.find((result) => result.status === 'rejected')
  if (refused !== undefined) throw refused.reason
  return results.length
}

/** Names an object across all kinds. */
export const idOf = (resource: Resource, key: string): string => `${resourceName(resource)} ${key}`
