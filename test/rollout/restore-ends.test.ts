import { afterEach, describe, expect, it } from 'vitest'
import { leaveForGood } from '../../src/operator.ts'
import { createLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { atEdge, canary, destination, namespace, service, target, targetCanary, version, virtualService } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'
import { ELECTION, startReplica } from '../replica.ts'
import { adopted, adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())
const list = (resource: string): readonly KubeObject[] => harness.sandbox.cluster.reader.list(resource, NAMESPACE)
const there = () => harness.find('canaries.serin.dev', 'service-c') !== undefined
const find = (name: string) => harness.find('virtualservices.networking.istio.io', name)
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const leave = (kubernetes: Transport, namespaces: readonly string[] = []) => leaveForGood(
  { kubernetes, clock: harness.clock, random: seededRandom('leave'), log: createLog({ level: 'silent' }), settings: { requestTimeoutMs: 5000 } as never },
  { deployment: `${NAMESPACE}/serin`, lease: `${NAMESPACE}/${ELECTION.lease.name}`, namespaces }, harness.ended,
).then(() => 'left', (thrown: unknown) => String(thrown))

describe('the hook before an uninstallation', () => {
  it('does not wait for an operator that died an hour ago with the lease', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), version('v1', { app: 'serin', name: 'serin', replicas: 0 }), service(), target('v1'), virtualService())
    const process = startReplica(harness)
    process.ended.catch(() => undefined)
    await harness.apply(targetCanary())
    await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 60_000)
    process.kill()
    await harness.clock.advance(3_600_000)
    const left = leave(harness.sandbox.cluster.transport)
    await harness.clock.advance(70_000)
    expect(await left).toBe('left')
  })

  it('lets go what it can, where one of the namespaces is gone with its Role', async () => {
    harness = await adoptedTarget({ objects: [virtualService()] })
    harness.kill()
    const forbidden: Transport = async (request) => {
      if (!request.path.startsWith('/apis/serin.dev/v1beta1/namespaces/gone/')) return harness.sandbox.cluster.transport(request)
      const text = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 403, reason: 'Forbidden', message: 'no' })
      return { status: 403, headers: {}, text: async () => text, lines: async function* () { yield text } }
    }
    const left = leave(forbidden, [NAMESPACE, 'gone'])
    await harness.clock.advance(5000)
    await left
    expect(harness.canary().metadata.finalizers ?? []).toEqual([])
  })
})

describe('a delegate that a root still names stays', () => {
  const root = () => virtualService({ hosts: ['shop.example'], gateways: ['edge'], http: [{ name: 'all', delegate: { name: 'reviews' } }] }, 'shop')
  const withDelegate = async () => {
    harness = await adopted({ objects: [atEdge()[0] as KubeObject, root()], spec: { traffic: { propagation: '300ms', drain: '200ms', delegate: 'reviews' } } })
  }

  it('where the spec no longer names it', async () => {
    await withDelegate()
    await harness.patch(canary(), { spec: { traffic: { delegate: null } } })
    await harness.clock.advance(5000)
    await harness.delete(canary())
    await harness.until(() => !there(), 60_000)
    expect(find('reviews')).toBeDefined()
  })

  it('where the spec is invalid and the operator was started anew', async () => {
    await withDelegate()
    await harness.patch(canary(), { spec: { windows: [{ kind: 'Allow', schedule: '99 * * * *', duration: '1h' }] } })
    await harness.until(() => harness.condition('Stalled').startsWith('True InvalidSpec'), 10_000)
    harness.kill()
    harness.startOperator()
    await harness.clock.advance(5000)
    await harness.delete(canary())
    await harness.until(() => !there(), 300_000)
    expect(find('reviews')).toBeDefined()
  })
})

describe('a deleted Canary of versions', () => {
  it('leaves nothing of Serin on the Deployments', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50, spec: { scaleDownDelay: { previous: '10m' } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2' && harness.status().phase === 'Idle', 60_000)
    await harness.delete(canary())
    await harness.until(() => !there(), 60_000)
    expect(list('deployments.apps').flatMap(({ metadata }) => Object.keys(metadata.annotations ?? {})).filter((key) => key.startsWith('serin.dev/'))).toEqual([])
  })

  it('takes no subset that a route of the user names', async () => {
    const tests = { name: 'tests', match: [{ headers: { 'x-test': { exact: 'yes' } } }], route: [destination('service-c', 'serin-v2', 50), destination('service-c', 'serin-v2', 50)] }
    harness = await adopted({ objects: [virtualService({ http: [{ name: 'main', route: [destination('service-c')] }] })], rps: 50, spec: { traffic: { propagation: '300ms', drain: '200ms', httpRoutes: ['main'] } } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    const standing = harness.object('virtualservices.networking.istio.io', 'service-c')
    await harness.patch(standing, { spec: { http: [tests, ...((standing['spec'] as { http: object[] }).http)] } })
    await harness.until(() => harness.status().stableRevision === 'v2' && harness.status().phase === 'Idle', 60_000)
    await harness.clock.advance(10_000)
    harness.users(20, { host: 'service-c', from: harness.insider, headers: { 'x-test': 'yes' } })
    await harness.clock.advance(1000)
    harness.answers.splice(0)
    await harness.delete(canary())
    await harness.until(() => !there(), 60_000)
    await harness.clock.advance(5000)
    expect(failures()).toEqual([])
  })

  it('that is overdue once the routes are back says no untruth, and leaves no rule', async () => {
    harness = await adopted({ objects: [virtualService()], rps: 50, spec: { progressDeadline: '10s', traffic: { propagation: '5s', drain: '7s' } } })
    await harness.clock.advance(30_000)
    await harness.delete(canary())
    await harness.until(() => !there(), 120_000)
    expect(JSON.stringify(find('service-c'))).not.toContain('serin-v1')
    expect(harness.find('destinationrules.networking.istio.io', 'serin-service-c')).toBeUndefined()
  })

  it('that was promoted when the operator died is not told of as aborted', async () => {
    let [isPromoted, isCut] = [false, false]
    const through = (transport: Transport): Transport => async (request) => {
      if (isPromoted && request.method === 'PATCH' && request.path.endsWith('/status')) {
        isCut = true
        return new Promise(() => undefined)
      }
      const answer = await transport(request)
      isPromoted ||= request.method === 'PATCH' && request.path.includes('/virtualservices/') && (request.body ?? '').includes('\\"stable\\":\\"v2\\"')
      return answer
    }
    harness = await adopted({ objects: [virtualService()], operator: { through } })
    await harness.apply(version('v2'))
    await harness.until(() => isCut, 60_000)
    harness.kill()
    await harness.delete(canary())
    harness.startOperator()
    await harness.until(() => !there(), 120_000)
    expect(harness.events().filter((event) => event.includes(' Aborted: '))).toEqual([])
  })
})
