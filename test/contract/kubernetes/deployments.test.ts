import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { at, textAt } from '../../../src/sandbox/json.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { isReady } from '../../../src/sandbox/route-pods.ts'
import { openWorld, type World } from '../world.ts'
import { fetched, jsonPatch, mergePatch, watched } from './requests.ts'
import { pathOf } from '../../harness.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const reference = (name: string): KubeObject => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: world.namespace } })

/** Deployment `<app>-v1`, without a mesh: nobody is called here. */
const deployed = (app: string, replicas = 1) => world.workload(`${app}-v1`, { app, replicas, labels: { 'sidecar.istio.io/inject': 'false' } })

const owned = async (plural: 'pods' | 'replicasets', app: string): Promise<readonly KubeObject[]> => {
  const root = plural === 'pods' ? '/api/v1' : '/apis/apps/v1'
  return ((await world.call('GET', `${root}/namespaces/${world.namespace}/${plural}?labelSelector=app%3D${app}`)).body as unknown as { items: readonly KubeObject[] }).items
}

const counts = async (name: string) => {
  const { metadata, status } = await fetched(world, reference(name))
  const count = (field: string) => Number(at(status, field) ?? 0)
  return { current: count('observedGeneration') === metadata.generation, all: count('replicas'), updated: count('updatedReplicas'), ready: count('readyReplicas') }
}

const reaches = (name: string, wanted: Awaited<ReturnType<typeof counts>>) => world.until(`${name} at ${JSON.stringify(wanted)}`, async () => {
  expect(await counts(name)).toEqual(wanted)
  return true
})

describe('a Deployment', () => {
  test('has pods with the labels of its template and its hash, through a ReplicaSet of that hash', async () => {
    await deployed('made', 2)
    const [set, ...others] = await owned('replicasets', 'made')
    expect(others).toEqual([])
    const hash = set?.metadata.labels?.['pod-template-hash']
    expect(set?.metadata.name).toBe(`made-v1-${hash}`)
    expect(set?.metadata.ownerReferences).toMatchObject([{ kind: 'Deployment', name: 'made-v1', controller: true }])
    const pods = await owned('pods', 'made')
    expect(pods).toHaveLength(2)
    for (const pod of pods) {
      expect(pod.metadata.labels).toMatchObject({ app: 'made', version: 'v1', 'pod-template-hash': hash })
      expect(pod.metadata.ownerReferences).toMatchObject([{ kind: 'ReplicaSet', name: set?.metadata.name, uid: set?.metadata.uid, controller: true }])
      expect(pod.metadata.name.startsWith(`made-v1-${hash}-`)).toBe(true)
      const ready = (at(pod, 'status', 'conditions') as readonly { type: string; status: string; lastTransitionTime: string }[]).find(({ type }) => type === 'Ready')
      expect(ready).toMatchObject({ status: 'True', lastTransitionTime: expect.stringMatching(/Z$/) as string })
      expect(textAt(pod, 'status', 'podIP')).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
    }
  })

  test('counts its pods in status, zeros left out, and says which generation they are of', async () => {
    await deployed('counted', 0)
    const { status } = await fetched(world, reference('counted-v1'))
    expect(at(status, 'observedGeneration')).toBe(1)
    expect(['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas'].filter((field) => at(status, field) !== undefined)).toEqual([])
    await mergePatch(world, pathOf(reference('counted-v1')), { spec: { replicas: 2 } })
    await reaches('counted-v1', { current: true, all: 2, updated: 2, ready: 2 })
    await mergePatch(world, pathOf(reference('counted-v1')), { spec: { replicas: 1 } })
    await reaches('counted-v1', { current: true, all: 1, updated: 1, ready: 1 })
  })

  test('is behind its own generation from a change of its spec until its controller has seen it', async () => {
    await deployed('behind')
    const patched = await mergePatch(world, pathOf(reference('behind-v1')), { spec: { replicas: 2 } })
    expect(at(patched.body, 'status', 'observedGeneration')).toBe(Number(patched.body.metadata.generation) - 1)
    await reaches('behind-v1', { current: true, all: 2, updated: 2, ready: 2 })
  })

  test('catches up with an annotation, too, and no pod is replaced for it', async () => {
    await deployed('noted')
    const before = await owned('pods', 'noted')
    await mergePatch(world, pathOf(reference('noted-v1')), { metadata: { annotations: { 'serin.dev/stamp': 'x' } } })
    await reaches('noted-v1', { current: true, all: 1, updated: 1, ready: 1 })
    expect((await owned('pods', 'noted')).map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid))
    expect((await fetched(world, reference('noted-v1'))).metadata.annotations).toMatchObject({ 'serin.dev/stamp': 'x' })
  })

  test('with another template has another hash, and the pods of the old one go once the new ones are ready', async () => {
    await deployed('renewed', 2)
    const before = new Set((await owned('pods', 'renewed')).map(({ metadata }) => metadata.labels?.['pod-template-hash']))
    const patched = await jsonPatch(world, pathOf(reference('renewed-v1')), [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'renewed:other' }])
    expect(patched.status).toBe(200)
    const ready: number[] = []
    await world.until('only pods of the new template', async () => {
      const { current, all, updated, ready: now } = await counts('renewed-v1')
      ready.push(now)
      return (current && all === 2 && updated === 2 && now === 2) || undefined
    })
    expect(Math.min(...ready)).toBeGreaterThanOrEqual(2)
    const after = await world.until('the old pods to be gone', async () => {
      const pods = await owned('pods', 'renewed')
      return pods.length === 2 ? pods : undefined
    })
    const hashes = new Set(after.map(({ metadata }) => metadata.labels?.['pod-template-hash']))
    expect(hashes.size).toBe(1)
    expect([...hashes].some((hash) => before.has(hash))).toBe(false)
    const sets = await owned('replicasets', 'renewed')
    expect(sets.map((set) => at(set, 'spec', 'replicas')).toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 2])
  })

  test('has the same hash again when its template is as it was', async () => {
    await deployed('back')
    const [first] = await owned('replicasets', 'back')
    for (const image of ['back:other', 'back:v1']) {
      await jsonPatch(world, pathOf(reference('back-v1')), [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: image }])
      await reaches('back-v1', { current: true, all: 1, updated: 1, ready: 1 })
    }
    const serving = (await owned('replicasets', 'back')).filter((set) => at(set, 'spec', 'replicas') === 1)
    expect(serving.map(({ metadata }) => metadata.uid)).toEqual([first?.metadata.uid])
  })

  test('scaled to zero marks its pods before they go, and has none in the end', async () => {
    await deployed('shrunk', 2)
    const list = await world.call('GET', `/api/v1/namespaces/${world.namespace}/pods`)
    const watch = await watched(world, `/api/v1/namespaces/${world.namespace}/pods?watch=1&labelSelector=app%3Dshrunk&resourceVersion=${list.body.metadata.resourceVersion}`)
    await mergePatch(world, pathOf(reference('shrunk-v1')), { spec: { replicas: 0 } })
    await reaches('shrunk-v1', { current: true, all: 0, updated: 0, ready: 0 })
    await world.until('the end of both pods', async () => watch.frames.filter(({ type }) => type === 'DELETED').length === 2 || undefined)
    const [first] = watch.frames
    expect(first).toMatchObject({ type: 'MODIFIED', object: { metadata: { deletionTimestamp: expect.stringMatching(/Z$/) as string } } })
    expect(isReady(first!.object)).toBe(false)
    expect(await owned('pods', 'shrunk')).toEqual([])
    watch.cut()
  })

  test('whose pods a quota refuses says so in a condition, and has them once there is room', async () => {
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none', namespace: world.namespace }, spec: { hard: { pods: '0' } } }
    await world.apply(quota)
    await world.until('the quota to be in force', async () => at((await world.call('GET', pathOf(quota))).body, 'status', 'hard', 'pods') === '0' || undefined)
    const made = deployed('crowded', 2)
    made.catch(() => undefined)
    const condition = await world.until('a ReplicaFailure', async () => {
      const { status } = await fetched(world, reference('crowded-v1'))
      return (at(status, 'conditions') as readonly { type: string }[] | undefined)?.find(({ type }) => type === 'ReplicaFailure')
    })
    expect(condition).toMatchObject({ status: 'True', reason: 'FailedCreate', message: expect.stringMatching(/^pods "crowded-v1-.*" is forbidden: /) as string })
    expect(await owned('pods', 'crowded')).toEqual([])
    await world.call('DELETE', pathOf(quota))
    // The controller tries again by itself, at ever longer intervals; a change of the Deployment makes it try now.
    await mergePatch(world, pathOf(reference('crowded-v1')), { metadata: { annotations: { now: 'yes' } } })
    await made
    expect(at((await fetched(world, reference('crowded-v1'))).status, 'conditions')).not.toContainEqual(expect.objectContaining({ type: 'ReplicaFailure' }))
  })

  test('that is deleted takes its ReplicaSets and pods along', async () => {
    await deployed('removed')
    expect((await world.call('DELETE', pathOf(reference('removed-v1')), { propagationPolicy: 'Background' })).status).toBe(200)
    await world.until('nothing to be left', async () => {
      expect([...(await owned('replicasets', 'removed')), ...(await owned('pods', 'removed'))]).toEqual([])
      return true
    })
  })

  test('keeps the template as it is sent back: filled in with defaults once, and not changed by a write without it', async () => {
    await deployed('stable')
    const template = at(await fetched(world, reference('stable-v1')), 'spec', 'template')
    const patched = await mergePatch(world, pathOf(reference('stable-v1')), { metadata: { annotations: { a: 'b' } }, spec: { replicas: 2 } })
    expect(at(patched.body, 'spec', 'template')).toEqual(template)
  })
})
