import type { HTTPMatch } from '../api/canary.ts'
import type { Exposure, Ledger } from '../canary/ledger.ts'
import { mirrorList, type HttpRoute } from './http-route.ts'
import { jsonOf, listOf, without, type Json } from './json.ts'
import { matchProducts } from './match-product.ts'
import type { Mesh, VirtualService } from './mesh.ts'
import { isAtGateway } from './reach.ts'
import { renderedList } from './route-list.ts'
import { remembered, stickyGroups } from './sticky-routes.ts'
import { subsetName } from './subset-name.ts'

/** What a managed route becomes. */
export type RenderedRoute = {
  readonly list: readonly Json[]
  /** Routes to stand directly before it: for matches, for users who stay where they are, for a step's mirror. */
  readonly copies: readonly Json[]
}

type Place = { readonly mesh: Mesh; readonly service: VirtualService }
type Claim = Pick<Ledger, 'stable' | 'exposure'>

/** Renders one managed route, as the user wrote it, for what the ledger says. */
export function renderedRoute(
  route: HttpRoute, original: readonly Json[], { stable, exposure }: Claim, { mesh, service }: Place,
): RenderedRoute {
  const isOwn = (destination: unknown) => mesh.reach(destination, service.namespace) !== undefined
  const canary = exposure?.revision
  const split = (percent: number) => renderedList(original, { stable, canary, percent }, isOwn)
  const own = original.find(({ destination }) => isOwn(destination))
  if (exposure === undefined || canary === stable || own === undefined) return { list: split(exposure?.weight ?? 0), copies: [] }
  const target = { ...jsonOf(own['destination']), subset: subsetName(exposure.revision) }
  // Only a gateway knows the claims of a request: elsewhere none has any.
  const asked = (matches: readonly HTTPMatch[]) => (isAtGateway(service.spec) ? matches : matches.filter(({ claims }) => claims === undefined))
  const base: Base = { route, exposure, target, asked }
  const drawn = (percent: number) => remembered(split(percent), exposure, stable)
  const list = drawn(exposure.weight)
  const groups = stickyGroups(exposure).map(({ match, percent, known }) => ({ match, list: known ? split(percent) : drawn(percent) }))
  return { list, copies: [...matchCopies(base, split(100)), ...groups.flatMap((group, i) => stickyCopies(base, group, i + 1)), ...mirrorCopies(base, { raw: route.raw, list, number: 1 })] }
}

type Base = {
  readonly route: HttpRoute
  readonly exposure: Exposure
  /** The canary, as a mirror names it. */
  readonly target: Json
  readonly asked: (matches: readonly HTTPMatch[]) => readonly HTTPMatch[]
}

/** Everything that matches goes to the canary. */
function matchCopies({ route: { id, raw }, exposure: { match, preview = [] }, asked }: Base, list: readonly Json[]): readonly Json[] {
  const products = matchProducts(listOf(raw['match']), asked([...match, ...preview]))
  return products.length === 0 ? [] : [{ ...raw, name: `serin-match-${id}-1`, match: products, route: list }]
}

/** Users of one group, mirrored like all others. */
function stickyCopies(base: Base, { match, list }: { readonly match: HTTPMatch; readonly list: readonly Json[] }, number: number): readonly Json[] {
  const { id, raw } = base.route
  const products = matchProducts(listOf(raw['match']), [match])
  if (products.length === 0) return []
  const copy = { ...raw, name: `serin-sticky-${id}-${number}`, match: products, route: list }
  return [...mirrorCopies(base, { raw: copy, list, number: number + 1 }), copy]
}

/** The same split, and a copy of each request to the canary. */
function mirrorCopies(
  { route: { id }, exposure: { mirror }, target, asked }: Base, { raw, list, number }: { readonly raw: Json; readonly list: readonly Json[]; readonly number: number },
): readonly Json[] {
  if (mirror === undefined || mirror.percent === 0) return []
  const products = matchProducts(listOf(raw['match']), asked(mirror.match))
  if (mirror.match.length > 0 && products.length === 0) return []
  return [{
    ...without(raw, 'mirror', 'mirrorPercentage', 'mirrorPercent', 'mirror_percent'),
    name: `serin-mirror-${id}-${number}`,
    ...(mirror.match.length > 0 ? { match: products } : {}),
    route: list,
    mirrors: [...mirrorList(raw), { destination: target, percentage: { value: mirror.percent } }],
  }]
}
