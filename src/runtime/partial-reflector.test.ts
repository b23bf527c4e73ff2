import { describe, expect, it } from 'vitest'
import type { ListPage, ListWatch } from './list-watch.ts'
import { PartialReflector, type Reflecting } from './partial-reflector.ts'
import { VirtualClock } from './virtual-clock.ts'

const refusal = (status: number) => Object.assign(new Error(`HTTP ${status}`), { status })
const PAGE: ListPage = { items: [], resourceVersion: '1' }

/** An API server that answers by script, and reflectors that only say that they run. */
function harness(...answers: readonly (ListPage | Error)[]) {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const [left, running] = [[...answers], [] as string[]]
  const listWatch = { list: () => { const answer = left.shift() ?? new Error('no answer'); return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer) } } as unknown as ListWatch
  const part = (name: string): Reflecting => ({ filled: true, synced: Promise.resolve(), run: (signal) => { running.push(name); return clock.sleep(1e9, signal).catch(() => undefined) } })
  const reflector = new PartialReflector({ listWatch, whole: part('whole'), parts: [part('a'), part('b')], onForbidden: () => running.push('forbidden:'), clock, random: () => 0 })
  const ended = reflector.run(stop.signal)
  return { clock, reflector, running, stop: async () => { stop.abort(new Error('stopped')); await ended } }
}

describe('a resource of which parts are watched', () => {
  it.each<[string, readonly (ListPage | Error)[], readonly string[]]>([
    ['is reflected whole where that is allowed', [PAGE], ['whole']],
    ['is reflected in parts where it is forbidden, which is told first', [refusal(403)], ['forbidden:', 'a', 'b']],
    ['is left to its reflector where it is not served', [refusal(404)], ['whole']],
    ['is asked for again while nobody answers', [new Error('ECONNREFUSED'), refusal(500), refusal(403)], ['forbidden:', 'a', 'b']],
  ])('%s', async (_, answers, expected) => {
    const { clock, reflector, running, stop } = harness(...answers)
    expect(reflector.filled).toBe(false)
    await clock.advance(5000)
    expect(running).toEqual(expected)
    await reflector.synced
    expect(reflector.filled).toBe(true)
    await stop()
  })

  it('is not waited for any more once it is stopped', async () => {
    const { clock, reflector, running, stop } = harness()
    await clock.advance(100)
    await stop()
    await expect(reflector.synced).rejects.toThrow('stopped')
    expect(running).toEqual([])
  })
})
