import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, canary, destination, destinationRule, faulty, faultyTarget, namespace, service, target, targetCanary, version, virtualService } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'
import { adopted, adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const SLOW = { steps: [{ weight: 20, for: '5m' }, { weight: 50, for: '5m' }] }
const list = (resource: string): readonly KubeObject[] => harness.sandbox.cluster.reader.list(resource, NAMESPACE)
const sizes = () => Object.fromEntries(list('deployments.apps').filter(({ metadata }) => metadata.name.startsWith('service-c')).map(({ metadata }) => [metadata.name, harness.replicas(metadata.name)]))
const routes = (name = 'service-c') => harness.object('virtualservices.networking.istio.io', name)
const specOf = (object: KubeObject) => object['spec']
const notes = (object: KubeObject) => Object.keys(object.metadata.annotations ?? {}).filter((key) => key.startsWith('serin.dev/'))
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const gone = (mostMs = 120_000) => harness.until(() => harness.find('canaries.serin.dev', 'service-c') === undefined, mostMs)
const told = (reason: string) => harness.events().filter((event) => event.includes(` ${reason}: `))
const stableNow = () => harness.status().stableRevision ?? ''

/** Deletes the Canary, and sees that nobody noticed, then or later. */
async function deleted(of: KubeObject, mostMs?: number): Promise<void> {
  harness.answers.splice(0)
  await harness.delete(of)
  await gone(mostMs)
  await harness.clock.advance(20_000)
  expect(failures()).toEqual([])
  expect(harness.answers.length).toBeGreaterThan(300)
}

/** Nothing says any more that Serin was there. */
function expectNoTrace(): void {
  expect(list('destinationrules.networking.istio.io').filter(({ metadata }) => metadata.name.startsWith('serin-'))).toEqual([])
  expect(list('virtualservices.networking.istio.io').flatMap(notes)).toEqual([])
  expect(JSON.stringify(list('virtualservices.networking.istio.io').map(specOf))).not.toContain('serin-')
}

describe('a deleted Canary of a plain Deployment', () => {
  it('leaves the Deployment as it was found: its size, its route, nothing of Serin, no lost request', async () => {
    harness = await adoptedTarget({ replicas: 3, rps: 200, objects: [virtualService()] })
    expect(harness.canary().metadata.finalizers).toEqual(['serin.dev/restore'])
    await deleted(targetCanary())
    expect(sizes()).toEqual({ 'service-c': 3 })
    expect(specOf(routes())).toEqual(specOf(virtualService()))
    expect(notes(harness.object('deployments.apps', 'service-c'))).toEqual([])
    expectNoTrace()
    expect(told('Restored')).toHaveLength(1)
  })

  it('does so where nobody had a VirtualService, and a Canary made anew adopts it again', async () => {
    harness = await adoptedTarget({ rps: 50 })
    await deleted(targetCanary())
    expect(list('virtualservices.networking.istio.io')).toEqual([])
    expectNoTrace()
    await harness.apply(targetCanary())
    await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 60_000)
    expect(failures()).toEqual([])
  })

  it('does so after promotions, while the stable before stands by', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()], spec: { scaleDownDelay: { previous: '10m' } } })
    const first = stableNow()
    await harness.apply(target('v2'))
    await harness.until(() => harness.status().phase === 'Idle' && stableNow() !== first, 60_000)
    await deleted(targetCanary())
    expect(sizes()).toEqual({ 'service-c': 2 })
    expect(specOf(routes())).toEqual(specOf(virtualService()))
    const second = harness.answers[0]?.version ?? ''
    expect(new Set(harness.answers.map(({ version: label }) => label))).toEqual(new Set([second, '']))
    expectNoTrace()
  })

  it('keeps what serves where the target holds a failed release, and says so', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()], spec: { preview: { service: 'service-c-preview' } } })
    const stable = stableNow()
    await harness.apply(faultyTarget('v2'))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await deleted(targetCanary())
    expect(sizes()).toMatchObject({ 'service-c': 0, [`service-c-${stable}`]: 2 })
    expect(JSON.stringify(specOf(routes()))).toContain(`serin-${stable}`)
    expect(harness.find('services', 'service-c-preview')).toBeUndefined()
    expect(told('NotRestored')).toEqual([expect.stringMatching(/^Warning NotRestored: not restored: service-c says \w+, which is not what serves; the routes name/)])
    expect(new Set(harness.answers.map(({ version: label }) => label))).toEqual(new Set([stable]))
  })

  it('goes to stable at once in mid-rollout, and keeps it: the target says what was never promoted', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()], spec: SLOW })
    const stable = stableNow()
    await harness.apply(target('v2'))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    const tried = harness.status().canaryRevision ?? ''
    harness.answers.splice(0)
    await harness.delete(targetCanary())
    await harness.clock.advance(2000)
    harness.answers.splice(0)
    await gone()
    await harness.clock.advance(10_000)
    expect(harness.answers.filter(({ status, version: label }) => status !== 200 || label !== stable)).toEqual([])
    expect(sizes()).toMatchObject({ 'service-c': 0, [`service-c-${stable}`]: 2, [`service-c-${tried}`]: 0 })
    expect(told('Aborted')).toHaveLength(1)
    expect(told('NotRestored')).toHaveLength(1)
  })

  it('in mid-rollout with the template set back first: everything as it was', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()], spec: SLOW })
    await harness.apply(target('v2'))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    await harness.apply({ ...target('v1'), spec: { ...(target('v1')['spec'] as object), replicas: 0 } })
    await deleted(targetCanary())
    expect(sizes()).toEqual({ 'service-c': 2 })
    expectNoTrace()
  })

  it('at any moment of its adoption', async () => {
    for (let at = 0; at <= 9000; at += 600) {
      harness = new Harness()
      await harness.apply(crd(), namespace(), service(), caller(), target('v1', { replicas: 2 }), virtualService())
      await harness.clock.advance(1000)
      harness.users(50, { host: 'service-c', from: harness.insider })
      harness.startOperator()
      await harness.apply(targetCanary())
      await harness.clock.advance(at)
      await deleted(targetCanary())
      expect(sizes()).toEqual({ 'service-c': 2 })
      expect(specOf(routes())).toEqual(specOf(virtualService()))
      expectNoTrace()
      harness.stop()
    }
  })

  it('whose target is gone keeps what serves', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()] })
    const stable = stableNow()
    await harness.delete(target('v1'))
    await deleted(targetCanary())
    expect(sizes()).toEqual({ [`service-c-${stable}`]: 2 })
    expect(told('NotRestored')).toEqual([expect.stringContaining('Deployment service-c does not exist')])
  })

  it('whose target never gets its pods is let go after progressDeadline, with what serves in place', async () => {
    harness = await adoptedTarget({ rps: 50, objects: [virtualService()], spec: { progressDeadline: '30s' } })
    const stable = stableNow()
    await harness.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few', namespace: NAMESPACE }, spec: { hard: { pods: '3' } } })
    await deleted(targetCanary())
    expect(sizes()).toMatchObject({ [`service-c-${stable}`]: 2 })
    expect(told('NotRestored')).toEqual([expect.stringContaining('not done within progressDeadline')])
  })

  it('with onDelete Orphan has no finalizer, and nothing moves', async () => {
    harness = await adoptedTarget({ objects: [virtualService()], spec: { onDelete: 'Orphan' } })
    const before = [sizes(), specOf(routes())]
    expect(harness.canary().metadata.finalizers ?? []).toEqual([])
    await harness.delete(targetCanary())
    await harness.clock.advance(60_000)
    expect([sizes(), specOf(routes())]).toEqual(before)
    expect(failures()).toEqual([])
  })

  it('follows onDelete when it changes', async () => {
    harness = await adoptedTarget({ objects: [virtualService()] })
    await harness.patch(targetCanary(), { spec: { onDelete: 'Orphan' } })
    await harness.until(() => (harness.canary().metadata.finalizers ?? []).length === 0, 10_000)
    await harness.patch(targetCanary(), { metadata: { finalizers: ['example.com/kept'] }, spec: { onDelete: 'Restore' } })
    await harness.until(() => harness.canary().metadata.finalizers?.includes('serin.dev/restore') === true, 10_000)
    await harness.delete(targetCanary())
    await harness.until(() => harness.canary().metadata.finalizers?.includes('serin.dev/restore') === false, 60_000)
    expect(harness.canary().metadata.finalizers).toEqual(['example.com/kept'])
    expect(sizes()).toEqual({ 'service-c': 2 })
  })

  it('while suspended, while its spec is invalid to this Serin, and where it never began', async () => {
    harness = await adoptedTarget({ objects: [virtualService()] })
    await harness.patch(targetCanary(), { spec: { suspend: true } })
    await deleted(targetCanary())
    expect(sizes()).toEqual({ 'service-c': 2 })
    harness.stop()
    harness = await adoptedTarget({ objects: [virtualService()] })
    await harness.patch(targetCanary(), { spec: { windows: [{ kind: 'Allow', schedule: '99 * * * *', duration: '1h' }] } })
    await harness.until(() => harness.condition('Stalled').startsWith('True InvalidSpec'), 10_000)
    await deleted(targetCanary())
    expect(sizes()).toEqual({ 'service-c': 2 })
    harness.stop()
    harness = new Harness()
    await harness.apply(crd(), namespace(), service())
    harness.startOperator()
    await harness.apply(targetCanary())
    await harness.until(() => harness.condition('Stalled').startsWith('True TargetNotFound'), 10_000)
    await harness.delete(targetCanary())
    await gone(5000)
    expect(told('NotRestored')).toEqual([])
  })

  it('whose namespace or CRD goes is let go at once', async () => {
    for (const object of [namespace(), crd()]) {
      harness = await adoptedTarget({ objects: [virtualService()] })
      await harness.delete(object)
      await gone(5000)
      harness.stop()
    }
  })

  it('answers what people ask meanwhile', async () => {
    harness = await adoptedTarget({ objects: [virtualService()] })
    await harness.delete(targetCanary())
    await harness.clock.advance(1000)
    expect(harness.status()).toMatchObject({ phase: 'Terminating', message: expect.stringMatching(/pods|spreading/) as string })
    await gone()
  })
})

describe('a deleted Canary of versions', () => {
  it('leaves the route as it was written, and the one version that serves', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50, spec: { scaleDownDelay: { previous: '10m' } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2' && harness.status().phase === 'Idle', 60_000)
    await deleted(canary())
    expect(sizes()).toEqual({ 'service-c-v1': 0, 'service-c-v2': 2 })
    expect(specOf(routes())).toEqual(specOf(virtualService()))
    expectNoTrace()
    expect(new Set(harness.answers.map(({ version: label }) => label))).toEqual(new Set(['v2']))
  })

  it('in mid-rollout: to stable at once, the canary to 0, then the route as it was', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50, spec: SLOW })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    await deleted(canary())
    expect(sizes()).toEqual({ 'service-c-v1': 2, 'service-c-v2': 0 })
    expect(specOf(routes())).toEqual(specOf(virtualService()))
    expectNoTrace()
  })

  it('after a failed release', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50 })
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await deleted(canary())
    expect(sizes()).toEqual({ 'service-c-v1': 2, 'service-c-v2': 0 })
    expect(specOf(routes())).toEqual(specOf(virtualService()))
    expectNoTrace()
  })

  it('pins what serves where the route, as it was written, names a version at 0', async () => {
    const named = virtualService({ http: [{ route: [destination('service-c', 'one')] }] })
    harness = await adopted({ objects: [named, destinationRule({ subsets: [{ name: 'one', labels: { version: 'v1' } }] })], rps: 50 })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2' && harness.status().previous === undefined, 90_000)
    await deleted(canary())
    expect(JSON.stringify(specOf(routes()))).toContain('serin-v2')
    expect(told('NotRestored')).toEqual([expect.stringContaining('VirtualService service-c, as you wrote it, does not lead to what serves')])
  })

  it('pins what serves where somebody gave another version pods', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50, spec: { versions: { selector: { matchLabels: { app: 'service-c' } }, desired: 'v1' } } })
    await harness.apply(faulty('v9'))
    await harness.clock.advance(5000)
    await deleted(canary())
    expect(sizes()).toEqual({ 'service-c-v1': 2, 'service-c-v9': 1 })
    expect(told('NotRestored')).toEqual([expect.stringContaining('service-c-v9 has pods that somebody else started')])
  })

  it('with several VirtualServices, with shares of other Services and with a preview', async () => {
    const shared = virtualService({ hosts: ['shop.example'], gateways: ['mesh'], http: [{ route: [destination('service-c', undefined, 90), destination('caller', undefined, 10)] }] }, 'shop')
    harness = await adopted({ objects: [virtualService(), shared], rps: 50, spec: { ...SLOW, preview: { service: 'service-c-preview' } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    await deleted(canary())
    expect([specOf(routes()), specOf(routes('shop'))]).toEqual([specOf(virtualService()), specOf(shared)])
    expect(harness.find('services', 'service-c-preview')).toBeUndefined()
    expectNoTrace()
  })

  it('of a delegate: as it was before anything was pinned, while a root names it', async () => {
    const root = virtualService({ http: [{ delegate: { name: 'service-c-delegate' } }] })
    harness = await adopted({ objects: [root], rps: 50, spec: { traffic: { delegate: 'service-c-delegate', propagation: '1s', drain: '1s' } } })
    await deleted(canary())
    expect(specOf(routes('service-c-delegate'))).toMatchObject({ http: [{ name: 'main', route: [{ destination: { host: expect.stringContaining('service-c') as string } }] }] })
    expectNoTrace()
  })
})
