import type { HostNames } from '../analysis/mesh-answers.ts'
import { growths, marksOf, type Growth, type Marks } from '../analysis/tally.ts'
import type { CheckPlan } from '../canary/due-checks.ts'
import type { Evidence } from '../canary/world.ts'
import type { Prometheus } from '../prometheus/prometheus.ts'
import type { Clock } from '../runtime/clock.ts'
import { askCounters, askMeshAnswers, type Answers, type Subject } from './ask.ts'
import { Examination } from './examination.ts'
import { nextRun } from './schedule.ts'

export type AnalystOptions = {
  readonly prometheus: Prometheus
  readonly clock: Clock
  /** A Canary's evidence has changed; failing, where a check says so. */
  readonly onChecked: (key: string, failing: boolean) => void
  /** How much later than planned a tick came, milliseconds. */
  readonly onTick?: (lateMs: number, canaries: number) => void
}

type Failed = { readonly error: string }
type Followed = { readonly examination: Examination; dueMs: number; busy: boolean; lastMs: number | undefined }

const USUAL_MS = 10 * 60_000

/**
 * Asks Prometheus on the analysis clock, for every rollout under way, apart from the reconciles: no rollback ever
 * waits for an answer. All canaries of one interval tick together, so that one query serves them all.
 */
export class Analyst {
  readonly #options: AnalystOptions
  readonly #followed = new Map<string, Followed>()
  readonly #meshMarks = new Map<string, { readonly marks: Marks; readonly atMs: number }>()
  #wake: () => void = () => undefined

  constructor(options: AnalystOptions) {
    this.#options = options
  }

  /** The Canary's rollout is examined by this plan from now on. */
  follow(key: string, plan: CheckPlan, service: string, names: HostNames): void {
    const { clock } = this.#options
    const known = this.#followed.get(key)
    if (known !== undefined && known.examination.plan.workload === plan.workload) {
      const clockChanged = JSON.stringify(known.examination.plan.clock) !== JSON.stringify(plan.clock)
      known.examination.follow(plan, clock.monotonic())
      if (!clockChanged) return
      known.dueMs = this.#nextTick(plan)
    } else {
      const examination = new Examination(plan, service, names, clock.monotonic())
      this.#followed.set(key, { examination, dueMs: this.#nextTick(plan), busy: false, lastMs: undefined })
    }
    this.#wake()
  }

  /** Nothing of it is being rolled out any more. */
  forget(key: string): void {
    this.#followed.delete(key)
  }

  /** Counts the looks: the same number means that nothing was seen since. */
  looks(key: string): number {
    return this.#followed.get(key)?.examination.looks ?? 0
  }

  evidence(key: string, step: string): Evidence | undefined {
    return this.#followed.get(key)?.examination.evidenceOf(step)
  }

  /** A route, rule or workload of it was just written. */
  wrote(key: string): void {
    this.#followed.get(key)?.examination.wrote(this.#options.clock.monotonic())
  }

  /** Ticks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      const now = clock.monotonic()
      const due = [...this.#followed].filter(([, { dueMs, busy }]) => !busy && dueMs <= now)
      for (const group of groupedByClock(due)) void this.#tick(group, signal)
      const next = Math.min(...[...this.#followed.values()].filter(({ busy }) => !busy).map(({ dueMs }) => dueMs))
      await this.#sleep(next === Infinity ? 60_000 : next - clock.monotonic(), signal)
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const stop = () => woken.abort()
    signal.addEventListener('abort', stop, { once: true })
    this.#wake = stop
    await this.#options.clock.sleep(ms, woken.signal).catch(() => undefined)
    signal.removeEventListener('abort', stop)
  }

  async #tick(group: readonly (readonly [string, Followed])[], signal: AbortSignal): Promise<void> {
    const { clock, onTick, onChecked } = this.#options
    onTick?.(clock.monotonic() - Math.min(...group.map(([, { dueMs }]) => dueMs)), group.length)
    for (const [, followed] of group) followed.busy = true
    try {
      await this.#examine(group.map(([, followed]) => followed), signal)
    } finally {
      for (const [, followed] of group) {
        followed.busy = false
        followed.lastMs = clock.monotonic()
        followed.dueMs = this.#nextTick(followed.examination.plan)
      }
      // Whoever is told first is decided on first: so are those that fail.
      const failing = group.filter(([, followed]) => fails(followed))
      const others = group.filter(([, followed]) => !fails(followed))
      if (!signal.aborted) [failing, others].forEach((keys) => keys.forEach(([key]) => onChecked(key, keys === failing)))
      this.#wake()
    }
  }

  /** Never throws: what cannot be seen is a blind tick, for whom it cannot be seen. */
  async #examine(group: readonly Followed[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const judged = group.filter(({ examination: { plan } }) => plan.metrics.length > 0)
    const answers = judged.length === 0 ? { error: '' } : await this.#ask(judged.map(({ examination }) => examination), signal)
    for (const followed of group) {
      const { examination } = followed
      const intervalMs = intervalOf(followed, clock.monotonic())
      const found = !judged.includes(followed) ? NOTHING : 'error' in answers ? answers : answers.of(examination)
      if ('error' in found) examination.blind(found.error, clock.now(), intervalMs)
      else examination.look(found, { now: clock.now(), monotonicMs: clock.monotonic(), intervalMs })
    }
  }

  async #ask(examinations: readonly Examination[], signal: AbortSignal): Promise<Failed | { readonly of: (examination: Examination) => Answers | Failed }> {
    const durations = examinations.some(({ plan }) => plan.metrics.some(({ kind }) => kind === 'latency'))
    const unmarked = new Map(await Promise.all(examinations.filter(({ needsMarks }) => needsMarks).map(async (one) => [one, await this.#mark(one, durations, signal)] as const)))
    const [counters, meshAnswers] = await Promise.all([askCounters(this.#options.prometheus, examinations.map(subjectOf), { durations, signal }), this.#meshAnswers(examinations, signal)])
    if (counters.kind === 'error') return { error: counters.message }
    if ('error' in meshAnswers) return meshAnswers
    return { of: (examination) => unmarked.get(examination) ?? { ...counters.of(subjectOf(examination)), meshAnswers } }
  }

  /** After a restart: what the counters stood at when the step began. */
  async #mark(examination: Examination, durations: boolean, signal: AbortSignal): Promise<Failed | undefined> {
    const counters = await askCounters(this.#options.prometheus, [subjectOf(examination)], { durations, atMs: examination.plan.stepStartedAt, signal })
    if (counters.kind === 'error') return { error: counters.message }
    const { counts, durations: buckets } = counters.of(subjectOf(examination))
    examination.mark(counts, buckets)
    return undefined
  }

  /** What the mesh answered itself since the last tick of this clock. The first one, and each new rollout, looks ten minutes back. */
  async #meshAnswers(examinations: readonly Examination[], signal: AbortSignal): Promise<readonly Growth[] | Failed> {
    const { prometheus, clock } = this.#options
    const group = JSON.stringify(examinations[0]?.plan.clock)
    const samples = await askMeshAnswers(prometheus, { signal })
    if ('error' in samples) return samples
    const fresh = examinations.filter(({ knowsUsual }) => !knowsUsual)
    if (fresh.length > 0) {
      const before = await askMeshAnswers(prometheus, { atMs: clock.now() - USUAL_MS, signal })
      if ('error' in before) return before
      const usual = growths(samples, marksOf(before))
      for (const examination of fresh) examination.usual(usual, USUAL_MS)
    }
    const known = this.#meshMarks.get(group)
    this.#meshMarks.set(group, { marks: marksOf(samples, known?.marks), atMs: clock.monotonic() })
    const recent = known !== undefined && clock.monotonic() - known.atMs <= staleAfterMs(examinations[0]?.plan.clock)
    return recent ? growths(samples, known.marks) : []
  }

  #nextTick({ clock: when }: CheckPlan): number {
    const { clock } = this.#options
    const now = clock.monotonic()
    if (when.kind === 'interval') return (Math.floor(now / when.everyMs) + 1) * when.everyMs
    const at = nextRun(when.expression, clock.now())
    return at === undefined ? Infinity : now + at - clock.now()
  }
}

const subjectOf = ({ service, plan: { workload } }: Examination): Subject => ({ service, workload })

const NOTHING = { counts: [], durations: [], meshAnswers: [] }

/** A schedule's ticks lie as far apart as the last two did; before there were two, a minute. */
function intervalOf({ examination: { plan }, lastMs }: Followed, nowMs: number): number {
  if (plan.clock.kind === 'interval') return plan.clock.everyMs
  return lastMs === undefined ? 60_000 : Math.max(1000, nowMs - lastMs)
}

/** What was asked longer ago says nothing of now: nobody ticked on this clock in between. */
const staleAfterMs = (clock: CheckPlan['clock'] | undefined): number => (clock?.kind === 'interval' ? 3 * clock.everyMs : 2 * 3_600_000)

/** A rollback does not queue behind the canaries that pass. */
function fails({ examination }: Followed): boolean {
  const evidence = examination.evidenceOf(examination.plan.step)
  return evidence?.broken !== undefined || evidence?.checks.some(({ verdict }) => verdict === 'Fail') === true
}

function groupedByClock(due: readonly (readonly [string, Followed])[]): readonly (readonly (readonly [string, Followed])[])[] {
  const groups = new Map<string, (readonly [string, Followed])[]>()
  for (const entry of due) {
    const name = JSON.stringify(entry[1].examination.plan.clock)
    groups.set(name, [...(groups.get(name) ?? []), entry])
  }
  return [...groups.values()]
}
