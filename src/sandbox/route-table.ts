import type { KubeObject } from './objects.ts'
import { bestFit, fullHost, isVisible } from './route-hosts.ts'
import { compileMatches } from './route-match.ts'
import type { Predicate } from './route-match.ts'
import { keyOf, namespaceOf, specOf } from './route-objects.ts'
import type { GatewaySpec, HttpMatch, HttpRoute, RouteTarget, VirtualServiceSpec } from './route-objects.ts'
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

/** The routes for a host; undefined where no VirtualService speaks for it and the Service's pods answer. */
export type VirtualHost = { readonly routes: readonly CompiledRoute[] | undefined }

type Question = {
  /** At least all that name the host, oldest first. */
  readonly virtualServices: readonly KubeObject[]
  /** Where delegates are looked for. */
  readonly all: readonly KubeObject[]
  readonly gateways: readonly KubeObject[]
  readonly caller: Workload
  readonly host: string
}

/**
 * The routes for a host as the caller's proxy has them. In the mesh the oldest VirtualService for the closest host wins
 * whole; at a gateway the routes of all of them join, oldest first, those without a match last.
 */
export function compileVirtualHost(question: Question): VirtualHost {
  const { caller, all } = question
  const speaking = closest(question)
  if (!caller.gateways.includes('mesh')) {
    const routes = speaking.flatMap((object) => compileRoutes(object, all))
    return {
      routes: [
        ...routes.filter(({ spec }) => spec.match !== undefined),
        ...routes.filter(({ spec }) => spec.match === undefined),
      ],
    }
  }
  const [oldest] = speaking
  const routes = oldest === undefined ? [] : compileRoutes(oldest, all)
  return { routes: routes.length === 0 ? undefined : routes }
}

function closest({ virtualServices, gateways, caller, host }: Question): readonly KubeObject[] {
  const fits = virtualServices.map((object) => {
    const spec = specOf<VirtualServiceSpec>(object)
    const namespace = namespaceOf(object)
    const attached = (spec.gateways ?? ['mesh'])
      .map((gateway) => gatewayName(gateway, namespace))
      .filter((name) => caller.gateways.includes(name))
    const applies = isVisible(object, spec.exportTo, caller.namespace) && attached.some((name) => accepts(gateways, name, host))
    return {
      object,
      fit: applies
        ? bestFit(
            (spec.hosts ?? []).map((name) => fullHost(name, namespace)),
            host,
          )
        : -1,
    }
  })
  const best = Math.max(0, ...fits.map(({ fit }) => fit))
  return fits.filter(({ fit }) => fit === best).map(({ object }) => object)
}

const gatewayName = (written: string, namespace: string): string =>
  written === 'mesh' || written.includes('/') ? written : `${namespace}/${written}`

function accepts(gateways: readonly KubeObject[], name: string, host: string): boolean {
  if (name === 'mesh') return true
  const gateway = gateways.find((object) => keyOf(object) === name)
  const hosts = gateway === undefined ? [] : (specOf<GatewaySpec>(gateway).servers ?? []).flatMap((server) => server.hosts ?? [])
  return (
    bestFit(
      hosts.map((written) => written.split('/').at(-1) ?? written),
      host,
    ) >= 0
  )
}

/** A route that delegates is replaced by its delegate's routes, or by nothing where the delegate is gone. */
function compileRoutes(object: KubeObject, all: readonly KubeObject[]): readonly CompiledRoute[] {
  const namespace = namespaceOf(object)
  return (specOf<VirtualServiceSpec>(object).http ?? []).flatMap((spec) => {
    if (spec.delegate === undefined) return [compileRoute(spec, namespace)]
    const key = `${spec.delegate.namespace ?? namespace}/${spec.delegate.name}`
    const delegate = all.find((candidate) => keyOf(candidate) === key)
    const visible = delegate !== undefined && isVisible(delegate, specOf<VirtualServiceSpec>(delegate).exportTo, namespace)
    return visible ? delegatedRoutes(spec.match, namespace, delegate) : []
  })
}

function delegatedRoutes(
  match: readonly HttpMatch[] | undefined,
  namespace: string,
  delegate: KubeObject,
): readonly CompiledRoute[] {
  const outer = compileMatches(match, (written) => gatewayName(written, namespace))
  return (specOf<VirtualServiceSpec>(delegate).http ?? []).map((spec) => {
    const inner = compileRoute(spec, namespaceOf(delegate))
    return { ...inner, matches: (input) => outer(input) && inner.matches(input) }
  })
}

function compileRoute(spec: HttpRoute, namespace: string): CompiledRoute {
  const single =
    spec.mirror === undefined
      ? []
      : [{ destination: spec.mirror, ...(spec.mirrorPercentage && { percentage: spec.mirrorPercentage }) }]
  return {
    matches: compileMatches(spec.match, (written) => gatewayName(written, namespace)),
    spec,
    namespace,
    mirrors: [...single, ...(spec.mirrors ?? [])].map(({ destination, percentage }) => ({
      destination,
      percent: percentage === undefined ? 100 : (percentage.value ?? 0),
    })),
  }
}
