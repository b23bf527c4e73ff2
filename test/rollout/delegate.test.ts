import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { atEdge, canary, destination, faulty, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const TRAFFIC = { propagation: '300ms', drain: '200ms', delegate: 'reviews' }
const DELEGATE = virtualService({}, 'reviews')
type Http = readonly { readonly name?: string; readonly match?: unknown; readonly route: readonly { readonly destination: { readonly subset?: string; readonly port?: unknown }; readonly weight?: number }[] }[]
const find = (name: string) => harness.find('virtualservices.networking.istio.io', name)
const http = (name: string) => (harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: Http }).http
const weights = (name: string) => http(name).at(-1)?.route.map(({ destination: { subset }, weight }) => `${subset ?? 'any'} ${weight ?? ''}`)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000, 10)
const wrong = () => harness.answers.filter(({ status }) => status !== 200)

const [gateway] = atEdge()
if (gateway === undefined) throw new Error('nothing at the edge')
/** A root of the user's: what it says beside the delegate is its own business. */
const root = (spec: Readonly<Record<string, unknown>>, name: string): KubeObject =>
  virtualService({ http: [{ name: 'all', delegate: { name: 'reviews' }, timeout: '3s' }], ...spec }, name)
const edge = (spec = {}) => root({ hosts: ['shop.example'], gateways: ['edge'], ...spec }, 'shop')
const mesh = (spec = {}) => root({ hosts: ['service-c'], ...spec }, 'inside')

describe('a delegate that Serin makes', () => {
  it('for a root at the gateway takes its requests through a release, and the root stays as it was', async () => {
    harness = await adopted({ objects: [gateway, edge()], spec: { traffic: TRAFFIC } })
    harness.users(20)
    expect(harness.status().routes?.map(({ name, mode }) => `${name} ${mode}`)).toEqual(['reviews Delegate', 'serin-service-c Own'])
    await harness.apply(version('v2'))
    await at('1/2')
    expect(weights('reviews')).toEqual(['serin-v1 80', 'serin-v2 20'])
    expect(weights('serin-service-c')).toEqual(['serin-v1 80', 'serin-v2 20'])
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(weights('reviews')).toEqual(['serin-v2 '])
    expect(harness.object('virtualservices.networking.istio.io', 'shop')['spec']).toEqual(edge()['spec'])
    expect(wrong()).toEqual([])
    expect(harness.oracle.violations).toEqual([])
  })

  it('for a root in the mesh is all there is: Serin makes no route of its own beside it', async () => {
    harness = await adopted({ objects: [mesh()], spec: { traffic: TRAFFIC } })
    expect(find('serin-service-c')).toBeUndefined()
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    expect(weights('reviews')).toEqual(['serin-v1 '])
    expect(harness.meshMade()).toEqual([])
  })

  it('is made when the spec comes to name it, and a root that names it later has an address at once', async () => {
    harness = await adopted({ objects: [gateway] })
    await harness.patch(canary(), { spec: { traffic: { delegate: 'reviews' } } })
    await harness.until(() => find('reviews') !== undefined, 5000)
    await harness.apply(edge())
    await harness.clock.advance(2000)
    harness.users(20)
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
    expect(wrong()).toEqual([])
  })

  it('deleted in mid-rollout stands again at once, to stable, and the rollout ends: nobody reaches a dark pod', async () => {
    harness = await adopted({ objects: [mesh()], spec: { traffic: TRAFFIC, steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    await harness.delete(DELEGATE)
    await harness.clock.advance(0)
    expect(weights('reviews')).toEqual(['serin-v1 '])
    const before = harness.answers.length
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'RouteDeleted' })
    expect(harness.events()).toContainEqual(expect.stringContaining('DelegateRestored'))
    expect(find('serin-service-c')).toBeUndefined()
    expect(harness.answers.slice(before + 10).filter(({ version: answered }) => answered === 'v2')).toEqual([])
    expect(harness.meshMade()).toEqual([])
  })

  it('deleted at rest stands again at once, pinned to stable', async () => {
    harness = await adopted({ objects: [mesh()], spec: { traffic: TRAFFIC } })
    await harness.delete(DELEGATE)
    await harness.clock.advance(0)
    expect(weights('reviews')).toEqual(['serin-v1 '])
    await harness.clock.advance(5000)
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: 'v1' })
    expect(wrong()).toEqual([])
  })

  it('edited by somebody is written back', async () => {
    harness = await adopted({ objects: [mesh()], spec: { traffic: TRAFFIC, steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(2000)
    await harness.patch(DELEGATE, { spec: { http: [{ name: 'main', route: [destination('service-c')] }] } })
    await harness.clock.advance(0)
    expect(weights('reviews')).toEqual(['serin-v1 80', 'serin-v2 20'])
  })

  it('whose root in the mesh is deleted leaves the mesh to a route of Serin\'s own, which goes when the root is back', async () => {
    harness = await adopted({ objects: [mesh()], spec: { traffic: TRAFFIC, steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.delete(mesh())
    await harness.clock.advance(0)
    expect(weights('serin-service-c')).toEqual(['serin-v1 '])
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    await harness.apply(mesh())
    await harness.until(() => find('serin-service-c') === undefined, 20_000)
    await harness.clock.advance(3000)
    expect(weights('reviews')).toEqual(['serin-v1 '])
    expect(harness.meshMade()).toEqual([])
  })

  it('sends a gateway\'s requests to the port that the spec names', async () => {
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'http-admin', port: 81, targetPort: 8081 }]
    harness = await adopted({ objects: [service('service-c', { ports }), gateway, edge()], spec: { traffic: TRAFFIC, service: { name: 'service-c', port: 81 } } })
    expect(http('reviews')[0]?.route[0]?.destination.port).toEqual({ number: 81 })
    await harness.apply(version('v2'))
    await at('1/2')
    expect(http('reviews').at(-1)?.route.map((entry) => entry.destination.port)).toEqual([{ number: 81 }, { number: 81 }])
  })

  it('matches of a step stand in it, and reach the canary', async () => {
    harness = await adopted({ objects: [mesh({ http: [{ match: [{ uri: { prefix: '/' } }], delegate: { name: 'reviews' } }] })], spec: { traffic: TRAFFIC, steps: [{ match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '5s' }] } })
    harness.users(10, { host: 'service-c', from: harness.insider, headers: { 'x-tester': 'yes' } })
    await harness.apply(version('v2'))
    await at('1/1')
    await harness.clock.advance(1000)
    expect(http('reviews').map(({ name }) => name)).toEqual(['serin-match-main-1', 'main'])
    expect(harness.answers.slice(-20).some(({ version: answered }) => answered === 'v2')).toBe(true)
    await harness.until(() => harness.status().stableRevision === 'v2', 60_000)
  })
})

describe('what a delegate cannot do is refused by name', () => {
  it.each<[string, string, Readonly<Record<string, unknown>>, readonly KubeObject[]]>([
    ['UnmatchableProduct', 'a step that contradicts its root', { steps: [{ match: [{ uri: { prefix: '/beta' } }], for: '2s' }] }, [edge({ http: [{ match: [{ uri: { prefix: '/api' } }], delegate: { name: 'reviews' } }] })]],
    ['RootMirrors', 'a mirror beside its root\'s', { steps: [{ mirror: {}, for: '2s' }] }, [edge({ http: [{ delegate: { name: 'reviews' }, mirror: { host: 'elsewhere' } }] })]],
    ['PortUnnamed', 'a gateway that would have to guess the port', {}, [edge(), service('service-c', { ports: [{ name: 'http', port: 80 }, { name: 'http-admin', port: 81 }] })]],
    ['NameTaken', 'somebody\'s VirtualService of its name', {}, [virtualService({ hosts: ['else.example'], gateways: ['edge'], http: [{ route: [destination('elsewhere')] }] }, 'reviews')]],
    ['DelegateRoute', 'a root that hands the host to another delegate', {}, [mesh({ http: [{ delegate: { name: 'theirs' } }] })]],
    ['DelegateRoute', 'a delegate of the user\'s', {}, [virtualService({ hosts: [] }, 'theirs')]],
  ])('%s: %s', async (reason, _what, spec, objects) => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), version('v1'), gateway, ...objects, canary({ traffic: TRAFFIC, ...spec }))
    await harness.clock.advance(1000)
    harness.startOperator()
    await harness.clock.advance(10_000)
    expect(harness.condition('Stalled')).toMatch(new RegExp(`^True ${reason}: `))
    expect(harness.status().phase).toBe('Initializing')
  })
})
