import type { HTTPMatch } from '../api/canary.ts'
import type { Refusal } from '../canary/world.ts'
import type { HttpRoute } from './http-route.ts'
import { listOf } from './json.ts'
import { matchProduct } from './match-product.ts'
import type { Mesh, VirtualService } from './mesh.ts'

type Condition = { readonly path: string; readonly match: HTTPMatch }

/** The matches of the steps that Istio cannot join with those of a managed route: one text each has room for one value. */
export function stepRefusals({ input, services }: Mesh): readonly Refusal[] {
  const conditions = input.settings.steps.flatMap(({ match, mirror }, step): readonly Condition[] => [
    ...match.map((one, i) => ({ path: `spec.steps[${step}].match[${i}]`, match: one })),
    ...(mirror?.match ?? []).map((one, i) => ({ path: `spec.steps[${step}].mirror.match[${i}]`, match: one })),
  ])
  if (conditions.length === 0) return []
  return services.flatMap((service) => service.routes.filter(({ managed }) => managed)
    .flatMap((route) => conditions.flatMap((condition) => clashes(condition, route, service))))
}

function clashes({ path, match }: Condition, { raw, index }: HttpRoute, { namespace, name }: VirtualService): readonly Refusal[] {
  return listOf(raw['match']).flatMap((theirs, i) => {
    const product = matchProduct(theirs, match)
    if (product.kind !== 'clash') return []
    const { field } = product
    const message = `${path}.${field} and VirtualService ${namespace}/${name} http[${index}].match[${i}].${field} ` +
      "cannot both stand in one match of Istio's: change one of them"
    return [{ reason: 'UnmatchableProduct', message }]
  })
}
