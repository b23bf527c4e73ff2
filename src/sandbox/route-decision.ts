import { fullHost } from './route-hosts.ts'
import type { MatchInput } from './route-match.ts'
import type { HeaderChanges, HttpRoute, RouteDestination, RouteTarget, StringMap } from './route-objects.ts'
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
  readonly subset: string | undefined
  /** Pods that get a copy. */
  readonly mirrors: readonly MirrorTarget[]
  readonly flags: RouteFlags
  /** The proxy's own answer; 0 where a pod answers. */
  readonly status: number
  /** As Istio's metrics have it: the Service's full name, or the Host header as sent where no cluster was found. */
  readonly service: string
  readonly routeName: string | undefined
  /** What goes on to the destination. */
  readonly forward: RouteRequest
  readonly headerChanges: readonly HeaderChanges[]
  /** An injected delay, milliseconds. */
  readonly delayMs: number
}

type Cluster = Pick<RouteDecision, 'destination' | 'flags' | 'status' | 'service' | 'subset'>

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
  const { routes } = view.virtualHost(caller, host)
  if (routes === undefined) return decision(context, view.service(host) ? cluster(context, { host }) : noRoute(request))
  const input: MatchInput = { ...request, labels: caller.labels, namespace: caller.namespace, gateways: caller.gateways }
  const route = routes.find(({ matches }) => matches(input))
  return route === undefined ? decision(context, noRoute(request)) : routed(context, route)
}

function routed(context: Context, { spec, namespace, mirrors }: CompiledRoute): RouteDecision {
  const chosen = weighted(spec.route ?? [], context.random)
  const target = complete(chosen?.destination ?? { host: '' }, namespace)
  const { abort, delay } = spec.fault ?? {}
  const aborted = faulted(abort, context.random)
  const delayed = faulted(delay, context.random)
  return {
    ...decision(context, aborted ? injected(target, abort?.httpStatus) : cluster(context, target)),
    mirrors: aborted ? [] : mirrors.flatMap((mirror) => mirrorTarget(context, mirror, namespace)),
    routeName: spec.name,
    forward: rewritten(context.request, spec),
    headerChanges: [spec.headers, chosen?.headers].filter((changes) => changes !== undefined),
    delayMs: delayed ? durationMs(delay?.fixedDelay ?? '0s') : 0,
  }
}

/** Unlike a mirror's, a fault's missing percentage means never. */
const faulted = (fault: { readonly percentage?: { readonly value?: number } } | undefined, random: () => number): boolean =>
  drawn(fault?.percentage?.value ?? 0, random)

/** A copy for which there is no pod is dropped in silence. */
function mirrorTarget(
  context: Context,
  { destination, percent }: CompiledRoute['mirrors'][number],
  namespace: string,
): readonly MirrorTarget[] {
  if (!drawn(percent, context.random)) return []
  const { destination: pod, service } = cluster(context, complete(destination, namespace))
  return pod === undefined ? [] : [{ pod, service }]
}

const decision = ({ request }: Context, found: Cluster): RouteDecision => ({
  ...found,
  mirrors: [],
  routeName: undefined,
  forward: request,
  headerChanges: [],
  delayMs: 0,
})

const noRoute = ({ host }: RouteRequest): Cluster => ({
  destination: undefined,
  subset: undefined,
  flags: 'NR',
  status: 404,
  service: host,
})

const injected = ({ host, subset }: RouteTarget, status = 503): Cluster => ({
  destination: undefined,
  subset,
  flags: 'FI',
  status,
  service: host,
})

function cluster({ view, caller, request, random }: Context, { host, subset }: RouteTarget): Cluster {
  const service = view.service(host)
  const labels = service === undefined || subset === undefined ? {} : view.rule(caller, service).subsets.get(subset)?.labels
  if (service === undefined || labels === undefined)
    return { destination: undefined, subset, flags: 'NC', status: 503, service: request.host }
  const pods = view.endpoints(service, labels)
  const destination = pods[Math.floor(random() * pods.length)]
  return destination === undefined
    ? { destination, subset, flags: 'UH', status: 503, service: host }
    : { destination, subset, flags: '-', status: 0, service: host }
}

/** Envoy's traps: a lone entry takes all even at 0, all at 0 means the first, none given beside given ones means nothing. */
function weighted(entries: readonly RouteDestination[], random: () => number): RouteDestination | undefined {
  const total = entries.reduce((sum, { weight = 0 }) => sum + weight, 0)
  if (entries.length === 1 || total === 0) return entries[0]
  let left = random() * total
  return entries.find(({ weight = 0 }) => (left -= weight) < 0)
}

const complete = ({ host, subset }: RouteTarget, namespace: string): RouteTarget => ({
  host: fullHost(host, namespace),
  ...(subset !== undefined && { subset }),
})

const drawn = (percent: number, random: () => number): boolean => percent >= 100 || (percent > 0 && random() * 100 < percent)

/** Where a prefix matched, only that prefix is replaced. */
function rewritten(request: RouteRequest, { rewrite, match = [] }: HttpRoute): RouteRequest {
  if (rewrite === undefined) return request
  const { uri, authority: host = request.host } = rewrite
  if (uri === undefined) return { ...request, host }
  const prefix = match.map((part) => part.uri?.prefix).find((part) => part !== undefined && request.path.startsWith(part))
  const rest = prefix === undefined ? (/\?.*$/.exec(request.path)?.[0] ?? '') : request.path.slice(prefix.length)
  return { ...request, host, path: uri + rest }
}

/** A protobuf or Go duration such as "1.5s", "200ms" or "1h30m" in milliseconds; 0 for what is none. */
export function durationMs(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  return [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0),
    0,
  )
}
