import { at, listAt, textAt } from '../../src/sandbox/json.ts'

/** How a proxy treats the pods of one subset of a Service; what is not there is at Istio's default. */
export type ClusterPolicy = {
  readonly maxConnections?: number
  readonly maxRequestsPerConnection?: number
  readonly consecutive5xxErrors?: number
  readonly random?: true
  readonly tls?: 'DISABLE' | 'SIMPLE'
}

/** By subset, "" for the Service without one. */
export type ClusterPolicies = Readonly<Record<string, ClusterPolicy>>

/** As a DestinationRule's trafficPolicy says it. */
export function policyOfRule(policy: unknown): ClusterPolicy {
  return known({
    maxConnections: at(policy, 'connectionPool', 'tcp', 'maxConnections'),
    maxRequestsPerConnection: at(policy, 'connectionPool', 'http', 'maxRequestsPerConnection'),
    consecutive5xxErrors: at(policy, 'outlierDetection', 'consecutive5xxErrors'),
    random: at(policy, 'loadBalancer', 'simple') === 'RANDOM' || undefined,
    tls: at(policy, 'tls', 'mode'),
  })
}

/** Envoy's own answer for what limits nothing. */
const UNLIMITED = 2 ** 32 - 1
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const TLS = 'envoy.transport_sockets.tls'

/** As the configuration dump of Envoy says it, clusters of one host. */
export function policiesOfEnvoy(dump: unknown): ClusterPolicies {
  const clusters = listAt(dump, 'configs').map((config) => at(config, 'cluster'))
  return Object.fromEntries(clusters.map((cluster) => [textAt(cluster, 'name').split('|')[2] ?? '', policyOfCluster(cluster)]))
}

function policyOfCluster(cluster: unknown): ClusterPolicy {
  const [thresholds] = listAt(cluster, 'circuit_breakers', 'thresholds')
  const maxConnections = at(thresholds, 'max_connections')
  const balancing = [textAt(cluster, 'lb_policy'), ...listAt(cluster, 'load_balancing_policy', 'policies').map((each) => textAt(each, 'typed_extension_config', 'name'))]
  return known({
    maxConnections: maxConnections === UNLIMITED ? undefined : maxConnections,
    maxRequestsPerConnection: at(cluster, 'typed_extension_protocol_options', HTTP_OPTIONS, 'common_http_protocol_options', 'max_requests_per_connection'),
    consecutive5xxErrors: at(cluster, 'outlier_detection', 'consecutive_5xx'),
    random: balancing.some((name) => /random/i.test(name)) || undefined,
    tls: tlsOf(cluster),
  })
}

/** Mutual TLS comes by itself, as a choice for each endpoint; a rule that says something else takes the choice away. */
function tlsOf(cluster: unknown): ClusterPolicy['tls'] {
  if (listAt(cluster, 'transport_socket_matches').length > 0) return undefined
  return textAt(cluster, 'transport_socket', 'name') === TLS ? 'SIMPLE' : 'DISABLE'
}

const known = (fields: Readonly<Record<keyof ClusterPolicy, unknown>>): ClusterPolicy =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ClusterPolicy
