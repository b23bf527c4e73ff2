import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'
import { WorkQueue } from './work-queue.ts'

const queueOn = (clock: VirtualClock, random: () => number = () => 0) => new WorkQueue({ clock, random })

type Action = { readonly kind: 'add' | 'urgent' | 'later' | 'limited' | 'done' | 'wait'; readonly key: string; readonly ms: number }

const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('add' as const, 'urgent' as const, 'later' as const, 'limited' as const, 'done' as const, 'wait' as const),
    key: fc.constantFrom('a', 'b', 'c'),
    ms: fc.integer({ min: 0, max: 50 }),
  }),
  { maxLength: 60 },
)

/** Plays actions against a queue that has three workers, one for urgent keys alone, each of which keeps its key until a "done". */
const play = async (script: readonly Action[], seed: number) => {
  const clock = new VirtualClock()
  const queue = queueOn(clock, seededRandom(String(seed)))
  const out = new Set<string>()
  const owed = new Set<string>()
  const violations: string[] = []
  const work = async (urgentOnly: boolean) => {
    for (let key = await queue.take({ urgentOnly }); key !== undefined; key = await queue.take({ urgentOnly })) {
      if (out.has(key)) violations.push(`${key} is out twice`)
      out.add(key)
      owed.delete(key)
      const taken = key
      await new Promise<void>((resolve) => finishers.set(taken, resolve))
      out.delete(key)
      queue.done(key)
    }
  }
  const finishers = new Map<string, () => void>()
  for (let worker = 0; worker < 3; worker++) void work(worker === 2)
  const perform: Record<Action['kind'], (action: Action) => void> = {
    add: ({ key }) => (owed.add(key), queue.add(key)),
    urgent: ({ key }) => (owed.add(key), queue.add(key, { urgent: true })),
    later: ({ key, ms }) => (owed.add(key), queue.addAfter(key, ms)),
    limited: ({ key }) => (owed.add(key), void queue.addRateLimited(key)),
    done: ({ key }) => finishers.get(key)?.(),
    wait: () => undefined,
  }
  for (const action of script) {
    perform[action.kind](action)
    await clock.advance(action.kind === 'wait' ? action.ms : 0)
  }
  return { clock, queue, out, owed, violations, finishers }
}

describe('an urgent key', () => {
  it('is handed out before all that are not, be it asked for before or not', async () => {
    const queue = queueOn(new VirtualClock())
    for (const key of ['a', 'b', 'c']) queue.add(key)
    queue.add('c', { urgent: true })
    queue.add('d', { urgent: true })
    const taken = await Promise.all([1, 2, 3, 4].map(() => queue.take()))
    expect(taken).toEqual(['c', 'd', 'a', 'b'])
    queue.shutDown()
    expect(await queue.take()).toBeUndefined()
  })

  it('that is being worked on is next as soon as that is done', async () => {
    const queue = queueOn(new VirtualClock())
    for (const key of ['a', 'b', 'c']) queue.add(key)
    expect(await queue.take()).toBe('a')
    queue.add('a', { urgent: true })
    expect(await queue.take()).toBe('b')
    queue.done('a')
    expect(await queue.take()).toBe('a')
  })

  it('goes to a worker kept free for such, which takes nothing else', async () => {
    const queue = queueOn(new VirtualClock())
    const reserved = queue.take({ urgentOnly: true })
    queue.add('a')
    expect(await queue.take()).toBe('a')
    queue.add('b', { urgent: true })
    expect(await reserved).toBe('b')
    queue.add('b')
    queue.done('b')
    expect(await Promise.race([queue.take({ urgentOnly: true }), Promise.resolve('nothing')])).toBe('nothing')
    expect(await queue.take()).toBe('b')
  })
})

describe('a work queue', () => {
  it('never hands a key to two workers, and loses no add', async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.integer(), async (script, seed) => {
        const { clock, out, owed, violations, finishers } = await play(script, seed)
        for (let round = 0; round < 4; round++) {
          await clock.advance(60_000)
          for (const finish of finishers.values()) finish()
        }
        await clock.advance(0)
        expect(violations).toEqual([])
        expect([...owed]).toEqual([])
        expect([...out]).toEqual([])
      }),
      { numRuns: 150 },
    )
  })

  it('makes one run of many adds, and exactly one more of those that come during it', async () => {
    const queue = queueOn(new VirtualClock())
    for (let n = 0; n < 5; n++) queue.add('a')
    expect(queue.depth).toBe(1)
    expect(await queue.take()).toBe('a')
    for (let n = 0; n < 5; n++) queue.add('a')
    expect(queue.depth).toBe(0)
    queue.done('a')
    expect(queue.depth).toBe(1)
    expect(await queue.take()).toBe('a')
    queue.done('a')
    expect(queue.depth).toBe(0)
  })

  it('hands keys out in the order they came', async () => {
    const queue = queueOn(new VirtualClock())
    for (const key of ['b', 'a', 'c', 'a']) queue.add(key)
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['b', 'a', 'c'])
  })

  it('keeps the earliest of several delayed adds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 8 }), async (delays) => {
        const clock = new VirtualClock()
        const queue = queueOn(clock)
        for (const delay of delays) queue.addAfter('a', delay)
        const earliest = Math.min(...delays)
        await clock.advance(earliest - 1)
        expect(queue.depth).toBe(0)
        await clock.advance(1)
        expect(queue.depth).toBe(1)
        await queue.take()
        queue.done('a')
        await clock.advance(2_000)
        expect(queue.depth).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  it('doubles the delay of each failure of a key from 5 ms to 30 s, forgets on request, and takes off a fifth at most', () => {
    const plain = queueOn(new VirtualClock())
    const ladder = Array.from({ length: 15 }, () => plain.addRateLimited('a'))
    expect(ladder.slice(0, 4)).toEqual([5, 10, 20, 40])
    expect(ladder.at(-1)).toBe(30_000)
    expect(plain.addRateLimited('b')).toBe(5)
    plain.forget('a')
    expect(plain.addRateLimited('a')).toBe(5)
    expect(queueOn(new VirtualClock(), () => 0.999).addRateLimited('a')).toBeCloseTo(4, 1)
  })

  it('hands out what waits after a shutdown, then ends its workers and takes nothing more', async () => {
    const clock = new VirtualClock()
    const queue = queueOn(clock)
    queue.add('a')
    queue.addAfter('b', 10)
    queue.shutDown()
    queue.add('c')
    await clock.advance(20)
    expect(await queue.take()).toBe('a')
    expect(await queue.take()).toBeUndefined()
    const idle = queueOn(clock)
    const taken = idle.take()
    idle.shutDown()
    expect(await taken).toBeUndefined()
  })
})
