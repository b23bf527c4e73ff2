import { fullHost } from './route-hosts.ts'
import type { RouteDestination, RouteTarget, StringMap } from './route-objects.ts'
import type { Workload } from './route-pods.ts'
import type { CompiledRoute } from './route-table.ts'
import type { RouteView } from './route-view.ts'

/** A request as a proxy sees it. */
export type RouteRequest = {
  readonly method: string
  /** The Host header. */
  readonly host: string
  /** With its query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: StringMap
}

/** Envoy's response flags: no cluster, no healthy upstream, no route, fault injected; "-" for none. */
export type RouteFlags = '-' | 'NC' | 'UH' | 'NR' | 'FI'

/** A pod that gets a copy, and the Service it was chosen by. */
export type MirrorTarget = { readonly pod: Workload; readonly service: string }

/** What becomes of a request. */
export type RouteDecision = {
  /** The pod that is to answer; undefined where the proxy answers itself, with `status`. */
  readonly destination: Workload | undefined
  /** Pods that get a copy. */
  readonly mirrors: readonly MirrorTarget[]
  readonly flags: RouteFlags
  /** The proxy's own answer; 0 where a pod answers. */
  readonly status: number
  /** As Istio's metrics have it: the Service's full name, or the Host header as sent where no cluster was found. */
  readonly service: string
  readonly routeName: string | undefined
  /** Added to the answer, whoever makes it. */
  readonly addedHeaders: StringMap
}

type Context = {
  readonly view: RouteView
  readonly caller: Workload
  readonly request: RouteRequest
  readonly random: () => number
}

/** Decides one request by one view, as the caller's Envoy would. `random` gives numbers in [0, 1). */
export function decideRoute(view: RouteView, caller: Workload, request: RouteRequest, random: () => number): RouteDecision {
  const context = { view, caller, request, random }
  const host = view.resolve(request.host, caller.namespace)
  const routes = view.routes(caller, host)
  if (routes === undefined && view.service(host) !== undefined) return cluster(context, { host })
  const { labels, namespace, side } = caller
  const route = routes?.find(({ matches }) => matches({ ...request, labels, namespace, side }))
  return route === undefined ? own(404, 'NR', request.host) : routed(context, route)
}

const own = (status: number, flags: RouteFlags, service: string): RouteDecision => ({
  destination: undefined,
  mirrors: [],
  flags,
  status,
  service,
  routeName: undefined,
  addedHeaders: {},
})

const NOWHERE: RouteDestination = { destination: { host: '' } }

function routed(context: Context, { spec, namespace, mirrors }: CompiledRoute): RouteDecision {
  const { destination, headers } = weighted(spec.route ?? [], context.random) ?? NOWHERE
  const target = complete(destination, namespace)
  const { httpStatus = 503, percentage } = spec.fault?.abort ?? {}
  // Unlike a mirror's, a fault's missing percentage means never.
  const aborted = drawn(percentage?.value ?? 0, context.random)
  if (aborted) return { ...own(httpStatus, 'FI', target.host), routeName: spec.name }
  const copies = mirrors.filter(({ percent }) => drawn(percent, context.random))
  return {
    ...cluster(context, target),
    mirrors: copies.flatMap(({ destination }) => mirrorTarget(context, complete(destination, namespace))),
    routeName: spec.name,
    addedHeaders: headers?.response?.add ?? {},
  }
}

/** A copy for which there is no pod is dropped in silence. */
function mirrorTarget(context: Context, target: RouteTarget): readonly MirrorTarget[] {
  const { destination: pod, service } = cluster(context, target)
  return pod === undefined ? [] : [{ pod, service }]
}

function cluster({ view, caller, request, random }: Context, { host, subset }: RouteTarget): RouteDecision {
  const service = view.service(host)
  const labels = service === undefined || subset === undefined ? {} : view.rule(caller, service).subsets.get(subset)?.labels
  if (service === undefined || labels === undefined) return own(503, 'NC', request.host)
  const pods = view.endpoints(service, labels)
  const destination = pods[Math.floor(random() * pods.length)]
  return destination === undefined ? own(503, 'UH', host) : { ...own(0, '-', host), destination }
}

/** Envoy's traps: a lone entry takes all even at 0, one without a weight beside given ones gets nothing. Where all are 0 no proxy has the route. */
function weighted(entries: readonly RouteDestination[], random: () => number): RouteDestination | undefined {
  const total = entries.reduce((sum, { weight = 0 }) => sum + weight, 0)
  if (entries.length === 1) return entries[0]
  let left = random() * total
  return entries.find(({ weight = 0 }) => (left -= weight) < 0)
}

const complete = (target: RouteTarget, namespace: string): RouteTarget => ({ ...target, host: fullHost(target.host, namespace) })

const drawn = (percent: number, random: () => number): boolean => percent >= 100 || (percent > 0 && random() * 100 < percent)
