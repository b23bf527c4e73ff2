import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubernetesClient } from '../../../src/kubernetes/client.ts'
import { isGone } from '../../../src/kubernetes/errors.ts'
import { resources } from '../../../src/kubernetes/resource.ts'
import { createLog } from '../../../src/runtime/log.ts'
import { Reflector } from '../../../src/runtime/reflector.ts'
import { createStore } from '../../../src/runtime/store.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { virtualService } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, created, mergePatch, watched } from './requests.ts'

let world: World
let client: KubernetesClient
let collection: string
beforeAll(async () => {
  world = await openWorld()
  client = clientOf(world)
  collection = `/apis/networking.istio.io/v1/namespaces/${world.namespace}/virtualservices`
})
afterAll(() => world.close())

const listed = async (): Promise<string> => (await world.call('GET', `${collection}?limit=250`)).body.metadata.resourceVersion ?? ''
const renamed = (object: KubeObject) => mergePatch(world, pathOf(object), { metadata: { labels: { changed: 'yes' } } })
const remove = (object: KubeObject) => world.call('DELETE', pathOf(object))

describe('a watch', () => {
  test('from the version of a list tells of every later change once, in order, with growing versions', async () => {
    const old = await created(world, virtualService({}, 'old'))
    const since = await listed()
    const one = await created(world, virtualService({}, 'one'))
    const watch = await watched(world, `${collection}?watch=1&resourceVersion=${since}`)
    await renamed(one)
    await remove(one)
    await renamed(old)
    await world.until('four events', async () => watch.frames.length >= 4 || undefined)
    expect(watch.told()).toEqual(['ADDED one', 'MODIFIED one', 'DELETED one', 'MODIFIED old'])
    const versions = watch.frames.map(({ object }) => BigInt(object.metadata.resourceVersion ?? ''))
    expect(versions.every((version, index) => version > (versions[index - 1] ?? BigInt(since)))).toBe(true)
    expect(watch.frames.map(({ object }) => [object.apiVersion, object.kind])).toEqual(Array.from({ length: 4 }, () => ['networking.istio.io/v1', 'VirtualService']))
    watch.cut()
  })

  test('that was cut goes on from the last version heard, and nothing is lost, deletions neither', async () => {
    const [kept, gone] = [await created(world, virtualService({}, 'kept')), await created(world, virtualService({}, 'gone'))]
    const first = await watched(world, `${collection}?watch=1&resourceVersion=${gone.metadata.resourceVersion}`)
    await renamed(kept)
    await world.until('the first event', async () => first.frames.length > 0 || undefined)
    first.cut()
    await world.until('the end of the watch', async () => first.ended() !== 'open' || undefined)
    expect(first.ended()).toBe('broken')
    await remove(gone)
    await created(world, virtualService({}, 'late'))
    const second = await watched(world, `${collection}?watch=1&resourceVersion=${first.frames.at(-1)?.object.metadata.resourceVersion}`)
    await world.until('what was missed', async () => second.frames.length >= 2 || undefined)
    expect(second.told()).toEqual(['DELETED gone', 'ADDED late'])
    second.cut()
  })

  test('ends cleanly after timeoutSeconds', async () => {
    const startMs = world.now()
    const watch = await watched(world, `${collection}?watch=1&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${await listed()}`)
    await world.until('the end of the watch', async () => watch.ended() !== 'open' || undefined)
    expect(watch.ended()).toBe('cleanly')
    expect(world.now() - startMs).toBeGreaterThan(3000)
    expect(world.now() - startMs).toBeLessThan(8000)
  })

  // When a server sends bookmarks of its own accord is its own affair: a real one does so about once a minute.
  test('has bookmarks that are worth going on from', async () => {
    const other = await created(world, virtualService({}, 'before-the-bookmark'))
    const watch = await watched(world, `${collection}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=10`)
    const bookmark = await world.until('a bookmark', async () => watch.frames.find(({ type }) => type === 'BOOKMARK'))
    expect(BigInt(bookmark.object.metadata.resourceVersion ?? '0')).toBeGreaterThanOrEqual(BigInt(other.metadata.resourceVersion ?? ''))
    watch.cut()
    const next = await watched(world, `${collection}?watch=1&timeoutSeconds=1&resourceVersion=${bookmark.object.metadata.resourceVersion}`)
    await world.until('the end of the next watch', async () => next.ended() !== 'open' || undefined)
    expect(next.told()).toEqual([])
  })

  test('without allowWatchBookmarks has no bookmarks', async () => {
    const watch = await watched(world, `${collection}?watch=1&timeoutSeconds=4&resourceVersion=${await listed()}`)
    await world.until('the end of the watch', async () => watch.ended() !== 'open' || undefined)
    expect(watch.frames).toEqual([])
  })

  test('from a version that has left the history is 410 Gone, in an ERROR event', async () => {
    const watch = await watched(world, `${collection}?watch=1&timeoutSeconds=4&resourceVersion=1`)
    await world.until('the end of the watch', async () => watch.ended() !== 'open' || undefined)
    expect(watch.status).toBe(200)
    expect(watch.frames).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }])
    const read = async () => {
      for await (const event of client.listWatch(resources.virtualServices).watch({ resourceVersion: '1', timeoutMs: 4000 }, new AbortController().signal)) throw new Error(event.type)
    }
    await expect(read()).rejects.toSatisfy(isGone)
  })

  test('of one namespace tells of no other', async () => {
    const watch = await watched(world, `${collection}?watch=1&resourceVersion=${await listed()}`)
    const elsewhere = { ...virtualService({}, 'elsewhere'), metadata: { name: 'elsewhere', namespace: world.callers } }
    await world.apply(elsewhere)
    await created(world, virtualService({}, 'here'))
    await world.until('the one event', async () => watch.frames.length > 0 || undefined)
    expect(watch.told()).toEqual(['ADDED here'])
    watch.cut()
  })
})

test('a reflector keeps its store equal to the server, through cut watches and a history that is gone', async () => {
  const log = createLog({ level: 'silent' })
  const { store, writer } = createStore({ log, indexes: {} })
  const stop = new AbortController()
  let cut = new AbortController()
  let past = false
  const source = client.listWatch(resources.virtualServices, { namespace: world.namespace })
  const reflector = new Reflector({
    name: 'virtualServices',
    listWatch: {
      list: source.list,
      watch: ({ timeoutMs, resourceVersion }, signal) => source.watch({ timeoutMs, resourceVersion: past ? '1' : resourceVersion }, AbortSignal.any([signal, cut.signal])),
    },
    writer, prune: (object) => object, clock: world.clock, log, random: () => 0,
  })
  void reflector.run(stop.signal)
  const same = (what: string) => world.until(what, async () => {
    const { items } = (await world.call('GET', collection)).body as unknown as { items: readonly KubeObject[] }
    const seen = (objects: readonly { metadata: { name: string; resourceVersion?: string } }[]) => objects.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).toSorted()
    expect(seen(store.list())).toEqual(seen(items))
    return true
  })
  const [first, second] = [await created(world, virtualService({}, 'reflected-1')), await created(world, virtualService({}, 'reflected-2'))]
  await same('the first list')
  await renamed(first)
  await same('a change')
  cut.abort(new Error('cut by the test'))
  await remove(second)
  cut = new AbortController()
  await same('what happened while the watch was cut')
  past = true
  cut.abort(new Error('cut by the test'))
  await created(world, virtualService({}, 'reflected-3'))
  await world.sleep(2000)
  cut = new AbortController()
  past = false
  await same('what happened while the history was gone')
  stop.abort(new Error('the test is over'))
})
