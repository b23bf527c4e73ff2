import type { KubeObject } from './objects.ts'
import { fullHost, hostCandidates, serviceHost } from './route-hosts.ts'
import { byAge, keyOf, namespaceOf, selects, specOf } from './route-objects.ts'
import type { DestinationRuleSpec, GatewaySpec, RouteObjects, StringMap, VirtualServiceSpec } from './route-objects.ts'
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
  /** 0 for the oldest Service. */
  readonly age: number
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
  const index = memoise(() => indexed(objects))
  const gateways = objects['gateways.networking.istio.io']
  return {
    service: (host) => index().services.get(host),
    resolve: memoise((header, namespace) => {
      const candidates = hostCandidates(header, namespace)
      return candidates.find((candidate) => index().services.has(candidate)) ?? candidates.at(-1) ?? header
    }),
    virtualHost: memoise(
      (caller, host) =>
        compileVirtualHost({
          virtualServices: index().virtualServices(host),
          all: objects[VIRTUAL_SERVICES],
          gateways,
          caller,
          host,
        }),
      (caller, host) => `${caller.gateways.join()} ${caller.namespace} ${host}`,
    ),
    rule: memoise(
      (caller, { host, namespace }) =>
        governingRule(index().rules(host), {
          host,
          serviceNamespace: namespace,
          callerNamespace: caller.namespace,
          callerLabels: caller.labels,
        }),
      (caller, { host }) => `${caller.key} ${host}`,
    ),
    endpoints: memoise(
      (service, labels) =>
        index()
          .pods(service)
          .filter((pod) => selectsPod(service, pod) && selects(labels, pod.labels)),
      ({ host }, labels) => `${host} ${JSON.stringify(labels)}`,
    ),
    serviceOf: memoise(
      (pod) =>
        index()
          .servicesNear(pod)
          .filter((service) => selectsPod(service, pod))
          .toSorted((a, b) => a.age - b.age)[0],
      ({ key }) => key,
    ),
    gateways: (labels) => gateways.filter((gateway) => selects(specOf<GatewaySpec>(gateway).selector ?? {}, labels)).map(keyOf),
    policies: compilePolicies(objects['authorizationpolicies.security.istio.io']),
  }
}

const VIRTUAL_SERVICES = 'virtualservices.networking.istio.io'

/** Made with the view's first question: a mesh without traffic should not pay for pushes. */
function indexed(objects: RouteObjects) {
  const services = objects.services.toSorted(byAge).map(serviceView)
  const servicesByLabel = groupBy(services, ({ namespace, selector }) => pairs(namespace, selector).slice(0, 1))
  const pods = groupBy(objects.pods.filter(isReady).map(workloadOf), ({ namespace, labels }) => pairs(namespace, labels))
  return {
    services: new Map(services.map((service) => [service.host, service])),
    /** Those that may select the pod. */
    servicesNear: ({ namespace, labels }: Workload) => pairs(namespace, labels).flatMap((pair) => servicesByLabel(pair)),
    /** Those that the Service may select. */
    pods: ({ namespace, selector }: ServiceView) =>
      pairs(namespace, selector)
        .slice(0, 1)
        .flatMap((pair) => pods(pair)),
    virtualServices: byHost(
      objects[VIRTUAL_SERVICES].toSorted(byAge),
      (object) => specOf<VirtualServiceSpec>(object).hosts ?? [],
    ),
    rules: byHost(objects['destinationrules.networking.istio.io'], (object) => [specOf<DestinationRuleSpec>(object).host ?? '']),
  }
}

function serviceView(object: KubeObject, age: number): ServiceView {
  const [name, namespace] = [object.metadata.name, namespaceOf(object)]
  return {
    host: serviceHost(name, namespace),
    name,
    namespace,
    age,
    selector: specOf<{ selector?: StringMap }>(object).selector ?? {},
  }
}

/** The objects that name a host exactly, then all that name some wildcard. */
function byHost(
  objects: readonly KubeObject[],
  hostsOf: (object: KubeObject) => readonly string[],
): (host: string) => readonly KubeObject[] {
  const keys = (object: KubeObject) =>
    hostsOf(object).map((host) => (host.startsWith('*') ? '*' : fullHost(host, namespaceOf(object))))
  const groups = groupBy(objects, (object) => [...new Set(keys(object))])
  return (host) => [...new Set([...groups(host), ...groups('*')])]
}

const pairs = (namespace: string, labels: StringMap): readonly string[] =>
  Object.entries(labels).map(([key, value]) => `${namespace} ${key}=${value}`)

const selectsPod = ({ selector }: ServiceView, pod: Workload): boolean =>
  Object.keys(selector).length > 0 && selects(selector, pod.labels)

function groupBy<Item>(items: readonly Item[], keysOf: (item: Item) => readonly string[]): (key: string) => readonly Item[] {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    for (const key of keysOf(item)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
  }
  return (key) => groups.get(key) ?? []
}

function memoise<Args extends readonly unknown[], Value>(
  compute: (...args: Args) => Value,
  key: (...args: Args) => string = (...args) => args.join(' '),
): (...args: Args) => Value {
  const known = new Map<string, { readonly value: Value }>()
  return (...args) => {
    const name = key(...args)
    const found = known.get(name) ?? { value: compute(...args) }
    known.set(name, found)
    return found.value
  }
}
