import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isConflict } from '../../../src/kubernetes/errors.ts'
import { resources } from '../../../src/kubernetes/resource.ts'
import { action } from '../../fixtures.ts'
import { actionCrd, pathOf } from '../../harness.ts'
import { differs } from '../differences.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, created, fetched, mergePatch, placed } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.apply(actionCrd())
  const path = `/apis/serin.dev/v1beta1/namespaces/${world.namespace}/canaryactions`
  await world.until('canaryactions to be served', async () => (await world.call('GET', path).catch(() => undefined))?.status === 200 || undefined)
})
afterAll(() => world.close())

describe('a CanaryAction', () => {
  test('is kept as it was asked, with the time it has, and without an answer of whoever asks', async () => {
    const asked = action('Approve', { step: 'few' }, 'asked')
    const made = await created(world, { ...asked, status: { result: 'Accepted' } })
    expect(made).toMatchObject({ spec: { ...asked['spec'] as object, expiresAfter: '1h' }, metadata: { generation: 1, creationTimestamp: expect.stringMatching(/Z$/) as string } })
    expect(made['status']).toBeUndefined()
  })

  test('is answered in its status alone, once: an answer to what it was before is a conflict', async () => {
    const made = await created(world, action('Pause', {}, 'answered'))
    const [client, key] = [clientOf(world), `${world.namespace}/answered`]
    const answer = (result: string) => client.mergePatch(resources.canaryActions, key, { metadata: { uid: made.metadata.uid, resourceVersion: made.metadata.resourceVersion }, status: { result, message: 'paused', at: '2026-01-01T00:00:00Z' } }, { subresource: 'status' })
    const { metadata, status } = await answer('Accepted')
    expect([metadata.generation, status]).toEqual([1, { result: 'Accepted', message: 'paused', at: '2026-01-01T00:00:00Z' }])
    await expect(answer('Refused')).rejects.toSatisfy(isConflict)
    expect((await fetched(world, made))['status']).toMatchObject({ result: 'Accepted' })
  })

  test.each([
    ['a word that is none', { action: 'Undo' }, 'spec.action'],
    ['nobody who asks', { requester: '' }, 'spec.requester'],
    ['a time that is none', { expiresAfter: 'soon' }, 'spec.expiresAfter'],
  ])('with %s is refused, and the field is named', async (_what, spec, field) => {
    const object = placed(world, action('Approve', spec, 'refused'))
    const { status, body } = await world.call('POST', pathOf(object).replace(/\/refused$/, ''), object)
    expect([status, body['reason']]).toEqual([422, 'Invalid'])
    expect(JSON.stringify(body['details'])).toContain(`"${field}"`)
  })

  test('never changes: a CEL rule sees to it', async () => {
    const made = await created(world, action('Pause', {}, 'unchanged'))
    const { status } = await mergePatch(world, pathOf(made), { spec: { action: 'Resume' } })
    expect(status).toBe(differs(world, 'CEL rules') ? 200 : 422)
  })

  test('is deleted as the one that was seen, and no other of its name', async () => {
    const { metadata: { uid = '', resourceVersion = '' } } = await created(world, action('Pause', {}, 'old'))
    const [client, key] = [clientOf(world), `${world.namespace}/old`]
    await expect(client.delete(resources.canaryActions, key, { uid: 'another', resourceVersion })).rejects.toSatisfy(isConflict)
    await expect(client.delete(resources.canaryActions, key, { uid, resourceVersion: '1' })).rejects.toSatisfy(isConflict)
    await client.delete(resources.canaryActions, key, { uid, resourceVersion })
    expect((await world.call('GET', `/apis/serin.dev/v1beta1/namespaces/${world.namespace}/canaryactions/old`)).status).toBe(404)
  })
})
