import { type Json, jsonOf, listOf, textOf } from '../../src/istio/json.ts'

/** What a cluster does with requests and connections, as a DestinationRule's traffic policy decides it. */
export type ClusterPolicy = {
  readonly maxConnections: unknown
  readonly consecutive5xx: unknown
  /** `auto`: mutual where the endpoint has a sidecar, plain text elsewhere; what Istio does where no rule says. */
  readonly tls: 'mutual' | 'none' | 'auto'
  /** The whole cluster as JSON, but for what names it: two of equal policy are equal here. */
  readonly config: string
}

/** Subset → policy, of one host's clusters; "" is the host's default one. */
export type HostClusters = Readonly<Record<string, ClusterPolicy>>

/** What is asked of an Envoy's admin for the clusters that are in use for these hosts, on the Service port 80. */
export const clustersPath = (hosts: readonly string[]): string => {
  const names = `outbound\\|80\\|[^|]*\\|(${hosts.map((host) => host.replaceAll('.', '\\.')).join('|')})`
  return `/config_dump?resource=dynamic_active_clusters&name_regex=${encodeURIComponent(names)}`
}

/** Host → its clusters, from the answer to that. Throws where it is none. */
export function clustersOf(text: string): Readonly<Record<string, HostClusters>> {
  const dump: unknown = JSON.parse(text)
  const clusters = listOf(jsonOf(dump)['configs']).map((entry) => jsonOf(entry['cluster']))
  const hosts: Record<string, Record<string, ClusterPolicy>> = {}
  for (const cluster of clusters) {
    const name = textOf(cluster['name']) ?? ''
    const [, , subset, host] = name.split('|')
    if (subset === undefined || host === undefined) throw new Error(`no name of a cluster for a host: ${name}`)
    hosts[host] = { ...hosts[host], [subset]: policyOf(cluster) }
  }
  return hosts
}

const NAMES = new Set(['name', 'alt_stat_name', 'metadata', 'eds_cluster_config', 'sni'])

function policyOf(cluster: Json): ClusterPolicy {
  const [thresholds] = listOf(jsonOf(cluster['circuit_breakers'])['thresholds'])
  return {
    maxConnections: thresholds?.['max_connections'],
    consecutive5xx: jsonOf(cluster['outlier_detection'])['consecutive_5xx'],
    tls: cluster['transport_socket_matches'] !== undefined ? 'auto' : cluster['transport_socket'] !== undefined ? 'mutual' : 'none',
    config: JSON.stringify(cluster, (key, value: unknown) => (NAMES.has(key) ? undefined : value)),
  }
}
