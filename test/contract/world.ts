import { inject } from 'vitest'
import { at } from '../../src/sandbox/json.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { pathOf } from '../harness.ts'
import type { LabInfo } from '../lab/lab-info.ts'
import { Objects } from '../lab/objects.ts'
import type { Ground } from './ground.ts'
import { labGround } from './lab-world.ts'
import { sandboxGround } from './sandbox-world.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Undefined outside the lab: the suite then runs on the sandbox. */
    lab: LabInfo | undefined
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type WorkloadOptions = {
  readonly app: string
  readonly version?: string
  readonly replicas?: number
  /** As of fake-service: MESSAGE, ERROR_RATE, ERROR_CODE, UPSTREAM_URIS, … */
  readonly env?: Readonly<Record<string, string>>
  readonly namespace?: string
  /** Of the pods, besides app and version. */
  readonly labels?: Readonly<Record<string, string>>
  /** Of the pods. */
  readonly annotations?: Readonly<Record<string, string>>
  readonly serviceAccount?: string
}

/** A cluster with a mesh in it, the embedded one or the lab: what holds in both is what the operator may rely on. */
export type World = Omit<Ground, 'end'> & {
  /** The callers' namespace; it and `namespace` are fresh, and the mesh's. */
  readonly callers: string
  /** Asks again and again until `probe` gives something; one that throws is asked again, too. Gives up after a minute unless said, with what it saw last. */
  readonly until: <T>(what: string, probe: () => Promise<T | undefined>, timeoutMs?: number) => Promise<T>
  /** One request to the API server, as JSON. */
  readonly call: (method: Method, path: string, body?: unknown, contentType?: string) => Promise<{ readonly status: number; readonly body: KubeObject }>
  /** Creates objects, or merges them into what is there; in `namespace`, unless they say. */
  readonly apply: (...objects: readonly KubeObject[]) => Promise<void>
  /** A Deployment of the fake service on port 8080; its pods are ready when it resolves. */
  readonly workload: (name: string, options: WorkloadOptions) => Promise<void>
  readonly close: () => Promise<void>
}

/** The lab where there is one, else the sandbox. */
export async function openWorld(): Promise<World> {
  const lab = inject('lab')
  const world = worldOn(lab === undefined ? sandboxGround() : labGround(lab))
  await world.apply(meshNamespace(world.namespace), meshNamespace(world.callers))
  await world.until('default service accounts', async () => {
    const accounts = await Promise.all([world.namespace, world.callers].map((home) => world.call('GET', `/api/v1/namespaces/${home}/serviceaccounts/default`)))
    return accounts.every(({ status }) => status === 200) || undefined
  })
  return world
}

function worldOn({ end, ...ground }: Ground): World {
  const { kubernetes, namespace, sleep, now } = ground
  const callers = `${namespace}-callers`

  const call: World['call'] = async (method, path, body, contentType = 'application/json') => {
    const answer = await kubernetes({ method, path, timeoutMs: 10_000, headers: { 'content-type': contentType }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: answer.status, body: JSON.parse(await answer.text()) as KubeObject }
  }
  const until: World['until'] = async (what, probe, timeoutMs = 60_000) => {
    const deadline = now() + timeoutMs
    for (let cause: unknown; ; await sleep(50)) {
      try {
        const found = await probe()
        if (found !== undefined) return found
      } catch (error) {
        cause = error
      }
      if (now() > deadline) throw new Error(`after ${timeoutMs} ms still waiting for ${what}`, { cause })
    }
  }
  const apply: World['apply'] = async (...objects) => {
    for (const object of objects) {
      const placed = { ...object, metadata: { namespace, ...object.metadata } }
      const path = pathOf(placed)
      const body = path.includes(`/namespaces/${placed.metadata.namespace}/`) ? placed : object
      const made = await call('POST', path.slice(0, path.lastIndexOf('/')), body)
      const answer = made.status === 409 ? await call('PATCH', path, body, 'application/merge-patch+json') : made
      if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`)
    }
  }
  const workload: World['workload'] = async (name, options) => {
    const deployment = deploymentOf(name, { namespace, ...options })
    await apply(deployment)
    await until(`Deployment ${name} with all its pods`, async () => isRolledOut((await call('GET', pathOf(deployment))).body) || undefined)
  }
  const close: World['close'] = async () => {
    await new Objects(kubernetes).discard(namespace, callers)
    end()
  }
  return { ...ground, callers, call, until, apply, workload, close }
}

const meshNamespace = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'istio-injection': 'enabled' } } })

const deploymentOf = (name: string, { app, version = 'v1', replicas = 1, env = {}, namespace, labels = {}, annotations = {}, serviceAccount = 'default' }: WorkloadOptions & { namespace: string }): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace, labels: { app } },
  spec: {
    replicas,
    selector: { matchLabels: { app, version } },
    template: {
      metadata: { labels: { ...labels, app, version }, annotations },
      spec: {
        serviceAccountName: serviceAccount,
        containers: [{
          name: app,
          image: `${app}:${version}`,
          ports: [{ name: 'http', containerPort: 8080 }],
          env: Object.entries({ LISTEN_ADDR: '0.0.0.0:8080', NAME: `${app}(${version})`, ...env }).map(([key, value]) => ({ name: key, value })),
        }],
      },
    },
  },
})

/** As `kubectl rollout status` sees it, and nothing of an older template left. */
function isRolledOut({ metadata, spec, status }: KubeObject): boolean {
  const wanted = at(spec, 'replicas')
  const counts = ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas'].map((field) => at(status, field) ?? 0)
  return at(status, 'observedGeneration') === metadata.generation && counts.every((count) => count === wanted)
}
