import type { Refusal } from '../canary/world.ts'
import { MANAGED_BY } from './destination-rules.ts'
import { guarded, jsonOf, labelsOf, listOf, sameJson, specOf, type Json, type JsonPatch } from './json.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'

/** Who the preview Service belongs to: with the Canary it goes. */
export type Owner = { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string }

/** How the preview Service comes to be as wished. */
export type PreviewWrite =
  | { readonly kind: 'create'; readonly object: KubeObject }
  | { readonly kind: 'patch'; readonly patch: JsonPatch }

/** Whether the Canary of this uid made the object. */
export const isOwnedBy = (uid: string, object: KubeObject): boolean =>
  listOf(jsonOf(object.metadata)['ownerReferences']).some((owner) => owner['uid'] === uid)

/** Our preview Services: name → the revision whose pods each leads to; undefined where it is not as we write it. */
export const previewsOf = (input: MeshInput, services: readonly KubeObject[], uid: string): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(services.filter((object) => isOwnedBy(uid, object)).map((object) => {
    const revision = labelsOf(specOf(object)['selector'])[input.settings.versionLabel]
    return [object.metadata.name, revision !== undefined && isAsWritten(object, input, revision) ? revision : undefined]
  }))

/** Somebody else's Service under the name that ours is to have. */
export function previewRefusals({ settings, canary }: MeshInput, services: readonly KubeObject[], uid: string): readonly Refusal[] {
  const taken = services.find((object) => object.metadata.name === settings.preview.service && !isOwnedBy(uid, object))
  if (taken === undefined) return []
  const message = `Service ${canary.namespace}/${taken.metadata.name} exists already and is not Serin's: write a name in spec.preview.service that no Service has`
  return [{ reason: 'PreviewServiceTaken', message }]
}

/** The Service to create, or a patch valid for the very version that was read. */
export function previewWrite(input: MeshInput, standing: KubeObject | undefined, { name, revision, owner }: { readonly name: string; readonly revision: string; readonly owner: Owner }): PreviewWrite | undefined {
  const spec = desiredSpec(input, revision)
  if (standing !== undefined) {
    const patch = guarded(standing, Object.entries(spec).map(([field, value]) => ({ op: 'add' as const, path: `/spec/${field}`, value })))
    return patch && { kind: 'patch', patch }
  }
  const metadata = { name, namespace: input.canary.namespace, labels: MANAGED_BY, ownerReferences: [{ ...owner, controller: true }] }
  return { kind: 'create', object: { apiVersion: 'v1', kind: 'Service', metadata, spec } }
}

/** The Canary's Service, narrowed to one revision. */
function desiredSpec({ service, settings }: MeshInput, revision: string): Json {
  const { selector, ports } = service === undefined ? {} : specOf(service)
  return { selector: { ...labelsOf(selector), [settings.versionLabel]: revision }, ports: portsOf(ports) }
}

/** A node port belongs to one Service. */
const portsOf = (ports: unknown): readonly Json[] =>
  listOf(ports).map((port) => Object.fromEntries(Object.entries(port).filter(([field]) => field !== 'nodePort')))

function isAsWritten(object: KubeObject, input: MeshInput, revision: string): boolean {
  const { selector, ports } = specOf(object)
  return sameJson({ selector, ports: portsOf(ports) }, desiredSpec(input, revision))
}
