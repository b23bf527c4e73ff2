import type { HTTPMatch } from '../api/canary.ts'
import type { Settings } from '../api/settings.ts'
import type { Refusal } from '../canary/world.ts'
import { originalOf, type HttpRoute } from './http-route.ts'
import { listOf, type Json } from './json.ts'
import { matchProduct } from './match-product.ts'
import { istioMatch, writtenAs } from './match-words.ts'
import type { Mesh, VirtualService } from './mesh.ts'
import { isAtGateway, isInMesh } from './reach.ts'
import { ownsCookie } from './sticky-routes.ts'

type Condition = { readonly path: string; readonly match: HTTPMatch }

const STICKY = 'spec.traffic.sessionAffinity'

/** What of steps, preview and sticky users Istio cannot join with a managed route: one text of each has room for one value. */
export function stepRefusals(mesh: Mesh): readonly Refusal[] {
  const { input: { settings }, services } = mesh
  const conditions = conditionsOf(settings)
  const managed = services.flatMap((service) => service.routes.filter((route) => route.managed).map((route) => ({ service, route })))
  return [
    ...managed.flatMap(({ service, route }) => conditions.flatMap((condition) => clashes(condition, route, service))),
    ...claimsInMesh(conditions, managed.map(({ service }) => service)),
    ...mirroredUsers(settings),
    ...(settings.sessionAffinity === undefined ? [] : managed.flatMap(({ service, route }) => takenCookies(route, service))),
  ]
}

function conditionsOf({ steps, preview, sessionAffinity }: Settings): readonly Condition[] {
  return [
    ...steps.flatMap(({ match, mirror }, step) => [...listed(`spec.steps[${step}].match`, match), ...listed(`spec.steps[${step}].mirror.match`, mirror?.match ?? [])]),
    ...listed('spec.preview.match', preview.match),
    ...(sessionAffinity === undefined ? [] : [{ path: STICKY, match: cookieMatch(sessionAffinity.cookie) }]),
  ]
}

const listed = (path: string, matches: readonly HTTPMatch[]): readonly Condition[] => matches.map((match, i) => ({ path: `${path}[${i}]`, match }))

/** Stands for any value of the cookie. */
const cookieMatch = (cookie: string): HTTPMatch => ({ cookies: { [cookie]: { exact: '' } } })

const refused = (ours: string, theirs: string, why: string): Refusal => ({ reason: 'UnmatchableProduct', message: `${ours} and ${theirs} ${why}` })

const title = ({ namespace, name }: VirtualService): string => `VirtualService ${namespace}/${name}`

const ONE_MATCH = "cannot both stand in one match of Istio's: change one of them"

function clashes({ path, match }: Condition, { raw, index }: HttpRoute, service: VirtualService): readonly Refusal[] {
  return listOf(raw['match']).flatMap((theirs, i) => {
    const product = matchProduct(theirs, match)
    if (product.kind !== 'clash') return []
    const ours = path === STICKY ? `${STICKY}.cookie` : `${path}.${writtenAs(match, product.field)}`
    return [refused(ours, `${title(service)} http[${index}].match[${i}].${product.field}`, ONE_MATCH)]
  })
}

/** No sidecar knows claims: beside the mesh istiod refuses the route, and without a gateway nobody would ever match. */
function claimsInMesh(conditions: readonly Condition[], services: readonly VirtualService[]): readonly Refusal[] {
  const claims = conditions.filter(({ match }) => match.claims !== undefined)
  const known = new Set(services)
  const nowhere = ![...known].some(({ spec }) => isAtGateway(spec))
  const inMesh = [...known].filter(({ spec }) => isInMesh(spec) && (nowhere || isAtGateway(spec)))
  return claims.flatMap(({ path }) => inMesh.map((service) =>
    refused(`${path}.claims`, `${title(service)} gateways`, 'exclude each other, for only gateways know the claims of a request: give the gateway a VirtualService without "mesh"')))
}

/** A step that mirrors some of the requests and shares them out among known users needs both in one match. */
function mirroredUsers({ steps, sessionAffinity }: Settings): readonly Refusal[] {
  if (sessionAffinity === undefined) return []
  const sticky: Json = istioMatch(cookieMatch(sessionAffinity.cookie))
  return steps.flatMap(({ weight, mirror }, step) => (weight === 0 || weight === 100 ? [] : listed(`spec.steps[${step}].mirror.match`, mirror?.match ?? [])))
    .flatMap(({ path, match }) => {
      const product = matchProduct(sticky, match)
      return product.kind === 'clash' ? [refused(`${path}.${writtenAs(match, product.field)}`, STICKY, ONE_MATCH)] : []
    })
}

/** A destination has room for one Set-Cookie. */
const takenCookies = (route: HttpRoute, service: VirtualService): readonly Refusal[] =>
  (originalOf(route, service) ?? route.list).flatMap((entry, i) => (ownsCookie(entry)
    ? [refused(STICKY, `${title(service)} http[${route.index}].route[${i}].headers.response`, 'both speak of Set-Cookie: move yours to the headers of the route, or into the app')]
    : []))
