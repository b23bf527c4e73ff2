import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canary, targetCanary, version, virtualService } from '../../fixtures.ts'
import { pathOf } from '../../harness.ts'
import { openWorld, type World } from '../world.ts'
import { created, fetched, jsonPatch, mergePatch, serveCanaries } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await serveCanaries(world)
})
afterAll(() => world.close())

describe('status', () => {
  test('is left out of what a client creates', async () => {
    const made = await created(world, { ...canary({}, 'born'), status: { phase: 'Idle' } })
    expect(made['status']).toBeUndefined()
  })

  test('written by its subresource changes nothing else, and moves no generation', async () => {
    const before = await created(world, canary({}, 'by-status'))
    const answer = await mergePatch(world, `${pathOf(before)}/status`, { metadata: { labels: { a: 'b' } }, spec: { suspend: true }, status: { phase: 'Idle' } })
    expect(answer.status).toBe(200)
    const { managedFields: _, ...metadata } = answer.body.metadata
    const { managedFields: __, resourceVersion, ...unmoved } = before.metadata
    expect(metadata).toEqual({ ...unmoved, resourceVersion: metadata.resourceVersion })
    expect(metadata.resourceVersion).not.toBe(resourceVersion)
    expect(answer.body['spec']).toEqual(before['spec'])
    expect(answer.body['status']).toEqual({ phase: 'Idle' })
  })

  test('in a write of the object itself is ignored', async () => {
    const before = await created(world, canary({}, 'by-main'))
    await mergePatch(world, `${pathOf(before)}/status`, { status: { phase: 'Idle' } })
    const answer = await mergePatch(world, pathOf(before), { metadata: { labels: { a: 'b' } }, status: { phase: 'Failed' } })
    expect(answer.status).toBe(200)
    expect(answer.body.metadata.labels).toEqual({ a: 'b' })
    expect(answer.body['status']).toEqual({ phase: 'Idle' })
  })

  test('is checked against the schema, and cut down to it', async () => {
    const object = await created(world, canary({}, 'checked'))
    const path = `${pathOf(object)}/status`
    expect((await mergePatch(world, path, { status: { phase: 'NoSuchPhase' } })).status).toBe(422)
    const answer = await mergePatch(world, path, { status: { phase: 'Idle', unheardOf: 1 } })
    expect(answer.body['status']).toEqual({ phase: 'Idle' })
  })

  test('merges by member: what null names goes', async () => {
    const object = await created(world, canary({}, 'by-member'))
    const path = `${pathOf(object)}/status`
    await mergePatch(world, path, { status: { phase: 'Idle', message: 'well', stableRevision: 'v1' } })
    const answer = await mergePatch(world, path, { status: { message: null, phase: 'Waiting' } })
    expect(answer.body['status']).toEqual({ phase: 'Waiting', stableRevision: 'v1' })
  })
})

describe('generation', () => {
  const routed = (host: string) => [{ op: 'replace', path: '/spec/http', value: [{ route: [{ destination: { host } }] }] }]

  test('of a custom resource moves by one at each change of the spec, and at no other', async () => {
    const object = await created(world, virtualService({}, 'counted'))
    const path = pathOf(object)
    const generations = [
      await mergePatch(world, path, { metadata: { annotations: { 'serin.dev/ledger': 'x' } } }),
      await mergePatch(world, path, { metadata: { labels: { a: 'b' } } }),
      await jsonPatch(world, path, [...routed('other'), { op: 'replace', path: '/metadata/annotations/serin.dev~1ledger', value: 'y' }]),
      await jsonPatch(world, path, routed('other')),
      await jsonPatch(world, path, routed('third')),
    ].map(({ body }) => body.metadata.generation)
    expect(generations).toEqual([1, 1, 2, 2, 3])
  })

  test('of a Deployment moves with its spec and with its annotations, and not with its labels', async () => {
    const object = await created(world, version('v1', { name: 'counted', replicas: 0 }))
    const path = pathOf(object)
    const generations = [
      await mergePatch(world, path, { metadata: { labels: { a: 'b' } } }),
      await mergePatch(world, path, { metadata: { annotations: { 'serin.dev/stamp': 'x' } } }),
      await mergePatch(world, path, { spec: { replicas: 1 } }),
      await mergePatch(world, path, { spec: { replicas: 1 } }),
    ].map(({ body }) => body.metadata.generation)
    expect(generations).toEqual([1, 2, 3, 3])
  })
})

describe('scale', () => {
  test('of a Deployment shows and sets spec.replicas, and moves the generation', async () => {
    const object = await created(world, version('v1', { name: 'scaled', replicas: 0 }))
    const path = `${pathOf(object)}/scale`
    expect((await world.call('GET', path)).body).toMatchObject({ kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { name: 'scaled', uid: object.metadata.uid }, spec: {}, status: {} })
    const answer = await mergePatch(world, path, { spec: { replicas: 2 } })
    expect(answer).toMatchObject({ status: 200, body: { kind: 'Scale', spec: { replicas: 2 } } })
    expect(await fetched(world, object)).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 2 } })
  })

  test('of a version that has passed is a conflict', async () => {
    const object = await created(world, version('v1', { name: 'scaled-late', replicas: 0 }))
    const answer = await mergePatch(world, `${pathOf(object)}/scale`, { metadata: { resourceVersion: '1' }, spec: { replicas: 2 } })
    expect(answer).toMatchObject({ status: 409, body: { reason: 'Conflict' } })
  })

  test('of a Canary is its size, once it has one: until then whoever reads it hears of an error, and whoever writes it gives it one', async () => {
    const object = await created(world, targetCanary({}, 'unscaled'))
    const path = `${pathOf(object)}/scale`
    expect(await world.call('GET', path)).toMatchObject({ status: 500, body: { reason: 'InternalError', message: 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist' } })
    expect((await mergePatch(world, path, { spec: { replicas: 3 } })).status).toBe(200)
    await mergePatch(world, `${pathOf(object)}/status`, { status: { phase: 'Idle', replicas: 2, selector: 'serin.dev/revision=a' } })
    expect((await world.call('GET', path)).body).toMatchObject({ kind: 'Scale', spec: { replicas: 3 }, status: { replicas: 2, selector: 'serin.dev/revision=a' } })
  })
})
