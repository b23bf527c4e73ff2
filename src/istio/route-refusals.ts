import type { EventReason } from '../canary/event-reasons.ts'
import { EVERY_POD, type Refusal } from '../canary/world.ts'
import { delegateOf, isMadeDelegate, wantedDelegate } from './delegates.ts'
import { audienceOf, includesAll } from './export-to.ts'
import { resolvedHost } from './host-name.ts'
import type { HttpRoute } from './http-route.ts'
import { listOf, specOf, textOf, textsOf, type Json } from './json.ts'
import type { KubeObject } from './mesh-input.ts'
import type { Mesh, VirtualService } from './mesh.ts'

type Guard = (service: VirtualService, mesh: Mesh) => string | undefined

/** What one VirtualService may do that forbids to start: by reason, what stands there and what to change. */
const GUARDS: readonly (readonly [EventReason, Guard])[] = [
  ['RouteInOtherNamespace', ofOtherNamespace],
  ['RouteOfAnotherCanary', ofAnotherCanary],
  ['ExportToNarrower', narrower],
  ['TcpOrTlsRoute', tcpOrTls],
  ['DelegateRoute', delegated],
  ['UnlistedRoute', unlisted],
  ['MirrorWithoutSubset', openMirror],
  ['DuplicateRoute', duplicate],
  ['NoWeight', weightless],
]

/** What about the VirtualServices and HTTPRoutes forbids to start. */
export const routeRefusals = (mesh: Mesh): readonly Refusal[] => [
  ...secondForHost(mesh),
  ...mesh.services.flatMap((service) => GUARDS.flatMap(([reason, guard]): readonly Refusal[] => {
    const what = guard(service, mesh)
    return what === undefined ? [] : [{ reason, message: `${title(service)} ${what}` }]
  })),
  ...mesh.input.httpRoutes.filter((route) => namesService(route, mesh)).map(({ metadata: { namespace, name } }): Refusal => ({
    reason: 'HTTPRoute',
    message: `HTTPRoute ${namespace ?? ''}/${name} routes to all pods of ${mesh.input.settings.service}: write it as a VirtualService`,
  })),
  ...missingRoutes(mesh),
]

const title = ({ namespace, name }: VirtualService): string => `VirtualService ${namespace}/${name}`

const place = ({ index, id }: HttpRoute): string => `http[${index}] (${id})`

/** In the mesh the older one wins whole, what it does not match is answered 404. A wildcard yields to the host itself. */
function secondForHost({ services, fqdn, input }: Mesh): readonly Refusal[] {
  const isVisible = ({ spec, namespace }: VirtualService) =>
    includesAll(audienceOf(spec['exportTo'], namespace), new Set([input.canary.namespace]))
  const isExact = ({ spec, namespace }: VirtualService) =>
    textsOf(spec['hosts']).some((host) => resolvedHost(host, namespace, input.clusterDomain) === fqdn)
  const rivals = services.filter((service) => service.mesh && !service.own && textsOf(service.spec['hosts']).length > 0 && isVisible(service))
  const [first, second] = rivals.some(isExact) ? rivals.filter(isExact) : rivals
  if (first === undefined || second === undefined) return []
  const both = `${title(first)} and ${title(second)} are both for ${fqdn} in the mesh`
  return [{ reason: 'SecondVirtualService', message: `${both}, where the older one, ${first.name}, wins whole: join them in one` }]
}

function ofOtherNamespace({ near, routes }: VirtualService, { stable, input: { settings, canary } }: Mesh): string | undefined {
  const reached = routes.flatMap((route) => route.reached)
  const reachesDark = reached.some((revision) => revision === EVERY_POD || (stable !== undefined && revision !== stable))
  if (near || !reachesDark) return undefined
  return `sends requests to ${settings.service} from a namespace where Serin changes nothing: ` +
    `move the route to namespace ${canary.namespace}, or name a subset of the stable version`
}

function ofAnotherCanary({ near, otherCanary, routes }: VirtualService): string | undefined {
  if (!near || otherCanary === undefined || !routes.some(({ touches }) => touches)) return undefined
  return `carries the ledger of Canary ${otherCanary}: put the routes of each Canary into a VirtualService of their own; ` +
    'if that Canary is gone, remove the annotation serin.dev/ledger'
}

function narrower({ near, own, mesh, spec, namespace }: VirtualService, { input: { service } }: Mesh): string | undefined {
  const written = service?.metadata.annotations?.['networking.istio.io/exportTo']?.split(',').map((name) => name.trim())
  const isWide = includesAll(audienceOf(spec['exportTo'], namespace), audienceOf(written, namespace))
  if (!near || !mesh || own || isWide) return undefined
  return 'is exported to fewer namespaces than its Service, whose other callers reach all pods: give it the same exportTo'
}

function tcpOrTls({ own, spec, namespace }: VirtualService, { reach, input }: Mesh): string | undefined {
  const isFor = ({ route }: Json) => listOf(route).some(({ destination }) => reach(destination, namespace) !== undefined)
  const kind = ['tcp', 'tls'].find((field) => !(own && field === 'tcp') && listOf(spec[field]).some(isFor))
  return kind && `has a ${kind} route to ${input.settings.service}, which cannot be split by request: use an http route`
}

/** A delegate of the user's could be deleted by itself, and then all pods are reached: only Serin's own is made again at once. */
function delegated({ mesh, namespace, object, spec, routes }: VirtualService, { input }: Mesh): string | undefined {
  const isDelegate = textsOf(spec['hosts']).length === 0 && routes.some(({ touches }) => touches)
  if (isDelegate && !isMadeDelegate(input, object))
    return 'has no hosts and so is a delegate of yours: put its routes into the root, or delete it and name it in spec.traffic.delegate, so that Serin makes it'
  const wanted = wantedDelegate(input)
  const others = routes.flatMap(({ raw }) => delegateOf(raw, namespace) ?? [])
    .filter(({ name, namespace: home }) => name !== wanted?.name || home !== wanted.namespace)
  return mesh && others[0] !== undefined && !isDelegate
    ? `hands requests for the host to the delegate ${others[0].namespace}/${others[0].name}: put that one's routes into it, or name the delegate in spec.traffic.delegate, so that Serin makes it`
    : undefined
}

function unlisted({ near, otherCanary, routes }: VirtualService): string | undefined {
  const open = routes.find((route) => route.open && !route.managed && route.copy === undefined)
  if (!near || otherCanary !== undefined || open === undefined) return undefined
  return `${place(open)} names no subset and is not in spec.traffic.httpRoutes: list it there, or give it a subset`
}

function openMirror({ routes }: VirtualService): string | undefined {
  const open = routes.find(({ copy, mirrored }) => copy === undefined && mirrored.includes(EVERY_POD))
  return open && `${place(open)} mirrors requests to all pods of the Service: give the mirror a subset`
}

function duplicate({ routes }: VirtualService): string | undefined {
  const twice = routes.find(({ managed, id, index }) => managed && routes.some((other) => other.id === id && other.index !== index))
  return twice && `has another http route that Serin cannot tell from ${place(twice)}: give each a name of its own`
}

/** Istio's webhook refuses it; where that is off, proxies refuse every route of the host, and keep those they had. */
function weightless({ routes, ledger }: VirtualService): string | undefined {
  const frozen = routes.find(({ list, touches, managed }) =>
    touches && !(managed && ledger !== undefined) && list.length > 1 && list.every(({ weight }) => weight === undefined || weight === 0))
  return frozen && `${place(frozen)} has several destinations and no weight above 0, which freezes the routes of every proxy: give one a weight`
}

/** Names in `traffic.httpRoutes` that no route to the Service has. */
function missingRoutes({ input: { canary, settings }, services }: Mesh): readonly Refusal[] {
  const routes = services.filter(({ near }) => near).flatMap((service) => service.routes).filter(({ touches }) => touches)
  const missing = (settings.httpRoutes ?? []).filter((name) => !routes.some(({ id }) => id === name))
  return missing.map((name): Refusal => ({
    reason: 'RouteNotFound',
    message: `spec.traffic.httpRoutes names ${name}, but no VirtualService in namespace ${canary.namespace} has an http route ` +
      'of that name to the Service: correct it',
  }))
}

/** Whether a route of the Gateway API has the Service as its parent or as a backend. */
function namesService(route: KubeObject, { input: { settings, canary } }: Mesh): boolean {
  const isService = ({ kind, name, namespace }: Json, unnamedKind: string) =>
    (textOf(kind) ?? unnamedKind) === 'Service' && name === settings.service &&
    (textOf(namespace) ?? route.metadata.namespace) === canary.namespace
  const { parentRefs, rules } = specOf(route)
  return listOf(parentRefs).some((parent) => isService(parent, 'Gateway')) ||
    listOf(rules).some(({ backendRefs }) => listOf(backendRefs).some((backend) => isService(backend, 'Service')))
}
