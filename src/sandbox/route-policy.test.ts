import { describe, expect, it } from 'vitest'
import { caller, pod, policy } from './mesh.fixture.ts'
import { compilePolicies } from './route-policy.ts'
import { workloadOf } from './route-pods.ts'

const server = workloadOf(pod('app', 'v1'))
const request = { method: 'GET', path: '/admin?x=1', host: 'App.shop' }

const lets = (...specs: readonly object[]) =>
  compilePolicies(specs.map((spec, index) => policy(`p${index}`, spec)))(caller(), server, request)

describe('AuthorizationPolicies', () => {
  it.each<[string, object, boolean]>([
    ['lets nobody in without a rule', {}, false],
    ['lets everybody in with an empty rule', { rules: [{}] }, true],
    ['fits by principal', { rules: [{ from: [{ source: { principals: ['cluster.local/ns/callers/sa/client'] } }] }] }, true],
    [
      'fits by the beginning of a principal',
      { rules: [{ from: [{ source: { principals: ['cluster.local/ns/callers/*'] } }] }] },
      true,
    ],
    ['fits by the end of a principal', { rules: [{ from: [{ source: { principals: ['*/sa/other'] } }] }] }, false],
    ['leaves out what a source is not', { rules: [{ from: [{ source: { notNamespaces: ['callers'] } }] }] }, false],
    [
      'fits by any of its sources',
      { rules: [{ from: [{ source: { namespaces: ['a'] } }, { source: { namespaces: ['callers'] } }] }] },
      true,
    ],
    [
      'wants source and operation',
      { rules: [{ from: [{ source: { namespaces: ['callers'] } }], to: [{ operation: { methods: ['POST'] } }] }] },
      false,
    ],
    ['looks at the path without its query', { rules: [{ to: [{ operation: { paths: ['/admin'] } }] }] }, true],
    ['looks at the host as it was sent', { rules: [{ to: [{ operation: { hosts: ['app.shop'], notHosts: ['app'] } }] }] }, true],
    ['is not asked about other pods', { selector: { matchLabels: { app: 'other' } } }, true],
  ])('one that allows %s', (_, spec, expected) => {
    expect(lets(spec)).toBe(expected)
  })

  it('deny before they allow, and one that allows is enough', () => {
    expect(lets({ rules: [{}] }, { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin'] } }] }] })).toBe(false)
    expect(lets({ action: 'DENY', rules: [{ to: [{ operation: { paths: ['/other'] } }] }] })).toBe(true)
    expect(lets({}, { rules: [{}] })).toBe(true)
  })

  it('in the root namespace hold everywhere, elsewhere only at home', () => {
    const check = (namespace: string) => compilePolicies([policy('all', {}, { namespace })])(caller(), server, request)
    expect(check('istio-system')).toBe(false)
    expect(check('far')).toBe(true)
  })
})
