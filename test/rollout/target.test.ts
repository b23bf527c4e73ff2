import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { autoscaler, faultyTarget, kindOf, namespace, service, target, targetCanary } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const deployments = (): readonly KubeObject[] => harness.sandbox.cluster.reader.list('deployments.apps', NAMESPACE).filter(({ metadata }) => metadata.name.startsWith('service-c'))
const sizes = () => Object.fromEntries(deployments().map(({ metadata }) => [metadata.name, harness.replicas(metadata.name)]))
const nameOf = (revision: string) => `service-c-${revision}`
const stableNow = () => harness.status().stableRevision ?? ''
const idle = () => harness.until(() => harness.status().phase === 'Idle', 60_000)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const failed = () => harness.until(() => harness.status().phase === 'Failed', 60_000)
/** Another revision than `before` serves, and nothing is under way. */
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stableNow() !== before, 60_000)
const patch = (spec: object) => harness.patch(targetCanary(), { spec })
const routeNow = () => (harness.object('virtualservices.networking.istio.io', 'serin-service-c')['spec'] as { http: readonly { route: unknown }[] }).http[0]?.route
/** Writes of VirtualServices that the server was sent. */
const routeWrites = () => harness.sandbox.cluster.requests.filter(({ method, path }) => method !== 'GET' && path.includes('virtualservices')).map(({ method, path }) => `${method} ${path.split('/').at(-1) ?? ''}`)
const failures = () => harness.answers.filter(({ status }) => status !== 200)

describe('a plain Deployment', () => {
  it('is adopted without a lost request: a revision of its size beside it, the route, and only then the target to 0', async () => {
    harness = await adoptedTarget({ replicas: 3, rps: 50 })
    const stable = stableNow()
    expect(sizes()).toEqual({ 'service-c': 0, [nameOf(stable)]: 3 })
    expect(harness.canary()['spec']).toMatchObject({ replicas: 3 })
    expect(harness.status()).toMatchObject({ replicas: 3, selector: `app=service-c,serin.dev/revision=${stable}`, observedTarget: { name: 'service-c', revision: stable } })
    await harness.clock.advance(20_000)
    expect(failures()).toEqual([])
    expect(harness.answers.length).toBeGreaterThan(900)
    expect(harness.sandbox.cluster.requests.filter(({ status }) => status === 409)).toEqual([])
  })

  it('keeps labels, selectors and names of the pods, and none of another tool\'s marks on what Serin makes', async () => {
    const marked = target('v1')
    const metadata = {
      ...marked.metadata,
      labels: { app: 'service-c', 'app.kubernetes.io/instance': 'shop', 'app.kubernetes.io/managed-by': 'Helm', 'kustomize.toolkit.fluxcd.io/name': 'shop', 'argocd.argoproj.io/instance': 'shop' },
      annotations: { 'argocd.argoproj.io/tracking-id': 'shop', 'meta.helm.sh/release-name': 'shop', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    }
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), { ...marked, metadata })
    harness.startOperator()
    await harness.apply(targetCanary())
    await idle()
    const made = harness.object('deployments.apps', nameOf(stableNow()))
    expect(made.metadata.labels).toEqual({ app: 'service-c', 'app.kubernetes.io/managed-by': 'serin', 'serin.dev/revision': stableNow() })
    expect(Object.keys(made.metadata.annotations ?? {}).filter((key) => !key.startsWith('serin.dev/')).toSorted()).toEqual(['argocd.argoproj.io/compare-options', 'argocd.argoproj.io/sync-options'])
    expect(made['spec']).toMatchObject({
      selector: { matchLabels: { app: 'service-c', 'serin.dev/revision': stableNow() } },
      template: { metadata: { labels: { app: 'service-c', version: stableNow(), 'serin.dev/revision': stableNow() } } },
      strategy: { rollingUpdate: { maxUnavailable: 0 } },
    })
    expect(made.metadata.ownerReferences).toBeUndefined()
  })

  it('releases each change of its template, and promotes the pods that were analysed', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/2')
    const analysed = harness.status().canaryRevision ?? ''
    const pods = harness.pods(analysed).map(({ metadata }) => metadata.uid)
    await promotedFrom(first)
    expect(stableNow()).toBe(analysed)
    expect(harness.pods(analysed).map(({ metadata }) => metadata.uid)).toEqual(expect.arrayContaining(pods))
    await harness.until(() => harness.replicas(nameOf(first)) === 0, 30_000)
    expect(sizes()).toEqual({ 'service-c': 0, [nameOf(first)]: 0, [nameOf(analysed)]: 2 })
    expect(failures()).toEqual([])
  })

  it('rolls back what fails, keeps it at 0 and does not try it again until the template changes', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    await harness.apply(faultyTarget('v2'))
    await failed()
    const bad = harness.status().failed?.revision ?? ''
    expect(sizes()).toEqual({ 'service-c': 0, [nameOf(first)]: 2, [nameOf(bad)]: 0 })
    const exposures = harness.oracle.exposures.length
    await harness.patch(harness.object('deployments.apps', nameOf(bad)), { spec: { replicas: 3 } })
    await harness.apply(faultyTarget('v2', { replicas: 4 }))
    await harness.clock.advance(60_000)
    expect(harness.status().phase).toBe('Failed')
    expect(harness.oracle.exposures.length).toBe(exposures)
    await harness.apply(target('v3', { replicas: 4, env: { ERROR_RATE: '0' } }))
    await promotedFrom(first)
    expect(sizes()).toMatchObject({ 'service-c': 0, [nameOf(first)]: 4, [nameOf(stableNow())]: 4 })
    expect(harness.meshMade()).toEqual([])
  })

  it('whose template is set back in mid-rollout ends it at once, without analysis', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '1m' }] } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/1')
    await harness.apply(target('v1'))
    await harness.until(() => harness.oracle.exposed('serin-service-c') === undefined, 2000, 50)
    await idle()
    expect(harness.status()).toMatchObject({ stableRevision: first, history: [{ result: 'Reverted' }] })
    expect(harness.condition('Promoted')).toMatch(/^True/)
  })

  it('set back to what serves forgets the failure: the same template may be tried again', async () => {
    harness = await adoptedTarget()
    const bad = faultyTarget('v2')
    await harness.apply(bad)
    await failed()
    await harness.apply(target('v1'))
    await idle()
    expect(harness.status().failed).toBeUndefined()
    await harness.apply(bad)
    await at('1/2')
    await failed()
    expect(harness.status().history?.map(({ result }) => result)).toEqual(['RolledBack', 'RolledBack'])
  })

  it('changed twice releases the newer: the older is superseded, and leaves users first', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '20s' }] } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/1')
    const second = harness.status().canaryRevision ?? ''
    await harness.apply(target('v3'))
    await promotedFrom(first)
    expect(stableNow()).not.toBe(second)
    expect(harness.status().history?.map(({ revision, result }) => [revision, result])).toEqual([[stableNow(), 'Promoted'], [second, 'Superseded']])
    expect(harness.replicas(nameOf(second))).toBe(0)
    expect(failures()).toEqual([])
  })

  it('goes back to the previous revision in one route write while that still stands, and needs no Prometheus for it', async () => {
    let isGone = false
    const prometheus = (transport: Transport): Transport => (request) => (isGone ? Promise.reject(new Error('no Prometheus')) : transport(request))
    harness = await adoptedTarget({ spec: { scaleDownDelay: { previous: '60s' } }, operator: { prometheus } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await promotedFrom(first)
    await harness.clock.advance(5000)
    const second = stableNow()
    isGone = true
    harness.sandbox.cluster.forgetRequests()
    const routes = [routeNow()]
    harness.sandbox.cluster.reader.subscribe(({ resource }) => {
      if (resource === 'virtualservices.networking.istio.io' && JSON.stringify(routeNow()) !== JSON.stringify(routes.at(-1))) routes.push(routeNow())
    })
    const before = harness.clock.monotonic()
    await harness.apply(target('v1'))
    await harness.until(() => harness.oracle.exposed('serin-service-c')?.revision === first, 5000, 50)
    expect(harness.clock.monotonic() - before).toBeLessThanOrEqual(500)
    expect(routeWrites()).toEqual(['PATCH serin-service-c'])
    await harness.until(() => harness.status().phase === 'Idle' && stableNow() === first, 30_000)
    await harness.clock.advance(10_000)
    expect(routes).toEqual([[{ subset: `serin-${second}` }], [{ subset: `serin-${first}` }]].map((list) => list.map((to) => expect.objectContaining({ destination: expect.objectContaining(to) as object }) as object)))
    expect(harness.status()).toMatchObject({ history: [{ revision: first, result: 'Promoted' }, { revision: second, result: 'Promoted' }] })
    expect(failures()).toEqual([])
  })
})

describe('its size', () => {
  const scale = (replicas: number) => harness.patch(target('v1'), { spec: { replicas } })

  it('set by hand is taken over once, and the target is back at 0', async () => {
    harness = await adoptedTarget()
    await scale(5)
    await harness.until(() => harness.replicas(nameOf(stableNow())) === 5 && harness.replicas('service-c') === 0, 10_000)
    expect(harness.canary()['spec']).toMatchObject({ replicas: 5 })
    await patch({ replicas: 3 })
    await harness.until(() => harness.replicas(nameOf(stableNow())) === 3, 10_000)
    await scale(5)
    await harness.until(() => harness.replicas('service-c') === 0, 10_000)
    await harness.clock.advance(10_000)
    expect(harness.replicas(nameOf(stableNow()))).toBe(3)
  })

  it('set again and again by somebody else is a contest: the target stays, unreached, and the Canary says so', async () => {
    harness = await adoptedTarget()
    for (let round = 0; round < 5; round++) {
      await scale(2)
      await harness.clock.advance(5000)
    }
    expect(harness.condition('Degraded')).toMatch(/^True ReplicasContested: /)
    expect(harness.replicas('service-c')).toBe(2)
    expect(new Set(harness.answers.slice(-100).map(({ version }) => version)).size).toBe(1)
    expect(harness.meshMade()).toEqual([])
    const before = stableNow()
    await harness.apply(target('v2'))
    await promotedFrom(before)
    await harness.clock.advance(11 * 60_000)
    expect(harness.replicas('service-c')).toBe(0)
  })

  it('grows in a rollout as soon as a scaler asks, and shrinks only when it is over', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '30s' }], scaleDownDelay: { previous: '5m' } } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/1')
    await patch({ replicas: 6 })
    await harness.until(() => harness.replicas(nameOf(first)) === 6, 5000)
    await patch({ replicas: 1 })
    await harness.clock.advance(10_000)
    expect(harness.replicas(nameOf(first))).toBe(6)
    await promotedFrom(first)
    await harness.until(() => harness.replicas(nameOf(stableNow())) === 1, 10_000)
    expect(harness.status().replicas).toBe(1)
  })

  it('at 0, as a scaler leaves what nobody asks for, lets a release wait until pods are wanted, and blames nobody', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    await patch({ replicas: 0 })
    await harness.until(() => harness.replicas(nameOf(first)) === 0, 10_000)
    await harness.apply(target('v2'))
    await harness.until(() => /^spec.replicas is 0: \w+ waits until pods are wanted$/.test(harness.status().message ?? ''), 10_000)
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Waiting', stableRevision: first })
    expect(sizes()).toEqual({ 'service-c': 0, [nameOf(first)]: 0 })
    const asleep = harness.answers.length
    await patch({ replicas: 1 })
    await promotedFrom(first)
    expect(harness.status().history?.[0]?.result).toBe('Promoted')
    const woken = harness.answers.slice(asleep).findIndex(({ status }) => status === 200)
    expect(harness.answers.slice(asleep + woken).filter(({ status }) => status !== 200)).toEqual([])
  })

  it('of the canary is what canaryReplicas and a step say, full before promotion; 0 is a gate before any pod starts', async () => {
    harness = await adoptedTarget({ replicas: 4, spec: { canaryReplicas: '50%', steps: [{ replicas: 0, for: '30s' }, { for: '1s' }, { weight: 10, for: '2s' }, { weight: 20, replicas: 3, for: '2s' }] } })
    const first = stableNow()
    await harness.apply(target('v2', { replicas: 4 }))
    await at('1/4')
    await harness.until(() => /^step-1: a gate before any pod, \d+s of 30s observed$/.test(harness.status().message ?? ''), 15_000)
    await harness.clock.advance(10_000)
    expect(Object.keys(sizes())).toHaveLength(2)
    await at('2/4')
    const second = nameOf(harness.status().canaryRevision ?? '')
    expect(harness.replicas(second)).toBe(2)
    await at('4/4')
    expect(harness.replicas(second)).toBeGreaterThanOrEqual(3)
    await promotedFrom(first)
    expect(harness.replicas(second)).toBe(4)
    expect(failures()).toEqual([])
  })
})

describe('an autoscaler', () => {
  const kind = kindOf('autoscaling', 'v2', 'HorizontalPodAutoscaler')
  const ofTarget = autoscaler({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'service-c' })
  const ofCanary = autoscaler({ apiVersion: 'serin.dev/v1beta1', kind: 'Canary', name: 'service-c' })

  it('of the target is refused in words before anything moves, and adoption goes on once it points at the Canary', async () => {
    harness = new Harness()
    await harness.apply(crd(), kind, namespace(), service(), target('v1'), ofTarget)
    harness.startOperator()
    await harness.apply(targetCanary())
    await harness.until(() => harness.condition('Stalled').startsWith('True ScalerOnTarget'), 20_000)
    expect(harness.condition('Stalled')).toContain('point its scaleTargetRef at the Canary (apiVersion: serin.dev/v1beta1, kind: Canary, name: service-c)')
    expect(sizes()).toEqual({ 'service-c': 2 })
    await harness.apply(ofCanary)
    await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 20_000)
  })

  it('of the target that KEDA made is refused by the name of its ScaledObject', async () => {
    harness = new Harness()
    const owner = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'queue', uid: 'q', controller: true }
    await harness.apply(crd(), kind, namespace(), service(), target('v1'))
    const scaledObject = kindOf('keda.sh', 'v1alpha1', 'ScaledObject')
    await harness.apply(scaledObject, { apiVersion: owner.apiVersion, kind: owner.kind, metadata: { name: owner.name, namespace: NAMESPACE } })
    const { uid = '' } = harness.object('scaledobjects.keda.sh', owner.name).metadata
    await harness.apply({ ...ofTarget, metadata: { ...ofTarget.metadata, ownerReferences: [{ ...owner, uid }] } }, targetCanary())
    harness.startOperator()
    await harness.until(() => harness.condition('Stalled').startsWith('True ScalerOnTarget: ScaledObject queue scales Deployment service-c'), 20_000)
  })

  it('of the Canary decides its size alone: what somebody sets on the target is set back', async () => {
    harness = await adoptedTarget({ objects: [kind, ofCanary] })
    await harness.patch(target('v1'), { spec: { replicas: 5 } })
    await harness.until(() => harness.replicas('service-c') === 0, 10_000)
    await harness.clock.advance(5000)
    expect(harness.canary()['spec']).toMatchObject({ replicas: 2 })
    expect(harness.replicas(nameOf(stableNow()))).toBe(2)
  })

  it('that is pointed at the target in mid-rollout stops the next raise, not what stands', async () => {
    harness = await adoptedTarget({ objects: [kind], spec: { steps: [{ weight: 20, for: '5s' }, { weight: 50, for: '5s' }] } })
    await harness.apply(target('v2'))
    await at('1/2')
    await harness.apply(ofTarget)
    await harness.clock.advance(20_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', step: '1/2', weight: '20%' })
    await harness.delete(ofTarget)
    await at('2/2')
  })
})

describe('what Serin makes', () => {
  it('follows a restart of the target in place, without a rollout', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    const before = harness.pods(first).map(({ metadata }) => metadata.uid)
    await harness.patch(target('v1'), { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' } } } } })
    await harness.until(() => harness.pods(first).length === 2 && harness.pods(first).every(({ metadata }) => !before.includes(metadata.uid)), 20_000)
    expect(stableNow()).toBe(first)
    expect(harness.status().history).toEqual([])
    expect(harness.events().filter((event) => event.startsWith('Normal Restarted'))).toHaveLength(1)
  })

  it('is kept for as many revisions as the limit says', async () => {
    harness = await adoptedTarget({ rps: 10, spec: { revisionHistoryLimit: 1, steps: [{ for: '1s' }], analysis: { interval: '1s', metrics: [] } } })
    for (const image of ['v2', 'v3', 'v4']) {
      const before = stableNow()
      await harness.apply(target(image))
      await promotedFrom(before)
    }
    await harness.until(() => deployments().length === 3, 30_000)
    await harness.clock.advance(10_000)
    expect(Object.values(sizes()).toSorted((a, b) => a - b)).toEqual([0, 0, 2])
  })

  it('is made again where stable\'s Deployment was deleted', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    await harness.delete(harness.object('deployments.apps', nameOf(first)))
    await harness.until(() => harness.find('deployments.apps', nameOf(first)) !== undefined && harness.pods(first).length === 2, 20_000)
    expect(harness.events().some((event) => event.startsWith('Normal StableRestored'))).toBe(true)
  })

  it('is the target\'s template: a canary that somebody edits leaves users, and begins anew as it was', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '10s' }] } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/1')
    const second = nameOf(harness.status().canaryRevision ?? '')
    const { spec } = harness.object('deployments.apps', second) as unknown as { spec: { template: { spec: { containers: object[] } } } }
    await harness.patch(harness.object('deployments.apps', second), { spec: { template: { spec: { containers: [{ ...spec.template.spec.containers[0], image: 'other:1' }] } } } })
    await harness.until(() => harness.oracle.exposed('serin-service-c') === undefined, 2000, 50)
    await promotedFrom(first)
    expect(JSON.stringify(harness.object('deployments.apps', second)['spec'])).toContain('service-c:v2')
    expect(harness.meshMade()).toEqual([])
  })

  it('outlives the target and the Canary: what serves goes on serving', async () => {
    harness = await adoptedTarget()
    const first = stableNow()
    await harness.delete(target('v1'))
    await harness.until(() => harness.condition('Stalled').startsWith('True TargetNotFound'), 5000)
    await harness.delete(targetCanary())
    await harness.clock.advance(30_000)
    expect(sizes()).toEqual({ [nameOf(first)]: 2 })
    await harness.apply(target('v1'), targetCanary())
    await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 30_000)
    expect(stableNow()).toBe(first)
    expect(failures()).toEqual([])
  })
})
