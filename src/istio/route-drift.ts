import type { HTTPMatch } from '../api/canary.ts'
import type { Ledger } from '../canary/ledger.ts'
import type { RouteFacts } from '../canary/world.ts'
import { mirrorList, originalOf, type HttpRoute } from './http-route.ts'
import { jsonOf, listOf, sameJson, type Json } from './json.ts'
import { listOperations } from './list-operations.ts'
import { isWithin } from './match-product.ts'
import type { Mesh, VirtualService } from './mesh.ts'
import { renderedRoute, type RenderedRoute } from './rendered-route.ts'
import { sharesOf } from './route-list.ts'
import { stayingWithCanary } from './sticky-routes.ts'

type Place = { readonly mesh: Mesh; readonly service: VirtualService; readonly ledger: Ledger }
type Managed = { readonly route: HttpRoute; readonly original: readonly Json[] | undefined; readonly expected: RenderedRoute }

/** The managed lists and inserted routes of a VirtualService against its own ledger, in the words of RouteFacts. */
export function driftOf(service: VirtualService, mesh: Mesh): RouteFacts['content'] {
  const { ledger, saved = new Map() } = service
  if (ledger === undefined) return 'unpinned'
  const place = { mesh, service, ledger }
  const managed = service.routes.filter((route) => route.managed).map((route) => managedOf(route, place))
  const changed = managed.filter(isChanged)
  const isGone = managed.length === 0 && ledger.exposure !== undefined
  if (changed.length === 0 && !isGone && listOperations(service, mesh, saved, ledger).length === 0) return 'ours'
  if (changed.length > 0 && changed.every(({ route, original }) => sameJson(route.list, original))) return 'original'
  return isGone ? strayDrift(service, place) : foreignDrift(managed, changed, place)
}

/** Every managed route was taken out; what we inserted may still stand. */
const strayDrift = ({ routes }: VirtualService, place: Place): RouteFacts['content'] =>
  routes.some((route) => route.copy !== undefined && isMoreThanExposed(route, place)) ? 'beyond' : 'lower'

function foreignDrift(managed: readonly Managed[], changed: readonly Managed[], place: Place): RouteFacts['content'] {
  const copies = place.service.routes.filter(({ copy }) => copy !== undefined)
  if (changed.some((one) => isMore(one, place)) || copies.some((copy) => isMoreThanExposed(copy, place))) return 'beyond'
  const known = managed.filter(({ original }) => original !== undefined)
  const isLowered = known.some((one) => changed.includes(one) || lacksCopies(one, copies))
  return isLowered ? 'lower' : 'outdated'
}

/** A route that has no original yet is held against what would be made of it. */
function managedOf(route: HttpRoute, { mesh, service, ledger }: Place): Managed {
  const original = originalOf(route, service)
  return { route, original, expected: renderedRoute(route, original ?? route.list, ledger, { mesh, service }) }
}

const isChanged = ({ route, original, expected }: Managed): boolean => original === undefined || !sameJson(route.list, expected.list)

/** Without a route for users who stay where they are, they are only drawn anew: nothing was taken from the canary. */
const lacksCopies = ({ expected }: Managed, copies: readonly HttpRoute[]): boolean =>
  expected.copies.some(({ name }) => !String(name).startsWith('serin-sticky-') && !copies.some(({ id }) => id === name))

function isMore({ route, expected }: Managed, place: Place): boolean {
  const allowed = sharesByRevision(expected.list, place)
  return exceeds(route.list, (revision) => allowed.get(revision) ?? 0, place)
}

const NOTHING = { revision: undefined, weight: 0, match: [], mirror: undefined, preview: [] }

/** Whether an inserted route, edited or left over, gives more than the exposure does. */
function isMoreThanExposed({ copy, list, raw }: HttpRoute, place: Place): boolean {
  const { exposure } = place.ledger
  const { revision: exposed, weight, match, mirror, preview = [] } = exposure ?? NOTHING
  const matches = listOf(raw['match'])
  const takesAll = areWithin(matches, [...match, ...preview, ...(exposure === undefined ? [] : stayingWithCanary(exposure))])
  const isTooMuch = (entries: readonly Json[], allowed: number) =>
    exceeds(entries, (revision) => (revision === exposed ? allowed : 0), place)
  const mirrored = mirror === undefined || (mirror.match.length > 0 && !areWithin(matches, mirror.match)) ? 0 : mirror.percent
  const added = mirrorList(raw).filter((one) => !copiedMirrors(copy, place).some((other) => sameJson(one, other)))
  return isTooMuch(list, takesAll ? 1 : weight / 100) ||
    added.some(({ destination, percentage }) => isTooMuch([{ destination }], percentOf(percentage) > mirrored ? 0 : 1))
}

/** The mirrors of the route that a copy was made of. */
const copiedMirrors = (copy: HttpRoute['copy'], { service }: Place): readonly Json[] =>
  service.routes.filter(({ id }) => id === copy?.of).flatMap(({ raw }) => mirrorList(raw))

/** Whether there are matches, and each is within one of the step's. */
const areWithin = (matches: readonly Json[], allowed: readonly HTTPMatch[]): boolean =>
  matches.length > 0 && matches.every((match) => allowed.some((ours) => isWithin(match, ours)))

const percentOf = (percentage: unknown): number => Number(jsonOf(percentage)['value'] ?? 100)

const ROUNDING = 1e-9

/** Whether a list gives any revision but stable a greater share of its requests, 0..1, than allowed. */
const exceeds = (list: readonly Json[], allowed: (revision: string) => number, place: Place): boolean =>
  [...sharesByRevision(list, place)]
    .some(([revision, share]) => revision !== place.ledger.stable && share > allowed(revision) + ROUNDING)

/** The share of each revision that may get the requests of a list; EVERY_POD is one of them. */
function sharesByRevision(list: readonly Json[], { mesh, service }: Place): ReadonlyMap<string, number> {
  const weights = sharesOf(list)
  const sum = weights.reduce((a, b) => a + b, 0)
  const shares = new Map<string, number>()
  for (const [i, { destination }] of list.entries()) {
    const weight = weights[i] ?? 0
    const reached = weight === 0 ? [] : (mesh.reach(destination, service.namespace) ?? [])
    for (const revision of reached) shares.set(revision, (shares.get(revision) ?? 0) + weight / sum)
  }
  return shares
}
