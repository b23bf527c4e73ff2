import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { canary, virtualService } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { configMap, created, fetched, mergePatch, placed, serveCanaries, watched } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await serveCanaries(world)
})
afterAll(() => world.close())

const gone = (object: KubeObject) => world.until(`the end of ${object.metadata.name}`, async () => (await world.call('GET', pathOf(object))).status === 404 || undefined)

describe('an object with a finalizer', () => {
  const held = (name: string): KubeObject => ({ ...canary({}, name), metadata: { ...canary({}, name).metadata, finalizers: ['serin.dev/test'] } })

  test('stays, marked, until the finalizer is taken away; only then a watch tells of its deletion', async () => {
    const object = await created(world, held('held'))
    const path = pathOf(object)
    const watch = await watched(world, `${path.slice(0, path.lastIndexOf('/'))}?watch=1&resourceVersion=${object.metadata.resourceVersion}`)
    const answer = await world.call('DELETE', path)
    expect(answer).toMatchObject({ status: 200, body: { kind: 'Canary', metadata: { uid: object.metadata.uid } } })
    expect((await fetched(world, object)).metadata.deletionTimestamp).toMatch(/Z$/)
    expect((await mergePatch(world, path, { metadata: { finalizers: null } })).status).toBe(200)
    await gone(object)
    await world.until('two events', async () => watch.frames.length >= 2 || undefined)
    expect(watch.told()).toEqual(['MODIFIED held', 'DELETED held'])
    expect(BigInt(watch.frames[1]?.object.metadata.resourceVersion ?? '')).toBeGreaterThan(BigInt(watch.frames[0]?.object.metadata.resourceVersion ?? ''))
    watch.cut()
  })

  test('on its way out still takes changes and a status, but no new finalizer', async () => {
    const object = await created(world, held('leaving'))
    const path = pathOf(object)
    await world.call('DELETE', path)
    expect((await mergePatch(world, `${path}/status`, { status: { phase: 'Terminating' } })).body['status']).toEqual({ phase: 'Terminating' })
    expect((await mergePatch(world, path, { metadata: { annotations: { a: 'b' } } })).status).toBe(200)
    expect(await mergePatch(world, path, { metadata: { finalizers: ['serin.dev/test', 'serin.dev/more'] } })).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
    await mergePatch(world, path, { metadata: { finalizers: null } })
    await gone(object)
  })

  test('cannot be brought back by a write', async () => {
    const object = await created(world, held('doomed'))
    await world.call('DELETE', pathOf(object))
    const answer = await mergePatch(world, pathOf(object), { metadata: { deletionTimestamp: null } })
    expect(answer.body.metadata.deletionTimestamp).toMatch(/Z$/)
    await mergePatch(world, pathOf(object), { metadata: { finalizers: null } })
    await gone(object)
  })
})

describe('an object with owners', () => {
  const ownedBy = (owner: KubeObject, object: KubeObject): KubeObject => {
    const { apiVersion, kind, metadata: { name, uid = '' } } = owner
    return { ...object, metadata: { ...object.metadata, ownerReferences: [{ apiVersion, kind, name, uid }] } }
  }

  test('goes when its owner goes', async () => {
    const owner = await created(world, canary({}, 'owner'))
    const owned = await created(world, ownedBy(owner, virtualService({}, 'owned')))
    const free = await created(world, virtualService({}, 'free'))
    expect((await world.call('DELETE', pathOf(owner), { propagationPolicy: 'Background' })).status).toBe(200)
    await gone(owned)
    expect((await fetched(world, free)).metadata.uid).toBe(free.metadata.uid)
  })

  test('goes when its owner is another of the same name', async () => {
    const owner = await created(world, canary({}, 'namesake'))
    await world.call('DELETE', pathOf(owner))
    await created(world, canary({}, 'namesake'))
    await gone(await created(world, ownedBy(owner, virtualService({}, 'orphan'))))
  })

  test('stays as long as it has one that lives', async () => {
    const [first, second] = [await created(world, configMap('first-owner')), await created(world, configMap('second-owner'))]
    const references = [first, second].flatMap((owner) => ownedBy(owner, configMap('x')).metadata.ownerReferences ?? [])
    const owned = await created(world, { ...configMap('twice-owned'), metadata: { name: 'twice-owned', ownerReferences: references } })
    await world.call('DELETE', pathOf(first))
    await world.sleep(1500)
    expect((await fetched(world, owned)).metadata.uid).toBe(owned.metadata.uid)
    await world.call('DELETE', pathOf(second))
    await gone(owned)
  })
})

test('a namespace on its way out takes no new object, and ends when nothing in it is held any longer', async () => {
  const name = `${world.namespace}-ending`
  await world.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  const inside = (object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata, namespace: name } })
  const home = `/api/v1/namespaces/${name}`
  const held = inside(configMap('held'))
  await world.apply({ ...held, metadata: { ...held.metadata, finalizers: ['serin.dev/test'] } }, inside(configMap('not-held')))
  expect((await world.call('DELETE', home)).status).toBe(200)
  const refused = await world.call('POST', `${home}/configmaps`, inside(configMap('late')))
  expect(refused).toMatchObject({ status: 403, body: { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } } })
  await gone(inside(configMap('not-held')))
  expect((await world.call('GET', home)).body['status']).toMatchObject({ phase: 'Terminating' })
  expect((await mergePatch(world, pathOf(held), { metadata: { finalizers: null } })).status).toBe(200)
  await gone({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
})

test('the answer to a deletion that is done at once is a Status with the uid', async () => {
  const object = await created(world, virtualService({}, 'at-once'))
  const answer = await world.call('DELETE', pathOf(object))
  expect(answer.body).toMatchObject({ kind: 'Status', status: 'Success', details: { name: 'at-once', kind: 'virtualservices', group: 'networking.istio.io', uid: object.metadata.uid } })
  expect((await world.call('DELETE', pathOf(placed(world, object)))).status).toBe(404)
})
