import { backoffMs } from './backoff.ts'
import type { Clock } from './clock.ts'
import { asError, statusOf } from './failure.ts'
import type { Log } from './log.ts'
import { microTime } from './micro-time.ts'
import type { NewObject } from './object.ts'

/** The object an event is about. */
export type ObjectReference = {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion?: string
}

/** Something that happened, for people. */
export type Occurrence = {
  readonly regarding: ObjectReference
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines. */
  readonly reason: string
  /** What was done, or refused, CamelCase. */
  readonly action: string
  /** For people; cut at 1024 bytes. */
  readonly note: string
  readonly related?: ObjectReference
}

/** Where events are written; failures are Errors that carry the HTTP `status` where there was one. */
export type EventPort = {
  readonly create: (event: NewObject, signal: AbortSignal) => Promise<unknown>
  /** A merge patch. */
  readonly patch: (name: string, namespace: string, body: object, signal: AbortSignal) => Promise<unknown>
}

/** What a recorder is made of. */
export type EventRecorderOptions = {
  readonly port: EventPort
  /** Who reports: "serin.dev/operator". */
  readonly controller: string
  /** Which process of it: the pod's name. */
  readonly instance: string
  readonly clock: Clock
  /** Yields [0, 1), for names and to spread retries. */
  readonly random: () => number
  readonly log: Log
}

type Series = {
  readonly key: string
  readonly event: NewObject
  readonly namespace: string
  /** How often it happened, and how much of that the server knows. */
  count: number
  written: number
  lastMs: number
}

const SERIES_MS = 10 * 60_000
const MAX_SERIES = 4_096
const MAX_PENDING = 10_000
const MAX_ATTEMPTS = 4
const DRAIN_LOOK_MS = 20
const RETRY = { baseMs: 1_000, maxMs: 10_000 }

/**
 * Writes events.k8s.io/v1 Events. To record never waits and never fails: what cannot be written is dropped with a line
 * in the log. The same reason and note on the same object within ten minutes of the last time raises the count of that event.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #series = new Map<string, Series>()
  readonly #pending = new Map<string, Series>()
  #writing = false
  #wake: () => void = () => undefined

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  /** Takes note of an occurrence; it is written as soon as `run` gets to it. */
  record(occurrence: Occurrence): void {
    const nowMs = this.#options.clock.now()
    const key = JSON.stringify([occurrence.regarding.uid, occurrence.reason, occurrence.note])
    const present = this.#series.get(key)
    const series = present !== undefined && nowMs - present.lastMs < SERIES_MS ? present : this.#begin(key, occurrence, nowMs)
    series.count++
    series.lastMs = nowMs
    // Last in line again: the first of the map is always the longest silent.
    this.#series.delete(key)
    this.#series.set(key, series)
    this.#forgetOld(nowMs)
    if (!this.#pending.has(key) && this.#pending.size >= MAX_PENDING)
      return this.#drop(series, new Error(`${MAX_PENDING} events are waiting already`))
    this.#pending.set(key, series)
    this.#wake()
  }

  /** Writes what is recorded until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#wake()
    signal.addEventListener('abort', wake, { once: true })
    while (!signal.aborted) {
      const [series] = this.#pending.values()
      if (series === undefined) await this.#recorded(signal)
      else {
        this.#writing = true
        await this.#write(series, signal)
        this.#writing = false
      }
    }
    signal.removeEventListener('abort', wake)
  }

  /** Resolves when all that was recorded is written or dropped, or when the signal aborts. */
  async drained(signal: AbortSignal): Promise<void> {
    while ((this.#pending.size > 0 || this.#writing) && !signal.aborted) await this.#options.clock.sleep(DRAIN_LOOK_MS, signal).catch(() => undefined)
  }

  #recorded(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (signal.aborted) resolve()
    })
  }

  async #write(series: Series, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    this.#pending.delete(series.key)
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await this.#send(series, signal)
      } catch (thrown) {
        const error = asError(thrown)
        if (failures === MAX_ATTEMPTS || isRefusal(error)) return this.#drop(series, error)
        // A stop ends the wait early; the loop sees it.
        await clock.sleep(backoffMs(RETRY, failures, random), signal).catch(() => undefined)
      }
    }
  }

  async #send(series: Series, signal: AbortSignal): Promise<void> {
    const { count, lastMs, event } = series
    if (series.written === 0) await this.#create(count === 1 ? event : { ...event, ...seriesOf(count, lastMs) }, signal)
    else await this.#options.port.patch(event.metadata.name, series.namespace, seriesOf(count, lastMs), signal)
    series.written = count
  }

  async #create(event: NewObject, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.port.create(event, signal)
    } catch (error) {
      // Our own, from an earlier try whose answer was lost: nobody else makes up this name.
      if (statusOf(error) !== 409) throw error
    }
  }

  #begin(key: string, { regarding, note, ...occurrence }: Occurrence, nowMs: number): Series {
    const { controller, instance, random } = this.#options
    const namespace = regarding.namespace ?? 'default'
    const unique = `${nowMs.toString(16)}${Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')}`
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `${regarding.name.slice(0, 220).replace(/[-.]+$/, '')}.${unique}`, namespace },
      eventTime: microTime(nowMs),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      regarding,
      note: cut(note),
      ...occurrence,
    }
    return { key, event, namespace, count: 0, written: 0, lastMs: nowMs }
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { lastMs }] of this.#series) {
      if (nowMs - lastMs < SERIES_MS && this.#series.size <= MAX_SERIES) return
      this.#series.delete(key)
    }
  }

  #drop({ key, event }: Series, err: Error): void {
    this.#series.delete(key)
    this.#options.log.warn({ event: event.metadata.name, reason: event['reason'], err }, 'an event is lost')
  }
}

const seriesOf = (count: number, lastMs: number) => ({ series: { count, lastObservedTime: microTime(lastMs) } })

const cut = (note: string): string =>
  Buffer.byteLength(note) <= 1024
    ? note
    : `${Buffer.from(note)
        .subarray(0, 1021)
        .toString()
        .replace(/\uFFFD+$/, '')}…`

/** The server has understood and said no, so saying it again helps nobody; 408 and 429 only ask for patience. */
const isRefusal = (error: Error): boolean => {
  const status = statusOf(error)
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429
}
