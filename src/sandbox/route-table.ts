import type { KubeObject } from './objects.ts'
import { closest, fullHost, hostFit, isVisible } from './route-hosts.ts'
import { compileMatches, sideOf, type Predicate } from './route-match.ts'
import { keyOf, namespaceOf, specOf } from './route-objects.ts'
import type { HttpRoute, RouteTarget, VirtualServiceSpec } from './route-objects.ts'
import type { Workload } from './route-pods.ts'

/** An http route, ready to be tried. */
export type CompiledRoute = {
  readonly matches: Predicate
  /** As written. */
  readonly spec: HttpRoute
  /** Namespace in which the route's short host names are completed. */
  readonly namespace: string
  readonly mirrors: readonly { readonly destination: RouteTarget; readonly percent: number }[]
}

type Question = {
  /** Oldest first. */
  readonly virtualServices: readonly KubeObject[]
  readonly caller: Workload
  readonly host: string
}

/**
 * The routes for a host as the caller's proxy has them; undefined where no VirtualService speaks for it and the Service's
 * pods answer. In the mesh the oldest VirtualService for the closest host wins whole; at a gateway the routes of all of
 * them join, oldest first, those without a match last.
 */
export function compileVirtualHost(question: Question): readonly CompiledRoute[] | undefined {
  const { caller, virtualServices } = question
  const atGateway = caller.side === 'gateway'
  const speaking = closest(virtualServices, (object) => fitOf(object, question)).slice(0, atGateway ? undefined : 1)
  const routes = speaking.flatMap((object) => compileRoutes(object, virtualServices))
  if (!atGateway) return routes.length === 0 ? undefined : routes
  const matched = (route: CompiledRoute): boolean => route.spec.match !== undefined
  return [...routes.filter(matched), ...routes.filter((route) => !matched(route))]
}

function fitOf(object: KubeObject, { caller, host }: Question): number {
  const { exportTo, hosts = [], gateways = ['mesh'] } = specOf<VirtualServiceSpec>(object)
  const heard = gateways.some((name) => sideOf(name) === caller.side) && isVisible(object, exportTo, caller.namespace)
  const names = hosts.map((each) => fullHost(each, namespaceOf(object)))
  return heard ? hostFit(names, host) : -1
}

/** A route that delegates is replaced by its delegate's routes, or by nothing where the delegate is gone. */
function compileRoutes(object: KubeObject, all: readonly KubeObject[]): readonly CompiledRoute[] {
  const namespace = namespaceOf(object)
  return (specOf<VirtualServiceSpec>(object).http ?? []).flatMap((spec) => {
    if (spec.delegate === undefined) return [compileRoute(spec, namespace)]
    const key = `${spec.delegate.namespace ?? namespace}/${spec.delegate.name}`
    const delegate = all.find((candidate) => keyOf(candidate) === key)
    const { exportTo, http = [] } = delegate === undefined ? {} : specOf<VirtualServiceSpec>(delegate)
    if (delegate === undefined || !isVisible(delegate, exportTo, namespace)) return []
    const outer = compileRoute(spec, namespace)
    const inner = http.map((each) => compileRoute(each, namespaceOf(delegate)))
    return inner.map((route) => ({ ...route, matches: (input) => outer.matches(input) && route.matches(input) }))
  })
}

function compileRoute(spec: HttpRoute, namespace: string): CompiledRoute {
  const single = spec.mirror === undefined ? [] : [{ destination: spec.mirror, percentage: spec.mirrorPercentage }]
  return {
    matches: compileMatches(spec.match),
    spec,
    namespace,
    mirrors: [...single, ...(spec.mirrors ?? [])].map(({ destination, percentage }) => ({
      destination,
      percent: percentage === undefined ? 100 : (percentage.value ?? 0),
    })),
  }
}
