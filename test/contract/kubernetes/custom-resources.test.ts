import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crdProblem } from '../../../src/controller/installed-crd.ts'
import { at } from '../../../src/sandbox/json.ts'
import type { KubeObject } from '../../../src/sandbox/objects.ts'
import { canary, virtualService } from '../../fixtures.ts'
import { crd, pathOf } from '../../harness.ts'
import { differs } from '../differences.ts'
import { openWorld, type World } from '../world.ts'
import { clientOf, created, mergePatch, placed, serveCanaries } from './requests.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await serveCanaries(world)
})
afterAll(() => world.close())

const tried = (object: KubeObject, query = 'dryRun=All') => {
  const home = placed(world, object)
  const path = pathOf(home)
  return world.call('POST', `${path.slice(0, path.lastIndexOf('/'))}?${query}`, home)
}

describe('the CRD of Canary', () => {
  test('is accepted and served, and kept with the annotation that names its schema', async () => {
    const { body } = await world.call('GET', pathOf(crd()))
    const conditions = at(body, 'status', 'conditions') as readonly { type: string; status: string }[]
    expect(conditions.map(({ type, status }) => `${type} ${status}`)).toEqual(expect.arrayContaining(['NamesAccepted True', 'Established True']))
    expect(conditions.filter(({ type }) => type === 'NonStructuralSchema')).toEqual([])
    expect(await crdProblem(clientOf(world), new AbortController().signal)).toBeUndefined()
  })

  test('is kept as it was sent: nothing of its schema is pruned', async () => {
    const { body } = await world.call('GET', pathOf(crd()))
    expect(at(body, 'spec', 'versions')).toEqual(at(crd(), 'spec', 'versions'))
  })
})

describe('a Canary', () => {
  test('is filled in with the defaults of its schema, at every depth', async () => {
    const { body } = await tried(canary({ traffic: undefined, scaleDownDelay: undefined }))
    expect(body['spec']).toMatchObject({ suspend: false, traffic: {}, versions: { label: 'version' }, analysis: { failureThreshold: 1, noData: 'Hold' }, scaleDownDelay: {} })
  })

  test('loses fields that the schema does not know, without a word to whoever does not ask', async () => {
    const { status, body } = await tried(canary({ unheardOf: 1, service: { name: 'service-c', unheardOf: 2 } }))
    expect(status).toBe(201)
    expect(body['spec']).not.toHaveProperty('unheardOf')
    expect(at(body, 'spec', 'service')).toEqual({ name: 'service-c' })
  })

  test('with such fields is refused where the client asks for strictness', async () => {
    const { status, body } = await tried(canary({ unheardOf: 1 }), 'dryRun=All&fieldValidation=Strict')
    expect(status).toBe(400)
    expect(body).toMatchObject({ reason: 'BadRequest', message: expect.stringContaining('unknown field "spec.unheardOf"') as string })
  })

  test.each([
    ['a missing field', canary({ service: {} }), 'spec.service.name', 'FieldValueRequired'],
    ['a value of another type', canary({ suspend: 'yes' }), 'spec.suspend', 'FieldValueTypeInvalid'],
    ['a value that is none of those allowed', canary({ analysis: { noData: 'Perhaps' } }), 'spec.analysis.noData', 'FieldValueNotSupported'],
    ['a number out of its bounds', canary({ steps: [{ weight: 101, for: '2s' }] }), 'spec.steps[0].weight', 'FieldValueInvalid'],
    ['a text of another form', canary({ traffic: { drain: 'soon' } }), 'spec.traffic.drain', 'FieldValueInvalid'],
  ])('with %s is refused with 422, and the field is named', async (_what, object, field, reason) => {
    const { status, body } = await tried(object)
    expect([status, body['reason']]).toEqual([422, 'Invalid'])
    const causes = at(body, 'details', 'causes') as readonly { field: string; reason: string }[]
    expect(causes.map((cause) => `${cause.field} ${cause.reason}`)).toContain(`${field} ${reason}`)
  })

  test('whose steps take weight away is refused by a CEL rule', async () => {
    const { status, body } = await tried(canary({ steps: [{ weight: 50, for: '2s' }, { weight: 20, for: '2s' }] }))
    expect([status, body['reason']]).toEqual(differs(world, 'CEL rules') ? [201, undefined] : [422, 'Invalid'])
  })

  test('that changes its Service is refused by a CEL rule about the object before', async () => {
    const object = await created(world, canary({}, 'moves'))
    const { status, body } = await mergePatch(world, pathOf(object), { spec: { service: { name: 'another' } } })
    expect([status, body['reason']]).toEqual(differs(world, 'CEL rules') ? [200, undefined] : [422, 'Invalid'])
  })
})

test("a VirtualService keeps what Istio's schema leaves open, and is served under all its versions", async () => {
  const object = await created(world, virtualService({ http: [{ match: [{ uri: { prefix: '/' } }], route: [{ destination: { host: 'a' }, weight: 1 }] }] }, 'versions'))
  const bodies = await Promise.all(['v1', 'v1beta1', 'v1alpha3'].map(async (name) => (await world.call('GET', pathOf({ ...object, apiVersion: `networking.istio.io/${name}` }))).body))
  expect(bodies.map(({ apiVersion }) => apiVersion)).toEqual(['v1', 'v1beta1', 'v1alpha3'].map((name) => `networking.istio.io/${name}`))
  expect(new Set(bodies.map((body) => JSON.stringify([body['spec'], body.metadata.uid, body.metadata.resourceVersion]))).size).toBe(1)
})
