import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { canary, destination, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness, NAMESPACE, pathOf } from '../harness.ts'

let harness: Harness
afterEach(() => harness.stop())

const FAR = 'elsewhere'
const far = (object: KubeObject, name = object.metadata.name): KubeObject => ({ ...object, metadata: { ...object.metadata, name, namespace: FAR } })
const HERE = 'service-c.istioinaction.svc.cluster.local'
const quick = { analysis: { interval: '1s', metrics: [] } }
const read = async (object: KubeObject) => (await harness.call('GET', pathOf(object))).body
/** Requests that change something in another namespace than the Canary's. */
const written = (space = FAR) => harness.sandbox.cluster.requests.filter(({ method, path }) => method !== 'GET' && path.includes(`/namespaces/${space}/`)).map(({ method, path }) => `${method} ${path}`)
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)

async function start(...objects: readonly KubeObject[]): Promise<void> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), namespace(FAR), service(), version('v1'), ...objects)
  harness.startOperator()
  await harness.clock.advance(1000)
  harness.sandbox.cluster.forgetRequests()
}

describe('a Canary', () => {
  it.each(['service-c.elsewhere', 'service-c.elsewhere.svc.cluster.local', 'elsewhere/service-c'])('cannot name a Service of another namespace: %s', async (name) => {
    await start(far(service()))
    const answer = await harness.call('POST', pathOf(canary()).replace(/\/[^/]+$/, ''), canary({ service: { name } }))
    expect(answer.status).toBe(422)
    expect(JSON.stringify(answer.body)).toContain('spec.service.name')
  })

  it('does not find the Service, the versions and the routes of its names in another namespace', async () => {
    harness = new Harness()
    const there = [far(service()), far(version('v1')), far(version('v2')), far(virtualService())]
    await harness.apply(crd(), namespace(), namespace(FAR), ...there)
    harness.startOperator()
    await harness.clock.advance(1000)
    harness.sandbox.cluster.forgetRequests()
    await harness.apply(canary(quick))
    await harness.clock.advance(20_000)
    expect(harness.condition('Stalled')).toMatch(/^True ServiceNotFound: Service istioinaction\/service-c/)
    expect(written()).toEqual([])
    expect(harness.status().seen).toEqual([])
  })

  it('leaves alone the same names in the next namespace, through a whole release', async () => {
    const there = [far(service()), far(version('v1')), far(virtualService())]
    await start(...there)
    const before = await Promise.all(there.map(read))
    await harness.apply(canary(quick))
    await stable('v1')
    await harness.apply(version('v2'))
    await stable('v2')
    expect(written()).toEqual([])
    expect((await Promise.all(there.map(read))).map(({ metadata, ...object }) => [metadata.annotations, object['spec']])).toEqual(before.map(({ metadata, ...object }) => [metadata.annotations, object['spec']]))
  })

  it('is refused where a route of another namespace reaches its dark pods, and never writes that route', async () => {
    const route = far(virtualService({ hosts: [HERE], gateways: ['edge'], http: [{ route: [destination(HERE)] }] }), 'far')
    await start(route)
    const before = await read(route)
    await harness.apply(canary(quick))
    await harness.clock.advance(20_000)
    expect(harness.condition('Stalled')).toMatch(/^True RouteInOtherNamespace: .*elsewhere\/far/)
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(20_000)
    expect(await read(route)).toEqual(before)
    expect(written()).toEqual([])
  })

  it('does not touch what its own routes say of hosts and Services of other namespaces', async () => {
    const theirs = destination(`service-c.${FAR}.svc.cluster.local`)
    const mine = virtualService({ hosts: ['service-c', `service-c.${FAR}.svc.cluster.local`], http: [{ name: 'theirs', match: [{ headers: { x: { exact: '1' } } }], route: [theirs] }, { name: 'main', route: [destination('service-c')] }] })
    await start(far(service()), mine)
    await harness.apply(canary(quick))
    await stable('v1')
    await harness.apply(version('v2'))
    await stable('v2')
    const { http } = (await read(mine))['spec'] as { http: readonly { name: string; route: unknown }[] }
    expect(http.find(({ name }) => name === 'theirs')?.route).toEqual([theirs])
    expect(written()).toEqual([])
    expect(written(NAMESPACE)).not.toEqual([])
  })
})
