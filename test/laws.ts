import { isDeepStrictEqual } from 'node:util'
import type { CanaryStatus } from '../src/api/canary.ts'
import type { Ledger } from '../src/canary/ledger.ts'
import type { KubeObject } from '../src/sandbox/objects.ts'

/**
 * What must hold of single objects and writes, whoever looks: pure, by their numbers in docs/testing.md. Each returns
 * what is broken.
 */
type Entry = { readonly destination?: { readonly subset?: string }; readonly weight?: number }
type HttpRoute = { readonly name?: string; readonly route?: readonly Entry[]; readonly [field: string]: unknown }

const OURS = 'serin-'
const httpOf = (object: KubeObject): readonly HttpRoute[] => (object['spec'] as { http?: readonly HttpRoute[] }).http ?? []
const subsetsIn = ({ route = [] }: HttpRoute): readonly string[] => route.flatMap(({ destination }) => destination?.subset ?? [])
const isManaged = (route: HttpRoute): boolean => subsetsIn(route).some((subset) => subset.startsWith(OURS))

/** S1: weights are whole, none is negative, not all are 0, and none is missing beside others (Istio gives that one nothing). */
export function weights(object: KubeObject): readonly string[] {
  return httpOf(object).filter(isManaged).flatMap(({ name = 'unnamed', route = [] }) => {
    const written = route.map(({ weight }) => weight ?? (route.length === 1 ? 100 : Number.NaN))
    const good = written.every((weight) => Number.isInteger(weight) && weight >= 0) && written.some((weight) => weight > 0)
    return good ? [] : [`S1: ${name} has weights ${written.join()}`]
  })
}

/** S2: whoever is alone in a route gets everything, whatever its weight: stable, or what is meant to have everything. */
export function lone(object: KubeObject, { stable, exposure }: Ledger): readonly string[] {
  const mayHaveAll = [OURS + stable, ...(exposure?.weight === 100 ? [OURS + exposure.revision] : [])]
  return httpOf(object).filter((route) => isManaged(route) && route.name?.startsWith(OURS) !== true && route.route?.length === 1)
    .flatMap((route) => subsetsIn(route)).filter((subset) => !mayHaveAll.includes(subset)).map((subset) => `S2: ${subset} is alone in a route and takes everything`)
}

/** S7: a step lasts as long as it must before the next one begins. */
export const baked = (revision: string, stoodMs: number, { name, forMs }: { readonly name: string; readonly forMs: number }): readonly string[] =>
  (stoodMs >= forMs ? [] : [`S7: ${revision} left ${name} after ${stoodMs} ms, which lasts ${forMs}`])

/** S8, S18: with nothing exposed, no route and no mirror names anything of ours but stable. */
export function nothingElse(named: readonly string[], { stable, exposure }: Ledger): readonly string[] {
  const meant = [OURS + stable, ...(exposure === undefined ? [] : [OURS + exposure.revision])]
  return named.filter((subset) => !meant.includes(subset)).map((subset) => `S8: ${subset} is named, and not exposed`)
}

/** S10: what failed in this rollout, and what was closed, is named no more. */
export const failed = (named: readonly string[], { failed: tombstones, open }: Ledger): readonly string[] => named.map((subset) => subset.slice(OURS.length)).flatMap((revision) => [
  ...(open[revision] === undefined ? [`S10: ${revision} is named, and not open`] : []),
  ...(open[revision] !== undefined && tombstones[revision]?.rollout === open[revision].rollout ? [`S10: ${revision} is named, and has failed`] : []),
])

/** S13: of a VirtualService of the user's a write of ours changes route lists, mirrors, routes of our own, and our annotations. */
export function untouched(before: KubeObject, after: KubeObject): readonly string[] {
  const theirs = ({ metadata, spec }: KubeObject) => {
    const { http = [], ...rest } = spec as { http?: readonly HttpRoute[] }
    const routes = http.filter(({ name }) => name?.startsWith(OURS) !== true).map(({ route: _route, mirror: _one, mirrors: _several, mirrorPercentage: _share, ...others }) => others)
    const notes = Object.entries(metadata.annotations ?? {}).filter(([key]) => !key.startsWith('serin.dev/'))
    return { rest, routes, notes, labels: metadata.labels ?? {}, owners: metadata.ownerReferences ?? [] }
  }
  return isDeepStrictEqual(theirs(before), theirs(after)) ? [] : [`S13: ${after.metadata.name} was changed outside the managed lists`]
}

/** S17: nothing that serves belongs to an object of ours: its end would be theirs. */
export const owned = ({ kind, metadata: { name, ownerReferences = [] } }: KubeObject): readonly string[] =>
  ownerReferences.filter(({ apiVersion }) => apiVersion.startsWith('serin.dev/')).map((owner) => `S17: ${kind} ${name} belongs to ${owner.kind} ${owner.name}`)

/** S12: a change or a deletion says which object, in which version, it was computed from. */
export function guarded(method: string, path: string, body: string): readonly string[] {
  const isChange = (method === 'PATCH' || method === 'PUT' || method === 'DELETE') && !/\/(events|leases)\//.test(path)
  return isChange && !(body.includes('resourceVersion') && body.includes('uid')) ? [`S12: ${method} ${path} says not what it was computed from`] : []
}

/** S14: what is written lies where a Canary is, or is the lease. */
export function atHome(method: string, path: string, homes: ReadonlySet<string>): readonly string[] {
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1]
  // A CanaryAction is answered where it lies, also one that speaks of no Canary.
  const isHome = path.includes('/leases') || path.includes('/canaryactions/') || (namespace !== undefined && homes.has(namespace))
  return isHome ? [] : [`S14: ${method} ${path} is nobody's business`]
}

/** S19: the routes for one host are written for one Canary. */
export function oneOwner(routes: readonly { readonly host: string; readonly owner: string }[]): readonly string[] {
  const hosts = [...new Set(routes.map(({ host }) => host))].map((host) => ({ host, owners: [...new Set(routes.filter((route) => route.host === host).map(({ owner }) => owner))] }))
  return hosts.filter(({ owners }) => owners.length > 1).map(({ host, owners }) => `S19: ${host} is shared out by ${owners.join(' and ')}`)
}

/** S16: a release that is no longer under way stands in the history. */
export function told(before: CanaryStatus | undefined, after: CanaryStatus): readonly string[] {
  const rollout = before?.rollout
  if (rollout === undefined || (after.rollout?.revision === rollout.revision && after.rollout.startedAt === rollout.startedAt)) return []
  const entry = after.history?.find(({ revision, startedAt }) => revision === rollout.revision && startedAt === rollout.startedAt)
  return entry === undefined ? [`S16: the release of ${rollout.revision} ended without a word`] : []
}

/** H3, and the message: phase, weight, rollout and conditions agree, and people are told why it is where it is. */
export function honest({ phase, message = '', weight, rollout, routes, conditions }: CanaryStatus): readonly string[] {
  const is = (type: string) => conditions.find((condition) => condition.type === type)?.status
  // Of several routes one may be a write behind: then all still goes to what is stable by now.
  const isExposed = weight !== '0%' && routes.length < 2
  const rests = phase === 'Idle' || phase === 'Failed' || phase === 'Waiting'
  return [
    message === '' ? `H3: ${phase}, and no message says why` : '',
    rests && (rollout !== undefined || isExposed) ? `H3: ${phase}, and yet ${weight ?? 'nothing'} of a rollout` : '',
    phase === 'Failed' && is('Promoted') !== 'False' ? 'H3: Failed, and Promoted is not False' : '',
    phase === 'RollingBack' && is('Promoted') !== 'False' ? 'H3: RollingBack, and Promoted is not False' : '',
  ].filter((what) => what !== '')
}

/** The message of a pass that only waits says what for. */
export function answers({ message = '', rollout, phase, conditions }: CanaryStatus): readonly string[] {
  const { waitingFor } = rollout ?? {}
  const isStalled = conditions.some(({ type, status }) => type === 'Stalled' && status === 'True')
  const isSaid = waitingFor === undefined || phase === 'Suspended' || isStalled || WAITS[waitingFor].test(message)
  return isSaid ? [] : [`message: waits for ${waitingFor}, and says "${message}"`]
}

/** How a message names what is waited for. */
const WAITS: Readonly<Record<NonNullable<NonNullable<CanaryStatus['rollout']>['waitingFor']>, RegExp>> = {
  Pods: /pod|Deployment|stable/i,
  Propagation: /spread|drain|reach|stamp|subset|open|route|still|as Serin wrote/i,
  Bake: /observed/,
  Evidence: /held|asked|requests/i,
  Approval: /approv/i,
  Window: /window|open/i,
  Webhook: /webhook|hook/i,
  Person: /./,
}
