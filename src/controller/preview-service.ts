import type { Canary } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import { previewWrite } from '../istio/preview-service.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'
import type { KubeObject } from '../runtime/object.ts'
import type { CommitDeps } from './writes.ts'
import type { Observation } from './observe.ts'
import type { Newest } from './snapshot.ts'
import type { Stores } from './sources.ts'

/** Services that this Canary made, and whatever stands under the name that its preview is to have. */
export function previewServicesOf({ services }: Stores, { metadata }: Canary, { preview }: Settings, newest: Newest): readonly KubeObject[] {
  const key = preview.service === undefined ? undefined : `${metadata.namespace}/${preview.service}`
  const named = key === undefined ? undefined : services.get(key)
  const owned = services.by('owner', metadata.uid ?? '')
  return newest(resources.services, [...new Set([...owned, ...(named === undefined ? [] : [named])])], ...(key === undefined ? [] : [key]))
}

/** The owners of an object, as an index. */
export const ownersOf = ({ metadata }: KubeObject): readonly string[] => {
  const { ownerReferences } = metadata as { readonly ownerReferences?: readonly { readonly uid?: string }[] }
  return (ownerReferences ?? []).flatMap(({ uid }) => uid ?? [])
}

type Move = { readonly name: string; readonly revision: string | undefined }

/** Makes the preview Service, leads it to another revision, or deletes it. Returns the object, as the server answered. */
export async function movePreview({ client }: Pick<CommitDeps, 'client'>, { input, snapshot }: Observation, { name, revision }: Move, signal: AbortSignal): Promise<KubeObject | undefined> {
  const { apiVersion, kind, metadata } = snapshot.canary
  const standing = snapshot.previewServices.find((object) => object.metadata.name === name)
  if (revision === undefined) return remove(client, standing, signal)
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '' }
  const write = previewWrite(input, standing, { name, revision, owner })
  if (write === undefined) return standing
  if (write.kind === 'create') return client.create(resources.services, write.object as Parameters<KubernetesClient['create']>[1], signal)
  return client.jsonPatch(resources.services, `${metadata.namespace}/${name}`, write.patch, { signal })
}

async function remove(client: KubernetesClient, standing: KubeObject | undefined, signal: AbortSignal): Promise<undefined> {
  if (standing === undefined) return
  const { namespace = '', name, uid, resourceVersion } = standing.metadata
  await client.delete(resources.services, `${namespace}/${name}`, { uid, resourceVersion }, signal)
}
