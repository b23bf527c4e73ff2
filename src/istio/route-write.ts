import type { Ledger } from '../canary/ledger.ts'
import { bareDelegate } from './delegates.ts'
import { MANAGED_BY, ownName } from './destination-rules.ts'
import { originalOf } from './http-route.ts'
import { annotate, guarded, jsonOf, without, type Json, type JsonPatch } from './json.ts'
import { LEDGER, ledgerText, ORIGINAL, savedText, type Saved } from './ledger-annotation.ts'
import { listOperations } from './list-operations.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { readMesh, type Mesh, type VirtualService } from './mesh.ts'
import { renderedRoute } from './rendered-route.ts'
import { withoutCookie } from './sticky-routes.ts'
import { subsetName } from './subset-name.ts'
import { tcpRoutes } from './tcp-routes.ts'

/** What is to stand in a managed VirtualService. */
export type RouteWrite = {
  readonly ledger: Omit<Ledger, 'uid'>
  /** False: only the annotations change, the lists stay as they are. */
  readonly lists: boolean
  /** Take what stands now as the new original: first pin, lost annotation, absorbed edit. */
  readonly adopt: boolean
}

/**
 * The patch that makes a VirtualService say `write`, valid for the very version that was read; undefined when it says
 * so already, does not stand, or is another Canary's. Only managed lists, inserted routes and serin.dev annotations change.
 */
export function routePatch(
  input: MeshInput, route: { readonly namespace: string; readonly name: string }, write: RouteWrite,
): JsonPatch | undefined {
  const mesh = readMesh(input)
  const service = mesh.services.find(({ namespace, name }) => namespace === route.namespace && name === route.name)
  if (service === undefined || !service.near || service.otherCanary !== undefined) return undefined
  const saved = nextSaved(service, mesh, write)
  const annotations = annotate(service.object, {
    [LEDGER]: ledgerText(service.object, write.ledger, input),
    ...(saved === undefined ? {} : { [ORIGINAL]: savedText(saved) }),
  })
  const lists = write.lists && saved !== undefined ? listOperations(service, mesh, saved, write.ledger) : []
  return guarded(service.object, [...annotations, ...lists])
}

/** Serin's own VirtualService, to be created where nobody's has the host: everyone in the mesh goes where `write` says. */
export function ownRoute(input: MeshInput, write: RouteWrite): KubeObject {
  const { fqdn } = readMesh(input)
  const tcp = tcpRoutes(input, write.ledger.stable)
  return pinnedFrom({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: ownName(input), namespace: input.canary.namespace, labels: MANAGED_BY },
    spec: { hosts: [fqdn], http: [{ name: 'main', route: [{ destination: { host: fqdn } }] }], ...(tcp === undefined ? {} : { tcp }) },
  }, input, write)
}

/** The delegate that the spec names, to be created: whoever a root hands to it goes where `write` says. */
export const delegateRoute = (input: MeshInput, write: RouteWrite): KubeObject => pinnedFrom(bareDelegate(input), input, write)

/** An object of ours as it is to be created, with the ledger in it, from one that names no subset. */
function pinnedFrom(bare: KubeObject, input: MeshInput, write: RouteWrite): KubeObject {
  const mesh = readMesh({ ...input, virtualServices: [bare] })
  const [service] = mesh.services
  const [main] = service?.routes ?? []
  if (service === undefined || main === undefined) throw new Error(`VirtualService ${bare.metadata.name} does not concern ${mesh.fqdn}`)
  const { list, copies } = renderedRoute(main, main.list, write.ledger, { mesh, service })
  const annotations = { [LEDGER]: ledgerText(bare, write.ledger, input), [ORIGINAL]: savedText(new Map([['main', main.list]])) }
  const spec = { ...service.spec, http: [...copies, { ...main.raw, route: list }] }
  return { ...bare, metadata: { ...bare.metadata, annotations }, spec }
}

/** The originals after the write; undefined where nothing was ever saved and nothing is to be. */
function nextSaved(service: VirtualService, mesh: Mesh, { ledger, lists, adopt }: RouteWrite): Saved | undefined {
  if (!lists && !adopt) return service.saved
  const revisions = [ledger.stable, ...Object.keys(ledger.open), ...mesh.input.revisions.map(({ revision }) => revision)]
  const subsets = new Set<unknown>(revisions.map(subsetName))
  const isPinned = ({ destination }: Json) =>
    mesh.reach(destination, service.namespace) !== undefined && subsets.has(jsonOf(destination)['subset'])
  const users = service.routes.filter(({ copy }) => copy === undefined)
  const saved = users.flatMap((route): [string, readonly Json[] | null][] => {
    if (!route.managed) return route.touches ? [[route.id, null]] : []
    const before = originalOf(route, service)
    if (before !== undefined && (!adopt || route.list.some(isPinned))) return [[route.id, before]]
    return route.touches ? [[route.id, unpinned(route.list, isPinned)]] : []
  })
  return new Map(saved)
}

/** The list with what names subsets of ours pooled into one destination that names none. */
function unpinned(list: readonly Json[], isPinned: (entry: Json) => boolean): readonly Json[] {
  const pool = list.filter(isPinned)
  const weight = pool.reduce((sum, entry) => sum + (typeof entry['weight'] === 'number' ? entry['weight'] : 0), 0)
  return list.flatMap((entry) => {
    if (!pool.includes(entry)) return [entry]
    const destination = without(jsonOf(entry['destination']), 'subset')
    return entry === pool[0] ? [{ ...withoutCookie(entry), destination, ...(weight > 0 ? { weight } : {}) }] : []
  })
}
