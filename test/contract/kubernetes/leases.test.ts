import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { created, fetched, mergePatch } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const TIME = '2026-01-01T00:00:00.000000Z'

const lease = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name },
  spec: { holderIdentity: 'a', leaseDurationSeconds: 15, acquireTime: TIME, renewTime: TIME, leaseTransitions: 0, ...spec },
})

const held = (object: KubeObject, spec: object, metadata: object = {}): KubeObject => ({ ...object, metadata: { ...object.metadata, ...metadata }, spec: { ...(object['spec'] as object), ...spec } })

describe('a Lease', () => {
  test('is kept as written, microseconds included, and has no generation', async () => {
    const made = await created(world, lease('kept', { renewTime: '2026-01-01T00:00:07.123456Z' }))
    expect(made['spec']).toEqual({ holderIdentity: 'a', leaseDurationSeconds: 15, acquireTime: TIME, renewTime: '2026-01-01T00:00:07.123456Z', leaseTransitions: 0 })
    expect(made.metadata.generation).toBeUndefined()
  })

  test('is made by one only', async () => {
    await created(world, lease('one'))
    const path = pathOf({ ...lease('one'), metadata: { name: 'one', namespace: world.namespace } })
    expect(await world.call('POST', path.slice(0, path.lastIndexOf('/')), lease('one', { holderIdentity: 'b' }))).toMatchObject({ status: 409, body: { reason: 'AlreadyExists' } })
  })

  test('is taken by whoever updates the version it has, and by nobody after', async () => {
    const made = await created(world, lease('raced'))
    const [first, second] = await Promise.all(['b', 'c'].map((holderIdentity) => world.call('PUT', pathOf(made), held(made, { holderIdentity }))))
    expect([first!.status, second!.status].toSorted((a, b) => a - b)).toEqual([200, 409])
    const [winner, loser] = first!.status === 200 ? [first, second] : [second, first]
    expect(loser!.body['reason']).toBe('Conflict')
    expect((await fetched(world, made))['spec']).toEqual(winner!.body['spec'])
  })

  test('is not replaced by one without a version', async () => {
    const made = await created(world, lease('blind'))
    expect(await world.call('PUT', pathOf(made), held(made, { holderIdentity: 'b' }, { resourceVersion: undefined }))).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
    expect((await fetched(world, made))['spec']).toMatchObject({ holderIdentity: 'a' })
  })

  test('that was deleted is not brought back by an update of what it was', async () => {
    const made = await created(world, lease('deleted'))
    await world.call('DELETE', pathOf(made))
    const answer = await world.call('PUT', pathOf(made), held(made, { holderIdentity: 'b' }))
    expect([404, 409, 422]).toContain(answer.status)
    expect((await world.call('GET', pathOf(made))).status).toBe(404)
  })

  test('is released by an update that names nobody', async () => {
    const made = await created(world, lease('released'))
    const answer = await world.call('PUT', pathOf(made), held(made, { holderIdentity: '', leaseDurationSeconds: 1 }))
    expect(answer.status).toBe(200)
    expect((answer.body['spec'] as { holderIdentity?: string }).holderIdentity ?? '').toBe('')
  })

  test('renewed with other bytes has another version', async () => {
    const made = await created(world, lease('renewed'))
    const answer = await world.call('PUT', pathOf(made), held(made, { renewTime: '2026-01-01T00:00:02.000001Z' }))
    expect(answer.body.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion)
  })

  test('with a duration of zero is refused with 422', async () => {
    const made = await created(world, lease('timeless'))
    expect(await mergePatch(world, pathOf(made), { spec: { leaseDurationSeconds: 0 } })).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
  })

  test('whose time has no microseconds is refused with 400', async () => {
    const made = await created(world, lease('coarse'))
    expect(await world.call('PUT', pathOf(made), held(made, { renewTime: '2026-01-01T00:00:02Z' }))).toMatchObject({ status: 400, body: { reason: 'BadRequest' } })
  })
})
