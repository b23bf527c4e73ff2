import type { Exposure, Ledger } from '../canary/ledger.ts'
import { mirrorList, type HttpRoute } from './http-route.ts'
import { jsonOf, listOf, without, type Json } from './json.ts'
import { matchProducts } from './match-product.ts'
import type { Mesh, VirtualService } from './mesh.ts'
import { renderedList } from './route-list.ts'
import { subsetName } from './subset-name.ts'

/** What a managed route becomes. */
export type RenderedRoute = {
  readonly list: readonly Json[]
  /** Routes to stand directly before it: for a step's match, then for its mirror. */
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
  const list = split(exposure?.weight ?? 0)
  const own = original.find(({ destination }) => isOwn(destination))
  if (exposure === undefined || canary === stable || own === undefined) return { list, copies: [] }
  const target = { ...jsonOf(own['destination']), subset: subsetName(exposure.revision) }
  return { list, copies: [...matchCopies(route, exposure, split(100)), ...mirrorCopies(route, exposure, { list, target })] }
}

/** Everything that matches goes to the canary. */
function matchCopies({ id, raw }: HttpRoute, { match }: Exposure, list: readonly Json[]): readonly Json[] {
  const products = matchProducts(listOf(raw['match']), match)
  return products.length === 0 ? [] : [{ ...raw, name: `serin-match-${id}-1`, match: products, route: list }]
}

/** The same split, and a copy of each request to the canary. */
function mirrorCopies(
  { id, raw }: HttpRoute, { mirror }: Exposure, { list, target }: { readonly list: readonly Json[]; readonly target: Json },
): readonly Json[] {
  if (mirror === undefined || mirror.percent === 0) return []
  const products = matchProducts(listOf(raw['match']), mirror.match)
  if (mirror.match.length > 0 && products.length === 0) return []
  return [{
    ...without(raw, 'mirror', 'mirrorPercentage', 'mirrorPercent', 'mirror_percent'),
    name: `serin-mirror-${id}-1`,
    ...(mirror.match.length > 0 ? { match: products } : {}),
    route: list,
    mirrors: [...mirrorList(raw), { destination: target, percentage: { value: mirror.percent } }],
  }]
}
