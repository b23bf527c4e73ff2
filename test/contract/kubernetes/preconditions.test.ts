import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isConflict, isInvalid, isNotFound } from '../../../src/kubernetes/errors.ts'
import type { KubernetesClient } from '../../../src/kubernetes/client.ts'
import { resources } from '../../../src/kubernetes/resource.ts'
import { canary, destinationRule, version, virtualService } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, created, fetched, mergePatch, serveCanaries } from './requests.ts'

let world: World
let client: KubernetesClient
beforeAll(async () => {
  world = await openWorld()
  client = clientOf(world)
  await serveCanaries(world)
})
afterAll(() => world.close())

const FOREIGN = '00000000-0000-4000-8000-000000000000'

const written = [
  { what: 'a VirtualService', resource: resources.virtualServices, make: (name: string) => virtualService({}, name) },
  { what: 'a DestinationRule', resource: resources.destinationRules, make: (name: string) => destinationRule({}, name) },
  { what: 'a Deployment', resource: resources.deployments, make: (name: string) => version('v1', { name, replicas: 0 }) },
]

const fenced = (resourceVersion: string | undefined, uid: string | undefined) => [
  { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  { op: 'replace', path: '/metadata/uid', value: uid },
  { op: 'add', path: '/metadata/annotations', value: { by: 'us' } },
] as const

describe.each(written)('a JSON patch of $what', ({ resource, make }) => {
  const key = (name: string) => `${world.namespace}/${name}`

  test('with its version and uid is made', async () => {
    const before = await created(world, make('fits'))
    const live = await world.until('a version that stays', () => settledVersion(before))
    const patched = await client.jsonPatch(resource, key('fits'), fenced(live, before.metadata.uid))
    expect(patched.metadata.annotations).toMatchObject({ by: 'us' })
    expect(patched.metadata.uid).toBe(before.metadata.uid)
  })

  test('with a version that has passed is a conflict', async () => {
    const before = await created(world, make('passed'))
    await mergePatch(world, pathOf(before), { metadata: { labels: { by: 'somebody' } } })
    await expect(client.jsonPatch(resource, key('passed'), fenced(before.metadata.resourceVersion, before.metadata.uid))).rejects.toSatisfy(isConflict)
    expect((await fetched(world, before)).metadata.annotations?.['by']).toBeUndefined()
  })

  test('with another uid is invalid', async () => {
    const before = await created(world, make('foreign'))
    const live = await world.until('a version that stays', () => settledVersion(before))
    await expect(client.jsonPatch(resource, key('foreign'), fenced(live, FOREIGN))).rejects.toSatisfy(isInvalid)
    expect((await fetched(world, before)).metadata.annotations?.['by']).toBeUndefined()
  })

  test('computed from one that was deleted and made anew is a conflict', async () => {
    const before = await created(world, make('anew'))
    expect((await world.call('DELETE', pathOf(before), { propagationPolicy: 'Background' })).status).toBe(200)
    await created(world, make('anew'))
    await expect(client.jsonPatch(resource, key('anew'), fenced(before.metadata.resourceVersion, before.metadata.uid))).rejects.toSatisfy(isConflict)
  })

  test('of one that is gone is not found', async () => {
    await expect(client.jsonPatch(resource, key('nobody'), fenced('1', FOREIGN))).rejects.toSatisfy(isNotFound)
  })
})

/** Controllers write to a new Deployment, too. */
async function settledVersion(object: Parameters<typeof fetched>[1]): Promise<string | undefined> {
  const first = (await fetched(world, object)).metadata.resourceVersion
  await world.sleep(300)
  return (await fetched(world, object)).metadata.resourceVersion === first ? first : undefined
}

describe('a merge patch of the status subresource', () => {
  const status = { phase: 'Idle' }
  const key = (name: string) => `${world.namespace}/${name}`

  test('with its version and uid is made', async () => {
    const { metadata: { uid, resourceVersion } } = await created(world, canary({}, 'fits'))
    const written = await client.mergePatch(resources.canaries, key('fits'), { metadata: { uid, resourceVersion }, status }, { subresource: 'status' })
    expect(written['status']).toEqual(status)
  })

  test('with a version that has passed is a conflict', async () => {
    const before = await created(world, canary({}, 'passed'))
    await mergePatch(world, pathOf(before), { metadata: { labels: { by: 'somebody' } } })
    const { uid, resourceVersion } = before.metadata
    await expect(client.mergePatch(resources.canaries, key('passed'), { metadata: { uid, resourceVersion }, status }, { subresource: 'status' })).rejects.toSatisfy(isConflict)
  })

  test('with a version that has passed and another uid is a conflict: the uid alone is no fence there', async () => {
    const before = await created(world, canary({}, 'foreign'))
    const patch = (resourceVersion: string | undefined) => client.mergePatch(resources.canaries, key('foreign'), { metadata: { uid: FOREIGN, resourceVersion }, status }, { subresource: 'status' })
    const written = await patch(before.metadata.resourceVersion)
    expect(written.metadata.uid).toBe(before.metadata.uid)
    await expect(patch(before.metadata.resourceVersion)).rejects.toSatisfy(isConflict)
  })

  test('computed from one that was deleted and made anew is a conflict', async () => {
    const before = await created(world, canary({}, 'anew'))
    expect((await world.call('DELETE', pathOf(before))).status).toBe(200)
    const after = await created(world, canary({}, 'anew'))
    const { uid, resourceVersion } = before.metadata
    await expect(client.mergePatch(resources.canaries, key('anew'), { metadata: { uid, resourceVersion }, status }, { subresource: 'status' })).rejects.toSatisfy(isConflict)
    expect((await fetched(world, after))['status']).toBeUndefined()
  })
})

describe('a delete', () => {
  const key = (name: string) => `${world.namespace}/${name}`

  test.each([
    ['another uid', { uid: FOREIGN }],
    ['a version that has passed', { resourceVersion: '1' }],
  ])('with %s is a conflict, and deletes nothing', async (what, precondition) => {
    const name = what.replaceAll(' ', '-')
    const object = await created(world, virtualService({}, name))
    await expect(client.delete(resources.virtualServices, key(name), precondition)).rejects.toSatisfy(isConflict)
    expect((await fetched(world, object)).metadata.uid).toBe(object.metadata.uid)
  })

  test('with both as they are deletes; once more is no error', async () => {
    const { metadata: { uid, resourceVersion } } = await created(world, virtualService({}, 'ours'))
    await client.delete(resources.virtualServices, key('ours'), { uid: uid ?? '', resourceVersion: resourceVersion ?? '' })
    expect(await client.get(resources.virtualServices, key('ours'))).toBeUndefined()
    await client.delete(resources.virtualServices, key('ours'), { uid: uid ?? '' })
  })
})
