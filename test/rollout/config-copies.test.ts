import { afterEach, describe, expect, it } from 'vitest'
import { service, targetCanary } from '../fixtures.ts'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedConfigured, config, configuredTarget, fromKey } from './configured.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const stable = (name?: string) => harness.status(name).stableRevision ?? ''
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stable() !== before, 60_000)
const copy = (revision: string) => harness.find('configmaps', `app-service-c-${revision}`)
const deployment = (revision: string) => harness.object('deployments.apps', `service-c-${revision}`)
const failures = () => harness.answers.filter(({ status }) => status !== 200)

const plain = { container: { env: [fromKey('ERROR_RATE', 'rate')] } }
const settled = config('app', { rate: '0', other: 'a' })
const changed = config('app', { rate: '0', other: 'b' })

describe('the copies of a revision', () => {
  it('that somebody deleted are made again before it gets pods, as long as the original is as it was', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    await harness.delete(copy(first)!)
    await harness.patch(harness.canary(), { spec: { replicas: 4 } })
    await harness.until(() => harness.pods(first).length === 4 && harness.status().stable?.readyReplicas === 4, 10_000)
    expect(copy(first)?.['data']).toEqual({ rate: '0', other: 'a' })
  })

  it('that cannot be made again hold up no growth of what serves: the pods say what they lack', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ weight: 20, for: '1m' }] } })
    const first = stable()
    await harness.apply(changed)
    await at('1/1')
    await harness.delete(copy(first)!)
    await harness.patch(harness.canary(), { spec: { replicas: 4 } })
    await harness.until(() => harness.replicas(`service-c-${first}`) === 4, 10_000)
    const waiting = harness.pods(first).flatMap(({ status }) => (status as { containerStatuses?: { state: { waiting?: { message?: string } } }[] }).containerStatuses ?? []).map(({ state }) => state.waiting?.message)
    expect(waiting).toContain(`configmap "app-service-c-${first}" not found`)
    expect(failures()).toEqual([])
  })

  it('under a name that somebody else has hold up the release, in words', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    await harness.apply(changed)
    await harness.until(() => harness.status().canaryRevision !== undefined, 5000, 50)
    const next = harness.status().canaryRevision ?? ''
    await harness.apply(settled)
    await harness.until(() => harness.status().phase === 'Idle', 20_000)
    await harness.delete(deployment(next))
    await harness.clock.advance(1000)
    await harness.apply(config(`app-service-c-${next}`, { mine: '1' }), changed)
    await harness.until(() => harness.condition('Stalled').startsWith('True WriteRefused'), 20_000)
    expect(harness.condition('Stalled')).toContain(`ConfigMap app-service-c-${next} exists and is not Serin's: rename or delete it`)
    expect(copy(next)?.['data']).toEqual({ mine: '1' })
    await harness.delete(copy(next)!)
    await promotedFrom(first)
  })

  it('come back with a Deployment of stable that somebody deleted', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    const before = deployment(first).metadata.uid
    await harness.delete(deployment(first))
    await harness.until(() => harness.find('deployments.apps', `service-c-${first}`) !== undefined && harness.pods(first).length === 2 && harness.status().stable?.readyReplicas === 2, 20_000)
    expect(deployment(first).metadata.uid).not.toBe(before)
    expect(copy(first)?.metadata.ownerReferences).toMatchObject([{ uid: deployment(first).metadata.uid }])
    expect(harness.canary()['spec']).toMatchObject({ replicas: 2 })
  })

  it('come back with it though nobody says how large stable is: it is not left without pods', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    harness.sandbox.cluster.faults.pauseWatches()
    await harness.delete(deployment(first))
    await harness.patch(harness.canary(), { spec: { replicas: null } })
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.until(() => harness.pods(first).length > 0 && (harness.status().stable?.readyReplicas ?? 0) > 0, 20_000)
    expect(harness.canary()['spec']).toMatchObject({ replicas: 1 })
  })

  it('are what a canary names again that somebody edited', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ weight: 20, for: '10s' }] } })
    const first = stable()
    await harness.apply(changed)
    await at('1/1')
    const second = harness.status().canaryRevision ?? ''
    const { spec } = deployment(second) as unknown as { spec: { template: { spec: { containers: object[] } } } }
    await harness.patch(deployment(second), { spec: { template: { spec: { containers: [{ ...spec.template.spec.containers[0], env: [fromKey('ERROR_RATE', 'rate')] }] } } } })
    await promotedFrom(first)
    expect(stable()).toBe(second)
    expect(JSON.stringify(deployment(second)['spec'])).toContain(`"name":"app-service-c-${second}"`)
    expect(failures()).toEqual([])
  })

  it('stay when the target restarts its pods in place', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    const before = harness.pods(first).map(({ metadata }) => metadata.uid)
    await harness.patch(harness.object('deployments.apps', 'service-c'), { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' } } } } })
    await harness.until(() => harness.pods(first).length === 2 && harness.pods(first).every(({ metadata }) => !before.includes(metadata.uid)), 20_000)
    expect(JSON.stringify(deployment(first)['spec'])).toContain(`"name":"app-service-c-${first}"`)
    expect(stable()).toBe(first)
  })
})

describe('one ConfigMap of two Canaries', () => {
  it('is a release of each, read once, and each has copies of its own', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const app = 'other'
    await harness.apply(service(app), configuredTarget('v1', plain, { app }), targetCanary({ steps: [{ for: '1s' }], analysis: { interval: '1s', metrics: [] } }, app))
    await harness.until(() => harness.status(app).phase === 'Idle' && harness.replicas(app) === 0, 30_000)
    const [first, second] = [stable(), stable(app)]
    await harness.clock.advance(20_000)
    harness.sandbox.cluster.forgetRequests()
    await harness.apply(changed)
    await harness.clock.advance(1250)
    expect(harness.sandbox.cluster.requests.filter(({ method, path }) => method === 'GET' && path.endsWith('/configmaps/app')).length).toBeLessThanOrEqual(3)
    await promotedFrom(first)
    await harness.until(() => harness.status(app).phase === 'Idle' && stable(app) !== second, 60_000)
    const names = harness.sandbox.cluster.reader.list('configmaps', NAMESPACE).map(({ metadata }) => metadata.name).filter((name) => name !== 'app')
    expect(names.toSorted()).toEqual([...[first, stable()].map((revision) => `app-service-c-${revision}`), ...[second, stable(app)].map((revision) => `app-other-${revision}`)].toSorted())
  })
})

it('more objects than can be tracked are refused, in words, and what serves goes on', async () => {
  const many = Array.from({ length: 65 }, (_, index) => config(`part-${index}`, { rate: '0' }))
  harness = await adoptedConfigured({}, many)
  const first = stable()
  await harness.apply(configuredTarget('v2', { container: { envFrom: many.map(({ metadata: { name } }) => ({ configMapRef: { name } })) } }))
  await harness.until(() => harness.condition('Degraded').startsWith('True TooManyConfigs'), 5000)
  expect(harness.condition('Degraded')).toContain('with 65 objects, 64 can be tracked')
  expect(stable()).toBe(first)
  await harness.patch(many[7]!, { metadata: { annotations: { 'serin.dev/track': 'false' } } })
  await promotedFrom(first)
  expect(failures()).toEqual([])
})
