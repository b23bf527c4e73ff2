import { applyPatch, deepClone } from 'fast-json-patch'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Exposure } from '../canary/ledger.ts'
import { jsonOf, listOf, specOf, without, type Json, type JsonPatch } from './json.ts'
import { LEDGER, ORIGINAL } from './ledger-annotation.ts'
import { meshFacts } from './mesh-facts.ts'
import { destinationRule, HOST, ledger, meshInput, virtualService } from './mesh.fixture.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { routesContent } from './route-content.ts'
import { ownRoute, routePatch, type RouteWrite } from './route-write.ts'

const TARGET = { namespace: 'test', name: 'reviews' }
const write = (exposure?: Partial<Exposure>, overrides: Partial<RouteWrite> = {}): RouteWrite => ({ ledger: ledger(exposure), lists: true, adopt: false, ...overrides })
const applied = (object: KubeObject, patch: JsonPatch | undefined): KubeObject =>
  patch === undefined ? object : applyPatch(deepClone(object), deepClone(patch)).newDocument
const after = (input: MeshInput, next: RouteWrite): MeshInput =>
  ({ ...input, virtualServices: input.virtualServices.map((object) => applied(object, routePatch(input, object.metadata as typeof TARGET, next))) })
const httpOf = (input: MeshInput): readonly Json[] => listOf(specOf(input.virtualServices[0]!)['http'])
const rule = destinationRule('reviews', { subsets: [{ name: 'version-v1', labels: { version: 'v1' } }, { name: 'version-v2', labels: { version: 'v2' } }] })
const inputOf = (http: readonly Json[], overrides: Partial<MeshInput> = {}): MeshInput =>
  meshInput({ virtualServices: [virtualService('reviews', http)], destinationRules: [rule], ...overrides })
const to = (subset?: string, weight?: number, host = 'reviews'): Json =>
  ({ destination: { host, ...(subset === undefined ? {} : { subset }) }, ...(weight === undefined ? {} : { weight }) })
const content = (input: MeshInput) => meshFacts(input).routes.map((facts) => facts.content)

describe('the patch of a managed route', () => {
  const unknown = fc.dictionary(fc.constantFrom('timeout', 'retries', 'corsPolicy', 'headers', 'futureField'), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  const destination = fc.record({
    destination: fc.record({
      host: fc.constantFrom('reviews', HOST, 'ratings', 'ratings.other.svc.cluster.local', 'reviews.other.svc.cluster.local'),
      subset: fc.constantFrom('version-v1', undefined), port: fc.constantFrom({ number: 80 }, undefined),
    }),
    weight: fc.integer({ min: 1, max: 1000 }),
    headers: fc.constantFrom({ request: { set: { a: 'b' } } }, undefined),
  })
  const list = fc.oneof(
    fc.constantFrom([to()], [to('version-v1')], [to('version-v1', 100)], [to(undefined, 0)], [to(undefined, undefined, 'ratings')], [to('version-v1', 70), to('version-v2', 30)]),
    fc.array(destination, { minLength: 2, maxLength: 4 }),
  )
  const mirrors = fc.constantFrom({}, { mirror: { host: 'reviews', subset: 'version-v2' }, mirrorPercentage: { value: 30 } }, { mirrors: [{ destination: { host: 'ratings' } }] })
  const route = fc.tuple(unknown, mirrors, list, fc.constantFrom({}, { match: [{ uri: { prefix: '/api' }, futureMatch: 1 }, { headers: { a: { exact: 'b' } } }] }))
    .map(([fields, mirror, entries, match]): Json => ({ ...fields, ...mirror, ...match, route: entries }))
  const others = fc.constantFrom<Json>({ redirect: { uri: '/' }, match: [{ uri: { exact: '/old' } }] }, { name: 'testers', match: [{ headers: { x: { exact: 'y' } } }], route: [to('version-v2')] })
  const https = fc.array(fc.oneof({ weight: 4, arbitrary: route }, others), { minLength: 1, maxLength: 5 })
    .map((routes) => deepClone(routes.map((one, i) => (one['name'] === undefined ? { ...one, name: `r${i}` } : { ...one, name: `testers${i}` }))) as readonly Json[])
  const conditions = fc.constantFrom([], [{ headers: { 'x-tester': { exact: 'yes' } } }], [{ method: { exact: 'GET' } }, { uri: { prefix: '/api/v2' } }])
  const exposures = fc.record({
    weight: fc.oneof(fc.constantFrom(0, 0.5, 5, 33.33, 50, 100), fc.integer({ min: 0, max: 10_000 }).map((n) => n / 100)),
    match: conditions,
    mirror: fc.option(fc.record({ percent: fc.integer({ min: 1, max: 100 }), match: conditions }), { nil: undefined }),
  }).map(({ mirror, ...rest }) => ({ ...rest, ...(mirror === undefined ? {} : { mirror }) }))

  const isCopy = ({ name }: Json) => String(name).startsWith('serin-')
  /** What must survive: everything but managed lists, inserted routes and our annotations. */
  const outside = (input: MeshInput, managed: readonly unknown[]) => input.virtualServices.map((object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: without(jsonOf(object.metadata.annotations), LEDGER, ORIGINAL) },
    spec: { ...specOf(object), http: listOf(specOf(object)['http']).filter((one) => !isCopy(one)).map((one) => (managed.includes(one['name']) ? without(one, 'route') : one)) },
  }))
  const managedNames = (input: MeshInput) => meshFacts(input).routes.flatMap(({ record }) => record.httpRoutes ?? [])

  it('changes only managed lists, inserted routes and its own annotations, whatever else is there, and is written once', () => {
    fc.assert(fc.property(https, fc.array(exposures, { maxLength: 3 }), fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }), (http, steps, annotations) => {
      let input = inputOf(http, { virtualServices: [virtualService('reviews', http, { future: [1] }, { annotations })] })
      const managed = managedNames(input)
      fc.pre(managed.length > 0)
      const untouched = outside(input, managed)
      for (const next of [write(undefined, { adopt: true }), ...steps.map((step) => write(step)), write()]) {
        input = after(input, next)
        expect(outside(input, managed)).toEqual(untouched)
        expect(content(input)).toEqual(['ours'])
        expect(meshFacts(input).routes[0]!.reaches.filter((revision) => revision !== 'v1' && revision !== 'v2')).toEqual([])
        expect(routePatch(input, TARGET, { ...next, adopt: false })).toBeUndefined()
      }
    }))
  })

  it('has at stable alone what the pin had, and keeps the lists as the user wrote them', () => {
    fc.assert(fc.property(https, exposures, (http, exposure) => {
      const before = inputOf(http)
      const managed = managedNames(before)
      fc.pre(managed.length > 0)
      const pinned = after(before, write(undefined, { adopt: true }))
      const raised = after(pinned, write(exposure))
      expect(httpOf(after(raised, write()))).toEqual(httpOf(pinned))
      const saved = JSON.parse(raised.virtualServices[0]!.metadata.annotations![ORIGINAL]!) as Json
      const restored = httpOf(raised).filter((one) => !isCopy(one)).map((one) => (managed.includes(String(one['name'])) ? { ...one, route: saved[String(one['name'])] } : one))
      expect(restored).toEqual(http)
      const synced = { ...raised, virtualServices: [{ ...raised.virtualServices[0]!, spec: { hosts: [HOST], http: restored } }] }
      expect(['original', 'ours']).toContain(content(synced)[0])
      expect(httpOf(after(synced, write(exposure)))).toEqual(httpOf(raised))
    }))
  })

  it('gives every revision and every foreign destination exactly its share, in whole weights above 0', () => {
    const own = (entry: Json) => ['reviews', HOST].includes(String(jsonOf(entry['destination'])['host']))
    const sum = (entries: readonly Json[]) => entries.reduce((total, { weight }) => total + Number(weight ?? 100), 0)
    fc.assert(fc.property(fc.array(destination, { minLength: 1, maxLength: 4 }).map((entries) => deepClone(entries) as readonly Json[]), fc.integer({ min: 0, max: 10_000 }), (entries, hundredths) => {
      fc.pre(entries.some(own))
      const input = after(inputOf([{ name: 'main', route: entries }]), write({ weight: hundredths / 100 }, { adopt: true }))
      const written = listOf(httpOf(input)[0]!['route'])
      const factor = BigInt(sum(written)) * 1n
      const share = (some: readonly Json[]) => BigInt(sum(some))
      const total = BigInt(sum(entries))
      const canary = written.filter(({ destination: { subset } = {} as Json }: { destination?: Json }) => subset === 'serin-v2')
      expect(share(canary) * total * 10_000n).toBe(BigInt(hundredths) * share(entries.filter(own)) * factor)
      expect(written.filter((entry) => !own(entry)).map(({ weight }) => BigInt(Number(weight)) * total)).toEqual(entries.filter((entry) => !own(entry)).map(({ weight }) => BigInt(Number(weight)) * factor))
      expect(written.every(({ weight }) => Number.isInteger(weight) && Number(weight) > 0)).toBe(true)
    }))
  })

  it.each([
    ['a lone destination stays without weight', [to()], 0, [to('serin-v1')]],
    ['a lone weight stays as it was', [to('version-v1', 7)], 100, [to('serin-v2', 7)]],
    ['a lone weight of 0, which Envoy takes for everything, is not written', [to(undefined, 0)], 0, [to('serin-v1')]],
    ['the smallest factor that can express half a percent', [to()], 0.5, [to('serin-v1', 199), to('serin-v2', 1)]],
    ['foreign weights grow with it', [to(undefined, 10), to(undefined, 90, 'ratings')], 25, [to('serin-v1', 15), to('serin-v2', 5), to(undefined, 180, 'ratings')]],
    ['several own destinations become one share', [to('version-v1', 60), to(undefined, 20, 'ratings'), to('version-v2', 20)], 50, [to('serin-v1', 40), to('serin-v2', 40), to(undefined, 20, 'ratings')]],
    ['a foreign destination that gets nothing is left out', [to('version-v1', 50), to(undefined, 0, 'ratings'), to(undefined, undefined, 'ratings')], 0, [to('serin-v1', 50)]],
  ])('%s', (_, original, weight, expected) => {
    expect(httpOf(after(inputOf([{ route: original }]), write({ weight }, { adopt: true })))).toEqual([{ route: expected }])
  })

  it('begins with the version and the uid it was read at, and escapes its annotations', () => {
    const patch = routePatch(inputOf([{ route: [to()] }], { virtualServices: [virtualService('reviews', [{ route: [to()] }], {}, { annotations: { mine: '1' } })] }), TARGET, write(undefined, { adopt: true }))
    expect(patch?.map(({ op, path }) => `${op} ${path}`)).toEqual([
      'replace /metadata/resourceVersion', 'replace /metadata/uid', 'add /metadata/annotations/serin.dev~1ledger',
      'add /metadata/annotations/serin.dev~1original', 'replace /spec/http/0/route',
    ])
    expect(patch?.slice(0, 2)).toMatchObject([{ value: '7' }, { value: 'uid-reviews' }])
  })

  it('changes the annotation alone where it is told to leave the lists', () => {
    const pinned = after(inputOf([{ route: [to()] }]), write(undefined, { adopt: true }))
    const patch = routePatch(pinned, TARGET, { ...write(), ledger: { ...ledger(), promotions: 1 }, lists: false })
    expect(patch?.slice(2).map(({ path }) => path)).toEqual(['/metadata/annotations/serin.dev~1ledger'])
  })

  it('puts routes for a match before those for a mirror, each copied from the user’s with all its fields', () => {
    const user = { name: 'main', match: [{ uri: { prefix: '/api' } }], timeout: '3s', mirror: { host: 'ratings' }, mirrorPercent: 20, route: [to()] }
    const exposure = { weight: 10, match: [{ headers: { x: { exact: 'y' } } }], mirror: { percent: 50, match: [{ uri: { exact: '/other' } }, { method: { exact: 'GET' } }] } }
    expect(httpOf(after(inputOf([{ name: 'first', redirect: {} }, user]), write(exposure, { adopt: true })))).toEqual([
      { name: 'first', redirect: {} },
      { ...user, name: 'serin-match-main-1', match: [{ uri: { prefix: '/api' }, headers: { x: { exact: 'y' } } }], route: [to('serin-v2')] },
      {
        name: 'serin-mirror-main-1', match: [{ uri: { prefix: '/api' }, method: { exact: 'GET' } }], timeout: '3s', route: [to('serin-v1', 90), to('serin-v2', 10)],
        mirrors: [{ destination: { host: 'ratings' }, percentage: { value: 20 } }, { destination: { host: 'reviews', subset: 'serin-v2' }, percentage: { value: 50 } }],
      },
      { ...user, route: [to('serin-v1', 90), to('serin-v2', 10)] },
    ])
  })

  it('inserts nothing where no request can meet both matches', () => {
    const input = inputOf([{ match: [{ uri: { exact: '/a' } }], route: [to()] }])
    expect(httpOf(after(input, write({ match: [{ uri: { exact: '/b' } }] }, { adopt: true })))).toHaveLength(1)
  })

  it('names the promoted revision once, whatever exposure the ledger still speaks of', () => {
    const pinned = after(inputOf([{ name: 'main', route: [to()] }]), write(undefined, { adopt: true }))
    const promoted = after(pinned, { ...write(), ledger: { ...ledger({ weight: 50, match: [{ method: { exact: 'GET' } }] }), stable: 'v2' } })
    expect(httpOf(promoted)).toEqual([{ name: 'main', route: [to('serin-v2')] }])
  })

  it('adopts no list that names our subsets: of a lost annotation they become one destination without subset', () => {
    const raised = after(inputOf([{ name: 'main', route: [to()] }]), write({ weight: 10 }, { adopt: true }))
    const bare = { ...raised, virtualServices: raised.virtualServices.map((object) => ({ ...object, metadata: { ...object.metadata, annotations: {} } })) }
    const adopted = after(bare, write(undefined, { adopt: true }))
    expect(httpOf(adopted)).toEqual([{ name: 'main', route: [to('serin-v1', 100)] }])
    expect(JSON.parse(adopted.virtualServices[0]!.metadata.annotations![ORIGINAL]!)).toEqual({ main: [to(undefined, 100)] })
  })

  it('takes an absorbed edit as the new original, and keeps the others', () => {
    const pinned = after(inputOf([{ name: 'a', route: [to()] }, { name: 'b', route: [to()] }]), write(undefined, { adopt: true }))
    const edited = { ...pinned, virtualServices: [virtualService('reviews', [httpOf(pinned)[0]!, { name: 'b', route: [to('version-v1', 1), to(undefined, 1, 'ratings')] }], {}, pinned.virtualServices[0]!.metadata)] }
    expect(content(edited)).toEqual(['lower'])
    const absorbed = after(edited, write(undefined, { adopt: true }))
    expect(httpOf(absorbed)[1]).toEqual({ name: 'b', route: [to('serin-v1', 1), to(undefined, 1, 'ratings')] })
    expect(JSON.parse(absorbed.virtualServices[0]!.metadata.annotations![ORIGINAL]!)).toEqual({ a: [to()], b: [to('version-v1', 1), to(undefined, 1, 'ratings')] })
  })
})

describe('our own route', () => {
  it('sends the whole mesh to stable from its first moment, and is known as ours', () => {
    const own = ownRoute(meshInput(), write())
    const stands = meshInput({ virtualServices: [{ ...own, metadata: { ...own.metadata, uid: 'u1', resourceVersion: '1' } }] })
    expect(own.metadata).not.toHaveProperty('ownerReferences')
    expect(meshFacts(stands)).toMatchObject({ covered: true, reached: ['v1'], routes: [{ own: true, mesh: true, lost: false, content: 'ours', ledger: { uid: 'u1' } }] })
    expect(routePatch(stands, { namespace: 'test', name: 'serin-reviews' }, write())).toBeUndefined()
  })
})

describe('the texts that waits hang on', () => {
  it('stay the same for what no proxy sees, and change with whom a route reaches', () => {
    const pinned = after(inputOf([{ name: 'main', route: [to()] }]), write(undefined, { adopt: true }))
    const [object] = pinned.virtualServices
    const relabelled = { ...object!, metadata: { ...object!.metadata, resourceVersion: '99', labels: { a: 'b' } }, spec: { ...specOf(object!), http: httpOf(pinned).map((one) => ({ ...one, timeout: '1s' })) } }
    expect(routesContent({ ...pinned, virtualServices: [relabelled] })).toBe(routesContent(pinned))
    expect(routesContent(after(pinned, write({ weight: 1 })))).not.toBe(routesContent(pinned))
    expect(routesContent({ ...pinned, virtualServices: [] })).not.toBe(routesContent(pinned))
  })
})
