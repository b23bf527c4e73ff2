import { createKubernetesClient, type KubernetesClient } from '../../../src/kubernetes/client.ts'
import { seededRandom } from '../../../src/runtime/random.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { crd, pathOf } from '../../harness.ts'
import type { World } from '../world.ts'

/** The operator's own client. */
export const clientOf = ({ kubernetes, clock }: World): KubernetesClient =>
  createKubernetesClient({ transport: kubernetes, clock, random: seededRandom('contract'), timeoutMs: 10_000 })

export const jsonPatch = (world: World, path: string, operations: readonly object[]) => world.call('PATCH', path, operations, 'application/json-patch+json')

export const mergePatch = (world: World, path: string, patch: object) => world.call('PATCH', path, patch, 'application/merge-patch+json')

/** The same object in the world's own namespace. */
export const placed = ({ namespace }: World, object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata, namespace } })

/** Makes an object, throws where the server refuses, and gives it as it is kept. */
export async function created(world: World, object: KubeObject): Promise<KubeObject> {
  const home = placed(world, object)
  const path = pathOf(home)
  const answer = await world.call('POST', path.slice(0, path.lastIndexOf('/')), home)
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** The object as it is now. */
export const fetched = async (world: World, object: KubeObject): Promise<KubeObject> => (await world.call('GET', pathOf(object))).body

/** Waits until the CRD of Canary is served. */
export async function serveCanaries(world: World): Promise<void> {
  await world.apply(crd())
  await world.until('canaries to be served', async () => (await world.call('GET', `/apis/serin.dev/v1beta1/namespaces/${world.namespace}/canaries`).catch(() => undefined))?.status === 200 || undefined)
}

/** An object without meaning to anybody. */
export const configMap = (name: string, data: Readonly<Record<string, string>> = {}): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })

export type Frame = { readonly type: string; readonly object: KubeObject }

/** A watch that is read in the background until it ends, or is cut. */
export async function watched(world: World, path: string) {
  const scope = new AbortController()
  const answer = await world.kubernetes({ method: 'GET', path, timeoutMs: 10_000, signal: scope.signal })
  const frames: Frame[] = []
  let ended: 'open' | 'cleanly' | 'broken' = 'open'
  const read = async () => {
    for await (const line of answer.lines()) if (line !== '') frames.push(JSON.parse(line) as Frame)
  }
  void read().then(() => (ended = 'cleanly'), () => (ended = 'broken'))
  return {
    status: answer.status,
    frames,
    ended: () => ended,
    cut: () => scope.abort(new Error('cut by the test')),
    /** "ADDED name", bookmarks left out. */
    told: () => frames.filter(({ type }) => type !== 'BOOKMARK').map(({ type, object }) => `${type} ${object.metadata.name}`),
  }
}
