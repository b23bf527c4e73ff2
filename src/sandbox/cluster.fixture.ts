import type { TransportRequest } from '../runtime/transport.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { createCluster, type ClusterOptions } from './cluster.ts'
import type { KubeObject } from './objects.ts'

/** A parsed answer: an object, a list or a Status. */
export type Answered = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: KubeObject & {
    readonly items: KubeObject[]
    readonly message: string
    readonly reason: string
    readonly [field: string]: unknown
  }
}

type CallOptions = Partial<TransportRequest> & { readonly type?: string }

/** A cluster in virtual time whose pods start in one second and stop in two, and ways to talk to it. */
export const testCluster = (options: Partial<ClusterOptions> = {}) => {
  const clock = new VirtualClock()
  let pods = 0
  const runtime = {
    start: async () => {
      await clock.sleep(1000)
      return { ip: `10.0.0.${++pods}` }
    },
    stop: () => clock.sleep(2000),
  }
  const cluster = createCluster({ clock, runtime, ...options })
  const call = async (
    method: TransportRequest['method'],
    path: string,
    body?: unknown,
    { type = 'application/json', ...rest }: CallOptions = {},
  ): Promise<Answered> => {
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await cluster.transport({
      method,
      path,
      timeoutMs: 1000,
      ...text,
      ...rest,
      headers: { 'Content-Type': type, ...rest.headers },
    })
    const said = await response.text()
    const parsed: unknown = said.startsWith('{') ? JSON.parse(said) : { message: said }
    return { status: response.status, headers: response.headers, body: parsed as Answered['body'] }
  }
  return {
    clock,
    cluster,
    call,
    get: (path: string) => call('GET', path),
    merge: (path: string, body: unknown) => call('PATCH', path, body, { type: 'application/merge-patch+json' }),
    json: (path: string, body: unknown) => call('PATCH', path, body, { type: 'application/json-patch+json' }),
    strategic: (path: string, body: unknown) => call('PATCH', path, body, { type: 'application/strategic-merge-patch+json' }),
    watch: (path: string, signal?: AbortSignal) => watched(cluster, path, signal),
  }
}

/** One event of a watch. */
export type WatchEvent = { readonly type: string; readonly object: KubeObject & { readonly [field: string]: unknown } }

const watched = async (cluster: ReturnType<typeof createCluster>, path: string, signal?: AbortSignal) => {
  const response = await cluster.transport({ method: 'GET', path, timeoutMs: 1000, ...(signal && { signal }) })
  const events: WatchEvent[] = []
  const ended = (async () => {
    for await (const line of response.lines()) events.push(JSON.parse(line) as WatchEvent)
    return 'ended'
  })().catch((error: Error) => error.message)
  return { events, ended, seen: () => events.map(({ type, object }) => `${type} ${object.metadata?.name ?? ''}`.trim()) }
}

/** A Deployment whose pods carry an `app` label of its name. */
export const deployment = (name: string, spec: object = {}, container: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'app:1', ports: [{ name: 'web', containerPort: 8080 }], ...container }] },
    },
    ...spec,
  },
})

/** A CustomResourceDefinition shirts.test.dev with a status, a scale, and one property of every checked sort. */
export const shirtCrd = (properties: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'shirts.test.dev' },
  spec: {
    group: 'test.dev',
    scope: 'Namespaced',
    names: { plural: 'shirts', kind: 'Shirt', shortNames: ['sh'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        additionalPrinterColumns: [
          { name: 'Size', type: 'string', jsonPath: '.spec.size' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Tags', type: 'string', jsonPath: '.spec.tags' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', required: ['size'], properties: { ...shirtProperties, ...properties } },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
})

const shirtProperties = {
  size: { type: 'string', enum: ['S', 'M'] },
  replicas: { type: 'integer', format: 'int32', minimum: 0, maximum: 10 },
  color: { type: 'string', default: 'red', pattern: '^[a-z]+$', maxLength: 8 },
  max: { 'x-kubernetes-int-or-string': true, pattern: '^[0-9]+%$' },
  gone: { type: 'string', nullable: true },
  tags: { type: 'array', 'x-kubernetes-list-type': 'set', maxItems: 3, items: { type: 'string' } },
  ports: {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: { type: 'object', properties: { name: { type: 'string' }, port: { type: 'integer', default: 80 } } },
  },
  notes: { type: 'object', additionalProperties: { type: 'string' } },
  one: {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' } },
    oneOf: [{ required: ['a'] }, { required: ['b'] }],
  },
}

/** A Shirt for `shirtCrd`. */
export const shirt = (name: string, spec: object = {}) => ({
  apiVersion: 'test.dev/v1',
  kind: 'Shirt',
  metadata: { name },
  spec: { size: 'S', ...spec },
})
