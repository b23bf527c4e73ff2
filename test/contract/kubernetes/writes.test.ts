import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { virtualService, version } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { configMap, created, fetched, jsonPatch, mergePatch, placed, watched } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

describe('a create', () => {
  test('gives uid, resourceVersion, creationTimestamp, and a generation to what has a spec', async () => {
    const { metadata } = await created(world, virtualService({}, 'made'))
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(metadata.resourceVersion).toMatch(/^\d+$/)
    expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(metadata.generation).toBe(1)
  })

  test('ignores a uid that the client made up', async () => {
    const uid = '00000000-0000-4000-8000-000000000000'
    const made = await created(world, { ...configMap('own-uid'), metadata: { name: 'own-uid', uid } })
    expect(made.metadata.uid).not.toBe(uid)
  })

  test('of an object that was deleted gives another uid', async () => {
    const first = await created(world, configMap('again'))
    expect((await world.call('DELETE', pathOf(first))).status).toBe(200)
    const second = await created(world, configMap('again'))
    expect(second.metadata.uid).not.toBe(first.metadata.uid)
  })

  test('that is a dry run answers as if, and makes nothing', async () => {
    const object = placed(world, virtualService({}, 'dry'))
    const path = pathOf(object)
    const answer = await world.call('POST', `${path.slice(0, path.lastIndexOf('/'))}?dryRun=All`, object)
    expect(answer.status).toBe(201)
    expect(answer.body.metadata.uid).toMatch(/./)
    expect((await world.call('GET', path)).status).toBe(404)
  })
})

describe('resourceVersions', () => {
  test('are integers that grow with every write, across kinds', async () => {
    const objects = [await created(world, configMap('grows-1')), await created(world, virtualService({}, 'grows-2')), await created(world, version('v1', { name: 'grows-3', replicas: 0 }))]
    const again = await mergePatch(world, pathOf(objects[0]!), { data: { more: 'yes' } })
    const versions = [...objects, again.body].map(({ metadata }) => BigInt(metadata.resourceVersion ?? ''))
    expect(versions).toEqual(versions.toSorted((a, b) => (a < b ? -1 : 1)))
    expect(new Set(versions).size).toBe(4)
  })
})

describe('a JSON patch', () => {
  test('adds, replaces and removes, in order and as a whole', async () => {
    const object = await created(world, configMap('patched', { a: '1', b: '2' }))
    const answer = await jsonPatch(world, pathOf(object), [
      { op: 'add', path: '/metadata/annotations', value: {} },
      { op: 'add', path: '/metadata/annotations/serin.dev~1stamp', value: 'x' },
      { op: 'replace', path: '/data/a', value: '3' },
      { op: 'remove', path: '/data/b' },
      { op: 'test', path: '/data/a', value: '3' },
    ])
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ metadata: { annotations: { 'serin.dev/stamp': 'x' } }, data: { a: '3' } })
    expect(answer.body['data']).toEqual({ a: '3' })
  })

  test('inserts into lists by index, and replaces a list as a whole', async () => {
    const object = await created(world, virtualService({ http: [{ name: 'main', route: [{ destination: { host: 'a' } }] }] }, 'inserted'))
    const answer = await jsonPatch(world, pathOf(object), [
      { op: 'add', path: '/spec/http/0', value: { name: 'first', route: [{ destination: { host: 'b' } }] } },
      { op: 'replace', path: '/spec/http/1/route', value: [{ destination: { host: 'c' }, weight: 100 }] },
    ])
    expect(answer.status).toBe(200)
    expect(answer.body['spec']).toMatchObject({ http: [{ name: 'first', route: [{ destination: { host: 'b' } }] }, { name: 'main', route: [{ destination: { host: 'c' }, weight: 100 }] }] })
  })

  test.each([
    ['adds below what is not there', { op: 'add', path: '/metadata/annotations/x', value: 'y' }],
    ['removes what is not there', { op: 'remove', path: '/data/nothing' }],
    ['tests for what is not there', { op: 'test', path: '/data/a', value: 'other' }],
  ])('that %s is refused with 422, and does nothing', async (what, operation) => {
    const object = await created(world, configMap(what.replaceAll(' ', '-'), { a: '1' }))
    const answer = await jsonPatch(world, pathOf(object), [{ op: 'replace', path: '/data/a', value: '2' }, operation])
    expect(answer).toMatchObject({ status: 422, body: { kind: 'Status', reason: 'Invalid', code: 422 } })
    expect(await fetched(world, object)).toMatchObject({ metadata: { resourceVersion: object.metadata.resourceVersion }, data: { a: '1' } })
  })
})

describe('a merge patch', () => {
  test('sets what it names, removes what it names with null, and replaces lists', async () => {
    const object = await created(world, virtualService({ hosts: ['one', 'two'], gateways: ['mesh'] }, 'merged'))
    const answer = await mergePatch(world, pathOf(object), { metadata: { annotations: { kept: 'yes', gone: null } }, spec: { hosts: ['three'], gateways: null } })
    expect(answer.status).toBe(200)
    expect(answer.body.metadata.annotations).toEqual({ kept: 'yes' })
    expect(answer.body['spec']).toMatchObject({ hosts: ['three'] })
    expect(answer.body['spec']).not.toHaveProperty('gateways')
    expect(answer.body['spec']).toHaveProperty('http')
  })
})

describe('a write that changes nothing', () => {
  const objects = { custom: virtualService({}, 'still'), 'built in': configMap('still', { a: '1' }) }

  test.each(Object.keys(objects) as readonly (keyof typeof objects)[])('leaves the version as it was, and no watch hears of it: %s', async (kind) => {
    const object = await created(world, objects[kind])
    const path = pathOf(object)
    const watch = await watched(world, `${path.slice(0, path.lastIndexOf('/'))}?watch=1&resourceVersion=${object.metadata.resourceVersion}&fieldSelector=metadata.name%3Dstill`)
    const merged = await mergePatch(world, path, { metadata: { name: 'still' } })
    const patched = await jsonPatch(world, path, [{ op: 'replace', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion }, { op: 'replace', path: '/metadata/uid', value: object.metadata.uid }])
    const put = await world.call('PUT', path, object)
    expect([merged, patched, put].map(({ status, body }) => [status, body.metadata.resourceVersion])).toEqual(Array.from({ length: 3 }, () => [200, object.metadata.resourceVersion]))
    await mergePatch(world, path, { metadata: { labels: { at: 'last' } } })
    await world.until('the change that is one', async () => watch.frames.length > 0 || undefined)
    expect(watch.frames.map(({ type, object: { metadata } }) => [type, metadata.labels])).toEqual([['MODIFIED', { at: 'last' }]])
    watch.cut()
  })
})
