import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KubernetesError, isAlreadyExists, isConflict, isInvalid, isNotFound, isNotServed } from '../../../src/kubernetes/errors.ts'
import type { KubernetesClient } from '../../../src/kubernetes/client.ts'
import { type Resource, resources } from '../../../src/kubernetes/resource.ts'
import type { NewObject } from '../../../src/runtime/object.ts'
import { canary, virtualService } from '../../fixtures.ts'
import { differs } from '../differences.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, created, placed, serveCanaries } from './requests.ts'

let world: World
let client: KubernetesClient
beforeAll(async () => {
  world = await openWorld()
  client = clientOf(world)
  await serveCanaries(world)
  await created(world, virtualService({}, 'there'))
})
afterAll(() => world.close())

const UNSERVED: Resource = { group: 'nobody.serin.dev', version: 'v1', plural: 'nothings', kind: 'Nothing', namespaced: true }
const key = (name: string) => `${world.namespace}/${name}`
const asNew = (object: object) => object as NewObject

const refused = async (attempt: Promise<unknown>): Promise<KubernetesError> => {
  const error: unknown = await attempt.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof KubernetesError)) throw new Error(`expected a refusal, got ${String(error)}`)
  return error
}

describe('a refusal says what it is:', () => {
  const predicates = { isNotFound, isNotServed, isAlreadyExists, isConflict, isInvalid }
  const rows: readonly (readonly [string, () => Promise<unknown>, number, string, keyof typeof predicates])[] = [
    ['an object that is not there', () => client.jsonPatch(resources.virtualServices, key('nobody'), []), 404, 'NotFound', 'isNotFound'],
    ['a create in a namespace that is not there', () => client.create(resources.virtualServices, asNew({ ...virtualService(), metadata: { name: 'x', namespace: 'no-such-namespace' } })), 404, 'NotFound', 'isNotFound'],
    ['an object of a kind that is not served', () => client.get(UNSERVED, key('x')), 404, '', 'isNotServed'],
    ['a list of a kind that is not served', () => client.list(UNSERVED), 404, '', 'isNotServed'],
    ['a create of a kind that is not served', () => client.create(UNSERVED, asNew({ apiVersion: 'nobody.serin.dev/v1', kind: 'Nothing', metadata: { name: 'x', namespace: world.namespace } })), 404, '', 'isNotServed'],
    ['a create of what is there', () => client.create(resources.virtualServices, asNew(placed(world, virtualService({}, 'there')))), 409, 'AlreadyExists', 'isAlreadyExists'],
    ['a change of what has changed', () => client.mergePatch(resources.virtualServices, key('there'), { metadata: { resourceVersion: '1' } }), 409, 'Conflict', 'isConflict'],
    ['a deletion of another', () => client.delete(resources.virtualServices, key('there'), { uid: 'other' }), 409, 'Conflict', 'isConflict'],
    ['what breaks the schema', () => client.create(resources.canaries, asNew(placed(world, canary({ service: {} }, 'broken')))), 422, 'Invalid', 'isInvalid'],
    ['a patch that cannot be applied', () => client.jsonPatch(resources.virtualServices, key('there'), [{ op: 'test', path: '/spec/hosts', value: [] }]), 422, 'Invalid', 'isInvalid'],
    ['a name that is none', () => client.create(resources.virtualServices, asNew(placed(world, virtualService({}, 'Not_A_Name')))), 422, 'Invalid', 'isInvalid'],
  ]

  test.each(rows)('%s', async (_what, attempt, status, reason, predicate) => {
    const error = await refused(attempt())
    expect([error.status, error.reason]).toEqual([status, reason])
    expect(error.message).not.toMatch(/: $/)
    const holding = Object.entries(predicates).filter(([, holds]) => holds(error)).map(([name]) => name)
    expect(holding).toEqual([predicate])
  })
})

test('a watch of a kind that is not served is refused before it begins', async () => {
  const read = async () => {
    for await (const event of client.listWatch(UNSERVED).watch({ resourceVersion: '1', timeoutMs: 1000 }, new AbortController().signal)) throw new Error(event.type)
  }
  await expect(read()).rejects.toSatisfy(isNotServed)
})

test('the Status of a missing object has an empty metadata, and names the object', async () => {
  const { status, body } = await world.call('GET', `/apis/networking.istio.io/v1/namespaces/${world.namespace}/virtualservices/nobody`)
  expect([status, body]).toEqual([404, {
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code: 404, reason: 'NotFound',
    message: 'virtualservices.networking.istio.io "nobody" not found',
    details: { name: 'nobody', group: 'networking.istio.io', kind: 'virtualservices' },
  }])
})

test('a patch in a form that is not spoken is refused with 415, a body that is no JSON with 400', async () => {
  const path = `/apis/networking.istio.io/v1/namespaces/${world.namespace}/virtualservices`
  expect((await world.call('PATCH', `${path}/there`, {}, 'application/strategic-merge-patch+json')).status).toBe(415)
  const answer = await world.kubernetes({ method: 'POST', path, body: '{', headers: { 'content-type': 'application/json' }, timeoutMs: 5000 })
  expect(answer.status).toBe(400)
})

test('what one has no right to is refused with 403, and said', async () => {
  const answer = await world.kubernetes({ method: 'GET', path: '/apis/networking.istio.io/v1/virtualservices', headers: { 'impersonate-user': 'nobody' }, timeoutMs: 5000 })
  const body = JSON.parse(await answer.text()) as unknown
  if (differs(world, 'authentication')) return expect(answer.status).toBe(200)
  expect([answer.status, body]).toEqual([403, {
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code: 403, reason: 'Forbidden',
    message: 'virtualservices.networking.istio.io is forbidden: User "nobody" cannot list resource "virtualservices" in API group "networking.istio.io" at the cluster scope',
    details: { group: 'networking.istio.io', kind: 'virtualservices' },
  }])
})
