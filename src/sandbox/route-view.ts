import type { KubeObject } from './objects.ts'
import { hostCandidates, serviceHost } from './route-hosts.ts'
import { byAge, namespaceOf, selects, specOf } from './route-objects.ts'
import type { RouteObjects, StringMap } from './route-objects.ts'
import { isReady, workloadOf, type Workload } from './route-pods.ts'
import { compilePolicies, type PolicyCheck } from './route-policy.ts'
import { governingRule, type MergedRule } from './route-rules.ts'
import { compileVirtualHost, type CompiledRoute } from './route-table.ts'

/** A Service of the mesh. */
export type ServiceView = { readonly host: string; readonly namespace: string; readonly selector: StringMap }

/** What every proxy knows between two pushes. Compiled on demand, then kept: asking again costs a map look-up. */
export type RouteView = {
  readonly service: (host: string) => ServiceView | undefined
  /** The full name of the Service that a Host header means to a caller in `namespace`; else the header without its port. */
  readonly resolve: (header: string, namespace: string) => string
  /** The routes for a host; undefined where the Service's pods answer. */
  readonly routes: (caller: Workload, host: string) => readonly CompiledRoute[] | undefined
  readonly rule: (caller: Workload, service: ServiceView) => MergedRule
  /** Ready pods of the Service that carry `labels`. */
  readonly endpoints: (service: ServiceView, labels: StringMap) => readonly Workload[]
  /** The Service in whose name the pod's own proxy reports: the oldest that selects it. */
  readonly serviceOf: (pod: Workload) => ServiceView | undefined
  readonly policies: PolicyCheck
}

/** The view of one snapshot. */
export function createRouteView(objects: RouteObjects): RouteView {
  // Made with the view's first question: a mesh without traffic should not pay for pushes.
  const services = memoise(() => {
    const views = objects.services.toSorted(byAge).map(serviceView)
    return new Map(views.map((service) => [service.host, service]))
  })
  const virtualServices = memoise(() => objects['virtualservices.networking.istio.io'].toSorted(byAge))
  const pods = memoise(() => objects.pods.filter(isReady).map(workloadOf))
  const rules = objects['destinationrules.networking.istio.io']
  return {
    service: (host) => services().get(host),
    resolve: memoise((header, namespace) => {
      const candidates = hostCandidates(header, namespace)
      return candidates.find((candidate) => services().has(candidate)) ?? candidates.at(-1) ?? header
    }),
    routes: memoise(
      (caller, host) => compileVirtualHost({ virtualServices: virtualServices(), caller, host }),
      (caller, host) => `${caller.side} ${caller.namespace} ${host}`,
    ),
    rule: memoise(
      (caller, { host, namespace }) =>
        governingRule(rules, { host, serviceNamespace: namespace, callerNamespace: caller.namespace }),
      ({ namespace }, { host }) => `${namespace} ${host}`,
    ),
    endpoints: memoise(
      (service, labels) => pods().filter((pod) => selectsPod(service, pod) && selects(labels, pod.labels)),
      ({ host }, labels) => `${host} ${JSON.stringify(labels)}`,
    ),
    serviceOf: memoise(
      (pod) => [...services().values()].find((service) => selectsPod(service, pod)),
      ({ key }) => key,
    ),
    policies: compilePolicies(objects['authorizationpolicies.security.istio.io']),
  }
}

function serviceView(object: KubeObject): ServiceView {
  const namespace = namespaceOf(object)
  const { selector = {} } = specOf<{ selector?: StringMap }>(object)
  return { host: serviceHost(object.metadata.name, namespace), namespace, selector }
}

const selectsPod = ({ namespace, selector }: ServiceView, pod: Workload): boolean =>
  pod.namespace === namespace && Object.keys(selector).length > 0 && selects(selector, pod.labels)

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
