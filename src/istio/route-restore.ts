import { isMadeDelegate, rootsOf } from './delegates.ts'
import { originalOf } from './http-route.ts'
import { guarded, sameJson, type JsonPatch } from './json.ts'
import { LEDGER, ORIGINAL } from './ledger-annotation.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { readMesh } from './mesh.ts'

/** What undoes everything that Serin did to the routes of a Canary's Service. */
export type Restoration =
  | { readonly kind: 'patch'; readonly object: KubeObject; readonly patch: JsonPatch }
  | { readonly kind: 'delete'; readonly object: KubeObject }

/**
 * Every VirtualService with a ledger as its user wrote it: the saved lists, none of our routes, none of our annotations.
 * Ours go; a delegate only once no root names it, for a root without its delegate reaches every pod.
 */
export function restorations(input: MeshInput): readonly Restoration[] {
  return readMesh(input).services.filter(({ near, ledger, own }) => near && (ledger !== undefined || own)).flatMap((service): readonly Restoration[] => {
    const { object, namespace, name } = service
    const isOrphaned = isMadeDelegate(input, object) && rootsOf(input, { namespace, name }).length === 0
    if (service.own || isOrphaned) return [{ kind: 'delete', object }]
    // From the last to the first: the index of what is still to come stays right.
    const http = service.routes.toReversed().flatMap((route): JsonPatch => {
      if (route.copy !== undefined) return [{ op: 'remove', path: `/spec/http/${route.index}` }]
      const original = originalOf(route, service)
      if (!route.managed || original === undefined || sameJson(route.list, original)) return []
      return [{ op: 'replace', path: `/spec/http/${route.index}/route`, value: original }]
    })
    const ours = [LEDGER, ORIGINAL].filter((key) => object.metadata.annotations?.[key] !== undefined)
    const annotations: JsonPatch = ours.map((key) => ({ op: 'remove', path: `/metadata/annotations/${key.replace('/', '~1')}` }))
    const patch = guarded(object, [...annotations, ...http])
    return patch === undefined ? [] : [{ kind: 'patch', object, patch }]
  })
}
