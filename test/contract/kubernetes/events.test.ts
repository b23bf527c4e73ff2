import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resources } from '../../../src/kubernetes/resource.ts'
import { isAlreadyExists } from '../../../src/kubernetes/errors.ts'
import { EventRecorder, type Occurrence } from '../../../src/runtime/event-recorder.ts'
import { createLog } from '../../../src/runtime/log.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, mergePatch } from './requests.ts'

let world: World
let path: string
beforeAll(async () => {
  world = await openWorld()
  path = `/apis/events.k8s.io/v1/namespaces/${world.namespace}/events`
})
afterAll(() => world.close())

const TIME = '2026-01-01T00:00:00.000000Z'

const event = (name: string, fields: object = {}) => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name, namespace: world.namespace },
  eventTime: TIME,
  reportingController: 'serin.dev/operator',
  reportingInstance: 'serin-0',
  regarding: { apiVersion: 'serin.dev/v1beta1', kind: 'Canary', name: 'service-c', namespace: world.namespace, uid: 'u-1' },
  note: 'weight 20',
  type: 'Normal',
  reason: 'StepStarted',
  action: 'StepStarted',
  ...fields,
})

const seen = async (): Promise<readonly KubeObject[]> => ((await world.call('GET', path)).body as unknown as { items: readonly KubeObject[] }).items

describe('an event', () => {
  test('is kept as written, and is the same event of the core group, where kubectl describe looks for it', async () => {
    const answer = await world.call('POST', path, event('plain'))
    expect(answer).toMatchObject({ status: 201, body: { apiVersion: 'events.k8s.io/v1', note: 'weight 20', eventTime: TIME, regarding: { uid: 'u-1' } } })
    const core = await world.call('GET', `/api/v1/namespaces/${world.namespace}/events/plain`)
    expect(core.body).toMatchObject({
      apiVersion: 'v1', kind: 'Event', metadata: { uid: answer.body.metadata.uid }, message: 'weight 20', reason: 'StepStarted', type: 'Normal',
      involvedObject: { kind: 'Canary', name: 'service-c', uid: 'u-1' }, reportingComponent: 'serin.dev/operator', source: {},
    })
    const selected = await world.call('GET', `/api/v1/namespaces/${world.namespace}/events?fieldSelector=involvedObject.uid%3Du-1%2CinvolvedObject.kind%3DCanary`)
    expect((selected.body as unknown as { items: readonly KubeObject[] }).items.map(({ metadata }) => metadata.name)).toContain('plain')
  })

  test('becomes a series by a merge patch', async () => {
    await world.call('POST', path, event('often'))
    const series = { count: 2, lastObservedTime: '2026-01-01T00:00:09.000000Z' }
    expect(await mergePatch(world, `${path}/often`, { series })).toMatchObject({ status: 200, body: { series, note: 'weight 20' } })
    expect((await mergePatch(world, `${path}/often`, { series: { ...series, count: 3 } })).body['series']).toEqual({ ...series, count: 3 })
  })

  test('of a name that is taken is refused, and told from a conflict', async () => {
    await world.call('POST', path, event('taken'))
    await expect(clientOf(world).create(resources.events, event('taken'))).rejects.toSatisfy(isAlreadyExists)
  })

  test.each([
    ['no action', { action: '' }],
    ['no reason', { reason: '' }],
    ['no eventTime', { eventTime: null }],
    ['a note of 1025 bytes', { note: 'x'.repeat(1025) }],
    ['an instance of 129 characters', { reportingInstance: 'x'.repeat(129) }],
    ['a type of its own', { type: 'Odd' }],
    ['a series of one', { series: { count: 1, lastObservedTime: TIME } }],
  ])('with %s is refused with 422', async (_what, fields) => {
    expect(await world.call('POST', path, event('refused', fields))).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
  })

  test('whose time has no microseconds is refused with 400', async () => {
    expect(await world.call('POST', path, event('coarse', { eventTime: '2026-01-01T00:00:00Z' }))).toMatchObject({ status: 400, body: { reason: 'BadRequest' } })
  })

  test('cannot change what it says', async () => {
    await world.call('POST', path, event('said'))
    expect(await mergePatch(world, `${path}/said`, { note: 'something else' })).toMatchObject({ status: 422, body: { reason: 'Invalid' } })
  })
})

test("the operator's recorder writes events and series that the server takes", async () => {
  const client = clientOf(world)
  const stop = new AbortController()
  const lost: string[] = []
  const recorder = new EventRecorder({
    port: {
      create: (object, signal) => client.create(resources.events, object, signal).catch(noted),
      patch: (name, namespace, body, signal) => client.mergePatch(resources.events, `${namespace}/${name}`, body, { signal }).catch(noted),
    },
    controller: 'serin.dev/operator', instance: 'serin-0', clock: world.clock, random: Math.random, log: createLog({ level: 'silent' }),
  })
  const noted = (error: unknown): never => {
    lost.push(String(error))
    throw error
  }
  const running = recorder.run(stop.signal)
  const occurrence: Occurrence = { regarding: { apiVersion: 'serin.dev/v1beta1', kind: 'Canary', name: 'recorded', namespace: world.namespace, uid: 'u-2' }, type: 'Warning', reason: 'RolledBack', action: 'RolledBack', note: 'ä'.repeat(2000) }
  recorder.record(occurrence)
  const first = await world.until('the event', async () => (await seen()).find(({ metadata }) => metadata.name.startsWith('recorded.')))
  expect(first['note']).toMatch(/^ä+…$/)
  recorder.record(occurrence)
  recorder.record(occurrence)
  const later = await world.until('the series', async () => (await seen()).find((each) => each.metadata.uid === first.metadata.uid && (each['series'] as { count?: number } | undefined)?.count === 3))
  expect(later['note']).toBe(first['note'])
  stop.abort(new Error('the test is over'))
  await running
  expect(lost).toEqual([])
})
