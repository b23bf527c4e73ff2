import { mkdirSync, writeFileSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONTROL_PLANE } from './network.ts'
import { PORTS } from './control-plane.ts'
import { isGateway, labelsOf, type Pod, workloadOf } from './pod.ts'
import type { Grade } from './lab-info.ts'
import type { Parts } from './parts.ts'
import type { Program } from './processes.ts'

/** Everything a proxy is told at its start. */
export type ProxyOptions = {
  readonly pod: Pod
  readonly address: string
  readonly netns: string
  /** The pod's own folder. */
  readonly directory: string
  readonly parts: Parts
  /** Of the pod's service account, for istiod; and istiod's root certificate. mtls only. */
  readonly token: string
  readonly rootCertificate: string
}

/** Where a proxy says that it is ready, and where Prometheus finds its counters. */
export const proxyPaths = (grade: Grade, address: string) => (grade === 'mtls'
  ? { ready: `http://${address}:15021/healthz/ready`, scrape: `${address}:15090` }
  : { ready: `http://${address}:15000/ready`, scrape: `${address}:15000` })

/** What Envoy's metrics say of the pod it stands in. */
const telemetry = (pod: Pod): Readonly<Record<string, string>> => ({
  LOCAL_WORKLOAD: workloadOf(pod),
  LOCAL_NAMESPACE: pod.metadata.namespace ?? '',
  LOCAL_APP: labelsOf(pod)['app'] ?? workloadOf(pod),
  LOCAL_VERSION: labelsOf(pod)['version'] ?? 'latest',
})

const owner = (pod: Pod): string => `kubernetes://apis/apps/v1/namespaces/${pod.metadata.namespace ?? ''}/deployments/${workloadOf(pod)}`

/** Istio's agent, which fetches certificates, carries the configuration and runs Envoy. All its paths are relative to the pod's folder. */
export function agent({ pod, address, netns, directory, parts, token, rootCertificate }: ProxyOptions): Program {
  const put = (path: string, text: string) => {
    mkdirSync(join(directory, path, '..'), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  put('var/run/secrets/tokens/istio-token', token)
  put('var/run/secrets/istio/root-cert.pem', rootCertificate)
  put('etc/istio/pod/labels', Object.entries(labelsOf(pod)).map(([key, value]) => `${key}="${value}"\n`).join(''))
  for (const path of ['etc/istio/proxy', 'var/lib/istio/data', 'var/lib/istio/envoy']) mkdirSync(join(directory, path), { recursive: true })
  copyFileSync(parts['envoy_bootstrap.json'], join(directory, 'var/lib/istio/envoy/envoy_bootstrap_tmpl.json'))
  const { name, namespace = '' } = pod.metadata
  const discovery = `${CONTROL_PLANE}:${PORTS.istiod}`
  return {
    name: `pods/${namespace}.${name}.proxy`,
    command: [parts['pilot-agent'], 'proxy', isGateway(pod) ? 'router' : 'sidecar', '--domain', `${namespace}.svc.cluster.local`, '--proxyLogLevel=warning'],
    cwd: directory, netns,
    env: {
      ...telemetry(pod), POD_NAME: name, POD_NAMESPACE: namespace, INSTANCE_IP: address, SERVICE_ACCOUNT: pod.spec.serviceAccountName ?? 'default',
      ISTIOD_SAN: 'istiod.istio-system.svc', CA_ADDR: discovery, TRUST_DOMAIN: 'cluster.local', ISTIO_META_CLUSTER_ID: 'Kubernetes', ISTIO_META_INTERCEPTION_MODE: 'REDIRECT',
      ISTIO_META_WORKLOAD_NAME: workloadOf(pod), ISTIO_META_OWNER: owner(pod), ISTIO_META_MESH_ID: 'cluster.local',
      PROXY_CONFIG: JSON.stringify({ discoveryAddress: discovery, binaryPath: parts.envoy, configPath: './etc/istio/proxy', statusPort: 15_020, concurrency: 1, terminationDrainDuration: '5s' }),
    },
  }
}

const BUCKETS = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000]

/** Envoy alone, in plain text. */
export function envoy({ pod, address, netns, directory, parts }: ProxyOptions): Program {
  const { name, namespace = '' } = pod.metadata
  const ads = { api_config_source: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'istiod' } }] } }
  const fetched = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' }
  const bootstrap = {
    node: {
      id: `${isGateway(pod) ? 'router' : 'sidecar'}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${labelsOf(pod)['app'] ?? workloadOf(pod)}.${namespace}`,
      metadata: {
        NAMESPACE: namespace, NAME: name, LABELS: labelsOf(pod), WORKLOAD_NAME: workloadOf(pod), OWNER: owner(pod), CLUSTER_ID: 'Kubernetes', MESH_ID: 'cluster.local',
        ISTIO_VERSION: '1.31.0', SERVICE_ACCOUNT: pod.spec.serviceAccountName ?? 'default', INSTANCE_IPS: address, INTERCEPTION_MODE: 'REDIRECT',
      },
    },
    dynamic_resources: { lds_config: fetched, cds_config: fetched, ads_config: ads.api_config_source },
    static_resources: {
      clusters: [{
        name: 'istiod', type: 'STATIC', connect_timeout: '1s',
        typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions', explicit_http_config: { http2_protocol_options: {} } } },
        load_assignment: { cluster_name: 'istiod', endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: CONTROL_PLANE, port_value: 15_010 } } } }] }] },
      }],
    },
    stats_flush_interval: '1s',
    stats_config: {
      use_all_default_tags: false,
      stats_tags: [{ tag_name: 'cluster_name', regex: '^cluster(\\.(.+);)' }, { tag_name: 'response_code_class', regex: '_rq(_(\\d{3}))$' }],
      histogram_bucket_settings: [{ match: { suffix: 'milliseconds' }, buckets: BUCKETS }],
    },
    admin: { address: { socket_address: { address, port_value: 15_000 } } },
  }
  const path = join(directory, 'envoy.json')
  writeFileSync(path, JSON.stringify(bootstrap))
  return { name: `pods/${namespace}.${name}.proxy`, command: [parts.envoy, '-c', path, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'], cwd: directory, netns, env: telemetry(pod) }
}
