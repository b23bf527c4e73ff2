import { mirrorsOf, type HttpRoute, type Mesh, type VirtualService } from './mesh.ts'
import { sharesOf } from './route-list.ts'

/** The revisions of the Service that a route's list gives requests to; EVERY_POD may be among them. */
export function listReach({ list }: HttpRoute, { namespace }: VirtualService, { reach }: Mesh): readonly string[] {
  const shares = sharesOf(list)
  return list.flatMap(({ destination }, index) => (shares[index] === 0 ? [] : (reach(destination, namespace) ?? [])))
}

/** The revisions of the Service that a route's mirrors copy requests to; EVERY_POD may be among them. */
export const mirrorReach = ({ raw }: HttpRoute, { namespace }: VirtualService, { reach }: Mesh): readonly string[] =>
  mirrorsOf(raw).flatMap((destination) => reach(destination, namespace) ?? [])
