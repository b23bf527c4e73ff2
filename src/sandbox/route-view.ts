import type { KubeObject } from './objects.ts'
import { ROOT_NAMESPACE, hostCandidates, serviceHost } from './route-hosts.ts'
import { byAge, keyOf, namespaceOf, selects, specOf } from './route-objects.ts'
import type { GatewaySpec, RouteObjects, StringMap } from './route-objects.ts'
import { compilePolicies } from './route-policy.ts'
import type { PolicyCheck } from './route-policy.ts'
import { isReady, workloadOf } from './route-pods.ts'
import type { Workload } from './route-pods.ts'
import { governingRule } from './route-rules.ts'
import type { MergedRule } from './route-rules.ts'
import { compileVirtualHost } from './route-table.ts'
import type { VirtualHost } from './route-table.ts'

/** A Service of the mesh, and its endpoints' pods. */
export type ServiceView = {
  readonly host: string
  readonly name: string
  readonly namespace: string
  readonly selector: StringMap
}

/** What every proxy knows between two pushes. Compiled on demand, then kept: asking again costs a map look-up. */
export type RouteView = {
  readonly service: (host: string) => ServiceView | undefined
  /** The full name of the Service that a Host header means to a caller in `namespace`; else the header without its port. */
  readonly resolve: (header: string, namespace: string) => string
  readonly virtualHost: (caller: Workload, host: string) => VirtualHost
  readonly rule: (caller: Workload, service: ServiceView) => MergedRule
  /** Ready pods of the Service that carry `labels`. */
  readonly endpoints: (service: ServiceView, labels: StringMap) => readonly Workload[]
  /** The Service in whose name the pod's own proxy reports: the oldest that selects it. */
  readonly serviceOf: (pod: Workload) => ServiceView | undefined
  /** The Gateways that a gateway with these labels serves, "namespace/name". */
  readonly gateways: (labels: StringMap) => readonly string[]
  readonly policies: PolicyCheck
}

/** The view of one snapshot. */
export function createRouteView(objects: RouteObjects): RouteView {
  const services = new Map(objects.services.toSorted(byAge).map((object) => serviceEntry(object)))
  const virtualServices = objects['virtualservices.networking.istio.io'].toSorted(byAge)
  const rules = groupBy(objects['destinationrules.networking.istio.io'], namespaceOf, (rule) => rule)
  const pods = groupBy(objects.pods.filter(isReady), namespaceOf, workloadOf)
  const gateways = objects['gateways.networking.istio.io']
  const rulesFor = (namespaces: readonly string[]) => [...new Set(namespaces)].flatMap((namespace) => rules.get(namespace) ?? [])
  return {
    service: (host) => services.get(host),
    resolve: memoise((header, namespace) => {
      const candidates = hostCandidates(header, namespace)
      return candidates.find((candidate) => services.has(candidate)) ?? candidates.at(-1) ?? header
    }),
    virtualHost: memoise(
      (caller, host) => compileVirtualHost({ virtualServices, gateways, caller, host }),
      (caller, host) => `${caller.gateways.join()} ${caller.namespace} ${host}`,
    ),
    rule: memoise(
      (caller, { host, namespace }) => governingRule(rulesFor([caller.namespace, namespace, ROOT_NAMESPACE]), {
        host, serviceNamespace: namespace, callerNamespace: caller.namespace, callerLabels: caller.labels,
      }),
      (caller, { host }) => `${caller.key} ${host}`,
    ),
    endpoints: memoise(
      (service, labels) => (pods.get(service.namespace) ?? [])
        .filter((pod) => selectsPod(service, pod) && selects(labels, pod.labels)),
      ({ host }, labels) => `${host} ${JSON.stringify(labels)}`,
    ),
    serviceOf: memoise(
      (pod) => [...services.values()].find((service) => service.namespace === pod.namespace && selectsPod(service, pod)),
      ({ key }) => key,
    ),
    gateways: (labels) => gateways.filter((gateway) => selects(specOf<GatewaySpec>(gateway).selector ?? {}, labels)).map(keyOf),
    policies: compilePolicies(objects['authorizationpolicies.security.istio.io']),
  }
}

function serviceEntry(object: KubeObject): [string, ServiceView] {
  const [name, namespace] = [object.metadata.name, namespaceOf(object)]
  const host = serviceHost(name, namespace)
  return [host, { host, name, namespace, selector: specOf<{ selector?: StringMap }>(object).selector ?? {} }]
}

const selectsPod = ({ selector }: ServiceView, pod: Workload): boolean => Object.keys(selector).length > 0 && selects(selector, pod.labels)

function groupBy<Item, Value>(
  items: readonly Item[], key: (item: Item) => string, value: (item: Item) => Value,
): ReadonlyMap<string, readonly Value[]> {
  const groups = new Map<string, Value[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [value(item)])
    else group.push(value(item))
  }
  return groups
}

function memoise<Args extends readonly unknown[], Value>(
  compute: (...args: Args) => Value, key: (...args: Args) => string = (...args) => args.join(' '),
): (...args: Args) => Value {
  const known = new Map<string, Value>()
  return (...args) => {
    const name = key(...args)
    const found = known.get(name)
    if (found !== undefined) return found
    const value = compute(...args)
    known.set(name, value)
    return value
  }
}
