import type { KubeObject } from '../../src/runtime/object.ts'

/** An entry of an access-log format: the tag, and Envoy's operator for its value. */
type Tag = { readonly name: string; readonly value_format: string }

const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager'

const tags = (more: Readonly<Record<string, string>>): readonly Tag[] =>
  Object.entries({
    response_code: '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%', request_protocol: '%PROTOCOL%', authority: '%REQ(:AUTHORITY)%',
    svc: '%METADATA(CLUSTER:istio:services)%',
    local_workload: '%ENVIRONMENT(LOCAL_WORKLOAD)%', local_workload_namespace: '%ENVIRONMENT(LOCAL_NAMESPACE)%', local_app: '%ENVIRONMENT(LOCAL_APP)%', local_version: '%ENVIRONMENT(LOCAL_VERSION)%',
    ...more,
  }).map(([name, value_format]) => ({ name, value_format }))

const SOURCE = tags({ reporter: 'source', peer: '%METADATA(UPSTREAM_HOST:istio:workload)%' })
const DESTINATION = tags({ reporter: 'destination', peer_principal: '%DOWNSTREAM_PEER_URI_SAN%' })

function counted(context: string, list: readonly Tag[]): object {
  const config = {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config',
    stat_prefix: 'istio',
    counters: [{ value_fixed: 1, stat: { name: 'requests_total', tags: list } }],
    histograms: [{ unit: 'Milliseconds', value_format: '%DURATION%', stat: { name: 'request_duration_milliseconds', tags: list } }],
  }
  return {
    applyTo: 'NETWORK_FILTER',
    match: { context, listener: { filterChain: { filter: { name: HTTP_CONNECTION_MANAGER } } } },
    patch: {
      operation: 'MERGE',
      value: {
        name: HTTP_CONNECTION_MANAGER,
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
          access_log: [{ name: 'envoy.access_loggers.stats', typed_config: config }],
        },
      },
    },
  }
}

/** Makes plain Envoys count `istio_requests_total` and `istio_request_duration_milliseconds`, as Istio's own build does with a filter. */
export const requestMetrics = {
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'request-metrics', namespace: 'istio-system' },
  spec: { configPatches: [counted('SIDECAR_OUTBOUND', SOURCE), counted('GATEWAY', SOURCE), counted('SIDECAR_INBOUND', DESTINATION)] },
} as unknown as KubeObject

type Relabeling = { readonly source_labels: readonly string[]; readonly regex: string; readonly target_label: string; readonly replacement?: string; readonly separator?: string }

const relabel = (source_labels: readonly string[], regex: string, target_label: string, replacement = '$1'): Relabeling => ({ source_labels, regex, target_label, replacement })

/** `peer` reads WORKLOAD;NAMESPACE;APP;VERSION;CLUSTER; a request that reached no pod has none. */
const PEER = '([^;]+);([^;]+);([^;]*);([^;]*);.*'
const OWN = { workload: 'local_workload', workload_namespace: 'local_workload_namespace', canonical_service: 'local_app', app: 'local_app', version: 'local_version' }
const PEERS = { workload: '$1', workload_namespace: '$2', canonical_service: '$3', app: '$3', version: '$4' }

/**
 * From Envoy's tags to the labels of Istio's metrics. `authority` stays, though Istio has none: of two series that differ
 * in nothing else, Prometheus would keep one.
 */
const TO_ISTIO: readonly object[] = [
  relabel(['__name__'], 'envoy_(istio_.+)', '__name__'),
  ...Object.entries(PEERS).map(([label, group]) => relabel(['reporter', 'peer'], `source;${PEER}`, `destination_${label}`, group)),
  ...['workload', 'version', 'workload_namespace', 'canonical_service', 'app'].map((label) => relabel(['reporter', 'peer'], 'source;-?', `destination_${label}`, 'unknown')),
  ...Object.entries(OWN).map(([label, local]) => relabel(['reporter', local], 'source;(.+)', `source_${label}`)),
  ...Object.entries(OWN).map(([label, local]) => relabel(['reporter', local], 'destination;(.+)', `destination_${label}`)),
  relabel(['authority'], '(.+)', 'destination_service'),
  relabel(['svc'], '.*"host":"([^"]+)".*', 'destination_service'),
  relabel(['destination_service'], '([^.]+)\\.([^.]+)\\.svc\\..*', 'destination_service_name', '$1'),
  relabel(['destination_service'], '([^.]+)\\.([^.]+)\\.svc\\..*', 'destination_service_namespace', '$2'),
  relabel(['reporter', 'peer_principal'], 'destination;spiffe.+', 'connection_security_policy', 'mutual_tls'),
  relabel(['reporter', 'peer_principal'], 'destination;(spiffe.+)', 'source_principal'),
  { action: 'labeldrop', regex: 'peer|peer_principal|local_.+|svc' },
]

/** Prometheus' configuration: the pods that `targets` lists, a second apart, and istiod. */
export const scrapeConfig = (targets: string, istiod: string): object => ({
  global: { scrape_interval: '1s', scrape_timeout: '900ms' },
  scrape_configs: [
    { job_name: 'envoy', metrics_path: '/stats/prometheus', file_sd_configs: [{ files: [targets], refresh_interval: '1s' }], metric_relabel_configs: [{ source_labels: ['__name__'], action: 'keep', regex: 'envoy_istio_.+' }, ...TO_ISTIO] },
    { job_name: 'istiod', static_configs: [{ targets: [istiod] }] },
  ],
})
