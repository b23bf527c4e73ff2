import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from './system-clock.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('the system clock', () => {
  it('sleeps longer than a Node timer can', async () => {
    vi.useFakeTimers()
    let awake = false
    void systemClock.sleep(2 ** 31 + 5_000).then(() => (awake = true))
    await vi.advanceTimersByTimeAsync(2 ** 31 + 4_999)
    expect(awake).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(awake).toBe(true)
  })

  it('ends a sleep with the reason of the abort, and leaves no timer', async () => {
    vi.useFakeTimers()
    const stop = new AbortController()
    const sleeping = systemClock.sleep(1_000, stop.signal)
    stop.abort(new Error('stopping'))
    await expect(sleeping).rejects.toThrow('stopping')
    await expect(systemClock.sleep(1_000, stop.signal)).rejects.toThrow('stopping')
    expect(vi.getTimerCount()).toBe(0)
  })
})
