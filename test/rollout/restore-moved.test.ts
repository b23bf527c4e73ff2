import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Transport } from '../../src/runtime/transport.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { service, target, targetCanary, virtualService } from '../fixtures.ts'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())
const SLOW = { propagation: '5s', drain: '5s' }
const MOST = 40
const limit = { armed: false, writes: 0 }
beforeEach(() => void Object.assign(limit, { armed: false, writes: 0 }))
/** A loop without end would hold up virtual time: once armed, only so many writes of VirtualServices are answered. */
const limited = (transport: Transport): Transport => (request) =>
  (limit.armed && request.method === 'PATCH' && request.path.includes('/virtualservices/') && ++limit.writes > MOST ? new Promise(() => undefined) : transport(request))
const list = (resource: string): readonly KubeObject[] => harness.sandbox.cluster.reader.list(resource, NAMESPACE)
const sizes = () => Object.fromEntries(list('deployments.apps').filter(({ metadata }) => metadata.name.startsWith('service-c')).map(({ metadata }) => [metadata.name, harness.replicas(metadata.name)]))
const there = () => harness.find('canaries.serin.dev', 'service-c') !== undefined
const routes = () => JSON.stringify(harness.object('virtualservices.networking.istio.io', 'service-c'))
const moved = () => routes().includes('"subset":"serin-target-')
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const adopt = (spec: object = {}, replicas = 2) => adoptedTarget({ rps: 50, replicas, objects: [virtualService()], spec: { traffic: SLOW, ...spec }, operator: { through: limited } })
const arm = () => void Object.assign(limit, { armed: true, writes: 0 })
async function whileAlive(mostMs: number): Promise<void> {
  for (let waited = 0; waited < mostMs && there() && limit.writes <= MOST; waited += 250) await harness.clock.advance(250)
}

describe('a Restore that has moved users to the target\'s own pods', () => {
  it('ends, and opens nothing too early, where progressDeadline is shorter than it takes', async () => {
    harness = await adopt({ progressDeadline: '12s' })
    harness.answers.splice(0)
    arm()
    await harness.delete(targetCanary())
    await whileAlive(120_000)
    expect(limit.writes).toBeLessThan(10)
    expect(there()).toBe(false)
    expect(sizes()).toEqual({ 'service-c': 2 })
  })

  it('goes on after the operator was away for longer than progressDeadline', async () => {
    harness = await adopt()
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    harness.kill()
    await harness.clock.advance(601_000)
    arm()
    harness.startOperator({ through: limited })
    await whileAlive(120_000)
    expect(limit.writes).toBeLessThan(10)
    expect(sizes()).toEqual({ 'service-c': 2 })
  })

  it('leads back to what still stands where the target is deleted', async () => {
    harness = await adopt({ progressDeadline: '60s' })
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    arm()
    await harness.delete(target('v1'))
    await harness.clock.advance(3000)
    harness.answers.splice(0)
    await whileAlive(120_000)
    // Stable's revision stands with 2 ready pods all the time.
    expect(failures()).toEqual([])
    expect(limit.writes).toBeLessThan(10)
    expect(there()).toBe(false)
  })

  it('loses no request where the template changes (rollout restart, a release)', async () => {
    harness = await adopt()
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    harness.answers.splice(0)
    await harness.patch(target('v1'), { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } } } })
    await harness.until(() => !there(), 120_000)
    // A rolling update behind an open route costs about 6 in this sandbox; it is 5 s (propagation) of 50 a second here.
    expect(failures().length).toBeLessThan(10)
  })

  it.each([['the template changes', target('v2')], ['the route is applied again', virtualService()]] as const)('ends where %s once what served before has no pods', async (_what, applied) => {
    harness = await adopt()
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    await harness.until(() => Object.values(sizes()).includes(0), 60_000)
    await harness.apply(applied)
    await whileAlive(120_000)
    expect(there()).toBe(false)
    expect(sizes()).toEqual({ 'service-c': 2 })
    expect(list('destinationrules.networking.istio.io')).toEqual([])
    expect(routes()).not.toContain('serin')
  })

  it('pins nothing again where the template changes once the routes are as they were written', async () => {
    harness = await adopt()
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    await harness.until(() => !routes().includes('serin'), 60_000)
    harness.answers.splice(0)
    await harness.apply(target('v2'))
    await harness.until(() => !there(), 120_000)
    expect(failures().length).toBeLessThan(10)
    expect(harness.events().filter((event) => event.includes('RoutePinned'))).toEqual([])
  })

  it('ends where the Service is deleted', async () => {
    harness = await adopt({ progressDeadline: '60s' })
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    await harness.delete(service())
    await harness.clock.advance(300_000)
    expect(there()).toBe(false)
  })

  it('gives the target back all its pods where somebody sets it to 0', async () => {
    harness = await adopt({}, 6)
    await harness.delete(targetCanary())
    await harness.until(moved, 60_000)
    await harness.patch(target('v1'), { spec: { replicas: 0 } })
    await harness.until(() => !there(), 120_000)
    expect(sizes()).toEqual({ 'service-c': 6 })
  })
})

describe('a deleted Canary of a plain Deployment', () => {
  it('is restored though the operator was away for longer than progressDeadline when it was deleted', async () => {
    harness = await adopt()
    harness.kill()
    await harness.delete(targetCanary())
    await harness.clock.advance(601_000)
    harness.startOperator()
    await harness.until(() => !there(), 120_000)
    expect(sizes()).toEqual({ 'service-c': 2 })
  })

  it('whose stable Deployment was deleted as well gets its size back, not 1', async () => {
    harness = await adopt({}, 6)
    await harness.delete(targetCanary())
    await harness.delete(harness.object('deployments.apps', `service-c-${harness.status().stableRevision ?? ''}`))
    await harness.until(() => !there(), 120_000)
    expect(sizes()).toEqual({ 'service-c': 6 })
  })

  it('that was rolling back keeps the reason of the rollback', async () => {
    harness = await adopt()
    await harness.apply(target('v2', { env: { ERROR_RATE: '1', ERROR_CODE: '500' } }))
    await harness.until(() => harness.status().phase === 'RollingBack', 60_000)
    await harness.clock.advance(1000)
    await harness.delete(targetCanary())
    await harness.until(() => !there(), 120_000)
    expect(harness.events().filter((event) => event.includes(' Aborted: '))).toEqual([])
    expect(routes()).not.toContain('the Canary is deleted')
  })

  it('follows onDelete: Orphan, also where another field of the spec is invalid', async () => {
    harness = await adopt()
    const before = sizes()
    await harness.patch(targetCanary(), { spec: { onDelete: 'Orphan', windows: [{ kind: 'Allow', schedule: '99 * * * *', duration: '1h' }] } })
    await harness.until(() => harness.condition('Stalled').startsWith('True InvalidSpec'), 10_000)
    await harness.delete(targetCanary())
    await harness.until(() => !there(), 120_000)
    expect(sizes()).toEqual(before)
  })
})
