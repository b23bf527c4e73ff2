import { readFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { createKubernetesClient } from '../../src/kubernetes/client.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { type ApiServer, istiodReady, kubeconfig, PORTS, prometheusReady, startApiServer, startControllers, startIstiod, startPrometheus } from './control-plane.ts'
import { DOORS, SURROUNDINGS, type Surroundings } from './surroundings.ts'
import type { Grade, LabInfo } from './lab-info.ts'
import { CONTROL_PLANE, createNetwork } from './network.ts'
import { LabNode, type NodeOptions } from './node.ts'
import { Objects } from './objects.ts'
import { Processes, type Running } from './processes.ts'
import { requestMetrics } from './telemetry.ts'
import { serveSwitches, type Switched } from './switches.ts'

export type LabOptions = {
  readonly grade?: Grade
  /** What istiod waits after a change; 0 makes tests quick, 100 is Istio's default. */
  readonly debounceMs?: number
  readonly pods?: NodeOptions['pods']
  readonly say?: (line: string) => void
}

export type Lab = {
  readonly info: LabInfo
  readonly objects: Objects
  /** A kubeconfig for whoever is outside, through a loopback port. */
  readonly outsideKubeconfig: string
  /** Lets go of all that keeps this process alive. */
  readonly stop: () => void
}

/** What the ingress gateway is, as Istio's own chart makes it, and what counts requests. */
const GATEWAY: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'istio-ingressgateway-service-account', namespace: 'istio-system' } },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'istio-ingressgateway', namespace: 'istio-system', labels: { istio: 'ingressgateway' } }, spec: { selector: { istio: 'ingressgateway' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } },
  {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'istio-ingressgateway', namespace: 'istio-system' },
    spec: {
      selector: { matchLabels: { istio: 'ingressgateway' } },
      template: { metadata: { labels: { istio: 'ingressgateway', app: 'istio-ingressgateway' } }, spec: { serviceAccountName: 'istio-ingressgateway-service-account', containers: [{ name: 'istio-proxy', image: 'proxy' }] } },
    },
  },
] as unknown as readonly KubeObject[]

/** Plain Envoys have no certificates to wait for. */
const PLAIN_TEXT = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: 'istio-system' }, spec: { mtls: { mode: 'DISABLE' } } } as unknown as KubeObject

/** Brings a whole cluster up in the namespaces that this process was started in; it ends with them. */
export async function startLab({ grade = 'mtls', debounceMs = 0, pods = 'processes', say = () => undefined }: LabOptions = {}): Promise<Lab> {
  const started = performance.now()
  const lap = (what: string) => say(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${what}`)
  const { directory, parts, ports } = surroundings()
  const processes = new Processes(directory)
  await createNetwork()
  const api = await startApiServer(processes, parts, directory)
  lap('API server')
  const objects = new Objects(api.transport)
  const stop = new AbortController()
  const controllers = startControllers(processes, parts, api, directory)
  await objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } } as unknown as KubeObject)
  const istiod = { kubeconfig: api.kubeconfig, grade, directory }
  const node = startNode(api, { processes, parts, directory, grade, apiCertificate: api.ca }, { pods, signal: stop.signal })
  const running: Record<Switched, Running> = {
    istiod: startIstiod(processes, parts, { ...istiod, debounceMs }),
    prometheus: startPrometheus(processes, directory, node.targets),
  }
  await objects.apply(...readObjects(parts['crd-all.gen.yaml']), ...readObjects('crds/serin.dev_canaries.yaml'), ...readObjects('crds/serin.dev_canaryactions.yaml'))
  await objects.served(['networking.istio.io/v1/virtualservices', 'networking.istio.io/v1alpha3/envoyfilters', 'security.istio.io/v1/peerauthentications', 'serin.dev/v1beta1/canaries', 'serin.dev/v1beta1/canaryactions'])
  lap("Istio's kinds")
  await objects.apply(requestMetrics, ...GATEWAY, ...(grade === 'plain' ? [PLAIN_TEXT] : []))
  await istiodReady(processes)
  lap('istiod')
  await prometheusReady(processes)
  if (pods === 'processes') await objects.ready('istio-system', 'istio-ingressgateway')
  lap('ingress gateway, Prometheus')
  const info: LabInfo = { grade, debounceMs, apiServer: api.url, ca: api.ca, token: api.token, prometheus: `http://${CONTROL_PLANE}:${PORTS.prometheus}`, switches: `http://${CONTROL_PLANE}:${PORTS.switches}`, directory, binaries: parts }
  const switches = serveSwitches(PORTS.switches, {
    stop: async (name, signal) => {
      running[name].signal(signal)
      await running[name].ended
    },
    start: async (name, options) => {
      running[name] = name === 'istiod' ? startIstiod(processes, parts, { ...istiod, debounceMs: options.debounceMs ?? debounceMs }) : startPrometheus(processes, directory, node.targets)
      await (name === 'istiod' ? istiodReady(processes) : prometheusReady(processes))
    },
    crash: (namespace, pod) => node.crash(namespace, pod),
  })
  if (!controllers.alive()) throw new Error(`kube-controller-manager ended:\n${processes.tail('kube-controller-manager')}`)
  const servers = [switches, ...(await openDoors(objects, directory))]
  return {
    info, objects,
    outsideKubeconfig: kubeconfig(`https://127.0.0.1:${ports.api}`, api.ca, api.token),
    stop: () => {
      stop.abort(new Error('the lab ends'))
      for (const server of servers) server.close()
      void processes.end()
    },
  }
}

/** What `enter.ts` said of where this process is. Throws outside of the lab. */
export function surroundings(): Surroundings {
  const text = process.env[SURROUNDINGS]
  if (text === undefined) throw new Error('this runs inside the lab only: npm run lab, npm run test:lab')
  return JSON.parse(text) as Surroundings
}

/** Binds pods and runs them, or says that they run, until the signal aborts. */
export function startNode(api: ApiServer, rest: NodeOptions['surroundings'], { pods, signal }: { pods: NodeOptions['pods']; signal: AbortSignal }): LabNode {
  const log = createLog({ level: 'error' })
  const client = createKubernetesClient({ transport: api.transport, clock: systemClock, random: Math.random, timeoutMs: 10_000, userAgent: 'lab-node' })
  const node = new LabNode({ transport: api.transport, client, log, surroundings: rest, pods })
  void node.run(signal)
  return node
}

/** All objects of a YAML file. */
export const readObjects = (path: string): readonly KubeObject[] => parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS() as KubeObject).filter((object) => object !== null)

/** The socket files that lead out: the other ends are loopback ports. */
async function openDoors(objects: Objects, directory: string): Promise<readonly Server[]> {
  const gateway = await objects.podAddress('istio-system', 'istio=ingressgateway')
  const behind = { api: [PORTS.api, CONTROL_PLANE], gateway: [8080, gateway ?? CONTROL_PLANE], prometheus: [PORTS.prometheus, CONTROL_PLANE] } as const
  return DOORS.map((door) => {
    const [port, host] = behind[door]
    return createServer((outer) => {
      const inner = connect(port, host)
      outer.pipe(inner).pipe(outer)
      for (const [one, other] of [[outer, inner], [inner, outer]] as const) one.on('error', () => other.destroy())
    }).listen(join(directory, `${door}.sock`))
  })
}
