import { blindCheck, checkOf, lookAt, type Tallies } from '../analysis/judge.ts'
import { isUnusual, meshAnswersFor, type HostNames } from '../analysis/mesh-answers.ts'
import { growths, marksOf, tallied, total, type Growth, type Marks, type Sample } from '../analysis/tally.ts'
import type { CheckPlan } from '../canary/due-checks.ts'
import { NO_EVIDENCE, type Check, type Evidence } from '../canary/world.ts'
import type { Answers } from './ask.ts'

/** One Canary's rollout under examination: what was asked so far and what came of it. Lives in memory; status seeds it. */
export class Examination {
  readonly names: HostNames
  readonly service: string
  #plan: CheckPlan
  #evidence: Evidence
  #tallies: Tallies = EMPTY
  #countMarks: Marks | undefined
  #durationMarks: Marks | undefined
  #lastSeenMs: number | undefined
  #countsFromMs: number
  #blindFromMs: number | undefined
  #usualPerSecond: number | undefined
  #lastWriteMs = -Infinity
  #stepFromMs: number
  #looks = 0

  constructor(plan: CheckPlan, service: string, names: HostNames, monotonicMs: number) {
    this.#plan = plan
    this.service = service
    this.names = names
    this.#evidence = seeded(plan)
    this.#stepFromMs = monotonicMs - plan.stepAgeMs
    this.#countsFromMs = monotonicMs + plan.countsInMs
  }

  get plan(): CheckPlan {
    return this.#plan
  }

  /** Without marks there is nothing to difference from: after a restart in the middle of a step they are asked for. */
  get needsMarks(): boolean {
    return this.#countMarks === undefined && this.#plan.exposed
  }

  get looks(): number {
    return this.#looks
  }

  /** What the step has shown; nothing where it speaks of another. */
  evidenceOf(step: string): Evidence | undefined {
    return step === this.#plan.step ? this.#evidence : undefined
  }

  /** The plan as it is now: another exposure begins with no evidence, but the same counters. */
  follow(plan: CheckPlan, monotonicMs: number): void {
    if (plan.rollout !== this.#plan.rollout) {
      this.#usualPerSecond = undefined
      this.#evidence = NO_EVIDENCE
    }
    const begins = plan.step !== this.#plan.step
    if (begins) {
      this.#tallies = EMPTY
      this.#evidence = { ...seeded(plan), broken: this.#evidence.broken }
      this.#stepFromMs = monotonicMs - plan.stepAgeMs
    }
    this.#plan = plan
    // Once an exposure has spread, a later look must not move the moment at which it had.
    const stands = !begins && plan.countsInMs === 0
    this.#countsFromMs = stands ? Math.min(this.#countsFromMs, monotonicMs) : monotonicMs + plan.countsInMs
  }

  /** A write of ours was answered: what the mesh answers itself soon after is our doing. */
  wrote(monotonicMs: number): void {
    this.#lastWriteMs = monotonicMs
  }

  /** What the counters stood at when the step began. */
  mark(counts: readonly Sample[], durations: readonly Sample[]): void {
    this.#countMarks = marksOf(counts)
    this.#durationMarks = marksOf(durations)
  }

  /** How often the mesh answers itself without any doing of ours. */
  usual(growth: readonly Growth[], ms: number): void {
    const { broken, other } = meshAnswersFor(growth, this.names)
    this.#usualPerSecond ??= ((broken + other) * 1000) / ms
  }

  get knowsUsual(): boolean {
    return this.#usualPerSecond !== undefined
  }

  /** One tick that could not see: no time counts, nothing is concluded. */
  blind(message: string, now: number, intervalMs: number): void {
    const checks = this.#plan.metrics.map((metric) => blindCheck(metric, message, this.#known(metric.name), now))
    this.#looks++
    this.#blindFromMs ??= now
    this.#lastSeenMs = undefined
    const long = now - this.#blindFromMs >= BLIND_INTERVALS * intervalMs
    this.#evidence = { ...this.#evidence, checks, unusual: undefined, blindSince: long ? this.#blindFromMs : undefined }
  }

  /** One tick: what the counters grew by since the last one, what that says, and how much of `for` it covers. */
  look(answers: Answers, at: { readonly now: number; readonly monotonicMs: number; readonly intervalMs: number }): void {
    const grown = { counts: growths(answers.counts, this.#countMarks ?? new Map()), durations: growths(answers.durations, this.#durationMarks ?? new Map()) }
    const darkReached = this.#plan.exposed || this.#plan.previewed || this.#countMarks === undefined ? undefined : this.#reachedInTheDark(grown.counts)
    if (this.#plan.exposed && this.#countMarks !== undefined)
      this.#tallies = { counts: tallied(this.#tallies.counts, grown.counts), durations: tallied(this.#tallies.durations, grown.durations) }
    this.#countMarks = marksOf(answers.counts, this.#countMarks)
    this.#durationMarks = marksOf(answers.durations, this.#durationMarks)
    this.#looks++
    this.#blindFromMs = undefined
    this.#evidence = {
      ...this.#guard(answers.meshAnswers, at),
      observedMs: this.#evidence.observedMs + this.#observed(at),
      checks: this.#plan.exposed ? this.#checks(at) : [],
      darkReached: darkReached ?? this.#evidence.darkReached,
      blindSince: undefined,
    }
    this.#lastSeenMs = at.monotonicMs
  }

  /** Time counts from propagation on, between two ticks that both saw; a gap counts as two intervals at most. */
  #observed({ monotonicMs, intervalMs }: { readonly monotonicMs: number; readonly intervalMs: number }): number {
    if (!this.#plan.exposed || this.#lastSeenMs === undefined) return 0
    const from = Math.max(this.#lastSeenMs, this.#countsFromMs)
    return Math.max(0, Math.min(monotonicMs - from, 2 * intervalMs))
  }

  #checks({ now, monotonicMs }: { readonly now: number; readonly monotonicMs: number }): readonly Check[] {
    const plan = this.#plan
    const subject = { workload: plan.workload, namespace: this.names.namespace, reporter: plan.reporter, minRequests: plan.minRequests }
    const judged = monotonicMs - this.#stepFromMs >= plan.initialDelayMs
    return plan.metrics.map((metric) => checkOf(metric, lookAt(metric, subject, this.#tallies), this.#known(metric.name), { now, judged }))
  }

  #known(name: string): Check | undefined {
    return this.#evidence.checks.find((check) => check.name === name)
  }

  #guard(growth: readonly Growth[], { monotonicMs, intervalMs }: { readonly monotonicMs: number; readonly intervalMs: number }): Pick<Evidence, 'broken' | 'unusual'> {
    const { broken, other } = meshAnswersFor(growth, this.names)
    const ours = monotonicMs - this.#lastWriteMs <= 2 * this.#plan.propagationMs + intervalMs
    if (ours && broken > 0) return { broken: `${Math.round(broken)} requests were answered by the mesh itself (NC, UH or UF) soon after a change of Serin's`, unusual: undefined }
    const rest = other + broken
    const strange = isUnusual(rest, intervalMs, this.#usualPerSecond ?? 0)
    return { broken: this.#evidence.broken, unusual: strange ? `${Math.round(rest)} requests were answered by the mesh itself, more than usual` : undefined }
  }

  #reachedInTheDark(growth: readonly Growth[]): string | undefined {
    const mine = (labels: Growth['labels']) => labels['reporter'] === 'destination' && labels['destination_workload'] === this.#plan.workload && labels['destination_workload_namespace'] === this.names.namespace
    const reached = total(tallied(new Map(), growth), mine)
    return reached === 0 ? undefined : `${Math.round(reached)} requests reached dark pods of ${this.#plan.workload}: a caller outside the mesh, or by pod address; STRICT mTLS closes that`
  }
}

const BLIND_INTERVALS = 5
const EMPTY: Tallies = { counts: new Map(), durations: new Map() }

/** What status remembers of this very step, after a restart: time seen, and failures in a row. */
function seeded(plan: CheckPlan): Evidence {
  const checks = plan.remembered.flatMap((known): Check[] => {
    const metric = plan.metrics.find(({ name }) => name === known.name)
    return metric === undefined ? [] : [{
      name: known.name,
      verdict: 'NotEnoughEvidence',
      value: known.value,
      bound: known.bound ?? '',
      requests: known.requests ?? 0,
      needed: known.needed ?? 0,
      failures: known.failures ?? 0,
      failureThreshold: metric.failureThreshold,
      dryRun: metric.dryRun,
      message: known.message ?? '',
      at: Date.parse(known.time ?? '') || plan.stepStartedAt,
    }]
  })
  return { ...NO_EVIDENCE, observedMs: plan.observedMs, checks }
}
