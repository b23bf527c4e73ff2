import { VirtualClock } from '../runtime/virtual-clock.ts'
import { Mesh, type MeshOptions } from './mesh.ts'
import { compilePromql } from './metrics/promql.ts'
import type { ClusterReader, KubeObject, ResourceName, StoreEvent } from './objects.ts'
import { createPodRuntime } from './pod-runtime.ts'
import type { MeshPodRuntime } from './pod-runtime.ts'
import { keyOf } from './route-objects.ts'
import type { DestinationRuleSpec, VirtualServiceSpec } from './route-objects.ts'
import { workloadOf } from './route-pods.ts'
import type { Workload } from './route-pods.ts'

const RESOURCES: Readonly<Record<string, ResourceName>> = {
  VirtualService: 'virtualservices.networking.istio.io',
  DestinationRule: 'destinationrules.networking.istio.io',
  Gateway: 'gateways.networking.istio.io',
  AuthorizationPolicy: 'authorizationpolicies.security.istio.io',
  Service: 'services',
  Pod: 'pods',
}

/** A cluster of test objects that can be changed. */
export type TestCluster = ClusterReader & {
  readonly put: (...objects: readonly KubeObject[]) => void
  readonly remove: (object: KubeObject) => void
}

/** An empty cluster; objects put twice replace each other. */
export function testCluster(...initial: readonly KubeObject[]): TestCluster {
  const objects = new Map<string, { resource: ResourceName; object: KubeObject }>()
  const listeners = new Set<(event: StoreEvent) => void>()
  const emit = (type: StoreEvent['type'], resource: ResourceName, object: KubeObject) =>
    listeners.forEach((listener) => listener({ type, resource, object }))
  const place = (object: KubeObject) => ({
    resource: RESOURCES[object.kind] ?? object.kind,
    key: `${object.kind} ${keyOf(object)}`,
  })
  const cluster: TestCluster = {
    list: (resource, namespace) =>
      [...objects.values()]
        .filter(
          (entry) => entry.resource === resource && (namespace === undefined || entry.object.metadata.namespace === namespace),
        )
        .map(({ object }) => object),
    get: (resource, namespace, name) => cluster.list(resource, namespace).find((object) => object.metadata.name === name),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    put(...changed) {
      for (const object of changed) {
        const { resource, key } = place(object)
        const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
        objects.set(key, { resource, object })
        emit(type, resource, object)
      }
    },
    remove(object) {
      const { resource, key } = place(object)
      objects.delete(key)
      emit('DELETED', resource, object)
    },
  }
  cluster.put(...initial)
  return cluster
}

type Meta = Partial<KubeObject['metadata']>

const made =
  (kind: string, apiVersion: string) =>
  (name: string, spec: object, metadata: Meta = {}): KubeObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
    spec,
  })

/** A VirtualService in namespace shop. */
export const virtualService: (name: string, spec: VirtualServiceSpec, metadata?: Meta) => KubeObject = made(
  'VirtualService',
  'networking.istio.io/v1',
)

/** A DestinationRule in namespace shop. */
export const destinationRule: (name: string, spec: DestinationRuleSpec, metadata?: Meta) => KubeObject = made(
  'DestinationRule',
  'networking.istio.io/v1',
)

/** A Gateway in namespace shop. */
export const gateway = made('Gateway', 'networking.istio.io/v1')

/** An AuthorizationPolicy in namespace shop. */
export const policy = made('AuthorizationPolicy', 'security.istio.io/v1')

/** A Service in namespace shop that selects `app: <name>`. */
export const service = (name: string, metadata: Meta = {}): KubeObject =>
  made('Service', 'v1')(name, { selector: { app: name } }, metadata)

/** A ready pod of a Deployment in namespace shop, named `<app>-<version>`. */
export function pod(app: string, version: string, env: Readonly<Record<string, string>> = {}, metadata: Meta = {}): KubeObject {
  const spec = { serviceAccountName: app, containers: [{ env: Object.entries(env).map(([name, value]) => ({ name, value })) }] }
  const object = made('Pod', 'v1')(`${app}-${version}`, spec, { labels: { app, version }, ...metadata })
  return { ...object, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
}

/** A caller outside the Service's namespace. */
export const caller = (namespace = 'callers', labels: Readonly<Record<string, string>> = { app: 'client' }): Workload =>
  workloadOf(pod('client', 'v1', {}, { namespace, labels }))

/** A mesh in virtual time, its pods as functions, and its metrics. */
export type TestMesh = {
  readonly clock: VirtualClock
  readonly cluster: TestCluster
  readonly mesh: Mesh
  readonly pods: MeshPodRuntime
  /** Starts pods and puts them into the cluster, then lets everything take effect. */
  readonly run: (...started: readonly KubeObject[]) => Promise<void>
  /** What a query of the last scrape gives, by the values of its labels joined with a space. */
  readonly query: (query: string) => Readonly<Record<string, number>>
  readonly sendMany: (
    count: number,
    from: Workload,
    request?: Partial<Parameters<Mesh['request']>[1]>,
  ) => Promise<readonly number[]>
}

/** Everything above wired up over the objects given. */
export function testMesh(objects: readonly KubeObject[], options: Partial<MeshOptions> = {}): TestMesh {
  const clock = new VirtualClock()
  const cluster = testCluster(...objects)
  const mesh = new Mesh({ clock, cluster, seed: 7, ...options })
  const pods = createPodRuntime({ clock, mesh, mode: 'function' })
  return {
    clock,
    cluster,
    mesh,
    pods,
    async run(...started) {
      const ready = Promise.all(started.map((object) => pods.start(object)))
      await clock.advance(300)
      await ready
      cluster.put(...started)
      await clock.advance(150)
    },
    query(query) {
      const points = compilePromql(query)(mesh.samples())
      return Object.fromEntries(points.map((point) => [Object.values(point.labels).join(' '), point.value]))
    },
    async sendMany(count, from, request = {}) {
      const statuses: number[] = []
      for (let sent = 0; sent < count; sent += 1) {
        statuses.push((await mesh.request(from, { method: 'GET', host: 'app', path: '/', headers: {}, ...request })).status)
      }
      return statuses
    },
  }
}
