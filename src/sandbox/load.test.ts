import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { createLoad, loopbackSend } from './load.ts'
import type { MeshRequest } from './mesh.ts'

describe('createLoad', () => {
  it('sends exactly its rate and method shares, without bursts', async () => {
    const { clock, requests, load, end } = loaded({ rps: 150, methods: { GET: 0.9, POST: 0.1 } })
    await clock.advance(10_000)
    await end()
    expect(requests.length).toBeGreaterThanOrEqual(1500)
    expect(requests.length).toBeLessThanOrEqual(1501)
    expect(requests.filter(({ method }) => method === 'POST').length).toBeCloseTo(150, -1)
    const gaps = requests.slice(1).map(({ atMs }, index) => atMs - (requests[index]?.atMs ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThan(6)
    expect(
      load
        .history()
        .slice(0, 10)
        .map(({ sent }) => Math.round(sent / 5) * 5),
    ).toEqual(Array(10).fill(150))
  })

  it('keeps its pace while no answer comes, up to its bound, and counts by status', async () => {
    const { clock, load, requests, end } = loaded({ rps: 100, answerMs: 5000, status: 503 })
    await clock.advance(4000)
    expect(requests).toHaveLength(256)
    await clock.advance(2000)
    expect(load.total().errors[503]).toBeGreaterThanOrEqual(100)
    await end()
  })

  it('stops when told, pauses at rate 0, and goes nowhere but to loopback', async () => {
    const { clock, requests, load, end } = loaded({ rps: 10 })
    await clock.advance(1000)
    load.setRate(0)
    await clock.advance(1000)
    const paused = requests.length
    await clock.advance(1000)
    expect(requests).toHaveLength(paused)
    load.setRate(10)
    await clock.advance(1000)
    expect(requests.length).toBeGreaterThan(paused + 8)
    await end()
    await clock.advance(1000)
    expect(() => loopbackSend('http://example.com/')).toThrow('loopback only')
  })
})

function loaded(options: {
  rps: number
  methods?: Record<string, number>
  answerMs?: number
  status?: number
}) {
  const clock = new VirtualClock()
  const requests: (MeshRequest & { atMs: number })[] = []
  const { answerMs = 0, status = 200, ...rest } = options
  const load = createLoad({
    clock,
    ...rest,
    async send(request) {
      requests.push({ ...request, atMs: clock.monotonic() })
      if (answerMs > 0) await clock.sleep(answerMs)
      return { status, headers: {}, body: '' }
    },
  })
  const stop = new AbortController()
  const running = load.run(stop.signal)
  const end = async () => {
    stop.abort(new Error('enough'))
    await running
  }
  return { clock, requests, load, end }
}
