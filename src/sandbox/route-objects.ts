import type { KubeObject, ResourceName } from './objects.ts'

/** The API server's resources that decide where a request goes: a change to any of them makes the mesh push. */
export const ROUTE_RESOURCES = [
  'virtualservices.networking.istio.io',
  'destinationrules.networking.istio.io',
  'authorizationpolicies.security.istio.io',
  'services',
  'pods',
] as const satisfies readonly ResourceName[]

/** One snapshot of everything the mesh routes by. */
export type RouteObjects = Readonly<Record<(typeof ROUTE_RESOURCES)[number], readonly KubeObject[]>>

/** Labels, header maps and the like. */
export type StringMap = Readonly<Record<string, string>>

/** Istio's StringMatch; an empty one means "is present". */
export type StringMatch = { readonly exact?: string; readonly prefix?: string; readonly regex?: string }

type MatchMap = Readonly<Record<string, StringMatch>>

/** Istio's HTTPMatchRequest, as far as the mesh knows it. */
export type HttpMatch = {
  readonly uri?: StringMatch
  readonly method?: StringMatch
  readonly authority?: StringMatch
  readonly headers?: MatchMap
  readonly withoutHeaders?: MatchMap
  readonly queryParams?: MatchMap
  readonly sourceLabels?: StringMap
  readonly sourceNamespace?: string
  readonly gateways?: readonly string[]
}

/** Where a route or a mirror sends requests. */
export type RouteTarget = { readonly host: string; readonly subset?: string }

/** One weighted entry of a route; `headers` are added to the answers of those who took it. */
export type RouteDestination = {
  readonly destination: RouteTarget
  readonly weight?: number
  readonly headers?: { readonly response?: { readonly add?: StringMap } }
}

type Percentage = { readonly value?: number }

/** Istio's HTTPRoute, as far as the mesh knows it. */
export type HttpRoute = {
  readonly name?: string
  readonly match?: readonly HttpMatch[]
  readonly route?: readonly RouteDestination[]
  readonly delegate?: { readonly name: string; readonly namespace?: string }
  readonly fault?: { readonly abort?: { readonly httpStatus?: number; readonly percentage?: Percentage } }
  readonly mirror?: RouteTarget
  readonly mirrorPercentage?: Percentage
  readonly mirrors?: readonly { readonly destination: RouteTarget; readonly percentage?: Percentage }[]
}

type Exported = { readonly exportTo?: readonly string[] }

/** spec of a VirtualService. */
export type VirtualServiceSpec = Exported & {
  readonly hosts?: readonly string[]
  readonly gateways?: readonly string[]
  readonly http?: readonly HttpRoute[]
}

type Policy = Readonly<Record<string, unknown>>

/** spec of a DestinationRule. */
export type DestinationRuleSpec = Exported & {
  readonly host?: string
  readonly trafficPolicy?: Policy
  readonly subsets?: readonly { readonly name: string; readonly labels?: StringMap; readonly trafficPolicy?: Policy }[]
}

/** The object's spec, read as `Spec`: the API server has checked it against the kind's schema. */
export const specOf = <Spec extends object>(object: KubeObject): Spec => (object['spec'] ?? {}) as Spec

/** The object's namespace, "" for cluster-scoped ones. */
export const namespaceOf = (object: KubeObject): string => object.metadata.namespace ?? ''

/** "namespace/name". */
export const keyOf = (object: KubeObject): string => `${namespaceOf(object)}/${object.metadata.name}`

const rank = ({ metadata }: KubeObject): string => [metadata.creationTimestamp, metadata.name, metadata.namespace].join('\n')

/** Oldest first; of the same second, by name, then namespace: the order in which Istio lets one of two objects win. */
export const byAge = (a: KubeObject, b: KubeObject): number => (rank(a) < rank(b) ? -1 : 1)

/** Whether `labels` carry all of `selector`; an empty selector selects everything. */
export const selects = (selector: StringMap, labels: StringMap): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)
