import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../../src/kubernetes/resource.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { virtualService } from '../../fixtures.ts'
import { clientOf, configMap, created, mergePatch } from './requests.ts'

const NAMES = ['page-1', 'page-2', 'page-3', 'page-4', 'page-5']

let world: World
let made: readonly KubeObject[]
beforeAll(async () => {
  world = await openWorld()
  made = await Promise.all(NAMES.map((name) => created(world, virtualService({}, name))))
})
afterAll(() => world.close())

type List = KubeObject & { readonly items: readonly KubeObject[] }
const collection = () => `/apis/networking.istio.io/v1/namespaces/${world.namespace}/virtualservices`
const list = async (query: string) => {
  const { status, body } = await world.call('GET', `${collection()}?${query}`)
  return { status, body: body as List, names: (body as List).items?.map(({ metadata }) => metadata.name) }
}

test('a list has a version that is not older than anything in it', async () => {
  const { body, names } = await list('')
  expect(body.kind).toBe('VirtualServiceList')
  expect(names).toEqual(NAMES)
  const newest = made.map(({ metadata }) => BigInt(metadata.resourceVersion ?? '')).reduce((a, b) => (a > b ? a : b))
  expect(BigInt(body.metadata.resourceVersion ?? '')).toBeGreaterThanOrEqual(newest)
})

test('a list comes in pages of `limit`, each with the token of the next, all of one version', async () => {
  const first = await list('limit=2')
  expect(first.names).toEqual(['page-1', 'page-2'])
  const second = await list(`limit=2&continue=${encodeURIComponent(String(first.body.metadata['continue']))}`)
  expect(second.names).toEqual(['page-3', 'page-4'])
  const third = await list(`limit=2&continue=${encodeURIComponent(String(second.body.metadata['continue']))}`)
  expect(third.names).toEqual(['page-5'])
  expect(third.body.metadata['continue'] ?? '').toBe('')
  expect(new Set([first, second, third].map(({ body }) => body.metadata.resourceVersion)).size).toBe(1)
})

test('a later page shows what was there at the first', async () => {
  const first = await list('limit=4')
  await mergePatch(world, pathOf(made[4]!), { metadata: { labels: { changed: 'yes' } } })
  const second = await list(`limit=4&continue=${encodeURIComponent(String(first.body.metadata['continue']))}`)
  expect(second.body.items.map(({ metadata }) => [metadata.name, metadata.labels])).toEqual([['page-5', undefined]])
})

test('a token that is none is refused with 400', async () => {
  expect((await list('limit=2&continue=nonsense')).status).toBe(400)
})

test('the client reads all pages, and gives each item its kind', async () => {
  await Promise.all(NAMES.map((name) => created(world, configMap(name))))
  const client = clientOf(world)
  const routes = await client.list(resources.virtualServices, { namespace: world.namespace, limit: 2 })
  expect(routes.map(({ metadata }) => metadata.name)).toEqual(NAMES)
  const services = await client.list(resources.namespaces, { limit: 2 })
  expect(services.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining([world.namespace, world.callers]))
  expect([...routes, ...services].every(({ kind, apiVersion }) => kind !== '' && apiVersion !== '')).toBe(true)
  expect(services.every(({ kind, apiVersion }) => kind === 'Namespace' && apiVersion === 'v1')).toBe(true)
})
