import { describe, expect, it } from 'vitest'
import type { Step } from '../api/settings.ts'
import type { Json } from './json.ts'
import { meshFacts } from './mesh-facts.ts'
import { destinationRule, HOST, meshInput, service, settings, virtualService } from './mesh.fixture.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { ownRoute, routePatch } from './route-write.ts'
import { ruleWrite } from './rule-write.ts'

const open = [{ destination: { host: HOST } }]
const stable = [{ destination: { host: HOST, subset: 'one' } }]
const main = virtualService('reviews', [{ name: 'main', route: open }])
const rule = destinationRule('user', { subsets: [{ name: 'one', labels: { version: 'v1' } }, { name: 'two', labels: { version: 'v2' } }] })
const AFFINITY = { cookie: 'shop', attributes: '; Path=/' }
const elsewhere = { namespace: 'other' }
const httpRoute = (spec: Json): KubeObject => ({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'gw', namespace: 'test' }, spec })
const steps = (...matches: readonly Step['match'][]): readonly Step[] =>
  matches.map((match, i) => ({ name: `s${i}`, weight: 0, match, mirror: undefined, forMs: 0, minRequests: 0, approval: false, deadlineMs: undefined }))
const virtualServices = (...extra: readonly KubeObject[]) => ({ virtualServices: [main, ...extra], destinationRules: [rule] })
const refused = (overrides: Partial<MeshInput>) => meshFacts(meshInput({ virtualServices: [main], destinationRules: [rule], ...overrides })).refusals

describe('refused before anything moves', () => {
  it.each<[string, string, Partial<MeshInput>, RegExp]>([
    ['ServiceNotFound', 'no Service', { service: undefined }, /Service test\/reviews does not exist/],
    ['HeadlessService', 'a headless Service', { service: service({ clusterIP: 'None' }) }, /cluster IP/],
    ['NonHttpPort', 'a port named for another protocol, beside a VirtualService for the mesh', { service: service({ ports: [{ name: 'http', port: 80 }, { name: 'mysql-main', port: 3306 }] }) }, /mysql-main/],
    ['NonHttpPort', 'an appProtocol, which decides over the name', { service: service({ ports: [{ name: 'http', appProtocol: 'tcp', port: 80 }] }) }, /appProtocol/],
    ['NonHttpPort', 'a port of TLS, whatever stands in the mesh', { virtualServices: [], service: service({ ports: [{ name: 'https-web', port: 443 }] }) }, /https-web.*no route/],
    ['NonHttpPort', 'a UDP port', { service: service({ ports: [{ port: 53, protocol: 'UDP' }] }) }, /port 53/],
    ['SelectorExcludesVersions', 'the version in the selector', { service: service({ selector: { app: 'reviews', version: 'v1' } }) }, /version: v1/],
    ['SelectorExcludesVersions', 'a version without the selector’s labels', { service: service({ selector: { tier: 'web' } }) }, /v1, v2.*tier: web/],
    ['SelectorExcludesVersions', 'no selector', { service: service({ selector: {} }) }, /no selector/],
    ['SecondVirtualService', 'two for the host in the mesh', virtualServices(virtualService('young', [{ route: stable }], {}, { creationTimestamp: '2026-02-01T00:00:00Z' })),
      /test\/reviews and .*test\/young .*older one, reviews, wins/],
    ['RouteInOtherNamespace', 'a route of another namespace to all pods', virtualServices(virtualService('far', [{ route: open }], { gateways: ['gate'] }, elsewhere)), /other\/far/],
    ['RouteInOtherNamespace', 'a route of another namespace to a new version', virtualServices(virtualService('far', [{ route: [{ destination: { host: HOST, subset: 'two' } }] }], { gateways: ['gate'] }, elsewhere)), /other\/far/],
    ['RouteOfAnotherCanary', 'the ledger of another Canary', virtualServices(virtualService('shared', [{ route: open }], { gateways: ['gate'] }, { annotations: { 'serin.dev/ledger': '{"canary":"test/else"}' } })), /Canary test\/else/],
    ['ExportToNarrower', 'an export to fewer namespaces than the Service', { virtualServices: [virtualService('reviews', [{ route: open }], { exportTo: ['.'] })], destinationRules: [] }, /exportTo/],
    ['TcpOrTlsRoute', 'a TCP route', virtualServices(virtualService('t', [], { hosts: ['x'], tcp: [{ route: open }] })), /tcp route/],
    ['TcpOrTlsRoute', 'a TLS route, of any namespace', virtualServices(virtualService('t', [], { hosts: ['x'], tls: [{ route: open }] }, elsewhere)), /tls route/],
    ['HTTPRoute', 'an HTTPRoute that has the Service as a backend', { httpRoutes: [httpRoute({ rules: [{ backendRefs: [{ name: 'ratings' }, { name: 'reviews', port: 80 }] }] })] }, /test\/gw/],
    ['HTTPRoute', 'an HTTPRoute for the Service’s callers', { httpRoutes: [httpRoute({ parentRefs: [{ kind: 'Service', group: '', name: 'reviews' }] })] }, /test\/gw/],
    ['DelegateRoute', 'a delegate', virtualServices(virtualService('part', [{ route: open }], { hosts: [] })), /delegate/],
    ['DelegateRoute', 'a root', { virtualServices: [virtualService('reviews', [{ delegate: { name: 'part' } }])] }, /test\/reviews hands .* delegate test\/part/],
    ['UnlistedRoute', 'a route without subset that is not listed', { virtualServices: [virtualService('reviews', [{ name: 'main', route: stable }, { name: 'rest', route: open }])], settings: settings({ httpRoutes: ['main'] }) }, /http\[1\] \(rest\)/],
    ['RouteNotFound', 'a listed name that no route has', { settings: settings({ httpRoutes: ['main', 'mian'] }) }, /mian/],
    ['MirrorWithoutSubset', 'a mirror to all pods', virtualServices(virtualService('shadow', [{ route: [{ destination: { host: 'ratings' } }], mirror: { host: 'reviews' } }], { hosts: ['ratings'] })), /mirrors/],
    ['DuplicateRoute', 'two routes of one name', { virtualServices: [virtualService('reviews', [{ name: 'main', match: [{ port: 80 }], route: open }, { name: 'main', route: open }])] }, /tell from http.0. .main./],
    ['NoWeight', 'several destinations without a weight', { virtualServices: [virtualService('reviews', [{ route: [...open, { destination: { host: 'ratings' }, weight: 0 }] }])] }, /http.0. .default. has several/],
    ['RuleExportTo', 'a rule exported to fewer than a managed route', { destinationRules: [destinationRule('narrow', { exportTo: ['.', 'x'] })] }, /test\/narrow .*test\/reviews/],
    ['RuleWorkloadSelector', 'a rule for some callers', { destinationRules: [destinationRule('some', { workloadSelector: { matchLabels: { a: 'b' } } })] }, /workloadSelector/],
    ['RuleExportTo', 'a wildcard rule exported to fewer than a managed route', { destinationRules: [destinationRule('wild', { host: '*.test.svc.cluster.local', exportTo: ['.'] })] }, /test\/wild .*test\/reviews/],
    ['RuleExportTo', 'two rules for the host that are exported differently', { destinationRules: [destinationRule('one', {}), destinationRule('other', { exportTo: ['*'] })] }, /test\/other .* one .*exportTo/],
    ['RuleWorkloadSelector', 'a wildcard rule for some callers', { destinationRules: [destinationRule('wild', { host: '*.local', workloadSelector: { matchLabels: { a: 'b' } } })] }, /test\/wild .*workloadSelector/],
    ['RuleInCallersNamespace', 'a wildcard rule in a caller’s namespace', { destinationRules: [destinationRule('far', { host: '*.local' }, elsewhere)] }, /other\/far/],
    ['RuleInCallersNamespace', 'a private rule in the root namespace', { destinationRules: [destinationRule('root', { exportTo: ['.'] }, { namespace: 'istio-system' })] }, /istio-system\/root/],
    ['BroaderRuleWithSubsets', 'a root rule with subsets', { destinationRules: [destinationRule('root', { subsets: [{ name: 'a' }] }, { namespace: 'istio-system' })] }, /istio-system\/root/],
    ['NameTaken', 'somebody’s rule under our name', { destinationRules: [destinationRule('serin-reviews', {})] }, /DestinationRule test\/serin-reviews/],
    ['NameTaken', 'somebody’s VirtualService under our name', virtualServices(virtualService('serin-reviews', [], { hosts: ['x'] })), /VirtualService test\/serin-reviews/],
    ['NameTaken', 'somebody’s subset under the name of ours', { destinationRules: [destinationRule('user', { subsets: [{ name: 'serin-v2', labels: { version: 'v1' } }] })] }, /serin-v2/],
    ['UnmatchableProduct', 'a step whose match cannot be joined with a route’s', {
      virtualServices: [virtualService('reviews', [{ redirect: {}, match: [{ port: 1 }] }, { match: [{ method: { exact: 'GET' } }, { uri: { regex: '/a.*' } }], route: open }])],
      settings: settings({ steps: steps([], [{ method: { exact: 'GET' } }, { uri: { prefix: '/b' } }]) }),
    }, /^spec\.steps\[1\]\.match\[1\]\.uri and VirtualService test\/reviews http\[1\]\.match\[1\]\.uri /],
    ['UnmatchableProduct', 'a step’s cookie beside a route’s', {
      virtualServices: [virtualService('reviews', [{ match: [{ headers: { cookie: { regex: '.*a=1.*' } } }], route: open }])],
      settings: settings({ steps: steps([{ cookies: { beta: { exact: 'on' } } }]) }),
    }, /^spec\.steps\[0\]\.match\[0\]\.cookies\.beta and VirtualService test\/reviews http\[0\]\.match\[0\]\.headers\.cookie /],
    ['UnmatchableProduct', 'a preview’s path beside a route’s pattern', {
      virtualServices: [virtualService('reviews', [{ match: [{ uri: { regex: '/a.*' } }], route: open }])],
      settings: settings({ preview: { service: undefined, match: [{ uri: { prefix: '/b' } }] } }),
    }, /^spec\.preview\.match\[0\]\.uri and /],
    ['UnmatchableProduct', 'a mirror by cookie of users who are known by another', {
      settings: settings({ sessionAffinity: AFFINITY, steps: [{ name: 's', weight: 5, match: [], mirror: { percent: 10, match: [{ cookies: { a: { exact: 'b' } } }] }, forMs: 0, minRequests: 0, approval: false, deadlineMs: undefined }] }),
    }, /^spec\.steps\[0\]\.mirror\.match\[0\]\.cookies\.a and spec\.traffic\.sessionAffinity /],
    ['UnmatchableProduct', 'sticky users where a destination sets a cookie itself', {
      virtualServices: [virtualService('reviews', [{ route: [{ destination: { host: HOST }, headers: { response: { set: { 'Set-Cookie': 'a=b' } } } }] }])],
      settings: settings({ sessionAffinity: AFFINITY }),
    }, /^spec\.traffic\.sessionAffinity and VirtualService test\/reviews http\[0\]\.route\[0\]\.headers\.response both speak of Set-Cookie/],
  ])('%s: %s', (reason, _, overrides, message) => {
    expect(refused(overrides)).toEqual([{ reason, message: expect.stringMatching(message) }])
  })

  it.each<[string, Partial<MeshInput>]>([
    ['an ordinary Service, route and rule', {}],
    ['ports without name, or with one that is no protocol', { service: service({ ports: [{ port: 80 }, { name: 'web', port: 81 }, { name: 'grpc-web', port: 82 }] }) }],
    ['a port that Serin\'s own VirtualService can hold at stable', { virtualServices: [], service: service({ ports: [{ name: 'http', port: 80 }, { name: 'mysql-main', port: 3306 }] }) }],
    ['a lone destination at weight 0', { virtualServices: [virtualService('reviews', [{ route: [{ ...open[0], weight: 0 }] }])] }],
    ['several VirtualServices at a gateway', virtualServices(virtualService('gate', [{ route: open }], { gateways: ['gate'] }))],
    ['a wildcard beside the one for the host', virtualServices(virtualService('wild', [{ route: [{ destination: { host: 'ratings' } }] }], { hosts: ['*.local'] }))],
    ['an export that is as narrow as the Service’s', {
      virtualServices: [virtualService('reviews', [{ route: open }], { exportTo: ['.', 'b'] })],
      destinationRules: [], service: service({}, { annotations: { 'networking.istio.io/exportTo': 'test, b' } }),
    }],
    ['a route of another namespace to stable', virtualServices(virtualService('far', [{ route: stable }], { gateways: ['gate'] }, elsewhere))],
    ['an HTTPRoute for another Service', { httpRoutes: [httpRoute({ parentRefs: [{ name: 'reviews' }], rules: [{ backendRefs: [{ name: 'reviews', namespace: 'other' }] }] })] }],
    ['a root rule without subsets, and one with them that a host rule hides', { destinationRules: [rule, destinationRule('root', { subsets: [{ name: 'a' }] }, { namespace: 'istio-system' })] }],
    ['two rules for the host that are exported alike', { destinationRules: [destinationRule('one', { exportTo: ['*', 'a'] }), destinationRule('other', { exportTo: ['a', '*'] })] }],
    ['a step that contradicts a route', { virtualServices: [virtualService('reviews', [{ match: [{ method: { exact: 'GET' } }], route: open }])], settings: settings({ steps: steps([{ method: { exact: 'PUT' } }]) }) }],
  ])('not refused: %s', (_, overrides) => {
    expect(refused(overrides)).toEqual([])
  })

  it('a VirtualService of another Canary is not written to', () => {
    const shared = virtualService('shared', [{ route: open }], {}, { annotations: { 'serin.dev/ledger': '{"canary":"test/else"}' } })
    const input = meshInput({ virtualServices: [shared], records: [{ namespace: 'test', name: 'shared', mode: 'Route', httpRoutes: ['default'] }] })
    expect(meshFacts(input).routes).toEqual([])
    const write = { ledger: { stable: 'v1', promotions: 0, open: {}, failed: {} }, lists: true, adopt: true }
    expect(routePatch(input, { namespace: 'test', name: 'shared' }, write)).toBeUndefined()
  })

  it('not refused: ours beside the user’s', () => {
    const own = ownRoute(meshInput(), { ledger: { stable: 'v1', promotions: 0, open: {}, failed: {} }, lists: true, adopt: true })
    const write = ruleWrite(meshInput({ destinationRules: [rule] }), { v1: 'a', v2: 'b' })
    expect(write?.kind).toBe('create')
    expect(refused({ virtualServices: [own, main], destinationRules: [rule, ...(write?.kind === 'create' ? [write.object] : [])] })).toEqual([])
  })
})
