import { EVERY_POD, NO_POD } from '../canary/world.ts'
import type { HttpRoute } from './http-route.ts'
import { listOf, textOf } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import type { Draft, Mesh } from './mesh.ts'

/**
 * The revision that all routes name that name one by a subset; where they differ, the one that the routes for all
 * requests name. Routes in which a ledger stands are not asked.
 */
export function firstNamed(drafts: readonly Draft[]): string | undefined {
  const routes = drafts.filter(({ near, ledger }) => near && ledger === undefined)
    .flatMap((draft) => draft.routes)
    .filter(({ copy }) => copy === undefined)
  return onlyOne(routes) ?? onlyOne(routes.filter(({ raw }) => listOf(raw['match']).length === 0))
}

function onlyOne(routes: readonly HttpRoute[]): string | undefined {
  const [first, ...others] = new Set(routes.flatMap(({ reached }) => reached).filter((revision) => revision !== EVERY_POD && revision !== NO_POD))
  return others.length === 0 ? first : undefined
}

/**
 * Whether Serin decides where the route goes: it was saved or recorded as managed, names no subset, or at first sight
 * names one that selects stable.
 */
export function isManaged(route: HttpRoute, draft: Draft, { input, stable }: Pick<Mesh, 'input' | 'stable'>): boolean {
  if (!draft.near || draft.otherCanary !== undefined || route.copy !== undefined || route.list.length === 0) return false
  const known = knownAs(route, draft, input)
  if (known === 'managed' || !isListed(route, draft, input)) return known === 'managed'
  return route.open || (known === undefined && stable !== undefined && route.reached.includes(stable))
}

function knownAs({ id }: HttpRoute, { saved, namespace, name }: Draft, { records }: MeshInput): 'managed' | 'left' | undefined {
  const original = saved?.get(id)
  if (original !== undefined) return original === null ? 'left' : 'managed'
  const record = saved === undefined ? records.find((one) => one.namespace === namespace && one.name === name) : undefined
  return record?.httpRoutes?.includes(id) === true ? 'managed' : undefined
}

/** Whether `traffic.httpRoutes` lets the route be managed; it says nothing of our own. */
const isListed = ({ raw }: HttpRoute, { own }: Draft, { settings: { httpRoutes } }: MeshInput): boolean =>
  own || httpRoutes === undefined || httpRoutes.includes(textOf(raw['name']) ?? '')
