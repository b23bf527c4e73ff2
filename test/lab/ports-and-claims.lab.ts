import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { call } from './calls.ts'
import type { CallAnswer } from './lab-info.ts'
import { LONG, QUICK } from './rollouts.ts'
import { type OperatorProcess, Suite } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const NAMESPACE = 'edges'
const HOST = 'web.edges.example'
const ISSUER = 'tests@serin.dev'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const { privateKey: anotherKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

const object = (value: object): KubeObject => value as KubeObject
const inShop = (apiVersion: string, kind: string, name: string, spec: object): KubeObject => object({ apiVersion, kind, metadata: { name, namespace: NAMESPACE }, spec })
const workload = (name: string, labels: Readonly<Record<string, string>>) => inShop('apps/v1', 'Deployment', name, {
  selector: { matchLabels: labels },
  template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'fake-service', ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: name }] }] } },
})
const version = (name: string) => workload(`web-${name}`, { app: 'web', version: name })

/** A JWT of whoever has the key. */
function token(claims: object, key = privateKey): string {
  const part = (value: object | Buffer) => (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString('base64url')
  const signed = `${part({ alg: 'RS256', typ: 'JWT', kid: 'a' })}.${part({ iss: ISSUER, sub: 'ada', exp: 4_000_000_000, ...claims })}`
  return `${signed}.${part(sign('sha256', Buffer.from(signed), key))}`
}

const trust = object({
  apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata: { name: NAMESPACE, namespace: 'istio-system' },
  spec: { selector: { matchLabels: { istio: 'ingressgateway' } }, jwtRules: [{ issuer: ISSUER, jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'RS256', use: 'sig' }] }) }] },
})

const STEPS = [{ name: 'staff', match: [{ claims: { 'realm.group': { exact: 'staff' } } }], for: '1s', minRequests: 0, approval: 'Required' }, { name: 'half', weight: 50, for: '1s', minRequests: 0, approval: 'Required' }]
const sourceOf = (answer: CallAnswer): string => ('error' in answer ? answer.error : (answer.headers['x-version'] ?? String(answer.status)))

describe.sequential('a Service with a port for connections, behind a gateway that knows its callers', () => {
  let operator: OperatorProcess
  let [gateway, user] = ['', '']
  const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean) => suite.untilStatus(`${NAMESPACE}/web`, what, holds, 120_000)
  const waits = (step: string) => until(`${step} to wait for somebody`, ({ rollout }) => rollout?.stepName === step && rollout.waitingFor === 'Approval')
  const approve = (step: string) => objects.apply(inShop('serin.dev/v1beta1', 'CanaryAction', `approve-${step}`, { canaryRef: { name: 'web' }, action: 'Approve', revision: 'v2', step, requester: 'admin' }))
  const fromOutside = async (bearer?: string) => sourceOf(await call({ url: `http://${gateway}:8080/`, headers: { host: HOST, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) } }))
  /** Versions that answer 60 connections, each new. */
  const atPort = async (port: number) => new Set((await Promise.all(Array.from({ length: 60 }, () => suite.callFrom(user, { url: `http://web.${NAMESPACE}:${port}/`, headers: { connection: 'close' } })))).map(sourceOf))

  beforeAll(async () => {
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'tcp-raw', port: 9000, targetPort: 8080 }]
    await objects.apply(object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }))
    await objects.apply(
      trust, version('v1'), workload('user', { app: 'user' }),
      object({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: NAMESPACE }, spec: { mtls: { mode: 'STRICT' } } }),
      inShop('v1', 'Service', 'web', { selector: { app: 'web' }, ports }),
      inShop('networking.istio.io/v1', 'Gateway', 'edge', { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [HOST] }] }),
      inShop('networking.istio.io/v1', 'VirtualService', 'edge', { hosts: [HOST], gateways: ['edge'], http: [{ name: 'all', route: [{ destination: { host: 'web', port: { number: 80 } } }] }] }),
      inShop('serin.dev/v1beta1', 'Canary', 'web', { ...QUICK, steps: STEPS, analysis: { interval: '1s', metrics: [] }, versions: { selector: { matchLabels: { app: 'web' } } }, service: { name: 'web' } }),
    )
    await Promise.all(['web-v1', 'user'].map((name) => objects.ready(NAMESPACE, name)))
    gateway = (await objects.podAddress('istio-system', 'istio=ingressgateway')) ?? ''
    user = (await objects.podAddress(NAMESPACE, 'app=user')) ?? ''
    operator = await suite.startOperator({ 'watch-namespaces': NAMESPACE })
    await until('v1 to serve', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v1')
    await objects.until('the gateway to answer', async () => ((await fromOutside()) === 'v1' ? true : undefined))
    await objects.apply(version('v2'))
  })
  afterAll(async () => {
    operator.kill('SIGTERM')
    await operator.ended
    await objects.call('DELETE', '/apis/security.istio.io/v1/namespaces/istio-system/requestauthentications/edges')
    await objects.discard(NAMESPACE)
  })

  test('lets whoever has the claim meet the new version, and nobody else', LONG, async () => {
    await waits('staff')
    expect(await fromOutside(token({ realm: { group: 'staff' } }))).toBe('v2')
    expect(await Promise.all([fromOutside(token({ realm: { group: 'guests' } })), fromOutside(token({})), fromOutside()])).toEqual(['v1', 'v1', 'v1'])
    expect(await fromOutside(token({ realm: { group: 'staff' } }, anotherKey))).toBe('401')
    expect(await atPort(80)).toEqual(new Set(['v1']))
  })

  test('holds connections at stable while requests are shared, and hands them over with the promotion', LONG, async () => {
    await approve('staff')
    await waits('half')
    expect(await atPort(80)).toEqual(new Set(['v1', 'v2']))
    expect(await atPort(9000)).toEqual(new Set(['v1']))
    await approve('half')
    await until('v2 to serve', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v2')
    await objects.until('connections to go to v2', async () => ([...await atPort(9000)].join() === 'v2' ? true : undefined), 5000)
    expect(await fromOutside(token({ realm: { group: 'guests' } }))).toBe('v2')
  })
})
