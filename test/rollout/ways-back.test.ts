import { afterEach, describe, expect, it } from 'vitest'
import { action, faulty, target, version, type VersionOptions } from '../fixtures.ts'
import { actionCrd, NAMESPACE, type Harness } from '../harness.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { adopted, adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const ended = (phase: string) => harness.until(() => harness.status().phase === phase, 120_000)
const desire = (desired: string | null) => harness.patch(harness.canary(), { spec: { versions: { desired } } })
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)

/** A version whose pod spec is changed beyond what the fixture knows. */
function withPods(label: string, change: object, container: object = {}, options: VersionOptions = {}): KubeObject {
  const made = version(label, options)
  const spec = made['spec'] as { template: { spec: { containers: object[] } } }
  const pods = { ...spec.template.spec, ...change, containers: [{ ...spec.template.spec.containers[0], ...container }] }
  return { ...made, spec: { ...spec, template: { ...spec.template, spec: pods } } }
}

const quota = (pods: number): KubeObject => ({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few', namespace: NAMESPACE }, spec: { hard: { pods: String(pods) } } })

describe('a version whose pods do not become ready', () => {
  it.each<[string, readonly KubeObject[], string]>([
    ['crash, over and over', [withPods('v2', {}, { command: ['false'] })], '1 of 1 pods of v2 not ready: container service-c CrashLoopBackOff: back-off 10s restarting failed container; last exit 1'],
    ['have an image that nobody can pull', [withPods('v2', {}, { image: 'registry.invalid/service-c:v2' })], '1 of 1 pods of v2 not ready: container service-c ImagePullBackOff: Back-off pulling image "registry.invalid/service-c:v2"'],
    ['find no node', [withPods('v2', { nodeSelector: { gpu: 'yes' } })], "1 of 1 pods of v2 not ready: Unschedulable: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
    ['exceed a quota', [quota(3), version('v2')], '1 of 1 pods of v2 not ready: FailedCreate: pods "service-c-v2-'],
    ['fail their readiness probe', [version('v2', { env: { READY_CHECK_RESPONSE_SUCCESS_CODE: '500' } })], '1 of 1 pods of v2 not ready: container service-c runs, but its readiness probe has not passed'],
  ])('because they %s, is held with that said, and given up with it at the deadline', async (_how, objects, said) => {
    harness = await adopted({ spec: { progressDeadline: '20s' } })
    await harness.apply(...objects)
    await harness.clock.advance(15_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', rollout: { waitingFor: 'Pods' } })
    expect(harness.status().message).toContain(said)
    await ended('Failed')
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'ProgressDeadline', message: expect.stringContaining(said) as string })
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'RolledBack', reason: 'ProgressDeadline', message: expect.stringContaining(said) as string })
    expect(harness.events()).toContainEqual(expect.stringContaining(said))
    expect(harness.oracle.exposures).toEqual([])
    expect(harness.replicas('service-c-v2')).toBe(0)
  })

  it('goes on where the reason goes away in time', async () => {
    harness = await adopted({ spec: { progressDeadline: '20s' } })
    await harness.apply(quota(3), version('v2'))
    await harness.clock.advance(10_000)
    expect(harness.status().message).toMatch(/exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3/)
    await harness.patch(quota(3), { spec: { hard: { pods: '9' } } })
    await stable('v2')
  })

  it('while users meet it, because they crash, gives everything back with their reason', async () => {
    harness = await adopted()
    await harness.apply(version('v2'))
    await at('2/2')
    harness.pods('v2').forEach(({ metadata }) => harness.sandbox.cluster.setPodReady(metadata.namespace ?? '', metadata.name, false))
    await ended('Failed')
    expect(harness.status().failed).toMatchObject({ reason: 'NoReadyCanary', message: 'no pod of v2 is ready: container service-c runs, but its readiness probe has not passed' })
  })
})

describe('a failed version', () => {
  it('stays at 0 until it changes; scaled up by somebody it is left alone, which is said, and nobody reaches it', async () => {
    harness = await adopted()
    await harness.apply(faulty('v2'))
    await ended('Failed')
    expect(harness.replicas('service-c-v2')).toBe(0)
    await harness.patch(version('v2'), { spec: { replicas: 2 } })
    const from = harness.answers.length
    await harness.clock.advance(30_000)
    expect(harness.status().phase).toBe('Failed')
    expect(harness.status().message).toMatch(/v1 serves; somebody scaled service-c-v2 to 2: no managed route leads there/)
    expect(harness.answers.slice(from).every((answer) => answer.version === 'v1')).toBe(true)
    expect(harness.oracle.exposures).toEqual(['v2 0'])
  })

  it('stays up for scaleDownDelay.failed, to be looked at; what mends it does not wait for that', async () => {
    harness = await adopted({ spec: { scaleDownDelay: { failed: '1h' } } })
    await harness.apply(faulty('v2'))
    await ended('RollingBack')
    await harness.clock.advance(50 * 60_000)
    expect(harness.replicas('service-c-v2')).toBe(1)
    await harness.clock.advance(11 * 60_000)
    expect(harness.replicas('service-c-v2')).toBe(0)
    await harness.apply(faulty('v3'))
    await ended('RollingBack')
    await harness.apply(version('v4'))
    await harness.until(() => harness.status().stableRevision === 'v4', 60_000)
    expect(harness.status().history?.map(({ revision, result }) => [revision, result])).toEqual([['v4', 'Promoted'], ['v3', 'RolledBack'], ['v2', 'RolledBack']])
  })
})

describe('stable that breaks while the canary is healthy', () => {
  const crashing = () => withPods('v1', {}, { command: ['false'] }, { replicas: 2 })
  const broken = async () => {
    harness = await adopted({ spec: { steps: [{ weight: 20, for: '5s' }, { weight: 50, for: '5s' }] } })
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.clock.advance(2000)
    // The new template's pods never come up, and the old ones are lost to something else.
    await harness.apply(crashing())
    await harness.clock.advance(0)
    harness.pods('v1').filter((pod) => (pod['status'] as { phase?: string }).phase === 'Running').forEach(({ metadata }) => harness.sandbox.cluster.setPodReady(metadata.namespace ?? '', metadata.name, false))
    await harness.clock.advance(30_000)
  }

  it('is said with its pods\' own reason, and nothing rises; mended, the rollout goes on', async () => {
    await broken()
    expect(harness.condition('Degraded')).toMatch(/^True NoStableEndpoint: no pod of stable v1 is ready: .*container service-c CrashLoopBackOff/)
    expect(harness.status().message).toMatch(/no pod of stable v1 is ready: .*mend it, or delete its Deployment and name v2 in spec.versions.desired/)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(20)
    await harness.apply(version('v1', { replicas: 2 }))
    await harness.patch(version('v1'), { spec: { template: { spec: { containers: [{ name: 'service-c', image: 'service-c:v1', command: null }] } } } })
    await stable('v2')
  })

  it('is given up by deleting its Deployment and naming the canary: everything goes there in one step', async () => {
    await broken()
    await desire('v2')
    await harness.clock.advance(5000)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(20)
    await harness.delete(version('v1'))
    await stable('v2')
    const from = harness.answers.length
    await harness.clock.advance(5000)
    expect(harness.answers.slice(from).every(({ status }) => status === 200)).toBe(true)
  })
})

describe('stable of a target that breaks while the canary is healthy', () => {
  it('is given up by deleting its Deployment and promoting the canary: everything goes there in one step', async () => {
    harness = await adoptedTarget({ spec: { steps: [{ weight: 20, for: '1h' }] }, objects: [actionCrd()] })
    const first = harness.status().stableRevision ?? ''
    await harness.apply(target('v2'))
    await at('1/1')
    const second = harness.status().canaryRevision ?? ''
    await harness.clock.advance(5000)
    harness.pods(first).forEach(({ metadata }) => harness.sandbox.cluster.setPodReady(metadata.namespace ?? '', metadata.name, false))
    await harness.until(() => harness.status().message?.endsWith(`mend it, or delete its Deployment and promote ${second}`) === true, 10_000)
    await harness.delete(harness.object('deployments.apps', `service-c-${first}`))
    await harness.until(() => harness.status().message?.endsWith(`is gone: set the template of the target back to what it ran, or promote ${second}`) === true, 10_000)
    harness.oracle.mayJump = true
    await harness.apply(action('Promote', { revision: second }))
    await stable(second)
    expect(harness.status().history).toMatchObject([{ result: 'Promoted', reason: 'StepsSkipped', by: 'ada' }])
  })
})

describe('stable that is changed in place', () => {
  it('is not said to have been promoted, and no analysis is claimed', async () => {
    harness = await adopted()
    expect(harness.condition('Promoted')).toMatch(/^True Promoted/)
    await harness.apply(version('v1', { replicas: 2, env: { MESSAGE: 'changed' } }))
    await harness.clock.advance(5000)
    expect(harness.condition('Degraded')).toMatch(/^True StableChangedInPlace/)
    expect(harness.condition('Promoted')).toMatch(/^Unknown StableChangedInPlace: .*nothing was analysed/)
    expect(harness.status()).toMatchObject({ phase: 'Idle', checks: [], history: [] })
    await harness.apply(version('v1', { replicas: 2 }))
    await harness.clock.advance(5000)
    expect(harness.condition('Promoted')).toMatch(/^True Promoted/)
  })
})
