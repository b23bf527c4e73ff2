import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { faultyTarget, target, targetCanary } from '../fixtures.ts'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const OWN = 'serin-service-c'
const nameOf = (revision: string) => `service-c-${revision}`
const stableNow = () => harness.status().stableRevision ?? ''
const canaryNow = () => harness.status().canaryRevision ?? ''
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stableNow() !== before, 60_000)
const patch = (spec: object) => harness.patch(targetCanary(), { spec })
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const ended = () => harness.status().history?.map(({ result }) => result)

/** A target whose pod spec, and whose only container, say more than the fixture. */
function targetWith(image: string, pods: object, container: object = {}): KubeObject {
  const made = target(image)
  const spec = made['spec'] as { template: { spec: { containers: object[] } } }
  const changed = { ...spec.template.spec, ...pods, containers: [{ ...spec.template.spec.containers[0], ...container }] }
  return { ...made, spec: { ...spec, template: { ...spec.template, spec: changed } } }
}

const quota = (pods: number): KubeObject => ({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few', namespace: NAMESPACE }, spec: { hard: { pods: String(pods) } } })

describe('a target whose new pods do not become ready', () => {
  it.each<[string, readonly KubeObject[], (revision: string) => string]>([
    ['crash, over and over', [targetWith('v2', {}, { command: ['false'] })], (revision) => `1 of 1 pods of ${revision} not ready: container service-c CrashLoopBackOff: back-off 10s restarting failed container; last exit 1`],
    ['have an image that nobody can pull', [targetWith('v2', {}, { image: 'registry.invalid/service-c:v2' })], (revision) => `1 of 1 pods of ${revision} not ready: container service-c ImagePullBackOff: Back-off pulling image "registry.invalid/service-c:v2"`],
    ['exceed a quota', [quota(3), target('v2')], (revision) => `1 of 1 pods of ${revision} not ready: FailedCreate: pods "${nameOf(revision)}-`],
    ['fail their readiness probe', [target('v2', { env: { READY_CHECK_RESPONSE_SUCCESS_CODE: '500' } })], (revision) => `1 of 1 pods of ${revision} not ready: container service-c runs, but its readiness probe has not passed`],
  ])('because they %s, is held with that said, and given up with it at the deadline', async (_how, objects, said) => {
    harness = await adoptedTarget({ spec: { progressDeadline: '20s' } })
    const first = stableNow()
    await harness.apply(...objects)
    await harness.clock.advance(15_000)
    const second = canaryNow()
    expect(harness.status()).toMatchObject({ phase: 'Progressing', rollout: { waitingFor: 'Pods' } })
    expect(harness.status().message).toContain(said(second))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    const why = expect.stringContaining(said(second)) as string
    expect(harness.status()).toMatchObject({ stableRevision: first, failed: { revision: second, reason: 'ProgressDeadline', message: why } })
    expect(harness.status().history).toMatchObject([{ revision: second, result: 'RolledBack', reason: 'ProgressDeadline', message: why }])
    expect(harness.events()).toContainEqual(why)
    expect(harness.oracle.exposures).toEqual([])
    expect(harness.replicas(nameOf(second))).toBe(0)
    expect(failures()).toEqual([])
  })

  it('goes on where the reason goes away in time', async () => {
    harness = await adoptedTarget({ spec: { progressDeadline: '20s' } })
    const first = stableNow()
    await harness.apply(quota(3), target('v2'))
    await harness.clock.advance(10_000)
    expect(harness.status().message).toMatch(/exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3/)
    await harness.patch(quota(3), { spec: { hard: { pods: '9' } } })
    await promotedFrom(first)
    expect(ended()).toEqual(['Promoted'])
  })
})

describe('a template', () => {
  it('that changes while the one before is promoted waits for the end of that', async () => {
    harness = await adoptedTarget({ spec: { traffic: { propagation: '2s', drain: '2s' } } })
    await harness.apply(target('v2'))
    await harness.until(() => harness.status().phase === 'Promoting', 60_000)
    const second = canaryNow()
    await harness.apply(target('v3'))
    await harness.until(() => stableNow() === second, 30_000)
    await promotedFrom(second)
    expect(harness.status().history?.map(({ revision, result }) => [revision, result])).toEqual([[stableNow(), 'Promoted'], [second, 'Promoted']])
    expect(JSON.stringify(harness.object('deployments.apps', nameOf(stableNow()))['spec'])).toContain('service-c:v3')
    expect(failures()).toEqual([])
  })

  it('reaches the pods whole: selectors, labels, annotations, service account and all the rest', async () => {
    const made = targetWith('v1', { serviceAccountName: 'shop', terminationGracePeriodSeconds: 45, tolerations: [{ key: 'shop', operator: 'Exists' }] }, { ports: [{ name: 'http', containerPort: 8080 }] })
    const spec = made['spec'] as { selector: object; template: { metadata: object; spec: object } }
    const template = { ...spec.template, metadata: { labels: { app: 'service-c', tier: 'back', version: 'blue' }, annotations: { 'prometheus.io/scrape': 'true' } } }
    harness = await adoptedTarget()
    const first = stableNow()
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'shop', namespace: NAMESPACE } }
    await harness.apply(account, { ...made, spec: { ...spec, template } })
    await promotedFrom(first)
    const wanted = harness.object('deployments.apps', 'service-c')['spec'] as typeof spec
    const revision = harness.object('deployments.apps', nameOf(stableNow()))['spec'] as typeof spec
    expect(revision.template.spec).toEqual(wanted.template.spec)
    expect(revision.template.spec).toMatchObject({ serviceAccountName: 'shop', terminationGracePeriodSeconds: 45 })
    expect(revision.template.metadata).toMatchObject({ labels: { app: 'service-c', tier: 'back', version: 'blue', 'serin.dev/revision': stableNow() }, annotations: { 'prometheus.io/scrape': 'true' } })
    expect(revision.selector).toEqual({ matchLabels: { app: 'service-c', 'serin.dev/revision': stableNow() } })
    expect(wanted.selector).toEqual({ matchLabels: { app: 'service-c' } })
    const [pod] = harness.sandbox.cluster.reader.list('pods', NAMESPACE).filter(({ metadata }) => metadata.labels?.['serin.dev/revision'] === stableNow())
    expect(pod).toMatchObject({ metadata: { labels: { app: 'service-c', tier: 'back', version: 'blue' } }, spec: { serviceAccountName: 'shop' } })
    expect(failures()).toEqual([])
  })
})

describe('a target in mid-rollout', () => {
  const STEPS = { steps: [{ weight: 20, for: '5s' }, { weight: 50, for: '5s' }] }
  const rolling = async () => {
    harness = await adoptedTarget({ spec: STEPS })
    const first = stableNow()
    await harness.apply(target('v2'))
    await at('1/2')
    return { first, second: canaryNow() }
  }

  it('that is suspended holds its step and begins nothing newer, but grows as a scaler asks; then it goes on', async () => {
    const { first, second } = await rolling()
    await patch({ suspend: true })
    await harness.clock.advance(30_000)
    expect(harness.status()).toMatchObject({ phase: 'Suspended', step: '1/2', weight: '20%', canaryRevision: second })
    await patch({ replicas: 4 })
    await harness.until(() => harness.replicas(nameOf(first)) === 4, 5000)
    await harness.apply(target('v3'))
    await harness.clock.advance(30_000)
    expect(harness.status()).toMatchObject({ phase: 'Suspended', weight: '20%', canaryRevision: second })
    expect(harness.replicas(nameOf(first))).toBe(4)
    await harness.apply(target('v2'))
    await patch({ suspend: false })
    await promotedFrom(first)
    expect(stableNow()).toBe(second)
    expect(failures()).toEqual([])
  })

  it('that is suspended is rolled back all the same where it fails', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '20s' }], analysis: { interval: '5s', minRequests: 4, failureThreshold: 1, metrics: [{ name: 'error-rate', max: '1%' }] } } })
    const first = stableNow()
    await harness.apply(faultyTarget('v2'))
    await at('1/1')
    await patch({ suspend: true })
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 20_000)
    await harness.clock.advance(10_000)
    expect(harness.status()).toMatchObject({ phase: 'Suspended', stableRevision: first })
    await patch({ suspend: false })
    await harness.until(() => harness.status().phase === 'Failed', 20_000)
    expect(harness.meshMade()).toEqual([])
  })

  it('that is deleted leaves everybody on what serves, and says so; made again as it was, it goes on', async () => {
    const { first, second } = await rolling()
    await harness.delete(harness.object('deployments.apps', 'service-c'))
    await harness.until(() => harness.condition('Stalled').startsWith('True TargetNotFound'), 5000)
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', stableRevision: first, canaryRevision: second, step: '1/2', weight: '20%' })
    await harness.apply(target('v2'))
    await promotedFrom(first)
    expect(stableNow()).toBe(second)
    expect(failures()).toEqual([])
  })

  it('that is deleted is rolled back all the same where its canary breaks', async () => {
    const { first, second } = await rolling()
    await harness.delete(harness.object('deployments.apps', 'service-c'))
    await harness.clock.advance(2000)
    harness.pods(second).forEach(({ metadata }) => harness.sandbox.cluster.setPodReady(NAMESPACE, metadata.name, false))
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 5000, 50)
    await harness.until(() => harness.replicas(nameOf(second)) === 0, 10_000)
    expect(harness.status()).toMatchObject({ stableRevision: first, failed: { revision: second, reason: 'NoReadyCanary' } })
  })
})

describe('a hash that moves while nobody writes', () => {
  /** Every Deployment is read as an API server with a new default, or a new Serin, would see it; its controller has seen one template, as the sandbox's would not say. */
  const defaulting = (isOn: () => boolean) => (transport: Transport): Transport => async (request) => {
    const answer = await transport(request)
    if (!/\/deployments/.test(request.path) || !isOn()) return answer
    const seen = (text: string) => text.replaceAll('"containers":[', '"newDefault":"Always","containers":[').replaceAll('"serin.dev/made":', '"deployment.kubernetes.io/revision":"1","serin.dev/made":')
    return {
      ...answer,
      text: async () => seen(await answer.text()),
      lines: async function* () {
        for await (const line of answer.lines()) yield seen(line)
      },
    }
  }

  /** Every Deployment is read with a new default from now on, by an operator that starts anew. */
  async function renewed(before: () => Promise<void> = () => Promise.resolve()): Promise<string> {
    let isNew = false
    const through = defaulting(() => isNew)
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '40s' }] }, operator: { through } })
    const first = stableNow()
    await before()
    isNew = true
    harness.kill()
    harness.startOperator({ through })
    await harness.clock.advance(20_000)
    return first
  }

  it('is no release; the next change of the template is', async () => {
    const first = await renewed()
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: first, history: [] })
    expect(harness.oracle.exposures).toEqual([])
    await harness.apply(target('v2'))
    await promotedFrom(first)
    expect(ended()).toEqual(['Promoted'])
    expect(failures()).toEqual([])
  })

  it('is no edit of what serves', async () => {
    await renewed()
    expect(harness.condition('Degraded')).toMatch(/^False/)
  })

  it('does not begin a release anew', async () => {
    let second = ''
    const first = await renewed(async () => {
      await harness.apply(target('v2'))
      await at('1/1')
      second = canaryNow()
    })
    expect(harness.status()).toMatchObject({ phase: 'Progressing', stableRevision: first, canaryRevision: second, weight: '20%' })
    expect(harness.events().filter((event) => /RouteToStable|RevisionRemade/.test(event))).toEqual([])
  })
})
