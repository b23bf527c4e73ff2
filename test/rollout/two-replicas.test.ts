import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { LeadershipLostError } from '../../src/runtime/leadership.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { caller, canary, faulty, namespace, service, version } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'
import { ELECTION, isLease, isWrite, LATEST_TRY_MS, startReplica, type Replica } from '../replica.ts'

let harness: Harness
afterEach(() => harness.stop())

const SLOW = [{ weight: 20, for: '40s' }, { weight: 50, for: '40s' }]
const MINUTE_MS = 60_000

const lease = () => harness.object('leases.coordination.k8s.io', 'serin')
const holder = () => (lease()['spec'] as { holderIdentity: string }).holderIdentity
const at = (step: string) => harness.until(() => harness.status().step === step, MINUTE_MS)
const gauge = async ({ metrics }: Replica) => (await metrics.registry.getSingleMetric('serin_leader')?.get())?.values.map(({ value }) => value)

/** Two replicas, the first of which has adopted v1 under load. */
async function pair(firstOptions: Parameters<typeof startReplica>[1] = {}, secondOptions: typeof firstOptions = {}): Promise<{ first: Replica; second: Replica }> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), service(), caller(), version('v1', { replicas: 2 }))
  await harness.clock.advance(1000)
  harness.users(20, { host: 'service-c', from: harness.insider })
  const first = startReplica(harness, firstOptions)
  await harness.apply(canary({ steps: SLOW }))
  await harness.until(() => harness.status().phase === 'Idle', 20_000)
  const second = startReplica(harness, secondOptions)
  await harness.clock.advance(10_000)
  return { first, second }
}

/** The same with v2 at 20 %. */
async function midRollout(release = version('v2')): Promise<{ first: Replica; second: Replica }> {
  const replicas = await pair()
  await harness.apply(release)
  await at('1/2')
  expect(replicas.second.writes()).toEqual([])
  return replicas
}

/** When the replica first wrote something of its own, in milliseconds from `since`. */
async function firstWrite(replica: Replica, since: number): Promise<number> {
  await harness.until(() => replica.writes().length > 0, MINUTE_MS, 50)
  return (replica.writes()[0]?.at ?? NaN) - since
}

async function promoted(): Promise<void> {
  await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 4 * MINUTE_MS)
  expect(harness.oracle.violations).toEqual([])
  expect(harness.meshMade()).toEqual([])
}

describe('of two replicas', () => {
  it('one carries a rollout from its beginning to its end; the other writes nothing and asks Prometheus nothing, and is ready', async () => {
    const { first, second } = await midRollout()
    await promoted()
    expect(first.queries.length).toBeGreaterThan(60)
    expect(second.queries).toEqual([])
    expect(second.sent.filter(isWrite)).toEqual([])
    expect(await Promise.all([first, second].map(gauge))).toEqual([[1], [0]])
    expect(holder()).toMatch(/^serin-0_[0-9a-f]{8}-[0-9a-f-]{27}$/)
  })

  it('the idle one sends a look at the lease each try, and hardly anything else', async () => {
    const { second } = await pair()
    const before = second.sent.length
    await harness.clock.advance(10 * MINUTE_MS)
    const idle = second.sent.slice(before)
    const looks = idle.filter(isLease)
    const others = idle.filter((one) => !isLease(one))
    process.stdout.write(`standby: ${looks.length} looks at the lease and ${others.length} other requests in ten minutes\n`)
    expect(idle.filter(isWrite)).toEqual([])
    expect(looks.length).toBeGreaterThanOrEqual(Math.floor(10 * MINUTE_MS / LATEST_TRY_MS))
    expect(looks.length).toBeLessThanOrEqual(10 * MINUTE_MS / ELECTION.retryPeriodMs)
    // Watches that end after some minutes and begin again; the CRDs, and kinds that are not there, are asked for now and then.
    expect(others.filter(({ name }) => !/ watch$|customresourcedefinitions|(httproutes|horizontalpodautoscalers|canaryactions)$/.test(name))).toEqual([])
    expect(others.length).toBeLessThanOrEqual(25)
    expect(second.queries).toEqual([])
  })

  it('both answer that they live and are ready, the leader and the one on standby', async () => {
    const ports = await Promise.all([freePort(), freePort()])
    const { first, second } = await pair({ healthPort: ports[0] }, { healthPort: ports[1] })
    const get = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    for (const port of ports) {
      expect(await get(port, '/healthz')).toBe('[+] leader ok\n')
      expect(await get(port, '/readyz')).toBe('[+] caches ok\n')
    }
    expect(await get(ports[0], '/metrics')).toContain('\nserin_leader 1\n')
    expect(await get(ports[1], '/metrics')).toContain('\nserin_leader 0\n')
    second.stop()
    first.stop()
    await harness.clock.advance(0)
    await Promise.all([first.ended, second.ended])
  })
})

describe('when the leader is killed in mid-rollout', () => {
  it('the other goes on within the lease and one try, and brings the rollout to its end', async () => {
    const { first, second } = await midRollout()
    const killedAt = harness.clock.monotonic()
    first.kill()
    await harness.until(() => holder() !== '' && second.sent.some((one) => isLease(one) && isWrite(one)), MINUTE_MS, 50)
    const tookMs = (second.sent.find((one) => isLease(one) && isWrite(one))?.at ?? NaN) - killedAt
    process.stdout.write(`takeover after a kill: ${tookMs} ms\n`)
    // From its last look at a renewal before the end, which came at most one try after it.
    expect(tookMs).toBeLessThanOrEqual(ELECTION.leaseDurationMs + 2 * LATEST_TRY_MS)
    expect(tookMs).toBeGreaterThan(ELECTION.leaseDurationMs - ELECTION.retryPeriodMs)
    await promoted()
    expect(first.writes().every((one) => one.at <= killedAt)).toBe(true)
    expect(lease()['spec']).toMatchObject({ leaseTransitions: 1 })
  })

  it('the other rolls a bad version back that the first had begun', async () => {
    const { first, second } = await midRollout(faulty('v2'))
    first.kill()
    expect(await firstWrite(second, harness.clock.monotonic())).toBeGreaterThan(ELECTION.leaseDurationMs - ELECTION.retryPeriodMs)
    await harness.until(() => harness.status().phase === 'Failed' && harness.status().rollout === undefined, MINUTE_MS)
    expect(harness.status()).toMatchObject({ stableRevision: 'v1', failed: { revision: 'v2' } })
    expect(harness.oracle.violations).toEqual([])
    expect(harness.meshMade()).toEqual([])
  })
})

describe('when the leader stops in mid-rollout', () => {
  it('the other goes on within one try, after the last write of the first', async () => {
    const { first, second } = await midRollout()
    const stoppedAt = harness.clock.monotonic()
    first.stop()
    await harness.until(() => second.queries.length > 0, MINUTE_MS, 50)
    await first.ended
    const release = first.sent.at(-1)
    expect(release).toMatchObject({ name: 'PATCH leases/serin', body: expect.stringContaining('"holderIdentity":""') })
    const takenAt = second.sent.find((one) => isLease(one) && isWrite(one))?.at ?? NaN
    process.stdout.write(`takeover after a stop: ${takenAt - stoppedAt} ms\n`)
    expect(takenAt - (release?.at ?? NaN)).toBeLessThanOrEqual(LATEST_TRY_MS)
    expect(takenAt - stoppedAt).toBeLessThanOrEqual(LATEST_TRY_MS + 100)
    await promoted()
  })

  it('on standby it stops without a word, and the leader goes on', async () => {
    const { first, second } = await midRollout()
    const sent = second.sent.length
    second.stop()
    await harness.clock.advance(0)
    await second.ended
    expect(second.sent.slice(sent)).toEqual([])
    await promoted()
    expect(first.writes().length).toBeGreaterThan(0)
  })
})

describe('when the leader is cut off from the API server in mid-rollout', () => {
  it('it ends with an error before the other begins, and writes nothing when the way is free again', async () => {
    const { first, second } = await midRollout()
    const ended = first.ended.then(() => undefined, (error: unknown) => ({ error, at: harness.clock.monotonic() }))
    const cutAt = harness.clock.monotonic()
    first.cut = true
    const sent = first.sent.length
    const firstWriteMs = await firstWrite(second, cutAt)
    const { error, at: endedAt } = (await ended) ?? { at: NaN }
    expect(error).toBeInstanceOf(LeadershipLostError)
    expect(endedAt - cutAt).toBeLessThanOrEqual(ELECTION.retryPeriodMs + ELECTION.renewDeadlineMs)
    expect(endedAt - cutAt).toBeLessThan(firstWriteMs)
    first.cut = false
    await promoted()
    expect(first.sent.slice(sent)).toEqual([])
  })
})

/** The server's answers come late, all but those to the lease; a write of routes is told of a conflict that may be none. */
const sluggish = (clock: Harness['clock'], slow: () => boolean) => (transport: Transport): Transport => async (request) => {
  if (!slow() || request.path.includes('/leases') || request.path.includes('watch=1')) return transport(request)
  await clock.sleep(4900, request.signal)
  if (request.method !== 'PATCH' || !request.path.includes('virtualservices')) return transport(request)
  const conflict = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Conflict', code: 409, message: 'somebody wrote first' }
  return { status: 409, headers: {}, text: () => Promise.resolve(JSON.stringify(conflict)), lines: async function* () { yield JSON.stringify(conflict) } }
}

describe('a leader that is stopped', () => {
  it('with writes still under way when its grace is over ends with an error, and leaves its lease to end by itself', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), caller(), version('v1', { replicas: 2 }))
    await harness.clock.advance(1000)
    harness.users(20, { host: 'service-c', from: harness.insider })
    let slow = false
    const only = harness.startOperator({ settings: { election: ELECTION }, through: sluggish(harness.clock, () => slow) })
    const ended = only.ended.then(() => 'well', (error: unknown) => error)
    await harness.apply(canary({ steps: SLOW }))
    await harness.until(() => harness.status().phase === 'Idle', 20_000)
    await harness.apply(faulty('v2'))
    await at('1/2')
    slow = true
    await harness.clock.advance(3000)
    only.stop()
    await harness.clock.advance(MINUTE_MS)
    expect(await ended).toBeInstanceOf(LeadershipLostError)
    expect(holder()).not.toBe('')
  })

  it('while it writes the status that ends a promotion still tells of the promotion', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), caller(), version('v1', { replicas: 2 }))
    await harness.clock.advance(1000)
    harness.users(20, { host: 'service-c', from: harness.insider })
    const through = (transport: Transport): Transport => async (request) => {
      if (request.path.includes('/events')) await harness.clock.sleep(20, request.signal)
      const answer = await transport(request)
      if (request.path.endsWith('/status') && request.body?.includes('"stableRevision":"v2"') === true) only.stop()
      return answer
    }
    const only = harness.startOperator({ settings: { election: ELECTION }, through })
    await harness.apply(canary({ steps: [{ weight: 50, for: '10s' }] }))
    await harness.until(() => harness.status().phase === 'Idle', 20_000)
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2', 4 * MINUTE_MS, 50)
    await harness.clock.advance(5000)
    expect(harness.events().filter((event) => event.includes('Promoted'))).toHaveLength(1)
    expect(holder()).toBe('')
  })
})

describe('without a lease', () => {
  it('that can be made, nothing is written, and everything goes on once it can be', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), caller(), version('v1', { replicas: 2 }), canary())
    const { faults } = harness.sandbox.cluster
    faults.intercept = ({ method, path }) => (method === 'POST' && path.includes('/leases') ? { status: 403 } : 'pass')
    const only = startReplica(harness)
    await harness.clock.advance(30_000)
    expect(only.writes()).toEqual([])
    expect(harness.find('leases.coordination.k8s.io', 'serin')).toBeUndefined()
    faults.intercept = undefined
    await harness.until(() => harness.status().phase === 'Idle', 20_000)
    expect(lease().metadata.namespace).toBe(NAMESPACE)
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
