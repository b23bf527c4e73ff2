import { applyPatch, deepClone } from 'fast-json-patch'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Exposure } from '../canary/ledger.ts'
import type { RouteFacts } from '../canary/world.ts'
import { listOf, specOf, type Json } from './json.ts'
import { meshFacts } from './mesh-facts.ts'
import { destinationRule, HOST, ledger, meshInput, settings, virtualService } from './mesh.fixture.ts'
import type { MeshInput } from './mesh-input.ts'
import { routePatch } from './route-write.ts'

const to = (subset?: string, weight?: number, host = 'reviews'): Json =>
  ({ destination: { host, ...(subset === undefined ? {} : { subset }) }, ...(weight === undefined ? {} : { weight }) })
const rule = destinationRule('reviews', { subsets: [
  { name: 'one', labels: { version: 'v1' } }, { name: 'two', labels: { version: 'v2' } }, { name: 'all', labels: { app: 'reviews' } }, { name: 'empty' },
] })
const inputOf = (http: readonly Json[], overrides: Partial<MeshInput> = {}): MeshInput =>
  meshInput({ virtualServices: [virtualService('reviews', http)], destinationRules: [rule], ...overrides })

/** The input once `exposure` stands in its first VirtualService. */
function standing(input: MeshInput, exposure?: Partial<Exposure>): MeshInput {
  const [object, ...others] = input.virtualServices
  const patch = routePatch(input, { namespace: 'test', name: object!.metadata.name }, { ledger: ledger(exposure), lists: true, adopt: true })
  return { ...input, virtualServices: [applyPatch(deepClone(object!), deepClone(patch!)).newDocument, ...others] }
}
const httpOf = (input: MeshInput): readonly Json[] => listOf(specOf(input.virtualServices[0]!)['http'])
const edited = (input: MeshInput, edit: (http: readonly Json[]) => readonly Json[]): MeshInput => {
  const [object, ...others] = input.virtualServices
  return { ...input, virtualServices: [{ ...object!, spec: { ...specOf(object!), http: edit(httpOf(input)) } }, ...others] }
}
const managed = (input: MeshInput) => meshFacts(input).routes.flatMap(({ record }) => record.httpRoutes ?? [])

describe('which routes are managed', () => {
  it.each<[string, Json, boolean]>([
    ['no subset', { route: [to()] }, true],
    ['a subset of stable', { route: [to('one')] }, true],
    ['a subset of all versions', { route: [to('all')] }, true],
    ['a subset of another version', { route: [to('two')] }, false],
    ['another host', { route: [to(undefined, undefined, 'ratings')] }, false],
    ['the same name in another namespace', { route: [to(undefined, undefined, 'reviews.other.svc.cluster.local')] }, false],
    ['a redirect', { redirect: { uri: '/' } }, false],
  ])('at first sight, a route to %s', (_, route, expected) => {
    expect(managed(inputOf([{ name: 'main', ...route }]))).toEqual(expected ? ['main'] : [])
  })

  it('are those that were saved, wherever they stand now, and new ones as at first sight', () => {
    const pinned = standing(inputOf([{ route: [to()] }, { name: 'testers', route: [to('two')] }]))
    const moved = edited(pinned, ([main, testers]) => [{ name: 'new', route: [to('one')] }, testers!, main!])
    expect(managed(moved)).toEqual(['new', 'default'])
    expect(meshFacts(moved).namedByUser).toEqual(['v2'])
  })

  it('are not those seen and left to the user, though stable moves to what they name', () => {
    const input = standing(inputOf([{ name: 'main', route: [to()] }, { name: 'testers', route: [to('two')] }]))
    const promoted = routePatch(input, { namespace: 'test', name: 'reviews' }, { ledger: { ...ledger(), stable: 'v2', promotions: 1 }, lists: true, adopt: false })
    expect(managed({ ...input, virtualServices: [applyPatch(deepClone(input.virtualServices[0]!), deepClone(promoted!)).newDocument] })).toEqual(['main'])
  })

  it('may have any name', () => {
    expect(managed(standing(inputOf([{ name: 'constructor', route: [to()] }, { name: '__proto__', route: [to()] }])))).toEqual(['constructor', '__proto__'])
  })

  it('are narrowed by traffic.httpRoutes at first sight', () => {
    const input = inputOf([{ name: 'a', route: [to('one')] }, { name: 'b', route: [to('one')] }], { settings: settings({ httpRoutes: ['b'] }) })
    expect(managed(input)).toEqual(['b'])
  })

  it('are remembered by status where the annotations are lost', () => {
    const lost = inputOf([{ name: 'main', route: [to('two')] }], { records: [{ namespace: 'test', name: 'reviews', mode: 'Route', httpRoutes: ['main'] }] })
    expect(meshFacts(lost).routes).toMatchObject([{ lost: true, ledger: undefined, content: 'unpinned', record: { httpRoutes: ['main'] } }])
  })
})

describe('what the managed lists have become', () => {
  const match = [{ headers: { x: { exact: 'y' } } }]
  const user = { name: 'main', route: [to('one')], timeout: '1s' }
  const exposure = { weight: 10, match, mirror: { percent: 50, match: [] } }
  const list = (...route: readonly Json[]) => (http: readonly Json[]) => http.map((one) => (one['name'] === 'main' ? { ...one, route } : one))
  const copy = (kind: string, edit: (copy: Json) => Json | undefined) => (http: readonly Json[]) =>
    http.flatMap((one) => (one['name'] === `serin-${kind}-main-1` ? [edit(one)].filter((kept) => kept !== undefined) : [one]))
  const append = (route: Json) => (http: readonly Json[]) => [...http, route]

  it.each<[string, (http: readonly Json[]) => readonly Json[], RouteFacts['content']]>([
    ['as written', (http) => http, 'ours'],
    ['a field beside the list changed, no copies inserted for it', append({ name: 'x', redirect: {} }), 'ours'],
    ['the saved original put back', () => [user], 'original'],
    ['the original put back in the list alone', list(to('one')), 'original'],
    ['stable alone, written by hand', list(to('serin-v1', 100)), 'lower'],
    ['less for the canary', list(to('serin-v1', 95), to('serin-v2', 5)), 'lower'],
    ['less, by a factor', list(to('serin-v1', 999), to('serin-v2', 1)), 'lower'],
    ['the inserted match taken out', copy('match', () => undefined), 'lower'],
    ['a smaller mirror', copy('mirror', (one) => ({ ...one, mirrors: [{ destination: { host: 'reviews', subset: 'serin-v2' }, percentage: { value: 5 } }] })), 'outdated'],
    ['more for the canary', list(to('serin-v1', 80), to('serin-v2', 20)), 'beyond'],
    ['more for the canary by the user’s own subset', list(to('one', 80), to('two', 20)), 'beyond'],
    ['no subset', list(to()), 'beyond'],
    ['a subset that nobody defines', list(to('typo')), 'beyond'],
    ['a subset without labels', list(to('serin-v1', 95), to('empty', 5)), 'beyond'],
    ['a subset of all versions', list(to('all')), 'beyond'],
    ['a lone destination at weight 0 gets everything', list(to('serin-v2', 0)), 'beyond'],
    ['a match for everybody', copy('match', (one) => ({ ...one, match: [{ uri: { prefix: '/' } }] })), 'beyond'],
    ['a match without condition', copy('match', (one) => ({ ...one, match: undefined })), 'beyond'],
    ['a larger mirror', copy('mirror', (one) => ({ ...one, mirrors: [{ destination: { host: 'reviews', subset: 'serin-v2' } }] })), 'beyond'],
    ['a mirror to all pods', copy('mirror', (one) => ({ ...one, mirrors: [{ destination: { host: 'reviews' }, percentage: { value: 1 } }] })), 'beyond'],
    ['a new route to all pods', append({ name: 'new', route: [to()] }), 'beyond'],
    ['a new route to stable', append({ name: 'new', route: [to('one')] }), 'outdated'],
    ['a new route to a version of the user’s choice', append({ name: 'new', route: [to('two')] }), 'ours'],
    ['the user’s route changed, the copies not', (http) => http.map((one) => (one['name'] === 'main' ? { ...one, timeout: '9s' } : one)), 'outdated'],
    ['the user’s route narrowed, the copies not', (http) => http.map((one) => (one['name'] === 'main' ? { ...one, match: [{ uri: { prefix: '/api' } }] } : one)), 'outdated'],
    ['the user’s route renamed, the copies not', (http) => http.map((one) => (one['name'] === 'main' ? { ...one, name: 'other' } : one)), 'outdated'],
    ['the managed route gone with its copies', () => [{ redirect: {} }], 'lower'],
  ])('%s', (_, edit, expected) => {
    expect(meshFacts(edited(standing(inputOf([user]), exposure), edit)).routes.map(({ content }) => content)).toEqual([expected])
  })

  it.each<[string, readonly Json[], RouteFacts['content']]>([
    ['a match route left over', [{ name: 'serin-match-main-1', match, route: [to('serin-v2')] }], 'beyond'],
    ['a mirror left over', [{ name: 'serin-mirror-main-1', route: [to('serin-v1')], mirrors: [{ destination: { host: 'reviews', subset: 'serin-v2' } }] }], 'beyond'],
    ['a copy that reaches only stable', [{ name: 'serin-match-main-1', match, route: [to('serin-v1')] }], 'outdated'],
  ])('with nothing exposed, %s', (_, copies, expected) => {
    const input = edited(standing(inputOf([user])), (http) => [...copies, ...http])
    expect(meshFacts(input).routes.map(({ content }) => content)).toEqual([expected])
  })

  it('the only inserted route no longer a copy of the user’s', () => {
    const input = edited(standing(inputOf([user]), { match: [...match, { method: { exact: 'PUT' } }] }), copy('match', (one) => ({ ...one, timeout: '9s' })))
    expect(meshFacts(input).routes.map(({ content }) => content)).toEqual(['outdated'])
  })

  it('where it was recorded, a ledger copied with its object, or one that cannot be read, is lost', () => {
    const [object] = standing(inputOf([user])).virtualServices
    const copied = inputOf([], { virtualServices: [{ ...object!, metadata: { ...object!.metadata, uid: 'another' } }] })
    expect(meshFacts(copied).routes).toMatchObject([{ lost: false, content: 'unpinned', ledger: undefined, reaches: ['v1'] }])
    const records = [{ namespace: 'test', name: 'reviews', mode: 'Route' as const, httpRoutes: ['main'] }]
    expect(meshFacts({ ...copied, records }).routes).toMatchObject([{ lost: true, ledger: undefined, reaches: ['v1'] }])
    const exposure = { revision: 'v2', weight: 5, match: [], step: 0, plan: 'p' }
    const wrong = [{ open: { v1: 'first' } }, { exposure: {} }, { exposure: { ...exposure, match: '' } }, { exposure: { ...exposure, step: '0' } }]
    for (const text of ['{"uid":', '[]', ...wrong.map((part) => JSON.stringify({ ...ledger(), uid: 'uid-reviews', ...part }))]) {
      const broken = { ...object!, metadata: { ...object!.metadata, annotations: { 'serin.dev/ledger': text } } }
      expect(meshFacts(inputOf([], { virtualServices: [broken], records })).routes).toMatchObject([{ lost: true, ledger: undefined }])
    }
  })
})

describe('who is reached', () => {
  it.each<[string, readonly Json[], readonly string[], readonly string[]]>([
    ['by weight', [{ route: [to('one', 1), to('two', 1)] }], ['v1', 'v2'], []],
    ['not by weight 0 beside others', [{ route: [to('one', 1), to('two', 0)] }], ['v1'], []],
    ['by a route of the user’s own', [{ route: [to('one')] }, { name: 'x', route: [to('two')] }], ['v1', 'v2'], ['v2']],
    ['by a mirror', [{ route: [to('one')], mirrors: [{ destination: { host: 'reviews', subset: 'two' } }] }], ['v1', 'v2'], ['v2']],
    ['all by a route without subset', [{ route: [to()] }], ['*'], []],
  ])('%s', (_, http, reached, namedByUser) => {
    expect(meshFacts(inputOf(http))).toMatchObject({ reached, namedByUser })
  })

  it.each<[string, Json, boolean]>([
    ['its full name', { hosts: [HOST] }, true],
    ['its short name', { hosts: ['reviews'] }, true],
    ['a wildcard', { hosts: ['*.local'], gateways: ['gate', 'mesh'] }, true],
    ['a gateway only', { gateways: ['gate'] }, false],
    ['another host', { hosts: ['shop.example'] }, false],
    ['no http route', { http: [] }, false],
  ])('everybody in the mesh, unless a VirtualService has the host: %s', (_, spec, covered) => {
    const input = inputOf([], { virtualServices: [virtualService('reviews', [{ route: [to('one')] }], spec)] })
    expect(meshFacts(input).covered).toBe(covered)
    expect(meshFacts(input).reached.includes('*')).toBe(!covered)
  })
})

it('a subset still reaches its revision when the Deployment is gone, and nobody when the revision is another', () => {
  const input = standing(inputOf([{ route: [to()] }]), { weight: 10 })
  const own = destinationRule('serin-reviews', { subsets: [{ name: 'serin-v2', labels: { version: 'v2' } }] })
  expect(meshFacts({ ...input, destinationRules: [rule, own], revisions: input.revisions.slice(0, 1) }).reached).toEqual(['v1', 'v2'])
})

it('routes of another namespace are reached by, but never written', () => {
  const far = virtualService('far', [{ route: [to('one', undefined, HOST)] }], {}, { namespace: 'other' })
  expect(meshFacts(inputOf([], { virtualServices: [far] }))).toMatchObject({ routes: [], reached: ['v1'], namedByUser: ['v1'], covered: true })
})

it('of several ledgers the one with the most promotions says who is stable', () => {
  const [older] = standing(inputOf([{ name: 'main', route: [to()] }])).virtualServices
  const next = meshInput({ virtualServices: [virtualService('gate', [{ route: [to()] }], { gateways: ['gate'] })] })
  const patch = routePatch(next, { namespace: 'test', name: 'gate' }, { ledger: { ...ledger(), stable: 'v2', promotions: 1 }, lists: true, adopt: true })
  const gate = applyPatch(deepClone(next.virtualServices[0]!), deepClone(patch!)).newDocument
  const fresh = virtualService('fresh', [{ name: 'new', route: [to('two')] }, { name: 'old', route: [to('one')] }], { gateways: ['gate'] })
  expect(managed(inputOf([], { virtualServices: [older!, gate, fresh] }))).toEqual(['new', 'default', 'main'])
})

describe('the revision that the routes name at first', () => {
  it.each<[string, readonly Json[], string | undefined]>([
    ['all of them', [{ name: 'a', route: [to('two')] }, { name: 'b', route: [to('two')] }], 'v2'],
    ['one, the others name none', [{ name: 'a', route: [to('one')] }, { name: 'b', route: [to()] }], 'v1'],
    ['the one for all requests, where another is for testers', [{ match: [{ uri: { prefix: '/t' } }], route: [to('two')] }, { route: [to('one')] }], 'v1'],
    ['the one that has the weight', [{ route: [to('one', 100), to('two', 0)] }], 'v1'],
    ['two by weight', [{ route: [to('one', 90), to('two', 10)] }], undefined],
    ['none', [{ route: [to()] }], undefined],
  ])('is named by %s', (_, http, expected) => {
    expect(meshFacts(inputOf(http, { stable: undefined })).namedAtFirst).toBe(expected)
  })
})

it('facts are told of any objects whatever, and without touching them', () => {
  const field = fc.constantFrom('hosts', 'gateways', 'exportTo', 'http', 'tcp', 'host', 'subsets', 'trafficPolicy', 'selector', 'ports')
  const route = fc.dictionary(fc.constantFrom('name', 'match', 'route', 'mirror', 'mirrors'), fc.jsonValue({ maxDepth: 3 }))
  const spec = fc.dictionary(field, fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant([HOST]), fc.array(route)))
  const annotations = fc.dictionary(fc.constantFrom('serin.dev/ledger', 'serin.dev/original', 'serin.dev/stamps'), fc.oneof(fc.string(), fc.json()))
  fc.assert(fc.property(spec, annotations, fc.constantFrom('reviews', 'serin-reviews'), (any, notes, name) => {
    const object = deepClone({ ...virtualService(name, []), spec: any, metadata: { name, namespace: 'test', annotations: notes } })
    const input = meshInput({ service: object, virtualServices: [object], destinationRules: [object], httpRoutes: [object] })
    const before = JSON.stringify(object)
    expect(meshFacts(input).routes.length).toBeLessThan(2)
    expect(JSON.stringify(object)).toBe(before)
  }))
})
