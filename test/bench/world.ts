import { canaryCrd } from '../../src/api/crd.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { createCluster } from '../../src/sandbox/cluster.ts'
import { listen } from '../../src/sandbox/http-listener.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import { canaryOf, fleetOf, namespaceOf, serviceOf, versionOf, virtualServiceOf, type Member, type Pace } from './fleet.ts'
import { Journal } from './journal.ts'
import { ScriptedPrometheus } from './scripted-prometheus.ts'

/** An API server and a Prometheus on loopback ports, with a fleet that nobody operates yet. */
export type World = {
  readonly fleet: readonly Member[]
  readonly journal: Journal
  readonly prometheus: ScriptedPrometheus
  readonly apiUrl: string
  readonly prometheusUrl: string
  /** Creates an object as a user does; throws where the server refuses. */
  readonly create: (object: KubeObject) => Promise<void>
  /** Resolves with true once `done` holds, with false after `mostMs`. */
  readonly until: (done: () => boolean, mostMs: number) => Promise<boolean>
  readonly close: () => Promise<void>
}

const PATHS: Readonly<Record<string, (object: KubeObject) => string>> = {
  Namespace: () => '/api/v1/namespaces',
  CustomResourceDefinition: () => '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  Service: ({ metadata }) => `/api/v1/namespaces/${metadata.namespace}/services`,
  Deployment: ({ metadata }) => `/apis/apps/v1/namespaces/${metadata.namespace}/deployments`,
  VirtualService: ({ metadata }) => `/apis/networking.istio.io/v1/namespaces/${metadata.namespace}/virtualservices`,
  Canary: ({ metadata }) => `/apis/serin.dev/v1beta1/namespaces/${metadata.namespace}/canaries`,
}

/** Brings the world up: every pod is ready at once, and there is no mesh and no traffic but what Prometheus is told to say. */
export async function openWorld(size: number, pace: Pace): Promise<World> {
  const clock = systemClock
  const fleet = fleetOf(size)
  const journal = new Journal(clock.monotonic)
  const prometheus = new ScriptedPrometheus(fleet, clock)
  const cluster = createCluster({ clock, runtime: { start: () => Promise.resolve({ ip: '10.244.0.1' }), stop: () => Promise.resolve() }, historyLimit: 20_000 })
  cluster.reader.subscribe((event) => {
    journal.stored(event)
    routesOf(event, prometheus)
  })
  cluster.faults.intercept = (request) => {
    journal.asked(request)
    return 'pass'
  }
  const [api, metrics] = await Promise.all([listen(cluster), prometheus.listen()])
  const create = async (object: KubeObject): Promise<void> => {
    const path = PATHS[object.kind]?.(object)
    if (path === undefined) throw new Error(`no path is known for ${object.kind}`)
    const answer = await cluster.transport({ method: 'POST', path, timeoutMs: 5000, headers: { 'content-type': 'application/json' }, body: JSON.stringify(object) })
    if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${await answer.text()}`)
  }
  await create(canaryCrd() as KubeObject)
  for (const name of new Set(fleet.map(({ namespace }) => namespace))) await create(namespaceOf(name))
  for (const member of fleet) for (const object of [serviceOf(member), versionOf(member, 'v1'), virtualServiceOf(member), canaryOf(member, pace)]) await create(object)
  const until: World['until'] = async (done, mostMs) => {
    for (const deadline = clock.monotonic() + mostMs; !done(); await clock.sleep(20)) if (clock.monotonic() > deadline) return false
    return true
  }
  const close = async () => {
    cluster.close()
    metrics.close()
    await api.close()
  }
  return { fleet, journal, prometheus, apiUrl: api.url, prometheusUrl: metrics.url, create, until, close }
}

/** The made-up traffic follows the routes. */
function routesOf({ resource, object }: StoreEvent, prometheus: ScriptedPrometheus): void {
  if (resource !== 'virtualservices.networking.istio.io') return
  const { http } = object['spec'] as { readonly http: readonly { readonly route: readonly { readonly destination: { readonly subset?: string } }[] }[] }
  const versions = http.flatMap(({ route }) => route.map(({ destination }) => destination.subset?.replace('serin-', '') ?? 'v1'))
  prometheus.routed(`${object.metadata.name}.${object.metadata.namespace}.svc.cluster.local`, versions)
}
