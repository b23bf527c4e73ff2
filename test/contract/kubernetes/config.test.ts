import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubernetesClient } from '../../../src/kubernetes/client.ts'
import { resources } from '../../../src/kubernetes/resource.ts'
import type { KubeObject } from '../../../src/runtime/object.ts'
import type { KubeObject as Written } from '../../../src/sandbox/objects.ts'
import { version } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, configMap, created, fetched, mergePatch } from './requests.ts'

let world: World
let client: KubernetesClient
beforeAll(async () => {
  world = await openWorld()
  client = clientOf(world)
})
afterAll(() => world.close())

const secret = (name: string, data: Readonly<Record<string, string>> = {}): Written => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, data })
const kinds = [
  { what: 'a ConfigMap', resource: resources.configMaps, make: configMap, values: ['told', 'told anew'] as const },
  { what: 'a Secret', resource: resources.secrets, make: secret, values: [btoa('told'), btoa('told anew')] as const },
]

describe.each(kinds)('$what', ({ resource, make, values: [before, after] }) => {
  test('of which metadata alone is asked for shows its annotations and versions, and nothing of what it says', async () => {
    const object = await created(world, { ...make('quiet', { key: before }), metadata: { name: 'quiet', annotations: { by: 'somebody' } } })
    const source = client.listWatch(resource, { namespace: world.namespace, metadataOnly: true })
    const page = await source.list(undefined, new AbortController().signal)
    const listed = page.items.find(({ metadata }) => metadata.name === 'quiet')
    expect(listed).toMatchObject({ metadata: { uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion, annotations: { by: 'somebody' } } })
    expect(JSON.stringify(page)).not.toContain(before)

    const [seen, scope] = [[] as KubeObject[], new AbortController()]
    const read = async () => {
      for await (const event of source.watch({ resourceVersion: page.resourceVersion, timeoutMs: 30_000 }, scope.signal)) if (event.type === 'MODIFIED') seen.push(event.object)
    }
    const reading = read().catch(() => undefined)
    const { body: changed } = await mergePatch(world, pathOf(object), { data: { key: after } })
    await world.until('the change', async () => seen.some(({ metadata }) => metadata.resourceVersion === changed.metadata.resourceVersion) || undefined)
    expect(JSON.stringify(seen)).not.toContain(after)
    expect(BigInt(changed.metadata.resourceVersion ?? '')).toBeGreaterThan(BigInt(object.metadata.resourceVersion ?? ''))
    scope.abort(new Error('read'))
    await reading
  })

  test('that is immutable keeps what it says, and takes labels', async () => {
    const object = await created(world, { ...make('kept', { key: before }), immutable: true })
    expect(await mergePatch(world, pathOf(object), { data: { key: after } })).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
    expect(await mergePatch(world, pathOf(object), { metadata: { labels: { a: 'b' } } })).toMatchObject({ status: 200 })
    expect((await fetched(world, object))['data']).toEqual({ key: before })
  })

  test('that belongs to a Deployment goes with it', async () => {
    const owner = await created(world, version('v1', { name: `owner-of-${resource.plural}`, replicas: 0 }))
    const { apiVersion, kind, metadata: { name, uid = '' } } = owner
    const owned = await created(world, { ...make('owned'), metadata: { name: 'owned', ownerReferences: [{ apiVersion, kind, name, uid }] }, immutable: true })
    await client.delete(resources.deployments, `${world.namespace}/${name}`, { uid })
    await world.until('the end of what it owned', async () => (await world.call('GET', pathOf(owned))).status === 404 || undefined)
  })
})

test('of which there is none is an empty list, metadata alone or not', async () => {
  const headers = { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' }
  const answer = await world.kubernetes({ method: 'GET', path: `/api/v1/namespaces/${world.callers}/secrets`, timeoutMs: 10_000, headers })
  expect(JSON.parse(await answer.text())).toMatchObject({ kind: 'PartialObjectMetadataList', items: null })
  for (const metadataOnly of [true, false]) {
    const page = await client.listWatch(resources.secrets, { namespace: world.callers, metadataOnly }).list(undefined, new AbortController().signal)
    expect(page).toEqual({ items: [], resourceVersion: expect.stringMatching(/^\d+$/) as string })
  }
})

test('what is written into a Secret as text is kept encoded, among the rest', async () => {
  const object = await created(world, { ...secret('texts', { a: btoa('1') }), stringData: { b: '2' } })
  expect(object['stringData']).toBeUndefined()
  expect(object['data']).toEqual({ a: btoa('1'), b: btoa('2') })
})
