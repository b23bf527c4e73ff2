import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { shirt, shirtCrd, testCluster } from './cluster.fixture.ts'
import type { KubeObject } from './objects.ts'

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const shirts = '/apis/test.dev/v1/namespaces/default/shirts'

const withShirts = async () => {
  const world = testCluster()
  expect((await world.call('POST', crds, shirtCrd())).status).toBe(201)
  return world
}

describe('a CustomResourceDefinition', () => {
  it('serves its kind at once, with what is missing filled in', async () => {
    const { call, get } = await withShirts()
    const { body } = await get(`${crds}/shirts.test.dev`)
    expect(body).toMatchObject({
      spec: { names: { singular: 'shirt', listKind: 'ShirtList' }, conversion: { strategy: 'None' } },
      status: {
        storedVersions: ['v1'],
        conditions: [
          { type: 'NamesAccepted', status: 'True' },
          { type: 'Established', status: 'True' },
        ],
      },
    })
    expect((await call('POST', shirts, shirt('one'))).body).toMatchObject({
      apiVersion: 'test.dev/v1',
      spec: { size: 'S', color: 'red' },
      metadata: { generation: 1 },
    })
    expect((await get('/apis/test.dev/v1')).body['resources']).toMatchObject([
      { name: 'shirts', shortNames: ['sh'] },
      { name: 'shirts/status' },
      { name: 'shirts/scale' },
    ])
  })

  it('must be whole', async () => {
    const { call } = testCluster()
    expect((await call('POST', crds, { ...shirtCrd(), metadata: { name: 'other.test.dev' } })).status).toBe(422)
    const crd = shirtCrd()
    expect(
      (await call('POST', crds, { ...crd, spec: { ...crd.spec, versions: [{ name: 'v1', served: true, storage: false }] } }))
        .body['details'],
    ).toMatchObject({
      causes: [{ field: 'spec.versions' }, { field: 'spec.versions[0].schema.openAPIV3Schema' }],
    })
  })

  it('takes its objects along when it goes', async () => {
    const { call, get, clock } = await withShirts()
    await call('POST', shirts, { ...shirt('one'), metadata: { name: 'one', finalizers: ['test.dev/hold'] } })
    await call('DELETE', `${crds}/shirts.test.dev`)
    await clock.advance(0)
    expect((await get(`${shirts}/one`)).body.metadata.deletionTimestamp).toBeDefined()
    expect((await get(`${crds}/shirts.test.dev`)).body.metadata.finalizers).toHaveLength(1)
    await call('PATCH', `${shirts}/one`, { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' })
    await clock.advance(0)
    expect((await get(`${crds}/shirts.test.dev`)).status).toBe(404)
    expect((await get(shirts)).status).toBe(404)
  })
})

describe('a custom resource', () => {
  it.each([
    [{ size: 'XL' }, 'spec.size', 'Unsupported value: "XL": supported values: "S", "M"'],
    [{ replicas: '1' }, 'spec.replicas', 'Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
    [{ replicas: 11 }, 'spec.replicas', 'Invalid value: 11: spec.replicas in body must be <= 10'],
    [{ replicas: -1 }, 'spec.replicas', 'Invalid value: -1: spec.replicas in body must be >= 0'],
    [{ color: 'Red' }, 'spec.color', 'Invalid value: "Red": spec.color in body must match pattern "^[a-z]+$"'],
    [{ color: 'colourless' }, 'spec.color', 'Invalid value: "colourless": spec.color in body must NOT have more than 8 characters'],
    [{ size: undefined }, 'spec.size', 'Required value'],
    [{ max: 'ten' }, 'spec.max', 'Invalid value: "ten": spec.max in body must match pattern "^[0-9]+%$"'],
    [{ max: 1.5 }, 'spec.max', 'Invalid value: "number": spec.max in body must be of type integer,string: "number"'],
    [{ tags: ['a', 'b', 'a'] }, 'spec.tags[2]', 'Duplicate value: "a"'],
    [{ tags: ['a', 'b', 'c', 'd'] }, 'spec.tags', 'Invalid value: ["a","b","c","d"]: spec.tags in body must NOT have more than 3 items'],
    [{ ports: [{ name: 'a' }, { name: 'a', port: 1 }] }, 'spec.ports[1]', 'Duplicate value: {"name":"a"}'],
    [{ notes: { a: 1 } }, 'spec.notes.a', 'Invalid value: "number": spec.notes.a in body must be of type string: "number"'],
    [{ one: {} }, 'spec.one', 'Invalid value: {}: spec.one in body must match exactly one schema in oneOf'],
    [{ tags: null }, 'spec.tags', 'Invalid value: "null": spec.tags in body must be of type array: "null"'],
  ])('with %j is refused, and told where and why', async (spec, field, message) => {
    const { call } = await withShirts()
    const { status, body } = await call('POST', shirts, shirt('one', spec))
    expect(status).toBe(422)
    expect((body['details'] as { causes: unknown[] }).causes).toContainEqual(expect.objectContaining({ field, message }))
    expect(body.message).toMatch(/^Shirt\.test\.dev "one" is invalid: /)
  })

  it('keeps what the schema knows, with its defaults', async () => {
    const { call } = await withShirts()
    const spec = {
      gone: null,
      max: 5,
      ports: [{ name: 'a', none: 1 }],
      notes: { any: 'thing' },
      one: { a: 'x', c: 'y' },
      color: null,
      none: { x: 1 },
    }
    const { headers, body } = await call('POST', shirts, { ...shirt('one', spec), none: 1 })
    expect(body['spec']).toEqual({
      size: 'S',
      color: 'red',
      gone: null,
      max: 5,
      ports: [{ name: 'a', port: 80 }],
      notes: { any: 'thing' },
      one: { a: 'x' },
    })
    expect(body['none']).toBeUndefined()
    for (const path of ['none', 'spec.none', 'spec.ports[0].none', 'spec.one.c'])
      expect(headers['warning']).toContain(`unknown field \\"${path}\\"`)
  })

  it('with unknown fields is refused, warned of or let pass, as the client asks', async () => {
    const { call } = await withShirts()
    const post = (name: string, validation: string) =>
      call('POST', `${shirts}?fieldValidation=${validation}`, shirt(name, { colour: 'red' }))
    expect(await post('a', 'Strict')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('strict decoding error: unknown field "spec.colour"') as string },
    })
    expect((await post('b', 'Warn')).headers['warning']).toBeDefined()
    expect(await post('c', 'Ignore')).toMatchObject({ status: 201, headers: { 'content-type': 'application/json' } })
    expect((await post('d', 'Often')).status).toBe(400)
  })

  it('is scaled where its definition says, and shown in the columns it names', async () => {
    const { call, get, merge } = await withShirts()
    await call('POST', shirts, shirt('one', { tags: ['a', 'b'] }))
    await merge(`${shirts}/one/status`, {
      status: {
        replicas: 2,
        selector: 'a=b',
        conditions: [
          { type: 'Other', status: 'x' },
          { type: 'Ready', status: 'True' },
        ],
      },
    })
    await merge(`${shirts}/one/scale`, { spec: { replicas: 3 } })
    expect((await get(`${shirts}/one/scale`)).body).toMatchObject({
      spec: { replicas: 3 },
      status: { replicas: 2, selector: 'a=b' },
    })
    expect((await merge(`${shirts}/one/scale`, { spec: { replicas: 11 } })).status).toBe(422)
    const table = await call('GET', shirts, undefined, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } })
    expect(table.body['rows']).toMatchObject([{ cells: ['one', 'S', 'True', '["a","b"]', '0s'] }])
  })
})

const istioFile = new URL('../../../shared/istio-crds/crd-all.gen.yaml', import.meta.url)
const happyIstio = new URL('../../../shared/happy-istio/', import.meta.url)

describe.skipIf(!existsSync(istioFile))('the real Istio definitions (skipped where ../shared/istio-crds is missing)', () => {
  it('take the place of the built-in ones, schemas and all, and accept the demo manifests', async () => {
    const { call, get } = testCluster()
    for (const document of parseAllDocuments(readFileSync(istioFile, 'utf8'))) {
      const crd = document.toJS() as KubeObject
      const known = await get(`${crds}/${crd.metadata.name}`)
      const version = known.body.metadata.resourceVersion
      const put = () =>
        call('PUT', `${crds}/${crd.metadata.name}`, { ...crd, metadata: { ...crd.metadata, resourceVersion: version } })
      expect((known.status === 200 ? await put() : await call('POST', crds, crd)).status).toBeLessThan(300)
    }
    const post = (name: string, spec: object) =>
      call('POST', '/apis/networking.istio.io/v1/namespaces/default/virtualservices?fieldValidation=Strict', {
        metadata: { name },
        spec,
      })
    expect((await post('a', { hosts: ['a'], http: [{ rute: [] }] })).body.message).toContain('unknown field "spec.http[0].rute"')
    expect((await post('b', { hosts: ['a'], http: [{ route: [{ weight: 1 }] }] })).body.message).toContain(
      'spec.http[0].route[0].destination: Required value',
    )
    const document = parseAllDocuments(
      readFileSync(new URL('service-c-mirror.yaml', happyIstio), 'utf8'),
    )[0]!.toJS() as KubeObject
    const mirror = await call(
      'POST',
      '/apis/networking.istio.io/v1alpha3/namespaces/default/virtualservices?fieldValidation=Strict',
      document,
    )
    expect(mirror).toMatchObject({ status: 201, body: { spec: document['spec'] } })
  })
})
