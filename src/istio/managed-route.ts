import { EVERY_POD } from '../canary/world.ts'
import { jsonOf, listOf, textOf, type Json } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import type { Draft, HttpRoute, Mesh } from './mesh.ts'
import type { Reach } from './reach.ts'

type Seen = Omit<HttpRoute, 'managed'>

/**
 * The revision that all routes name that name one by a subset; where they differ, the one that the routes for all
 * requests name. Routes in which a ledger stands are not asked.
 */
export function firstNamed(drafts: readonly Draft[], reach: Reach): string | undefined {
  const routes = drafts.filter((draft) => draft.near && draft.ledger === undefined).flatMap((draft) => draft.routes
    .filter((route) => route.copy === undefined)
    .map((route) => ({ route, named: route.list.flatMap(({ destination }) => reach(destination, draft.namespace) ?? []) })))
  const only = (chosen: typeof routes) => {
    const revisions = new Set(chosen.flatMap(({ named }) => named).filter((revision) => revision !== EVERY_POD))
    return revisions.size === 1 ? [...revisions][0] : undefined
  }
  return only(routes) ?? only(routes.filter(({ route }) => listOf(route.raw['match']).length === 0))
}

/**
 * Whether Serin decides where the route goes: it was saved or recorded as managed, names no subset, or at first sight
 * names one that selects stable.
 */
export function isManaged(route: Seen, draft: Draft, { input, reach, stable }: Pick<Mesh, 'input' | 'reach' | 'stable'>): boolean {
  if (!draft.near || draft.otherCanary !== undefined || route.copy !== undefined || route.list.length === 0) return false
  const known = knownAs(route, draft, input)
  if (known === 'managed' || !route.touches || !isListed(route.raw, draft, input)) return known === 'managed'
  if (namesNoSubset(route, draft.namespace, reach)) return true
  return known === undefined && stable !== undefined && route.list.some(({ destination }) => reach(destination, draft.namespace)?.includes(stable) === true)
}

function knownAs({ id }: Seen, { saved, namespace, name }: Draft, { records }: MeshInput): 'managed' | 'left' | undefined {
  if (saved !== undefined) return saved[id] === undefined ? undefined : saved[id] === null ? 'left' : 'managed'
  const record = records.find((candidate) => candidate.namespace === namespace && candidate.name === name)
  return record?.httpRoutes?.includes(id) === true ? 'managed' : undefined
}

/** Whether some destination of the route is the Service as a whole. */
export const namesNoSubset = ({ list }: Seen, namespace: string, reach: Reach): boolean =>
  list.some(({ destination }) => reach(destination, namespace) !== undefined && jsonOf(destination)['subset'] === undefined)

/** Whether `traffic.httpRoutes` lets the route be managed; it says nothing of our own. */
const isListed = (raw: Json, { own }: Draft, { settings: { httpRoutes } }: MeshInput): boolean =>
  own || httpRoutes === undefined || httpRoutes.includes(textOf(raw['name']) ?? '')
