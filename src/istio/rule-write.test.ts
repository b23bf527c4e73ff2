import { applyPatch, deepClone } from 'fast-json-patch'
import { describe, expect, it } from 'vitest'
import { specOf } from './json.ts'
import { meshFacts } from './mesh-facts.ts'
import { destinationRule, HOST, meshInput, virtualService } from './mesh.fixture.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { ruleWrite } from './rule-write.ts'

const STAMPED = { v1: 'first', v2: 'second' }
const SUBSETS = [{ name: 'serin-v1', labels: { version: 'v1' } }, { name: 'serin-v2', labels: { version: 'v2' } }]
const TLS = { tls: { mode: 'ISTIO_MUTUAL' } }

/** What our rule is made to say beside what stands, and the input in which it stands. */
function written(input: MeshInput, subsets: Readonly<Record<string, string>> = STAMPED): { readonly spec: unknown; readonly input: MeshInput } {
  const write = ruleWrite(input, subsets)
  const standing = input.destinationRules.find(({ metadata }) => metadata.name === 'serin-reviews')
  const rule: KubeObject | undefined = write === undefined ? standing
    : write.kind === 'create' ? { ...write.object, metadata: { ...write.object.metadata, uid: 'u', resourceVersion: '1' } }
    : applyPatch(deepClone(standing), deepClone(write.patch)).newDocument
  return { spec: rule && specOf(rule), input: { ...input, destinationRules: [...input.destinationRules.filter((other) => other !== standing), ...(rule === undefined ? [] : [rule])] } }
}

describe('our DestinationRule', () => {
  it('has one subset for each revision and is written once', () => {
    const first = written(meshInput(), { v1: 'first' })
    expect(first.spec).toEqual({ host: HOST, subsets: [SUBSETS[0]] })
    const second = written(first.input)
    expect(second.spec).toEqual({ host: HOST, subsets: SUBSETS })
    expect(ruleWrite(second.input, STAMPED)).toBeUndefined()
    expect(meshFacts(second.input).rule).toEqual({ exists: true, uid: 'u', resourceVersion: '1', subsets: STAMPED, conform: true })
    expect(second.input.destinationRules[0]!.metadata).toMatchObject({ labels: { 'app.kubernetes.io/managed-by': 'serin' } })
    expect(second.input.destinationRules[0]!.metadata).not.toHaveProperty('ownerReferences')
  })

  it('changes a stamp in the annotation alone, guarded by version and uid', () => {
    const write = ruleWrite(written(meshInput()).input, { ...STAMPED, v2: 'third' })
    expect(write).toMatchObject({ kind: 'patch', patch: [{ path: '/metadata/resourceVersion' }, { path: '/metadata/uid' }, { path: '/metadata/annotations/serin.dev~1stamps' }] })
  })

  it.each([['unset', {}], ['a star', { exportTo: ['*'] }], ['a dot', { exportTo: ['.', 'other'] }]])(
    'carries the exportTo of the user’s rule as written (%s), no policy, and follows it', (_, exportTo) => {
      const user = destinationRule('user', { ...exportTo, trafficPolicy: TLS })
      const { spec, input } = written(meshInput({ destinationRules: [user] }))
      expect(spec).toEqual({ host: HOST, ...exportTo, subsets: SUBSETS })
      const changed = { ...input, destinationRules: [destinationRule('user', { exportTo: ['x'] }), ...input.destinationRules.slice(1)] }
      expect(meshFacts(changed).rule.conform).toBe(false)
      expect(written(changed).spec).toEqual({ host: HOST, exportTo: ['x'], subsets: SUBSETS })
    })

  it('copies the policy of the user’s subset that a managed route names', () => {
    const policy = { connectionPool: { http: { http2MaxRequests: 9 } } }
    const user = destinationRule('user', { subsets: [{ name: 'stable', labels: { version: 'v1' }, trafficPolicy: policy }] })
    const route = virtualService('reviews', [{ route: [{ destination: { host: 'reviews', subset: 'stable' } }] }])
    const { spec } = written(meshInput({ destinationRules: [user], virtualServices: [route] }))
    expect(spec).toEqual({ host: HOST, subsets: SUBSETS.map((subset) => ({ ...subset, trafficPolicy: policy })) })
  })

  it.each([
    ['a wildcard of the namespace', destinationRule('wild', { host: '*.test.svc.cluster.local', trafficPolicy: TLS })],
    ['a root rule', destinationRule('root', { host: '*.local', trafficPolicy: TLS }, { namespace: 'istio-system' })],
  ])('stands in for %s with its policy and the exportTo of the routes, until a host rule appears', (_, broader) => {
    const route = virtualService('reviews', [{ route: [{ destination: { host: 'reviews' } }] }], { exportTo: ['*'] })
    const { spec, input } = written(meshInput({ destinationRules: [broader], virtualServices: [route] }))
    expect(spec).toEqual({ host: HOST, exportTo: ['*'], trafficPolicy: TLS, subsets: SUBSETS })
    const joined = { ...input, destinationRules: [...input.destinationRules, destinationRule('user', {})] }
    expect(meshFacts(joined).rule.conform).toBe(false)
    expect(written(joined).spec).toEqual({ host: HOST, subsets: SUBSETS })
  })

  it('does not conform, and does not count a subset, once somebody relabels or removes it', () => {
    const { input } = written(meshInput())
    const [rule] = input.destinationRules
    const relabelled = { ...rule!, spec: { host: HOST, subsets: [{ name: 'serin-v1', labels: {} }] } }
    expect(meshFacts({ ...input, destinationRules: [relabelled] }).rule).toMatchObject({ exists: true, subsets: {}, conform: false })
    expect(meshFacts({ ...input, destinationRules: [] }).rule).toMatchObject({ exists: false, subsets: {}, conform: false })
  })
})
