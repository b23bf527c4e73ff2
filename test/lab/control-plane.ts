import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { nodeTransport } from '../../src/kubernetes/transport.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { Grade } from './lab-info.ts'
import { CONTROL_PLANE, SERVICE_RANGE } from './network.ts'
import type { Parts } from './parts.ts'
import type { Processes, Running } from './processes.ts'
import { scrapeConfig } from './telemetry.ts'

/** Where everything listens, on the control plane's address. */
export const PORTS = { api: 6443, etcd: 2379, etcdPeer: 2380, istiod: 15012, istiodHttp: 18080, istiodMonitoring: 15014, prometheus: 9090, switches: 9900 } as const

const at = (port: number): string => `${CONTROL_PLANE}:${port}`

export type ApiServer = {
  readonly url: string
  /** PEM. */
  readonly ca: string
  /** Of a cluster admin. */
  readonly token: string
  readonly transport: Transport
  /** For a program in the lab's network. */
  readonly kubeconfig: string
}

/** etcd and the API server, ready to be asked. */
export async function startApiServer(processes: Processes, parts: Parts, directory: string): Promise<ApiServer> {
  const keys = join(directory, 'keys')
  mkdirSync(keys)
  const token = randomUUID()
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const file = (name: string, text: string | Buffer): string => {
    writeFileSync(join(keys, name), text, { mode: 0o600 })
    return join(keys, name)
  }
  const tokens = file('tokens.csv', `${token},admin,admin,system:masters\n`)
  const signing = file('service-accounts.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const verifying = file('service-accounts.pub', publicKey.export({ type: 'spki', format: 'pem' }))
  const audit = file('audit.yaml', stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules: [{ level: 'Metadata' }] }))
  const etcd = `http://${at(PORTS.etcd)}`
  processes.start({
    name: 'etcd',
    command: [parts.etcd, '--data-dir', join(directory, 'etcd'), '--unsafe-no-fsync', '--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', `http://${at(PORTS.etcdPeer)}`, '--initial-advertise-peer-urls', `http://${at(PORTS.etcdPeer)}`, '--initial-cluster', `default=http://${at(PORTS.etcdPeer)}`, '--log-level', 'warn'],
  })
  processes.start({
    name: 'kube-apiserver',
    command: [parts['kube-apiserver'], '--etcd-servers', etcd, '--bind-address', CONTROL_PLANE, '--advertise-address', CONTROL_PLANE, '--secure-port', String(PORTS.api), '--cert-dir', keys, '--service-cluster-ip-range', SERVICE_RANGE,
      '--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', verifying, '--service-account-signing-key-file', signing, '--token-auth-file', tokens, '--authorization-mode', 'RBAC',
      '--endpoint-reconciler-type', 'none', '--audit-policy-file', audit, '--audit-log-path', join(directory, 'audit.log'), '--audit-log-maxsize', '0', '--profiling=false'],
  })
  const url = `https://${at(PORTS.api)}`
  const headers = () => Promise.resolve({ authorization: `Bearer ${token}` })
  const early = nodeTransport({ baseUrl: url, clock: systemClock, headers, tls: () => Promise.resolve({ rejectUnauthorized: false }) })
  await answers(early, '/readyz', 'kube-apiserver', processes)
  const ca = readFileSync(join(keys, 'apiserver.crt'), 'utf8')
  const transport = nodeTransport({ baseUrl: url, clock: systemClock, headers, tls: () => Promise.resolve({ ca, servername: 'kubernetes.default.svc' }) })
  return { url, ca, token, transport, kubeconfig: file('kubeconfig', kubeconfig(url, ca, token)) }
}

/** A kubeconfig of one cluster and one user. */
export const kubeconfig = (server: string, ca: string, token: string): string => stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'lab',
  clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64'), 'tls-server-name': 'kubernetes.default.svc' } }],
  users: [{ name: 'admin', user: { token } }],
  contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'admin' } }],
})

/** Deployments, endpoints, garbage collection and all else that rollouts lean on; no scheduler: the node binds. */
export function startControllers(processes: Processes, parts: Parts, { kubeconfig: path }: ApiServer, directory: string): Running {
  const controllers = ['deployment', 'replicaset', 'endpointslice', 'namespace', 'garbage-collector-controller', 'serviceaccount-controller', 'horizontal-pod-autoscaler-controller', 'disruption', 'job-controller', 'resourcequota-controller']
  return processes.start({
    name: 'kube-controller-manager',
    command: [parts['kube-controller-manager'], '--kubeconfig', path, '--leader-elect=false', '--controllers', controllers.join(','), '--horizontal-pod-autoscaler-sync-period', '2s', '--kube-api-qps', '500', '--kube-api-burst', '1000', '--concurrent-deployment-syncs', '20', '--concurrent-replicaset-syncs', '20', '--concurrent-service-endpoint-syncs', '20', '--cert-dir', join(directory, 'keys'), '--bind-address', CONTROL_PLANE],
  })
}

/** istiod: certificates and strict identity in the mtls grade; `debounceMs` is what it waits after a change. */
export function startIstiod(processes: Processes, parts: Parts, { kubeconfig: path, grade, debounceMs, directory }: { kubeconfig: string; grade: Grade; debounceMs: number; directory: string }): Running {
  const mtls = grade === 'mtls'
  const mesh = join(directory, 'mesh.yaml')
  writeFileSync(mesh, stringify({
    defaultProviders: {}, enablePrometheusMerge: false, enableAutoMtls: mtls, outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
    accessLogFile: '/dev/stdout', accessLogEncoding: 'JSON', rootNamespace: 'istio-system', trustDomain: 'cluster.local',
    defaultConfig: { discoveryAddress: at(mtls ? PORTS.istiod : 15_010) },
  }))
  return processes.start({
    name: 'istiod',
    command: [parts['pilot-discovery'], 'discovery', '--kubeconfig', path, '--meshConfig', mesh, '--httpAddr', at(PORTS.istiodHttp), '--httpsAddr', '', '--grpcAddr', at(15_010), '--secureGRPCAddr', mtls ? at(PORTS.istiod) : '', '--monitoringAddr', at(PORTS.istiodMonitoring), '--registries', 'Kubernetes', '--domain', 'cluster.local', '--ctrlz_port', '0', '--keepaliveMaxServerConnectionAge', '24h'],
    cwd: directory,
    env: {
      PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false', INJECTION_WEBHOOK_CONFIG_NAME: '', VALIDATION_WEBHOOK_CONFIG_NAME: '',
      PILOT_ENABLE_ANALYSIS: 'false', PILOT_ENABLE_STATUS: 'false', PILOT_ENABLE_GATEWAY_API: 'false', POD_NAMESPACE: 'istio-system', POD_NAME: 'istiod-0', CLUSTER_ID: 'Kubernetes',
      PILOT_DEBOUNCE_AFTER: `${debounceMs}ms`, ENABLE_CA_SERVER: String(mtls), PILOT_CERT_PROVIDER: mtls ? 'istiod' : 'none',
    },
  })
}

export const istiodReady = (processes: Processes): Promise<void> => answers(nodeTransport({ baseUrl: `http://${at(PORTS.istiodHttp)}`, clock: systemClock }), '/ready', 'istiod', processes)

/** Scrapes every second what `targets` lists; the data outlives a restart. */
export function startPrometheus(processes: Processes, directory: string, targets: string): Running {
  const config = join(directory, 'prometheus.yml')
  writeFileSync(config, stringify(scrapeConfig(targets, at(PORTS.istiodMonitoring))))
  return processes.start({ name: 'prometheus', command: ['prometheus', '--config.file', config, '--storage.tsdb.path', join(directory, 'prometheus'), '--web.listen-address', at(PORTS.prometheus), '--log.level', 'warn'] })
}

export const prometheusReady = (processes: Processes): Promise<void> => answers(nodeTransport({ baseUrl: `http://${at(PORTS.prometheus)}`, clock: systemClock }), '/-/ready', 'prometheus', processes)

/** Waits for a 200. Throws with the end of the program's log after 30 seconds. */
async function answers(transport: Transport, path: string, name: string, processes: Processes): Promise<void> {
  const until = Date.now() + 30_000
  for (;;) {
    const status = await transport({ method: 'GET', path, timeoutMs: 2000 }).then((response) => response.text().then(() => response.status), () => 0)
    if (status === 200) return
    if (Date.now() > until) throw new Error(`${name} is not ready after 30 s (${path}: ${status}):\n${processes.tail(name)}`)
    await systemClock.sleep(50)
  }
}
