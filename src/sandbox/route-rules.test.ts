import { describe, expect, it } from 'vitest'
import { destinationRule } from './mesh.fixture.ts'
import type { KubeObject } from './objects.ts'
import type { DestinationRuleSpec } from './route-objects.ts'
import { governingRule } from './route-rules.ts'

const HOST = 'app.shop.svc.cluster.local'
const [OLD, NEW] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z']

const user = (spec: Partial<DestinationRuleSpec> = {}, creationTimestamp = OLD) =>
  destinationRule(
    'user',
    { host: HOST, subsets: [{ name: 'version-v1', labels: { version: 'v1' } }], ...spec },
    { creationTimestamp },
  )
const ours = (spec: Partial<DestinationRuleSpec> = {}, creationTimestamp = NEW) =>
  destinationRule(
    'ours',
    { host: 'app', subsets: [{ name: 'rev-x', labels: { revision: 'x' } }], ...spec },
    { creationTimestamp },
  )

const governing = (rules: readonly KubeObject[], callerNamespace = 'callers') =>
  governingRule(rules, { host: HOST, serviceNamespace: 'shop', callerNamespace })
const subsets = (...rules: readonly KubeObject[]) => [...governing(rules).subsets.keys()].toSorted()

describe('two DestinationRules for one host', () => {
  it.each<[string, readonly string[] | undefined, readonly string[] | undefined]>([
    ['unset', undefined, undefined],
    ['equal sets in any order', ['callers', 'shop'], ['shop', 'callers']],
  ])('merge where exportTo is the same as written: %s', (_, theirs, own) => {
    const exports = (exportTo: readonly string[] | undefined) => (exportTo ? { exportTo } : {})
    expect(subsets(user(exports(theirs)), ours(exports(own)))).toEqual(['rev-x', 'version-v1'])
    expect(subsets(user(exports(theirs), NEW), ours(exports(own), OLD))).toEqual(['rev-x', 'version-v1'])
  })

  it('do not merge where exportTo differs as written: the newer replaces the older whole', () => {
    expect(subsets(user(), ours({ exportTo: ['*'] }))).toEqual(['rev-x'])
    expect(subsets(user({}, NEW), ours({ exportTo: ['*'] }, OLD))).toEqual(['version-v1'])
    expect(subsets(user({ exportTo: ['*'] }), ours())).toEqual(['rev-x'])
    const own = governing([user({ exportTo: ['.'] }), ours({ exportTo: ['shop'] })], 'shop')
    expect([...own.subsets.keys()]).toEqual(['rev-x'])
  })

  it('hide a private one from other namespaces', () => {
    expect(subsets(user(), ours({ exportTo: ['.'] }))).toEqual(['version-v1'])
    expect([...governing([user(), ours({ exportTo: ['.'] })], 'shop').subsets.keys()]).toEqual(['rev-x'])
  })

  it("share a top-level policy that only one has, and the older one's where both have one", () => {
    const [robin, random] = [{ loadBalancer: { simple: 'ROUND_ROBIN' } }, { loadBalancer: { simple: 'RANDOM' } }]
    for (const rules of [
      [user({ trafficPolicy: robin }), ours()],
      [user({ trafficPolicy: robin }, NEW), ours({}, OLD)],
      [user({ trafficPolicy: robin }), ours({ trafficPolicy: random })],
    ]) {
      const merged = governing(rules)
      expect(merged.policy).toEqual(robin)
      expect([...merged.subsets.values()].map(({ policy }) => policy)).toEqual([robin, robin])
    }
  })

  it('go by name when created in the same second', () => {
    const policy = (simple: string) => ({ trafficPolicy: { loadBalancer: { simple } } })
    expect(governing([user(policy('user'), OLD), ours(policy('ours'), OLD)]).policy).toEqual({ loadBalancer: { simple: 'ours' } })
  })

  it("keep the older one's subset where both have the name", () => {
    const same = [{ name: 'version-v1', labels: { version: 'v2' } }]
    expect(governing([ours({ subsets: same }), user()]).subsets.get('version-v1')?.labels).toEqual({ version: 'v1' })
    expect(governing([ours({ subsets: same }, OLD), user({}, NEW)]).subsets.get('version-v1')?.labels).toEqual({ version: 'v2' })
  })

  it("replace whole blocks of the policy by a subset's own", () => {
    const top = { connectionPool: { tcp: { maxConnections: 33 } }, outlierDetection: { consecutive5xxErrors: 5 } }
    const own = { connectionPool: { http: { maxRetries: 1 } } }
    const merged = governing([user({ trafficPolicy: top, subsets: [{ name: 'version-v1', trafficPolicy: own }] })])
    expect(merged.subsets.get('version-v1')?.policy).toEqual({ ...own, outlierDetection: { consecutive5xxErrors: 5 } })
  })
})

describe('rules elsewhere', () => {
  const at = (namespace: string, spec: Partial<DestinationRuleSpec> = {}) =>
    destinationRule(
      'elsewhere',
      { host: HOST, subsets: [{ name: namespace }], trafficPolicy: { tls: { mode: namespace } }, ...spec },
      { namespace },
    )

  it("in the caller's namespace hide all others", () => {
    expect(subsets(user(), ours(), at('callers'))).toEqual(['callers'])
    expect([...governing([user(), at('callers')], 'other').subsets.keys()]).toEqual(['version-v1'])
  })

  it("in the root namespace hold only until the service's namespace has one", () => {
    expect(governing([at('istio-system')]).policy).toEqual({ tls: { mode: 'istio-system' } })
    expect(governing([at('istio-system'), ours()])).toMatchObject({ policy: {} })
    expect(subsets(at('istio-system'), ours())).toEqual(['rev-x'])
    expect([...governing([at('istio-system'), ours()], 'istio-system').subsets.keys()]).toEqual(['rev-x'])
  })

  it('with a wildcard lose their policy to a rule for the host itself', () => {
    for (const wild of [at('shop', { host: '*.shop.svc.cluster.local' }), at('istio-system', { host: '*.local' })]) {
      expect(governing([wild]).policy).not.toEqual({})
      expect(governing([wild, ours()]).policy).toEqual({})
    }
  })
})
