import { describe, expect, it } from 'vitest'
import { EventRecorder, type EventPort, type Occurrence } from './event-recorder.ts'
import { createLog } from './log.ts'
import type { NewObject } from './object.ts'
import { seededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

const occurrence = (overrides: Partial<Occurrence> = {}): Occurrence => ({
  regarding: { apiVersion: 'toy/v1', kind: 'Toy', name: 'bear', namespace: 'nursery', uid: 'uid-1' },
  type: 'Normal',
  reason: 'Hugged',
  action: 'Hug',
  note: 'the bear was hugged',
  ...overrides,
})

const harness = (port: Partial<EventPort> = {}) => {
  const clock = new VirtualClock(Date.UTC(2026, 10, 21, 12))
  const written: { readonly at: number; readonly call: string; readonly body: NewObject }[] = []
  const lines: string[] = []
  const note = (call: string, body: object) =>
    Promise.resolve(void written.push({ at: clock.monotonic(), call, body: body as NewObject }))
  const recorder = new EventRecorder({
    port: {
      create: (event) => note('create', event),
      patch: (name, namespace, body) => note(`patch ${namespace}/${name}`, body),
      ...port,
    },
    controller: 'toy.dev/controller',
    instance: 'toy-controller-0',
    clock,
    random: seededRandom('events'),
    log: createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } }),
  })
  const stop = new AbortController()
  return { clock, recorder, written, lines, stop, running: recorder.run(stop.signal) }
}

describe('an event recorder', () => {
  it('writes an event as events.k8s.io/v1 wants it', async () => {
    const { clock, recorder, written } = harness()
    recorder.record(occurrence())
    await clock.advance(0)
    expect(written).toEqual([
      {
        at: 0,
        call: 'create',
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: expect.stringMatching(/^bear\.[0-9a-f]+$/), namespace: 'nursery' },
          eventTime: '2026-11-21T12:00:00.000000Z',
          reportingController: 'toy.dev/controller',
          reportingInstance: 'toy-controller-0',
          ...occurrence(),
        },
      },
    ])
  })

  it('counts repetitions within ten minutes of the last on one event; later, or with another note, it begins anew', async () => {
    const { clock, recorder, written } = harness()
    for (const waitMs of [0, 60_000, 599_999, 600_000]) {
      await clock.advance(waitMs)
      recorder.record(occurrence())
      await clock.advance(0)
    }
    recorder.record(occurrence({ note: 'the bear was hugged twice' }))
    await clock.advance(0)
    const name = written[0]?.body.metadata.name
    expect(written.map(({ call }) => call)).toEqual([
      'create',
      `patch nursery/${name}`,
      `patch nursery/${name}`,
      'create',
      'create',
    ])
    expect(written[2]?.body).toEqual({ series: { count: 3, lastObservedTime: '2026-11-21T12:10:59.999000Z' } })
  })

  it('makes one write of what repeats before it can be written', async () => {
    const { clock, recorder, written } = harness()
    for (let n = 0; n < 50; n++) recorder.record(occurrence())
    await clock.advance(0)
    expect(written).toHaveLength(1)
    expect(written[0]?.body).toMatchObject({ series: { count: 50 } })
  })

  it('repeats a write that got no answer, takes its own event for written, and gives up with a line in the log', async () => {
    const answers = [new Error('ECONNRESET'), Object.assign(new Error('already exists'), { status: 409 })]
    const lucky = harness({ create: () => Promise.reject(answers.shift() ?? new Error('asked too often')) })
    lucky.recorder.record(occurrence())
    await lucky.clock.advance(60_000)
    expect([answers, lucky.lines]).toEqual([[], []])

    let tries = 0
    const away = harness({ create: () => Promise.reject(new Error(`try ${++tries}`)) })
    away.recorder.record(occurrence())
    await away.clock.advance(60_000)
    expect(tries).toBe(4)
    expect(JSON.parse(away.lines[0] ?? '')).toMatchObject({
      msg: 'an event is lost',
      reason: 'Hugged',
      err: { message: 'try 4' },
    })
  })

  it('does not repeat what was refused', async () => {
    let tries = 0
    const { clock, recorder, lines } = harness({
      create: () => Promise.reject(Object.assign(new Error('forbidden'), { status: 403, tries: ++tries })),
    })
    recorder.record(occurrence())
    await clock.advance(60_000)
    expect([tries, lines.length]).toEqual([1, 1])
  })

  it('drops what does not fit in its queue instead of growing or waiting, and stops when told', async () => {
    const { recorder, lines, stop, running } = harness({ create: () => new Promise(() => undefined) })
    stop.abort()
    await running
    for (let n = 0; n < 10_005; n++) recorder.record(occurrence({ note: `hug ${n}` }))
    expect(lines).toHaveLength(5)
  })

  it('cuts a note at 1024 bytes, between characters', async () => {
    const { clock, recorder, written } = harness()
    recorder.record(occurrence({ note: 'ü'.repeat(600) }))
    await clock.advance(0)
    const note = String(written[0]?.body['note'])
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024)
    expect(note).toMatch(/^ü{500,}…$/)
  })
})
