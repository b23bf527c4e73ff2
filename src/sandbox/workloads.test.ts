import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { createCluster } from './cluster.ts'
import { deployment, shirt, shirtCrd, testCluster } from './cluster.fixture.ts'
import { at, listAt } from './json.ts'
import type { KubeObject } from './objects.ts'

const deployments = '/apis/apps/v1/namespaces/default/deployments'
const pods = '/api/v1/namespaces/default/pods'
const services = '/api/v1/namespaces/default/services'

const conditionOf = (object: KubeObject, type: string): unknown =>
  listAt(object, 'status', 'conditions').find((each) => at(each, 'type') === type)
const withImage = (image: string) => [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: image }]

const running = async (spec: object = {}) => {
  const world = testCluster()
  await world.call('POST', deployments, deployment('web', spec))
  await world.clock.advance(1000)
  const images = () =>
    world.cluster.reader
      .list('pods')
      .map(
        (pod) =>
          `${String(at(listAt(pod, 'spec', 'containers')[0], 'image'))}${pod.metadata.deletionTimestamp === undefined ? '' : ' ending'}`,
      )
      .toSorted()
  const web = async () => (await world.get(`${deployments}/web`)).body
  return { ...world, images, web }
}

describe('a Deployment', () => {
  it('becomes available once its pods run', async () => {
    const { call, get, clock } = testCluster()
    await call('POST', deployments, deployment('web'))
    await clock.advance(999)
    const pending = (await get(`${deployments}/web`)).body
    expect(pending['status']).toMatchObject({ observedGeneration: 1, replicas: 2, unavailableReplicas: 2 })
    expect(conditionOf(pending, 'Available')).toMatchObject({ status: 'False' })
    expect((await get(pods)).body.items[0]?.['status']).toMatchObject({ phase: 'Pending' })
    await clock.advance(1)
    const ready = (await get(`${deployments}/web`)).body
    expect(ready['status']).toMatchObject({ replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 })
    expect(conditionOf(ready, 'Available')).toMatchObject({ status: 'True', lastTransitionTime: '2026-01-01T00:00:01Z' })
    expect(conditionOf(ready, 'Progressing')).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' })
    expect((await get(pods)).body.items[0]?.['status']).toMatchObject({
      phase: 'Running',
      podIP: expect.stringMatching(/^10\.0\.0\.\d$/) as string,
    })
  })

  it('rolls to a new template with no pod missing on the way, and back to the ReplicaSet it came from', async () => {
    const { json, clock, images, get, web } = await running()
    await json(`${deployments}/web`, withImage('app:2'))
    await clock.advance(999)
    expect(images()).toEqual(['app:1', 'app:1', 'app:2', 'app:2'])
    await clock.advance(1)
    expect(images()).toEqual(['app:1 ending', 'app:1 ending', 'app:2', 'app:2'])
    expect((await web())['status']).toMatchObject({
      replicas: 2,
      updatedReplicas: 2,
      availableReplicas: 2,
      observedGeneration: 2,
    })
    await clock.advance(2000)
    expect(images()).toEqual(['app:2', 'app:2'])
    await json(`${deployments}/web`, withImage('app:1'))
    await clock.advance(3000)
    expect(images()).toEqual(['app:1', 'app:1'])
    expect((await get('/apis/apps/v1/replicasets')).body.items).toHaveLength(2)
  })

  it('is the same Deployment when its template comes back with defaults and nulls', async () => {
    const { web, merge, get } = await running()
    const template = {
      ...(at(await web(), 'spec', 'template') as object),
      metadata: { creationTimestamp: null, labels: { app: 'web' } },
    }
    await merge(`${deployments}/web`, { spec: { template } })
    expect((await web()).metadata.generation).toBe(1)
    expect((await get('/apis/apps/v1/replicasets')).body.items).toHaveLength(1)
  })

  it('scales up and down, and replaces a pod that is deleted', async () => {
    const { merge, clock, images, call, cluster } = await running()
    await merge(`${deployments}/web/scale`, { spec: { replicas: 3 } })
    await clock.advance(1000)
    expect(images()).toHaveLength(3)
    await call('DELETE', `${pods}/${cluster.reader.list('pods')[0]!.metadata.name}`)
    await clock.advance(3000)
    expect(images()).toHaveLength(3)
    await merge(`${deployments}/web/scale`, { spec: { replicas: 0 } })
    await clock.advance(3000)
    expect(images()).toEqual([])
  })

  it('says so when its pods never start, and keeps the old ones', async () => {
    const clock = new VirtualClock()
    const runtime = {
      start: (pod: KubeObject) =>
        at(listAt(pod, 'spec', 'containers')[0], 'image') === 'bad'
          ? Promise.reject(new Error('no such image'))
          : Promise.resolve({ ip: '10.0.0.1' }),
      stop: () => Promise.resolve(),
    }
    const { reader, transport } = createCluster({ clock, runtime })
    const send = (method: 'POST' | 'PATCH', path: string, body: object, type = 'application/json-patch+json') =>
      transport({ method, path, timeoutMs: 1, body: JSON.stringify(body), headers: { 'content-type': type } })
    await send('POST', deployments, deployment('web'), 'application/json')
    await clock.advance(0)
    await send('PATCH', `${deployments}/web`, withImage('bad'))
    await clock.advance(60_000)
    const web = () => reader.get('deployments.apps', 'default', 'web')!
    expect(conditionOf(web(), 'Progressing')).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' })
    expect(web()['status']).toMatchObject({ replicas: 4, updatedReplicas: 2, availableReplicas: 2 })
    const stuck = reader.list('pods').find((pod) => at(pod, 'status', 'phase') === 'Pending')
    expect(at(listAt(stuck, 'status', 'containerStatuses')[0], 'state')).toEqual({
      waiting: { reason: 'CrashLoopBackOff', message: 'Error: no such image' },
    })
  })
})

describe('a cluster that closes', () => {
  it('answers no more', async () => {
    const { cluster, get } = await running()
    cluster.close()
    await expect(get(deployments)).rejects.toThrow('ECONNREFUSED')
  })
})

describe('an EndpointSlice', () => {
  const slice = (world: ReturnType<typeof testCluster>) => world.cluster.reader.list('endpointslices.discovery.k8s.io')[0]
  const ready = (world: ReturnType<typeof testCluster>) =>
    listAt(slice(world), 'endpoints').map((each) => at(each, 'conditions', 'ready'))

  it('follows the pods that its Service selects', async () => {
    const world = await running()
    const { call, merge, clock, cluster } = world
    const { body } = await call('POST', services, {
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
    })
    expect(body['spec']).toMatchObject({ clusterIP: expect.stringMatching(/^10\.96\./) as string, ports: [{ protocol: 'TCP' }] })
    await clock.advance(0)
    expect(slice(world)).toMatchObject({
      metadata: { labels: { 'kubernetes.io/service-name': 'web' } },
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    })
    expect(ready(world)).toEqual([true, true])
    const [first] = cluster.reader.list('pods')
    cluster.setPodReady('default', first!.metadata.name, false)
    await clock.advance(0)
    expect(new Set(ready(world))).toEqual(new Set([false, true]))
    cluster.setPodReady('default', first!.metadata.name, true)
    await call('DELETE', `${pods}/${first!.metadata.name}`)
    await clock.advance(0)
    expect(listAt(slice(world), 'endpoints').map((each) => at(each, 'conditions'))).toContainEqual({
      ready: false,
      serving: true,
      terminating: true,
    })
    await merge(`${services}/web`, { spec: { selector: { app: 'other' } } })
    await clock.advance(0)
    expect(ready(world)).toEqual([])
  })

  it('goes with its Service', async () => {
    const world = testCluster()
    await world.call('POST', services, { metadata: { name: 'web' }, spec: { selector: { app: 'web' } } })
    await world.clock.advance(0)
    expect(slice(world)).toBeDefined()
    await world.call('DELETE', `${services}/web`)
    await world.clock.advance(0)
    expect(slice(world)).toBeUndefined()
  })
})

describe('deletion', () => {
  it('needs its preconditions', async () => {
    const { call } = await running()
    const wrong = await call('DELETE', `${deployments}/web`, { preconditions: { uid: 'x' } })
    expect(wrong).toMatchObject({ status: 409, body: { reason: 'Conflict' } })
    expect((await call('DELETE', `${deployments}/web`, { preconditions: { resourceVersion: '1' } })).status).toBe(409)
    expect((await call('DELETE', `${deployments}/web`)).body).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'web', group: 'apps', kind: 'deployments' },
    })
  })

  it('waits for finalizers, lets them only be taken away, and keeps its time', async () => {
    const { call, merge, get, clock } = testCluster()
    await call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', shirtCrd())
    const shirts = '/apis/test.dev/v1/namespaces/default/shirts'
    await call('POST', shirts, { ...shirt('one'), metadata: { name: 'one', finalizers: ['test.dev/hold'] } })
    const marked = await call('DELETE', `${shirts}/one`)
    expect(marked.body.metadata).toMatchObject({ deletionTimestamp: '2026-01-01T00:00:00Z', generation: 2 })
    await clock.advance(5000)
    await call('DELETE', `${shirts}/one`)
    expect((await get(`${shirts}/one`)).body).toEqual(marked.body)
    expect((await merge(`${shirts}/one`, { metadata: { finalizers: ['test.dev/hold', 'test.dev/more'] } })).status).toBe(422)
    await merge(`${shirts}/one`, { metadata: { finalizers: [] } })
    expect((await get(`${shirts}/one`)).status).toBe(404)
  })

  it('leaves nothing of what it owned', async () => {
    const { call, cluster, clock } = await running()
    await call('DELETE', `${deployments}/web`, { propagationPolicy: 'Background' })
    await clock.advance(5000)
    expect(['deployments.apps', 'replicasets.apps', 'pods'].flatMap((resource) => cluster.reader.list(resource))).toEqual([])
  })

  it('takes along what was made for an owner that is already gone, and spares what has another owner', async () => {
    const { call, get, clock } = await running()
    const configMaps = '/api/v1/namespaces/default/configmaps'
    const owner = (uid: string) => ({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid })
    const { uid = '' } = (await get(`${deployments}/web`)).body.metadata
    await call('POST', configMaps, { metadata: { name: 'orphan', ownerReferences: [owner('gone')] } })
    await call('POST', configMaps, { metadata: { name: 'shared', ownerReferences: [owner('gone'), owner(uid)] } })
    await clock.advance(0)
    expect((await get(configMaps)).body.items.map(({ metadata }) => metadata.name)).toEqual(['shared'])
  })

  it('of a namespace empties it, refuses new content, and ends', async () => {
    const { call, get, clock } = testCluster()
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } })
    await call('POST', '/apis/apps/v1/namespaces/shop/deployments', deployment('web'))
    await clock.advance(1000)
    expect((await get('/api/v1/namespaces/shop/serviceaccounts')).body.items.map(({ metadata }) => metadata.name)).toEqual([
      'default',
    ])
    expect((await call('DELETE', '/api/v1/namespaces/shop')).body['status']).toEqual({ phase: 'Terminating' })
    const refused = await call('POST', '/api/v1/namespaces/shop/configmaps', { metadata: { name: 'late' } })
    expect(refused).toMatchObject({
      status: 403,
      body: { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } },
    })
    await clock.advance(1999)
    expect((await get('/api/v1/namespaces/shop')).status).toBe(200)
    await clock.advance(1)
    expect((await get('/api/v1/namespaces/shop')).status).toBe(404)
    expect((await get('/apis/apps/v1/replicasets')).body.items).toEqual([])
  })
})
