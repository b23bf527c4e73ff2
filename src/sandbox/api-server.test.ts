import { describe, expect, it } from 'vitest'
import { deployment, testCluster } from './cluster.fixture.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'
const services = '/apis/networking.istio.io/v1/namespaces/default/virtualservices'
const deployments = '/apis/apps/v1/namespaces/default/deployments'
const configMap = (name: string, rest: object = {}) => ({ metadata: { name }, data: { a: '1' }, ...rest })
const virtualService = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { hosts: ['web'], http: [{ route: [{ destination: { host: 'web' } }] }], ...spec },
})

describe('objects', () => {
  it('are created with an identity and a version, once per name', async () => {
    const { call, get } = testCluster()
    const { status, body } = await call('POST', configMaps, configMap('one'))
    expect(status).toBe(201)
    expect(body.metadata).toMatchObject({ name: 'one', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' })
    expect(body.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
    expect((await get(`${configMaps}/one`)).body).toEqual(body)
    const again = await call('POST', configMaps, configMap('one'))
    expect(again).toMatchObject({
      status: 409,
      body: {
        kind: 'Status',
        reason: 'AlreadyExists',
        message: 'configmaps "one" already exists',
        details: { name: 'one', kind: 'configmaps' },
      },
    })
    const generated = await call('POST', configMaps, { metadata: { generateName: 'some-' } })
    expect(generated.body.metadata.name).toMatch(/^some-[a-z0-9]{5}$/)
  })

  it.each([
    ['a name that is none', configMaps, configMap('No_Name'), { code: 422, reason: 'Invalid' }],
    [
      'a namespace that is not there',
      '/api/v1/namespaces/nowhere/configmaps',
      configMap('one'),
      { code: 404, reason: 'NotFound' },
    ],
    [
      'another namespace than the path',
      configMaps,
      configMap('one', { metadata: { name: 'one', namespace: 'other' } }),
      { code: 400, reason: 'BadRequest' },
    ],
    ['another kind', configMaps, configMap('one', { kind: 'Secret' }), { code: 400, reason: 'BadRequest' }],
    [
      'labels that are no strings',
      configMaps,
      configMap('one', { metadata: { name: 'one', labels: { a: 1 } } }),
      { code: 400, reason: 'BadRequest' },
    ],
    [
      'a resourceVersion of their own',
      configMaps,
      configMap('one', { metadata: { name: 'one', resourceVersion: '7' } }),
      { code: 500, reason: 'InternalError' },
    ],
    ['a kind that its group does not have', '/apis/apps/v1/namespaces/default/nopes', {}, { code: 404, reason: 'NotFound' }],
    [
      'a Deployment that does not select its own pods',
      deployments,
      deployment('web', { selector: { matchLabels: { app: 'other' } } }),
      { code: 422, reason: 'Invalid' },
    ],
  ])('are refused with %s', async (_, path, body, failure) => {
    expect(await testCluster().call('POST', path, body)).toMatchObject({
      status: failure.code,
      body: { kind: 'Status', status: 'Failure', ...failure },
    })
  })

  it('of a group that is not served are refused without a Status', async () => {
    const { status, headers, body } = await testCluster().call('POST', '/apis/nope.dev/v1/namespaces/default/nopes', {})
    expect([status, headers['content-type'], body]).toEqual([404, 'text/plain; charset=utf-8', { message: '404 page not found' }])
  })

  it('cannot be changed by whoever reads them', async () => {
    const { call, cluster } = testCluster()
    await call('POST', configMaps, configMap('one'))
    const read = cluster.reader.get('configmaps', 'default', 'one')!
    expect(() => ((read['data'] as Record<string, string>)['a'] = '2')).toThrow(TypeError)
  })

  it('are the same in every run with the same seed', async () => {
    const uids = await Promise.all(
      [1, 1, 2].map(async (seed) => (await testCluster({ seed }).call('POST', configMaps, configMap('one'))).body.metadata.uid),
    )
    expect(uids[0]).toBe(uids[1])
    expect(uids[0]).not.toBe(uids[2])
  })
})

describe('versions and generations', () => {
  it('count every write but one that changes nothing', async () => {
    const { call, merge, json } = testCluster()
    const made = (await call('POST', services, virtualService('web'))).body
    const noop = await merge(`${services}/web`, { spec: { hosts: ['web'] } })
    expect(noop.body).toEqual(made)
    expect((await json(`${services}/web`, [{ op: 'replace', path: '/spec/hosts/0', value: 'web' }])).body).toEqual(made)
    const labelled = (await merge(`${services}/web`, { metadata: { labels: { a: 'b' } } })).body.metadata
    expect(labelled.generation).toBe(1)
    expect(Number(labelled.resourceVersion)).toBeGreaterThan(Number(made.metadata.resourceVersion))
    expect((await merge(`${services}/web`, { spec: { hosts: ['other'] } })).body.metadata.generation).toBe(2)
  })

  it('keep the status apart from everything else', async () => {
    const { call, merge, get } = testCluster()
    await call('POST', services, { ...virtualService('web'), status: { x: 1 } })
    expect((await get(`${services}/web`)).body['status']).toBeUndefined()
    await merge(`${services}/web`, { status: { x: 1 }, metadata: { labels: { a: 'b' } } })
    expect((await get(`${services}/web`)).body['status']).toBeUndefined()
    const { body } = await merge(`${services}/web/status`, {
      status: { x: 2 },
      spec: { hosts: ['other'] },
      metadata: { labels: { c: 'd' } },
    })
    expect(body).toMatchObject({ status: { x: 2 }, spec: { hosts: ['web'] }, metadata: { generation: 1, labels: { a: 'b' } } })
    expect(body.metadata.labels).toEqual({ a: 'b' })
  })

  it('serve one Istio object in every version, kept as v1', async () => {
    const { call, get, cluster } = testCluster()
    const old = services.replace('/v1/', '/v1alpha3/')
    const made = await call('POST', old, {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'VirtualService',
      ...virtualService('web'),
    })
    expect(made.body.apiVersion).toBe('networking.istio.io/v1alpha3')
    expect((await get(`${services}/web`)).body.apiVersion).toBe('networking.istio.io/v1')
    expect((await get(services.replace('/v1/', '/v1beta1/'))).body.items[0]?.apiVersion).toBe('networking.istio.io/v1beta1')
    expect(cluster.reader.get('virtualservices.networking.istio.io', 'default', 'web')?.apiVersion).toBe('networking.istio.io/v1')
  })

  it('show one Event through both groups', async () => {
    const { call, get } = testCluster()
    const regarding = { kind: 'Pod', name: 'p', namespace: 'default' }
    await call('POST', '/apis/events.k8s.io/v1/namespaces/default/events', {
      metadata: { name: 'e' },
      regarding,
      reason: 'Tested',
      note: 'hello',
      type: 'Normal',
      reportingController: 'me',
      reportingInstance: 'me-0',
      action: 'Test',
      eventTime: '2026-01-01T00:00:00.000000Z',
    })
    const core = await get('/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp,involvedObject.kind%3DPod')
    expect(core.body.items[0]).toMatchObject({
      apiVersion: 'v1',
      involvedObject: regarding,
      message: 'hello',
      reportingComponent: 'me',
      source: {},
    })
    const other = await get('/apis/events.k8s.io/v1/namespaces/default/events/e')
    expect(other.body).toMatchObject({ apiVersion: 'events.k8s.io/v1', regarding, note: 'hello' })
    expect((await get('/api/v1/events?fieldSelector=involvedObject.name%3Dq')).body.items).toEqual([])
  })
})

describe('updates', () => {
  it('need the version they were computed from, where they name one', async () => {
    const { call, merge, json } = testCluster()
    const { body } = await call('POST', services, virtualService('web'))
    await merge(`${services}/web`, { spec: { hosts: ['newer'] } })
    const stale = body.metadata.resourceVersion
    const conflict = {
      status: 409,
      body: { reason: 'Conflict', details: { name: 'web', group: 'networking.istio.io', kind: 'virtualservices' } },
    }
    expect(await call('PUT', `${services}/web`, body)).toMatchObject(conflict)
    expect(await merge(`${services}/web`, { metadata: { resourceVersion: stale }, spec: {} })).toMatchObject(conflict)
    expect(await json(`${services}/web`, [{ op: 'replace', path: '/metadata/resourceVersion', value: stale }])).toMatchObject(
      conflict,
    )
    expect(await merge(`${services}/web/status`, { metadata: { resourceVersion: stale }, status: {} })).toMatchObject(conflict)
  })

  it('cannot change whose object it is', async () => {
    const { call, merge, json } = testCluster()
    const { body } = await call('POST', services, virtualService('web'))
    const immutable = {
      status: 422,
      body: { reason: 'Invalid', message: expect.stringContaining('field is immutable') as string },
    }
    expect(await json(`${services}/web`, [{ op: 'replace', path: '/metadata/uid', value: 'x' }])).toMatchObject(immutable)
    expect(await merge(`${services}/web`, { metadata: { uid: 'x' } })).toMatchObject(immutable)
    expect((await call('PUT', `${services}/web`, { ...body, metadata: { ...body.metadata, uid: 'x' } })).status).toBe(409)
    expect(
      (await merge(`${services}/web`, { metadata: { creationTimestamp: '2000-01-01T00:00:00Z', generation: 9 } })).body,
    ).toEqual(body)
  })

  it('without a version replace what is built in, and are refused for custom resources', async () => {
    const { call } = testCluster()
    await call('POST', configMaps, configMap('one'))
    await call('POST', services, virtualService('web'))
    expect((await call('PUT', `${configMaps}/one`, configMap('one', { data: { b: '2' } }))).body['data']).toEqual({ b: '2' })
    const refused = await call('PUT', `${services}/web`, virtualService('web'))
    expect(refused).toMatchObject({
      status: 422,
      body: { message: expect.stringContaining('must be specified for an update') as string },
    })
    expect((await call('PUT', `${configMaps}/none`, configMap('none'))).status).toBe(404)
  })

  it('can be tried without being made', async () => {
    const { call, get, merge } = testCluster()
    expect((await call('POST', `${configMaps}?dryRun=All`, configMap('one'))).status).toBe(201)
    expect((await get(`${configMaps}/one`)).status).toBe(404)
    await call('POST', configMaps, configMap('one'))
    expect((await merge(`${configMaps}/one?dryRun=All`, { data: { a: '2' } })).body['data']).toEqual({ a: '2' })
    await call('DELETE', `${configMaps}/one?dryRun=All`)
    expect((await get(`${configMaps}/one`)).body['data']).toEqual({ a: '1' })
  })
})

describe('patches', () => {
  it('by operations fail as a whole, and say little, as the real ones do', async () => {
    const { call, json, get } = testCluster()
    const { body } = await call('POST', configMaps, configMap('one'))
    const failing = [
      { op: 'test', path: '/data/a', value: '2' },
      { op: 'remove', path: '/data/none' },
      { op: 'add', path: '/none/x', value: 1 },
    ]
    for (const operation of failing) {
      expect(await json(`${configMaps}/one`, [{ op: 'add', path: '/data/b', value: '2' }, operation])).toMatchObject({
        status: 422,
        body: { reason: 'Invalid' },
      })
    }
    expect((await get(`${configMaps}/one`)).body).toEqual(body)
    expect(
      (
        await json(`${configMaps}/one`, [
          { op: 'test', path: '/data/a', value: '1' },
          { op: 'replace', path: '/data/b', value: '3' },
        ])
      ).body['data'],
    ).toEqual({ a: '1', b: '3' })
  })

  it('by merge remove what is null', async () => {
    const { call, merge } = testCluster()
    await call('POST', configMaps, configMap('one', { data: { a: '1', b: '2' } }))
    expect((await merge(`${configMaps}/one`, { data: { a: null, c: '3' } })).body['data']).toEqual({ b: '2', c: '3' })
  })

  it('by strategic merge know the keys of lists, their order and their directives', async () => {
    const { call, strategic } = testCluster()
    await call(
      'POST',
      deployments,
      deployment(
        'web',
        {},
        {
          env: [
            { name: 'A', value: '1' },
            { name: 'B', value: '2' },
          ],
        },
      ),
    )
    const patch = async (container: object) => {
      const { body } = await strategic(`${deployments}/web`, {
        spec: { template: { spec: { containers: [{ name: 'main', ...container }] } } },
      })
      return (body['spec'] as ReturnType<typeof deployment>['spec']).template.spec.containers as unknown as Record<
        string,
        unknown
      >[]
    }
    const variable = (name: string, value: string) => ({ name, value })
    expect((await patch({ env: [variable('C', '3'), variable('A', '9')] }))[0]?.['env']).toEqual([
      variable('C', '3'),
      variable('A', '9'),
      variable('B', '2'),
    ])
    expect((await patch({ env: [{ name: 'A', $patch: 'delete' }] }))[0]?.['env']).toEqual([
      variable('C', '3'),
      variable('B', '2'),
    ])
    expect((await patch({ '$setElementOrder/env': [{ name: 'B' }, { name: 'C' }] }))[0]?.['env']).toEqual([
      variable('B', '2'),
      variable('C', '3'),
    ])
    expect((await patch({ ports: [{ containerPort: 9090 }] }))[0]?.['ports']).toEqual([
      { containerPort: 9090, protocol: 'TCP' },
      { name: 'web', containerPort: 8080, protocol: 'TCP' },
    ])
    expect((await patch({ env: [{ $patch: 'replace' }, variable('Z', '0')] }))[0]?.['env']).toEqual([variable('Z', '0')])
  })

  it('in other forms are refused with 415', async () => {
    const { call, strategic } = testCluster()
    await call('POST', services, virtualService('web'))
    expect(await strategic(`${services}/web`, {})).toMatchObject({ status: 415, body: { reason: 'UnsupportedMediaType' } })
    const apply = await call('PATCH', `${services}/web`, {}, { type: 'application/apply-patch+yaml' })
    expect(apply).toMatchObject({
      status: 415,
      body: { message: expect.stringContaining('server-side apply is not part of the sandbox') as string },
    })
    expect((await call('POST', configMaps, {}, { type: 'application/vnd.kubernetes.protobuf' })).status).toBe(415)
  })
})

describe('lists', () => {
  it('are sorted, carry a version, and are narrowed by labels and fields', async () => {
    const { call, get } = testCluster()
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'apart' } })
    for (const [name, tier] of [
      ['c', 'web'],
      ['a', 'web'],
      ['b', 'db'],
    ])
      await call('POST', configMaps, { metadata: { name, labels: { tier } } })
    await call('POST', '/api/v1/namespaces/apart/configmaps', { metadata: { name: 'd', labels: { tier: 'web' } } })
    const names = async (path: string) => (await get(path)).body.items.map(({ metadata }) => metadata.name)
    expect(await names(configMaps)).toEqual(['a', 'b', 'c'])
    expect(await names('/api/v1/configmaps?labelSelector=tier%3Dweb')).toEqual(['d', 'a', 'c'])
    expect(await names(`${configMaps}?labelSelector=tier%3Dweb`)).toEqual(['a', 'c'])
    expect(await names(`${configMaps}?labelSelector=tier%20in%20(db,cache)`)).toEqual(['b'])
    expect(await names(`${configMaps}?labelSelector=tier%20notin%20(db),tier`)).toEqual(['a', 'c'])
    expect(await names(`${configMaps}?labelSelector=!tier`)).toEqual([])
    expect(await names(`${configMaps}?fieldSelector=metadata.name!%3Da`)).toEqual(['b', 'c'])
    expect((await get(`${configMaps}?fieldSelector=data.a%3D1`)).status).toBe(400)
    expect(Number((await get(configMaps)).body.metadata.resourceVersion)).toBeGreaterThan(0)
  })

  it('come as tables for people', async () => {
    const { call, clock } = testCluster()
    await call('POST', deployments, deployment('web'))
    await clock.advance(200_000)
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const { body } = await call('GET', deployments, undefined, { headers: { accept } })
    expect(body).toMatchObject({
      kind: 'Table',
      rows: [{ object: { kind: 'PartialObjectMetadata', metadata: { name: 'web' } } }],
    })
    expect((body['columnDefinitions'] as { name: string }[]).slice(0, 4).map(({ name }) => name)).toEqual([
      'Name',
      'Ready',
      'Up-to-date',
      'Available',
    ])
    expect((body['rows'] as { cells: unknown[] }[])[0]?.cells).toEqual(['web', '2/2', 2, 2, '3m20s'])
  })
})

describe('scale', () => {
  it('shows and changes the replicas alone', async () => {
    const { call, get, merge, clock } = testCluster()
    await call('POST', deployments, deployment('web'))
    await clock.advance(1000)
    expect((await get(`${deployments}/web/scale`)).body).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 2 },
      status: { replicas: 2, selector: 'app=web' },
    })
    expect((await merge(`${deployments}/web/scale`, { spec: { replicas: 5 } })).body['spec']).toEqual({ replicas: 5 })
    const scale = (await get(`${deployments}/web/scale`)).body
    await merge(`${deployments}/web`, { metadata: { labels: { a: 'b' } } })
    expect((await call('PUT', `${deployments}/web/scale`, scale)).status).toBe(409)
    expect((await get(`${deployments}/web`)).body).toMatchObject({ spec: { replicas: 5 }, metadata: { generation: 2 } })
  })
})

describe('discovery', () => {
  it('names groups, versions, kinds and their subresources', async () => {
    const { get } = testCluster()
    expect((await get('/apis')).body).toMatchObject({ kind: 'APIGroupList' })
    expect((await get('/apis/apps/v1')).body['resources']).toContainEqual(
      expect.objectContaining({ name: 'deployments/scale', kind: 'Scale' }),
    )
    expect((await get('/apis')).body['groups']).toContainEqual(expect.objectContaining({ name: 'networking.istio.io' }))
    expect((await get('/apis/nobody.dev/v1')).status).toBe(404)
  })
})

describe('what the sandbox leaves out', () => {
  it.each<[string, 'DELETE' | 'PATCH', string, object?]>([
    ['deletion in the foreground', 'DELETE', `${configMaps}/one`, { propagationPolicy: 'Foreground' }],
    ['orphaning', 'DELETE', `${configMaps}/one?propagationPolicy=Orphan`],
    ['deletion of a collection', 'DELETE', configMaps],
    ['a subresource it does not know', 'PATCH', `${configMaps}/one/ephemeral`, {}],
  ])('is refused: %s', async (_, method, path, body) => {
    const { call, get } = testCluster()
    await call('POST', configMaps, configMap('one'))
    const { status } = await call(method, path, body, { type: 'application/json' })
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(500)
    expect((await get(`${configMaps}/one`)).status).toBe(200)
  })
})
