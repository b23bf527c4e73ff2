import { describe, expect, it } from 'vitest'
import { type ControllerOptions, type ReconcileResult, runController, TerminalError } from './controller.ts'
import { createLog } from './log.ts'
import { VirtualClock } from './virtual-clock.ts'
import { WorkQueue } from './work-queue.ts'

const harness = (reconcile: ControllerOptions['reconcile'], overrides: Partial<ControllerOptions> = {}) => {
  const clock = new VirtualClock()
  const queue = new WorkQueue({ clock, random: () => 0 })
  const stop = new AbortController()
  const lines: string[] = []
  const results: ReconcileResult[] = []
  const running = runController({
    name: 'toy',
    queue,
    concurrency: 2,
    reconcile,
    clock,
    signal: stop.signal,
    log: createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    onReconciled: (result) => results.push(result),
    ...overrides,
  })
  return { clock, queue, stop, lines, results, running }
}

const gate = () => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

describe('a controller', () => {
  it('runs again when asked to, and rests otherwise', async () => {
    const times: number[] = []
    const { clock, queue, results } = harness(() => {
      times.push(clock.monotonic())
      return Promise.resolve(times.length === 1 ? { kind: 'requeue', afterMs: 250 } : { kind: 'done' })
    })
    queue.add('a')
    await clock.advance(10_000)
    expect(times).toEqual([0, 250])
    expect(results).toEqual(['requeue', 'done'])
  })

  it('retries what throws with a growing delay, and starts over after a success', async () => {
    const times: number[] = []
    const { clock, queue, lines } = harness(() => {
      times.push(clock.monotonic())
      if (times.length < 4) throw new Error('the API server is away')
      return Promise.resolve({ kind: 'done' })
    })
    queue.add('ns/a')
    await clock.advance(10_000)
    expect(times).toEqual([0, 5, 15, 35])
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({
      level: 'warn',
      key: 'ns/a',
      retryInMs: 20,
      err: { message: 'the API server is away' },
    })
    expect(queue.addRateLimited('ns/a')).toBe(5)
  })

  it('does not retry a terminal error, but runs when the key is added again', async () => {
    let runs = 0
    const { clock, queue, results } = harness(() => {
      runs++
      return Promise.reject(new TerminalError('the spec is invalid'))
    })
    queue.add('a')
    await clock.advance(3_600_000)
    expect(runs).toBe(1)
    queue.add('a')
    await clock.advance(0)
    expect(results).toEqual(['terminal', 'terminal'])
  })

  it('works on as many different keys at once as allowed, never on one key twice', async () => {
    const started: string[] = []
    const block = gate()
    const { clock, queue } = harness(async (key) => {
      started.push(key)
      await block.opened
      return { kind: 'done' }
    })
    for (const key of ['a', 'b', 'c']) queue.add(key)
    await clock.advance(0)
    queue.add('a')
    await clock.advance(0)
    expect(started).toEqual(['a', 'b'])
    block.open()
    await clock.advance(0)
    expect(started).toEqual(['a', 'b', 'c', 'a'])
  })

  it('lets running reconciles end after a stop, and begins no other', async () => {
    const block = gate()
    const seen: string[] = []
    const { clock, queue, stop, running } = harness(async (key, signal) => {
      await block.opened
      seen.push(`${key} ${signal.aborted}`)
      return { kind: 'done' }
    })
    for (const key of ['a', 'b', 'c']) queue.add(key)
    await clock.advance(0)
    stop.abort()
    await clock.advance(1_000)
    block.open()
    await running
    expect(seen).toEqual(['a false', 'b false'])
  })

  it('tells those that overrun the grace of a stop, and leaves them', async () => {
    const { clock, queue, stop, running, lines } = harness(
      (_, signal) => clock.sleep(3_600_000, signal).then(() => ({ kind: 'done' })),
      { graceMs: 5_000 },
    )
    queue.add('a')
    await clock.advance(0)
    stop.abort()
    await clock.advance(5_000)
    await running
    expect(lines.join('')).toContain('stopped with reconciles still running')
    expect(lines.join('')).toContain('the grace of 5000 ms is over')
  })

  it('ends them at once when it is aborted, however much of the grace is left', async () => {
    const abort = new AbortController()
    const { clock, queue, running, results, lines } = harness(
      (_, signal) => clock.sleep(3_600_000, signal).then(() => ({ kind: 'done' })),
      { signal: abort.signal, abort: abort.signal },
    )
    queue.add('a')
    queue.add('b')
    queue.add('c')
    await clock.advance(0)
    abort.abort(new Error('others lead'))
    await running
    await clock.advance(0)
    expect(results).toEqual(['failed', 'failed'])
    expect(lines.join('')).toContain('others lead')
  })
})
