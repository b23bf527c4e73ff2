import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, canary, destination, destinationRule, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

type Spec = Readonly<Record<string, unknown>>
type Case = {
  readonly reason: string
  /** Of the Canary. */
  readonly spec?: Spec
  /** Instead of a Service and v1, and beside them. */
  readonly objects: readonly KubeObject[]
  /** What its owner does about it. */
  readonly fix: () => Promise<void>
}

const V1 = [service(), version('v1')]
const second = () => virtualService({}, 'other')
const elsewhere = (): KubeObject => ({ ...virtualService({ hosts: ['service-c.istioinaction.svc.cluster.local'], gateways: ['edge'], http: [{ route: [destination('service-c.istioinaction.svc.cluster.local')] }] }), metadata: { name: 'far', namespace: 'elsewhere' } })
const labelled = version('v1', { labels: { track: 'serin' } })
const stray = version('v0', { name: 'stray' })

const CASES: Readonly<Record<string, Case>> = {
  'no such Service': {
    reason: 'ServiceNotFound', objects: [version('v1')], fix: () => harness.apply(service()),
  },
  'a Service that selects one version only': {
    reason: 'SelectorExcludesVersions', objects: [service('service-c', { selector: { app: 'service-c', version: 'v1' } }), version('v1')],
    fix: () => harness.patch(service(), { spec: { selector: { version: null } } }),
  },
  'a port that does not speak HTTP, beside a VirtualService for the mesh': {
    reason: 'NonHttpPort', objects: [service('service-c', { ports: [{ name: 'http', port: 80 }, { name: 'tcp-admin', port: 81 }] }), version('v1'), virtualService()],
    fix: () => harness.patch(service(), { spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] } }),
  },
  'a second VirtualService for the host': {
    reason: 'SecondVirtualService', objects: [...V1, virtualService(), second()], fix: () => harness.delete(second()),
  },
  'a route of another namespace that would reach dark pods': {
    reason: 'RouteInOtherNamespace', objects: [...V1, namespace('elsewhere'), elsewhere()], fix: () => harness.delete(elsewhere()),
  },
  'a route without subset that is not listed': {
    reason: 'UnlistedRoute', spec: { traffic: { propagation: '300ms', drain: '200ms', httpRoutes: ['api'] } },
    objects: [...V1, virtualService({ http: [{ name: 'api', match: [{ uri: { prefix: '/api' } }], route: [destination('service-c')] }, { name: 'rest', route: [destination('service-c')] }] })],
    fix: () => harness.patch(canary(), { spec: { traffic: { httpRoutes: ['api', 'rest'] } } }),
  },
  'a rule that its callers would not know the subsets by': {
    reason: 'RuleWorkloadSelector', objects: [...V1, destinationRule({ workloadSelector: { matchLabels: { app: 'caller' } } })],
    fix: () => harness.patch(destinationRule(), { spec: { workloadSelector: null } }),
  },
  'two Deployments of one version': {
    reason: 'DuplicateVersion', objects: [...V1, version('v1', { name: 'service-c-again' })],
    fix: () => harness.delete(version('v1', { name: 'service-c-again' })),
  },
  'pods in the Service that are no version': {
    reason: 'ForeignEndpoints', spec: { versions: { selector: { matchLabels: { app: 'service-c', track: 'serin' } } } },
    objects: [service(), labelled, stray], fix: () => harness.delete(stray),
  },
  'a desired version that does not exist': {
    reason: 'VersionNotFound', spec: { versions: { selector: { matchLabels: { app: 'service-c' } }, desired: 'v9' } },
    objects: [...V1, version('v2')], fix: () => harness.patch(canary(), { spec: { versions: { desired: 'v1' } } }),
  },
  'two versions that run and no word on which serves': {
    reason: 'NoStable', objects: [...V1, version('v2')], fix: () => harness.patch(canary(), { spec: { versions: { desired: 'v1' } } }),
  },
  'a step whose match cannot be joined with that of a route': {
    reason: 'UnmatchableProduct', spec: { steps: [{ match: [{ uri: { regex: '.*beta' } }], for: '2s' }] },
    objects: [...V1, virtualService({ http: [{ match: [{ uri: { prefix: '/api' } }], route: [destination('service-c')] }] })],
    fix: () => harness.patch(canary(), { spec: { steps: [{ weight: 20, for: '2s' }] } }),
  },
}

/** Carried out, but for reads, status and events. */
const moved = () => harness.sandbox.cluster.requests.filter(({ method, path, status }) => method !== 'GET' && status < 300 && !/\/events|\/status$/.test(path))

describe('what only the operator can know is refused before anything moves, and goes on by itself once mended', () => {
  it.each(Object.entries(CASES))('%s', async (_what, { reason, spec, objects, fix }) => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), caller(), ...objects, canary(spec))
    await harness.clock.advance(1000)
    harness.sandbox.cluster.forgetRequests()
    harness.startOperator()
    await harness.clock.advance(30_000)
    expect(harness.condition('Stalled')).toMatch(new RegExp(`^True ${reason}: .+`))
    expect(harness.status().phase).toBe('Initializing')
    expect(harness.events().filter((event) => event.startsWith(`Warning ${reason}: `))).toHaveLength(1)
    expect(moved()).toEqual([])
    await fix()
    await harness.until(() => harness.status().phase === 'Idle', 30_000)
    expect(harness.condition('Stalled')).toMatch(/^False/)
    expect(harness.status().stableRevision).toBe('v1')
  })
})

describe('a spec that the CRD alone cannot refuse', () => {
  const metrics = [{ name: 'error-rate', max: '1%' }]
  it.each<[string, Spec]>([
    ['spec.analysis.schedule', { analysis: { schedule: '0 0 30 2 *', metrics } }],
    ['spec.analysis.schedule', { analysis: { schedule: '61 * * * *', metrics } }],
    ['spec.steps', { steps: [{ weight: 50, for: '2s' }, { weight: 20, for: '2s' }] }],
    ['spec.analysis', { analysis: { interval: '1s', schedule: '* * * * *', metrics } }],
    ['spec.analysis.metrics[0].max', { analysis: { interval: '1s', metrics: [{ name: 'latency', max: '1%' }] } }],
    ['spec.steps[0].deadline', { steps: [{ weight: 50, for: '2m', deadline: '1m' }] }],
  ])('is named by its path, %s, moves nothing, and is tried again once mended', async (path, spec) => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), caller(), ...V1, canary(spec))
    await harness.clock.advance(1000)
    harness.sandbox.cluster.forgetRequests()
    harness.startOperator()
    await harness.clock.advance(20_000)
    expect(harness.condition('Stalled').startsWith(`True InvalidSpec: ${path}: `)).toBe(true)
    expect(harness.events().filter((event) => event.startsWith('Warning InvalidSpec'))).toHaveLength(1)
    expect(moved()).toEqual([])
    await harness.delete(canary())
    await harness.apply(canary())
    await harness.until(() => harness.status().phase === 'Idle', 30_000)
    expect(harness.condition('Stalled')).toMatch(/^False/)
  })

  it('an invalid edit in mid-rollout still rolls back', async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '5m' }] } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/1', 20_000)
    await harness.patch(canary(), { spec: { analysis: { interval: null, schedule: '0 0 30 2 *' } } })
    await harness.clock.advance(5000)
    expect(harness.condition('Stalled')).toMatch(/^True InvalidSpec/)
    expect(harness.oracle.exposed('serin-service-c')?.weight).toBe(20)
    for (const { metadata } of harness.pods('v2')) harness.sandbox.cluster.setPodReady(NAMESPACE, metadata.name, false)
    await harness.clock.advance(100)
    expect(harness.oracle.exposed('serin-service-c')).toBeUndefined()
  })
})

describe('a rollout', () => {
  it('is not begun while something stands against it, which is said, and begins once it is gone', async () => {
    harness = await adopted({ objects: [virtualService()] })
    await harness.apply(second())
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(10_000)
    expect(harness.condition('Stalled')).toMatch(/^True SecondVirtualService/)
    expect(harness.status()).toMatchObject({ phase: 'Waiting', stableRevision: 'v1' })
    expect(harness.replicas('service-c-v2')).toBe(0)
    await harness.delete(second())
    await harness.until(() => harness.status().stableRevision === 'v2', 30_000)
  })
})
