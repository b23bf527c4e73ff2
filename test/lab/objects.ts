import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
type Answer = { readonly status: number; readonly body: KubeObject }

const CLUSTER_SCOPED = new Set(['Namespace', 'CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding', 'Node'])

/** As English has it, which is what every kind here is named by. */
const pluralOf = (kind: string): string => kind.toLowerCase().replace(/([^aeiou])y$/, '$1ie').replace(/s$/, 'se').concat('s')

/** The path of an object, told by its kind. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = CLUSTER_SCOPED.has(kind) ? '' : `/namespaces/${metadata.namespace ?? 'default'}`
  return `${root}${scope}/${pluralOf(kind)}/${metadata.name}`
}

/** What a cluster admin does to objects, without a client's conveniences. */
export class Objects {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async call(method: Method, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    const answer = await this.#transport({ method, path, timeoutMs: 15_000, headers: { 'content-type': type }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    return { status: answer.status, body: (text.startsWith('{') ? JSON.parse(text) : { message: text }) as KubeObject }
  }

  /** Creates, or merges over what is there; namespaces first. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    await Promise.all(objects.filter(({ kind }) => kind === 'Namespace').map((object) => this.#put(object)))
    await Promise.all(objects.filter(({ kind }) => kind !== 'Namespace').map((object) => this.#put(object)))
  }

  async #put(object: KubeObject): Promise<void> {
    const path = pathOf(object)
    const made = await this.call('POST', path.slice(0, path.lastIndexOf('/')), object)
    const answer = made.status === 409 ? await this.call('PATCH', path, object, 'application/merge-patch+json') : made
    if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }

  /** Waits until kinds ("group/version/plural") can be listed. */
  async served(kinds: readonly string[]): Promise<void> {
    for (const kind of kinds) await this.until(`${kind} to be served`, async () => ((await this.list(kind)) === undefined ? undefined : true))
  }

  async list(kind: string): Promise<readonly KubeObject[] | undefined> {
    const answer = await this.#transport({ method: 'GET', path: `/apis/${kind}`, timeoutMs: 15_000 })
    const text = await answer.text()
    return answer.status === 200 ? (JSON.parse(text) as { items: readonly KubeObject[] }).items : undefined
  }

  /** Waits until a Deployment has all its pods ready. */
  ready(namespace: string, name: string, timeoutMs = 60_000): Promise<void> {
    return this.until(`Deployment ${namespace}/${name} to be ready`, async () => {
      const { body } = await this.call('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
      const { spec, status, metadata } = body as unknown as { spec?: { replicas?: number }; status?: { readyReplicas?: number; updatedReplicas?: number; replicas?: number; observedGeneration?: number }; metadata: { generation: number } }
      const wanted = spec?.replicas ?? 1
      const full = status?.observedGeneration === metadata.generation && (status.readyReplicas ?? 0) === wanted && (status.updatedReplicas ?? 0) === wanted && (status.replicas ?? 0) === wanted
      return full ? true : undefined
    }, timeoutMs).then(() => undefined)
  }

  /** Deletes namespaces whose operator may have ended: nobody would take its finalizers off. */
  async discard(...namespaces: readonly string[]): Promise<void> {
    await Promise.all(namespaces.map(async (namespace) => {
      for (const { metadata } of (await this.list(`serin.dev/v1beta1/namespaces/${namespace}/canaries`)) ?? [])
        await this.call('PATCH', `/apis/serin.dev/v1beta1/namespaces/${namespace}/canaries/${metadata.name}`, { metadata: { finalizers: null } }, 'application/merge-patch+json')
      await this.call('DELETE', `/api/v1/namespaces/${namespace}`)
    }))
  }

  /** The address of the first running pod with the label. */
  async podAddress(namespace: string, labelSelector: string): Promise<string | undefined> {
    const { body } = await this.call('GET', `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(labelSelector)}`)
    return (body as unknown as { items: readonly { status?: { podIP?: string } }[] }).items.find(({ status }) => status?.podIP !== undefined)?.status?.podIP
  }

  async until<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> {
    for (const end = Date.now() + timeoutMs; ; await systemClock.sleep(50)) {
      const found = await probe()
      if (found !== undefined) return found
      if (Date.now() > end) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`)
    }
  }
}
