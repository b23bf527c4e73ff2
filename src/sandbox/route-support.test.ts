import { describe, expect, it } from 'vitest'
import { destinationRule, gateway, policy, virtualService } from './mesh.fixture.ts'
import { unsupported } from './route-support.ts'

describe('unsupported', () => {
  it.each<[string, object]>([
    ['spec.tcp', { hosts: ['app'], tcp: [{}] }],
    ['spec.tls', { hosts: ['app'], tls: [{}] }],
    ['spec.http[1].redirect', { http: [{}, { redirect: { uri: '/x' } }] }],
    ['spec.http[0].corsPolicy', { http: [{ corsPolicy: {} }] }],
    ['spec.http[0].match[0].ignoreUriCase', { http: [{ match: [{ uri: { exact: '/' }, ignoreUriCase: true }] }] }],
    ['spec.http[0].fault.abort.grpcStatus', { http: [{ fault: { abort: { grpcStatus: 'UNAVAILABLE' } } }] }],
    ['mirror and mirrors', { http: [{ mirror: { host: 'a' }, mirrors: [] }] }],
    ['spec.http[0].route[0].headers.request', { http: [{ route: [{ destination: { host: 'a' }, headers: { request: { add: { a: 'b' } } } }] }] }],
    ['spec.http[0].headers', { http: [{ headers: { response: { add: { a: 'b' } } } }] }],
    ['%REQ(x)%', { http: [{ route: [{ destination: { host: 'a' }, headers: { response: { add: { a: '%REQ(x)%' } } } }] }] }],
    ['@request.auth.claims.group', { http: [{ match: [{ headers: { '@request.auth.claims.group': { exact: 'a' } } }] }] }],
    ['the regular expression', { http: [{ match: [{ uri: { regex: '(' } }] }] }],
  ])('names %s of a VirtualService', (part, spec) => {
    expect(unsupported(virtualService('app', spec))).toMatch(`VirtualService shop/app: `)
    expect(unsupported(virtualService('app', spec))).toContain(part)
  })

  it('names kinds, actions and TLS servers that the mesh does not have', () => {
    expect(
      unsupported({ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'x', namespace: 'shop' } }),
    ).toContain('this kind')
    expect(
      unsupported({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'x', namespace: 'shop' } }),
    ).toContain('this kind')
    expect(unsupported(policy('p', { action: 'CUSTOM' }))).toContain('ALLOW and DENY')
    expect(unsupported(policy('p', { rules: [{ when: [] }] }))).toContain('spec.rules[0].when')
    expect(unsupported(gateway('g', { servers: [{ hosts: ['*'], tls: { mode: 'SIMPLE' } }] }))).toContain('spec.servers[0].tls')
  })

  it('has nothing against what the mesh does or may ignore', () => {
    const route = {
      name: 'r',
      timeout: '1s',
      retries: { attempts: 2 },
      match: [{ headers: { a: { exact: 'b' } } }],
      route: [{ destination: { host: 'a', subset: 's' }, weight: 1, headers: { response: { add: { 'set-cookie': 'a=b; Path=/100%%' } } } }],
    }
    expect(unsupported(virtualService('app', { hosts: ['app'], http: [route] }))).toBeUndefined()
    expect(unsupported(destinationRule('app', { host: 'app', trafficPolicy: { tls: {} } }))).toBeUndefined()
    expect(unsupported({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' } })).toBeUndefined()
  })
})
