import type { TransportRequest } from '../../src/runtime/transport.ts'
import { parsePatch } from '../../src/sandbox/patches.ts'
import type { ClusterReader, KubeObject } from '../../src/sandbox/objects.ts'
import { ledgerOf, sizeOf, subsetsOf } from './objects.ts'

/** What a request is about: "virtualservices", and which. */
export type Place = { readonly plural: string; readonly namespace: string; readonly name: string | undefined; readonly subresource: string | undefined }

/** Undefined: of the cluster, or of no API at all. */
export function placeOf(path: string): Place | undefined {
  const [, namespace, plural, name, subresource] = /\/namespaces\/([^/?]+)\/([^/?]+)(?:\/([^/?]+))?(?:\/([^/?]+))?/.exec(path) ?? []
  return namespace === undefined || plural === undefined ? undefined : { plural, namespace, name, subresource }
}

/** A read of one object. Lists and watches are what caches are made of. */
export const isLook = ({ method, path }: Pick<TransportRequest, 'method' | 'path'>): boolean => method === 'GET' && !/[?&](limit|watch)=/.test(path)

const SERVING: Readonly<Record<string, string>> = {
  virtualservices: 'virtualservices.networking.istio.io', destinationrules: 'destinationrules.networking.istio.io', deployments: 'deployments.apps',
}
const RESOURCES: Readonly<Record<string, string>> = { ...SERVING, canaries: 'canaries.serin.dev', services: 'services', configmaps: 'configmaps', secrets: 'secrets' }

/** Routes, subsets and pods: what users meet. */
export const isServing = (plural = ''): boolean => SERVING[plural] !== undefined

/** What a write would do, were it taken now. */
export type Act = 'raise' | 'promotion' | 'withdrawal' | 'creation' | 'deletion' | 'scale-down' | 'removal of a subset' | 'release'

/** A write, with the object as it stands and as it would stand: undefined where it does not. */
export type Write = { readonly place: Place; readonly acts: readonly Act[]; readonly before: KubeObject | undefined; readonly after: KubeObject | undefined; readonly carried: Carried }

/** The version that a write was computed from. */
export type Carried = { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }

/** Undefined for what nobody is served by: leases, events, status. */
export function writeOf(request: TransportRequest, reader: ClusterReader): Write | undefined {
  const { method, path, body = '{}' } = request
  const place = placeOf(path)
  const resource = RESOURCES[place?.plural ?? '']
  if (place === undefined || resource === undefined || place.subresource !== undefined) return undefined
  const sent = JSON.parse(body) as KubeObject
  const before = reader.get(resource, place.namespace, place.name ?? sent.metadata.name)
  const after = method === 'POST' ? sent : method === 'DELETE' ? undefined : patched(request, before)
  return { place, acts: method === 'POST' ? ['creation'] : actsOf(place.plural, before, after), before, after, carried: carriedBy(sent) }
}

function patched({ headers = {}, body = '' }: TransportRequest, before: KubeObject | undefined): KubeObject | undefined {
  if (before === undefined) return undefined
  try {
    return parsePatch(headers['content-type'] ?? '', body, false)(structuredClone(before)) as KubeObject
  } catch {
    // What stands there has changed so much that the server will refuse it: then it does nothing.
    return before
  }
}

/** The version that a body names: JSON Patch, merge patch or preconditions of a deletion. */
export function carriedBy(body: unknown): Carried {
  if (!Array.isArray(body)) {
    const { metadata, preconditions } = body as { readonly metadata?: Carried; readonly preconditions?: Carried }
    return preconditions ?? metadata ?? {}
  }
  const value = (name: string) => (body as readonly { readonly path: string; readonly value?: string }[]).find(({ path }) => path === `/metadata/${name}`)?.value
  return { uid: value('uid'), resourceVersion: value('resourceVersion') }
}

/** What becomes of an object that stands. */
export function actsOf(plural: string, before: KubeObject | undefined, after: KubeObject | undefined): readonly Act[] {
  if (before === undefined) return []
  if (after === undefined) return ['deletion']
  const found: Readonly<Record<string, () => readonly (Act | false)[]>> = {
    virtualservices: () => [isRaised(before, after) && 'raise', isPromoted(before, after) && 'promotion', isWithdrawn(before, after) && 'withdrawal'],
    destinationrules: () => [subsetsOf(before).some((subset) => !subsetsOf(after).includes(subset)) && 'removal of a subset'],
    deployments: () => [sizeOf(after) < sizeOf(before) && 'scale-down'],
    canaries: () => [isHeld(before) && !isHeld(after) && 'release'],
  }
  return (found[plural]?.() ?? []).filter((act) => act !== false)
}

function isRaised(before: KubeObject, after: KubeObject): boolean {
  const [from, to] = [ledgerOf(before)?.exposure, ledgerOf(after)?.exposure]
  return to !== undefined && (from?.revision !== to.revision || (from.plan === to.plan && to.step > from.step))
}

const isPromoted = (before: KubeObject, after: KubeObject): boolean => (ledgerOf(after)?.promotions ?? 0) > (ledgerOf(before)?.promotions ?? 0)

/** What was exposed is so no more, and its rollout has failed. */
function isWithdrawn(before: KubeObject, after: KubeObject): boolean {
  const [from, to] = [ledgerOf(before), ledgerOf(after)]
  const { revision = '' } = from?.exposure ?? {}
  return to?.exposure === undefined && to?.failed[revision] !== undefined && to.failed[revision].rollout === from?.open[revision]?.rollout
}

const isHeld = ({ metadata }: KubeObject): boolean => metadata.finalizers?.includes('serin.dev/restore') === true
