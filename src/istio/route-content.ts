import type { HTTPMatch } from '../api/canary.ts'
import type { Ledger } from '../canary/ledger.ts'
import type { RouteFacts } from '../canary/world.ts'
import { jsonOf, listOf, sameJson, type Json } from './json.ts'
import { isWithin } from './match-product.ts'
import { copiesBefore, originalOf, type HttpRoute, type Mesh, type VirtualService } from './mesh.ts'
import { renderedRoute, usersMirrors, type RenderedRoute } from './rendered-route.ts'
import { sharesOf } from './route-list.ts'

type Place = { readonly mesh: Mesh; readonly service: VirtualService; readonly ledger: Ledger }

/** The managed lists of a VirtualService against its own ledger. */
export function routeContent(service: VirtualService, mesh: Mesh): RouteFacts['content'] {
  const { ledger, routes } = service
  if (ledger === undefined) return 'unpinned'
  const place = { mesh, service, ledger }
  const managed = routes.filter((route) => route.managed)
  const states = managed.map((route) => stateOf(route, place))
  const strays = routes.filter(({ copy }) => copy !== undefined && !managed.some(({ id }) => id === copy.of))
  const gone = managed.length === 0 && ledger.exposure !== undefined && Object.values(service.saved ?? {}).some((list) => list !== null)
  if (strays.length === 0 && !gone && states.every((state) => state === 'ours')) return 'ours'
  if (strays.length === 0 && !gone && states.every((state) => state === 'ours' || state === 'original')) return 'original'
  if (states.includes('beyond') || strays.some((copy) => exceeds(copy, place))) return 'beyond'
  return gone || states.includes('lower') ? 'lower' : 'outdated'
}

/** One managed route with its copies, by the same words. */
function stateOf(route: HttpRoute, place: Place): RouteFacts['content'] {
  const { mesh, service, ledger } = place
  const original = originalOf(route, service)
  const expected = renderedRoute(route, original ?? route.list, ledger, { mesh, service })
  const copies = service.routes.filter(({ copy }) => copy?.of === route.id)
  const listed = original !== undefined && sameJson(route.list, expected.list)
  const inPlace = copies.length === 0 || sameCopies(copies, copiesBefore(route, service), expected)
  if (listed && inPlace && copies.length === expected.copies.length) return 'ours'
  if (original !== undefined && sameJson(route.list, original) && inPlace) return 'original'
  if (copies.some((copy) => exceeds(copy, place))) return 'beyond'
  if (original === undefined) return isMoreThanWeight(route.list, ledger.exposure?.weight ?? 0, place) ? 'beyond' : 'outdated'
  if (!listed) return isMoreThanRendered(route, expected, place) ? 'beyond' : 'lower'
  return copies.length < expected.copies.length ? 'lower' : 'outdated'
}

const sameCopies = (copies: readonly HttpRoute[], before: readonly HttpRoute[], { copies: expected }: RenderedRoute): boolean =>
  sameJson(copies.map(({ raw }) => raw), expected) && sameJson(copies.map(({ index }) => index), before.map(({ index }) => index))

function isMoreThanRendered({ list }: HttpRoute, expected: RenderedRoute, place: Place): boolean {
  const allowed = sharesByRevision(expected.list, place)
  return isMore(list, (revision) => allowed.get(revision) ?? 0, place)
}

/** The share of a list's requests, 0..1, of each revision that may get them; EVERY_POD is one of them. */
function sharesByRevision(list: readonly Json[], { mesh, service }: Place): ReadonlyMap<string, number> {
  const weights = sharesOf(list)
  const sum = weights.reduce((a, b) => a + b, 0)
  const shares = new Map<string, number>()
  for (const [i, { destination }] of list.entries()) {
    const weight = weights[i] ?? 0
    for (const revision of weight === 0 ? [] : (mesh.reach(destination, service.namespace) ?? [])) {
      shares.set(revision, (shares.get(revision) ?? 0) + weight / sum)
    }
  }
  return shares
}

const ROUNDING = 1e-9

/** Whether a list gives any revision other than stable more than is allowed. */
const isMore = (list: readonly Json[], allowed: (revision: string) => number, place: Place): boolean =>
  [...sharesByRevision(list, place)].some(([revision, share]) => revision !== place.ledger.stable && share > allowed(revision) + ROUNDING)

/** Whether a list gives more than the exposure's weight, which is all there is to hold a new route against. */
const isMoreThanWeight = (list: readonly Json[], weight: number, place: Place): boolean =>
  isMore(list, (revision) => (revision === place.ledger.exposure?.revision ? weight / 100 : 0), place)

/** Whether an inserted route, edited or left over, gives more than the exposure does. */
function exceeds({ copy, list, raw }: HttpRoute, place: Place): boolean {
  const { service, ledger: { exposure } } = place
  const matches = listOf(raw['match'])
  const isWithinAny = (allowed: readonly HTTPMatch[]) =>
    matches.length > 0 && matches.every((match) => allowed.some((ours) => isWithin(match, ours)))
  const takesAll = copy?.kind === 'match' && isWithinAny(exposure?.match ?? [])
  if (isMoreThanWeight(list, takesAll ? 100 : (exposure?.weight ?? 0), place)) return true
  const copied = usersMirrors(service.routes.find(({ id }) => id === copy?.of)?.raw ?? {})
  const { percent, match } = exposure?.mirror ?? { percent: 0, match: [] }
  const isNarrow = match.length === 0 || isWithinAny(match)
  return usersMirrors(raw).filter((mirror) => !copied.some((other) => sameJson(mirror, other)))
    .some(({ destination, percentage }) => isMoreThanWeight([{ destination }], isNarrow && percentOf(percentage) <= percent ? 100 : 0, place))
}

const percentOf = (percentage: unknown): number => {
  const { value } = jsonOf(percentage)
  return typeof value === 'number' ? value : 100
}
