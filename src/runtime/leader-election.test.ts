import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from './clock.ts'
import { LeadershipLostError } from './leadership.ts'
import { candidate, type Candidate, type Fate, LeaseServer, TIMES } from './lease.fixture.ts'
import { seededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

const START = Date.UTC(2026, 10, 21, 12)
const RUNS = 60
const LATEST_TRY_MS = TIMES.retryPeriodMs * 1.2

const lab = () => {
  const clock = new VirtualClock(START)
  const server = new LeaseServer(clock)
  return { clock, server, start: (...[name, overrides]: [string, Parameters<typeof candidate>[3]?]) => candidate(server, clock, name, overrides) }
}

/** One that leads and one that waits, both for a while. */
const pair = async () => {
  const { clock, server, start } = lab()
  const first = start('first')
  await clock.advance(100)
  const second = start('second')
  await clock.advance(60_000)
  expect([first.leadsSince(), second.leadsSince()]).toEqual([0, undefined])
  return { clock, server, first, second, start }
}

/** Lets time pass until it holds, in steps of 10 ms; returns after how many milliseconds that was. */
const until = async (clock: VirtualClock, holds: () => boolean, mostMs = 60_000): Promise<number> => {
  for (let waited = 0; ; waited += 10) {
    if (holds()) return waited
    if (waited > mostMs) throw new Error(`not within ${mostMs} ms: ${String(holds)}`)
    await clock.advance(10)
  }
}

/** Stops it, and lets that come to its end. */
const stopped = async (clock: VirtualClock, { stop }: Candidate, inMs = 0): Promise<void> => {
  const end = stop()
  await clock.advance(inMs)
  await end
}

const holder = (server: LeaseServer) => server.record?.holderIdentity

/** A process whose event loop can stand still: its clock goes on, its timers do not. */
const stalling = (clock: VirtualClock) => {
  let stalledMs = 0
  const seen: Clock = { now: () => clock.now() + stalledMs, monotonic: () => clock.monotonic() + stalledMs, sleep: clock.sleep }
  return { clock: seen, stall: (ms: number) => void (stalledMs += ms) }
}

describe('the lease', () => {
  it('is made by the first to come and renewed in place, as client-go writes it', async () => {
    const { clock, server, start } = lab()
    start('first')
    await clock.advance(4000)
    expect(server.lease).toMatchObject({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace: 'ns', name: 'serin' } })
    expect(server.records).toHaveLength(3)
    expect(server.record).toEqual({
      holderIdentity: 'first', leaseDurationSeconds: 15, leaseTransitions: 0,
      acquireTime: '2026-11-21T12:00:00.000000Z', renewTime: '2026-11-21T12:00:04.000000Z',
    })
  })

  it('lasts in whole seconds, never shorter than its holder counts on', async () => {
    const { clock, server, start } = lab()
    start('first', { leaseDurationMs: 1500, renewDeadlineMs: 1000, retryPeriodMs: 200 })
    await clock.advance(0)
    expect(server.record?.leaseDurationSeconds).toBe(2)
  })

  it('costs one request a retry period: an update while leading, a look on standby', async () => {
    const { clock, server } = await pair()
    server.calls.length = 0
    await clock.advance(600_000)
    const count = (who: string, verb: string) => server.calls.filter((call) => call.who === who && call.verb === verb).length
    expect(count('first', 'update')).toBe(600_000 / TIMES.retryPeriodMs)
    expect(count('second', 'get')).toBeGreaterThanOrEqual(600_000 / LATEST_TRY_MS)
    expect(count('second', 'get')).toBeLessThanOrEqual(600_000 / TIMES.retryPeriodMs)
    expect(server.calls).toHaveLength(count('first', 'update') + count('second', 'get'))
  })

  it('is looked at by replicas that started together at different times soon', async () => {
    const { clock, server, start } = lab()
    server.put({ holderIdentity: 'other', leaseDurationSeconds: 3600 })
    for (const name of ['a', 'b', 'c', 'd']) start(name)
    await clock.advance(60_000)
    const last = ['a', 'b', 'c', 'd'].map((name) => server.calls.findLast(({ who }) => who === name)?.at)
    expect(new Set(last).size).toBe(4)
  })
})

describe('a takeover', () => {
  it('comes when the leader was killed: not before the lease has ended, and one try later at most', async () => {
    const { clock, server, first, second } = await pair()
    const renewedAt = server.calls.findLast(({ who }) => who === 'first')?.at ?? NaN
    first.kill()
    await until(clock, () => second.leadsSince() !== undefined)
    const tookMs = (second.leadsSince() ?? NaN) - renewedAt
    expect(tookMs).toBeGreaterThanOrEqual(TIMES.leaseDurationMs)
    // It looked after the last renewal, at most one try later, and took it at most one try after the lease had ended.
    expect(tookMs).toBeLessThanOrEqual(TIMES.leaseDurationMs + 2 * LATEST_TRY_MS)
    expect(server.record).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 })
  })

  it('comes within one try when the leader stopped', async () => {
    const { clock, server, first, second } = await pair()
    await stopped(clock, first)
    expect(server.record).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 })
    expect(await until(clock, () => second.leadsSince() !== undefined)).toBeLessThanOrEqual(LATEST_TRY_MS)
    expect(server.record).toMatchObject({ holderIdentity: 'second', leaseDurationSeconds: 15, leaseTransitions: 1 })
  })

  it.each([['an hour behind', -3_600_000], ['an hour ahead', 3_600_000], ['a day ahead', 86_400_000]])('is decided by no wall clock: one that is %s changes nothing', async (_what, skewMs) => {
    const { clock, server, start } = lab()
    const first = start('first')
    const second = start('second', { clock: { now: () => clock.now() + skewMs, monotonic: clock.monotonic, sleep: clock.sleep } })
    await clock.advance(120_000)
    expect(second.leadsSince()).toBeUndefined()
    expect(server.records.every(({ holderIdentity }) => holderIdentity === 'first')).toBe(true)
    first.kill()
    expect(await until(clock, () => second.leadsSince() !== undefined)).toBeGreaterThan(TIMES.leaseDurationMs - TIMES.retryPeriodMs)
  })

  it('waits for as long as the lease says that it lasts, and no shorter for a lease that does not say', async () => {
    for (const [record, leastMs] of [[{ leaseDurationSeconds: 40 }, 40_000], [{}, 15_000]] as const) {
      const { clock, server, start } = lab()
      server.put({ holderIdentity: 'other', ...record })
      const second = start('second')
      await until(clock, () => second.leadsSince() !== undefined)
      expect(second.leadsSince()).toBeGreaterThanOrEqual(leastMs)
      expect(second.leadsSince()).toBeLessThanOrEqual(leastMs + LATEST_TRY_MS)
    }
  })

  it('is given up where somebody else was first', async () => {
    const { clock, server, start } = lab()
    const [first, second] = [start('first'), start('second')]
    await clock.advance(0)
    expect([first.leadsSince(), second.leadsSince()]).toEqual([0, undefined])
    expect(server.calls.filter(({ verb }) => verb === 'create')).toHaveLength(2)
  })
})

describe('a leader', () => {
  it('whose answer was lost goes on, when it was made leader and at any renewal', async () => {
    const { clock, server, start } = lab()
    const fates: Fate[] = ['no-answer', 'pass', 'no-answer', 'pass', 'pass', 'no-answer']
    const first = start('first')
    first.network.fate = (verb) => (verb === 'get' ? 'pass' : (fates.shift() ?? 'pass'))
    await clock.advance(60_000)
    expect(fates).toEqual([])
    expect(first.leadsSince()).toBeGreaterThan(0)
    expect(first.lostAt()).toBeUndefined()
    expect(server.record?.leaseTransitions).toBe(0)
    expect(new Set(server.records.map(({ acquireTime }) => acquireTime)).size).toBe(1)
  })

  it('goes on where somebody else changed the Lease without taking it', async () => {
    const { clock, server, first } = await pair()
    server.put({})
    await clock.advance(10_000)
    expect(first.lostAt()).toBeUndefined()
    expect(server.calls.filter(({ who, verb }) => who === 'first' && verb === 'get')).toHaveLength(2)
  })

  it('makes a deleted Lease anew', async () => {
    const { clock, server, start } = lab()
    const first = start('first')
    await clock.advance(9000)
    server.lease = undefined
    await clock.advance(2000)
    expect(holder(server)).toBe('first')
    expect(first.mayWrite(5000)).toBe(true)
  })

  it('gives up where another has made a deleted Lease anew', async () => {
    const { clock, server, first, second } = await pair()
    first.network.fate = () => 'no-request'
    server.lease = undefined
    await until(clock, () => holder(server) === 'second')
    first.network.fate = () => 'pass'
    await clock.advance(8000)
    expect(first.lostAt()).toBeDefined()
    expect(second.mayWrite()).toBe(true)
    expect(server.records.at(-1)).toMatchObject({ holderIdentity: 'second', leaseTransitions: 0 })
  })

  it('gives up at the next look where another holds the lease, and writes nothing over it', async () => {
    const { clock, server, first } = await pair()
    server.put({ holderIdentity: 'usurper', leaseTransitions: 7 })
    const lostAfterMs = await until(clock, () => first.lostAt() !== undefined)
    expect(lostAfterMs).toBeLessThanOrEqual(TIMES.retryPeriodMs)
    expect(first.elector.lost.reason).toBeInstanceOf(LeadershipLostError)
    expect(first.elector.lost.reason).toMatchObject({ message: 'the lead is lost: the lease is held by usurper' })
    await stopped(clock, first)
    expect(server.record).toMatchObject({ holderIdentity: 'usurper', leaseTransitions: 7 })
    expect(first.elector.refusal(0)).toBe('this process leads no longer')
  })

  it.each([['no answer', 'no-request' as const], ['errors', 500]])('that gets nothing but %s gives up after the renew deadline, before the lease ends', async (_what, fate) => {
    const { clock, server, first } = await pair()
    const renewedAt = server.calls.findLast(({ who }) => who === 'first')?.at ?? NaN
    first.network.fate = () => fate
    await until(clock, () => first.lostAt() !== undefined)
    expect((first.lostAt() ?? NaN) - renewedAt).toBe(TIMES.retryPeriodMs + TIMES.renewDeadlineMs)
    expect(first.elector.lost.reason).toMatchObject({ message: 'the lead is lost: the lease could not be renewed for 10000 ms' })
    first.network.fate = () => 'pass'
    server.calls.length = 0
    await stopped(clock, first, 1000)
    expect(server.calls.filter(({ who }) => who === 'first')).toEqual([])
  })

  it('that is answered again before the renew deadline goes on', async () => {
    const { clock, first } = await pair()
    first.network.fate = () => 503
    await clock.advance(9000)
    first.network.fate = () => 'pass'
    await clock.advance(60_000)
    expect(first.lostAt()).toBeUndefined()
    expect(first.lines.join('')).toContain('cannot renew the lease')
  })

  it('stopped at any moment of an outage never takes the lease from whoever holds it then', async () => {
    for (const healMs of [3000, 9000, 14_000, 20_000])
      for (let stopMs = 0; stopMs < 26_000; stopMs += 1300) {
        const { clock, server, first } = await pair()
        first.network.fate = () => 'no-request'
        void clock.sleep(healMs).then(() => { first.network.fate = () => 'pass' })
        await clock.advance(stopMs)
        void first.stop()
        await clock.advance(60_000)
        const holders = server.records.map(({ holderIdentity }) => holderIdentity).filter((name, index, all) => name !== all[index - 1])
        expect({ healMs, stopMs, holders }).toEqual({ healMs, stopMs, holders: holders.length === 2 ? ['first', 'second'] : ['first', '', 'second'] })
      }
  })

  it('that stops before it has seen who holds the lease now, leaves it to them', async () => {
    const { clock, server, start } = lab()
    const first = start('first')
    await clock.advance(9000)
    server.put({ holderIdentity: 'usurper', leaseTransitions: 7 })
    await stopped(clock, first)
    expect(first.lostAt()).toBeUndefined()
    expect(server.record).toMatchObject({ holderIdentity: 'usurper', leaseTransitions: 7 })
  })

  it('gives the lease back although somebody changes the Lease meanwhile', async () => {
    const { clock, server, start } = lab()
    const first = start('first')
    await clock.advance(9000)
    first.network.delayMs = 100
    void clock.sleep(125).then(() => server.put({}))
    await stopped(clock, first, 1000)
    expect(server.calls.filter(({ at, verb }) => at >= 9000 && verb === 'update')).toHaveLength(2)
    expect(holder(server)).toBe('')
  })

  it('that cannot give the lease back ends all the same', async () => {
    const { clock, server, first } = await pair()
    first.network.delayMs = 3_600_000
    await stopped(clock, first, TIMES.renewDeadlineMs)
    expect(holder(server)).toBe('first')
    expect(first.lines.join('')).toContain('the lease is not released')
  })
})

describe('one that never led', () => {
  it('stops without touching the lease', async () => {
    const { clock, server, second } = await pair()
    server.calls.length = 0
    await stopped(clock, second)
    await clock.advance(10_000)
    expect(server.calls.filter(({ who }) => who === 'second')).toEqual([])
    expect(holder(server)).toBe('first')
  })

  it('gives back what it was given in an answer that was lost', async () => {
    const { clock, server, start } = lab()
    const first = start('first')
    first.network.fate = (verb) => (verb === 'create' ? 'no-answer' : 'pass')
    await clock.advance(1000)
    expect(holder(server)).toBe('first')
    await stopped(clock, first)
    expect(holder(server)).toBe('')
  })
})

describe('a write', () => {
  it('may be sent while leading only, and only where it ends before the lease, counted from before the renewal was sent', async () => {
    const { clock, server, start } = lab()
    const first = start('first')
    const second = start('second')
    expect(first.elector.refusal(0)).toBe('this process is on standby')
    await clock.advance(10_500)
    expect([first, second].map((each) => each.mayWrite())).toEqual([true, false])
    first.network.delayMs = 4000
    await until(clock, () => server.calls.findLast(({ who }) => who === 'first')?.at === clock.monotonic())
    const sentMs = clock.monotonic()
    await clock.advance(4000)
    first.network.fate = () => 'no-request'
    const leftMs = sentMs + TIMES.leaseDurationMs - clock.monotonic()
    expect(leftMs).toBe(11_000)
    expect(first.mayWrite(leftMs - 1)).toBe(true)
    expect(first.elector.refusal(leftMs)).toBe('a write may take 11000 ms, and the lease is certain for 11000 ms only')
    await clock.advance(6001)
    expect(first.mayWrite(5000)).toBe(false)
    expect(first.mayWrite(4000)).toBe(true)
  })

  it('is sent by one at a time at most, whatever the network does, for any who stop, die and come', async () => {
    const event = fc.record({
      afterMs: fc.integer({ min: 1, max: 18_000 }),
      who: fc.integer({ min: 0, max: 2 }),
      what: fc.oneof(
        fc.constantFrom('heal', 'cut', 'deaf', 'flaky', 'kill', 'stop').map((kind) => ({ kind, ms: 0 })),
        fc.integer({ min: 0, max: 9000 }).map((ms) => ({ kind: 'slow', ms })),
      ),
    })
    let reigns = 0
    await fc.assert(fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 30 }), fc.string(), async (events, seed) => {
      const { clock, server } = lab()
      const random = seededRandom(seed)
      const start = (number: number, age: number) => candidate(server, clock, `${number}.${age}`)
      const processes = [start(0, 0), start(1, 0), start(2, 0)]
      const acts: Readonly<Record<string, (process: Candidate, ms: number) => void>> = {
        heal: ({ network }) => Object.assign(network, { delayMs: 0, fate: () => 'pass' }),
        cut: ({ network }) => Object.assign(network, { fate: () => 'no-request' }),
        deaf: ({ network }) => Object.assign(network, { fate: () => 'no-answer' }),
        flaky: ({ network }) => Object.assign(network, { fate: () => (random() < 0.5 ? 'pass' : random() < 0.5 ? 'no-answer' : 500) }),
        slow: ({ network }, ms) => Object.assign(network, { delayMs: ms }),
        kill: (process) => process.kill(),
        stop: (process) => void process.stop(),
      }
      let last: number | undefined
      for (const [age, { afterMs, who, what }] of events.entries()) {
        for (let passed = 0; passed < afterMs; passed += 250) {
          await clock.advance(Math.min(250, afterMs - passed))
          const writers = processes.map((process, number) => ({ process, number })).filter(({ process }) => process.mayWrite())
          if (writers.length > 1) throw new Error(`${clock.monotonic()} ms: ${writers.map(({ number }) => number).join(' and ')} may write`)
          const [writer] = writers
          if (writer !== undefined && writer.number !== last) reigns++
          last = writer?.number ?? last
        }
        const process = processes[who]
        if (process === undefined) continue
        acts[what.kind]?.(process, what.ms)
        if (what.kind === 'kill' || what.kind === 'stop' || process.lostAt() !== undefined) processes[who] = start(who, age + 1)
      }
    }), { numRuns: RUNS })
    process.stdout.write(`election: ${reigns} reigns ran\n`)
    expect(reigns).toBeGreaterThan(RUNS)
  })
})

describe('an event loop that stood still', () => {
  it('for more than half the renew deadline writes nothing until the lease is renewed, also before any timer has run', async () => {
    const { clock, server, start } = lab()
    const seen = stalling(clock)
    const first = start('first', { clock: seen.clock })
    await clock.advance(10_500)
    expect(first.mayWrite(5000)).toBe(true)
    seen.stall(6000)
    expect(first.elector.refusal(0)).toContain('the lease is certain for 0 ms only')
    await until(clock, () => first.mayWrite(5000))
    expect(server.calls.at(-1)).toMatchObject({ at: clock.monotonic(), verb: 'update' })
    expect(first.lostAt()).toBeUndefined()
    expect(first.lines.join('')).toContain('the event loop was blocked')
  })

  it('does not count an answer to what was asked before', async () => {
    const { clock, start } = lab()
    const seen = stalling(clock)
    const first = start('first', { clock: seen.clock })
    await clock.advance(9900)
    first.network.delayMs = 1000
    await clock.advance(200)
    seen.stall(6000)
    expect(first.mayWrite()).toBe(false)
    await clock.advance(1000)
    expect(first.mayWrite()).toBe(false)
    await clock.advance(4000)
    expect(first.mayWrite()).toBe(true)
  })

  it('for more than the renew deadline ends the process', async () => {
    const { clock, start } = lab()
    const seen = stalling(clock)
    const first = start('first', { clock: seen.clock })
    await clock.advance(10_500)
    seen.stall(11_000)
    expect(first.elector.refusal(0)).toBe('this process leads no longer')
    expect(first.elector.lost.reason).toMatchObject({ message: expect.stringMatching(/^the lead is lost: the event loop was blocked for 10\d{3} ms$/) })
  })

  it('for a little is nobody\'s business, nor is a standby that stood still', async () => {
    const { clock, start } = lab()
    const [seen, slept] = [stalling(clock), stalling(clock)]
    const first = start('first', { clock: seen.clock })
    const second = start('second', { clock: slept.clock })
    await clock.advance(10_500)
    seen.stall(4000)
    slept.stall(14_000)
    expect(first.mayWrite(5000)).toBe(true)
    await clock.advance(1000)
    expect(second.lostAt()).toBeUndefined()
    expect(first.lines.join('')).not.toContain('blocked')
  })
})

describe('the health check', () => {
  it('asks for a restart of a leader that has done nothing about its lease for far too long, and of nobody else', async () => {
    const { clock, start } = lab()
    const [seen, slept] = [stalling(clock), stalling(clock)]
    const first = start('first', { clock: seen.clock })
    const second = start('second', { clock: slept.clock })
    await clock.advance(60_000)
    expect([first, second].map(({ elector }) => elector.problem())).toEqual([undefined, undefined])
    seen.stall(34_000)
    slept.stall(60_000)
    expect([first, second].map(({ elector }) => elector.problem())).toEqual([undefined, undefined])
    seen.stall(1001)
    expect(first.elector.problem()).toMatch(/^leading, and the lease was last renewed 3[5-7] s ago$/)
    expect(second.elector.problem()).toBeUndefined()
  })
})
