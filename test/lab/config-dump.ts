import { canonicalJson } from '../../src/canary/template-hash.ts'
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
    if (subset === undefined || host === undefined) throw new Error(`no name of a cluster for a host: "${name}"`)
    hosts[host] = { ...hosts[host], [subset]: policyOf(cluster) }
  }
  return hosts
}

const NAMES = new Set(['name', 'alt_stat_name', 'metadata', 'service_name'])
/** The server name of mutual TLS spells the cluster's name in Istio's way; one that a rule sets does not. */
const ISTIO_SNI = /^outbound_\./

function policyOf(cluster: Json): ClusterPolicy {
  const [thresholds] = listOf(jsonOf(cluster['circuit_breakers'])['thresholds'])
  const nameless = (key: string, value: unknown) => (key === 'sni' && ISTIO_SNI.test(textOf(value) ?? '') ? undefined : value)
  const own = Object.fromEntries(Object.entries(cluster).filter(([key]) => !NAMES.has(key)))
  return {
    maxConnections: thresholds?.['max_connections'],
    consecutive5xx: jsonOf(cluster['outlier_detection'])['consecutive_5xx'],
    tls: cluster['transport_socket_matches'] !== undefined ? 'auto' : cluster['transport_socket'] !== undefined ? 'mutual' : 'none',
    config: canonicalJson(JSON.parse(JSON.stringify({ ...own, eds_cluster_config: { ...jsonOf(own['eds_cluster_config']), service_name: undefined } }, nameless))),
  }
}

export const ABSENT = 'absent'

/** A policy in short, to read; not all of it. */
export const shown = ({ maxConnections, consecutive5xx, tls }: Omit<ClusterPolicy, 'config'>): string => [maxConnections, consecutive5xx ?? '-', tls].map(String).join(' ')

/**
 * What a cluster was in one look after another, without repetitions: each policy in short, or ABSENT. One that differs
 * from an earlier one of the same short form, be it in the least, has its whole config instead.
 */
export function storyOf(looks: readonly (ClusterPolicy | undefined)[]): readonly string[] {
  const first = new Map<string, string>()
  const told = looks.map((policy) => {
    if (policy === undefined) return ABSENT
    const short = shown(policy)
    if (!first.has(short)) first.set(short, policy.config)
    return first.get(short) === policy.config ? short : policy.config
  })
  return told.filter((one, index) => one !== told[index - 1])
}
