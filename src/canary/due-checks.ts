import type { CanaryStatus } from '../api/canary.ts'
import { parseDuration } from '../api/duration.ts'
import type { Metric, Settings } from '../api/settings.ts'
import type { Facts } from './facts.ts'
import { currentStep } from './guards.ts'
import { isBeforeFirst } from './steps.ts'
import { analysisSkipped } from './people.ts'

/** What must be asked, from now on and on the analysis clock, for the rollout that is under way. */
export type CheckPlan = {
  readonly rollout: string
  /** Names the exposure that stands: evidence never carries over to another. */
  readonly step: string
  readonly clock: Settings['clock']
  readonly metrics: readonly Metric[]
  readonly workload: string
  /** Callers' proxies where users meet the canary; its own proxy where only mirrors and matches reach it. */
  readonly reporter: 'source' | 'destination'
  readonly minRequests: number
  readonly initialDelayMs: number
  /** Something of ours gives it requests. */
  readonly exposed: boolean
  /** Tests reach it on ways of ours: that they do in the dark is as it should be. */
  readonly previewed: boolean
  /** Until the exposure has spread and its time counts, milliseconds from now; 0 when it does. */
  readonly countsInMs: number
  /** Milliseconds since the epoch. */
  readonly stepStartedAt: number
  /** How long the step has lasted, as far as the wall clock can be believed, milliseconds. */
  readonly stepAgeMs: number
  /** Of `for`, as status remembers it for this very step. */
  readonly observedMs: number
  readonly propagationMs: number
  readonly remembered: CanaryStatus['checks']
}

/** The checks that are due while a rollout is under way; undefined when nothing is to be judged. */
export function dueChecks(facts: Facts): CheckPlan | undefined {
  const { c, canary, exposure, phase, world } = facts
  if (c === undefined || canary === undefined || (phase !== 'Progressing' && phase !== 'Promoting')) return undefined
  const { settings, ages } = world
  return {
    rollout: c.rollout,
    step: stepKey(facts),
    clock: settings.clock,
    metrics: analysisSkipped(facts) === undefined ? settings.analysis.metrics : [],
    workload: canary.name,
    reporter: exposure !== undefined && exposure.weight > 0 ? 'source' : 'destination',
    minRequests: currentStep(facts)?.minRequests ?? 0,
    initialDelayMs: settings.analysis.initialDelayMs,
    exposed: exposure !== undefined && !isBeforeFirst(exposure),
    previewed: exposure !== undefined || settings.preview.service !== undefined,
    countsInMs: Math.max(0, settings.propagationMs - ages.routes),
    propagationMs: settings.propagationMs,
    ...remembered(facts),
    stepAgeMs: Math.max(0, world.now - remembered(facts).stepStartedAt),
  }
}

/** What status knows of this very step; of a step that it has not heard of, nothing. */
function remembered(facts: Facts): Pick<CheckPlan, 'stepStartedAt' | 'observedMs' | 'remembered'> {
  const { status, now } = facts.world
  const { stepStartedAt, observed } = isTold(facts) ? (status?.rollout ?? {}) : {}
  if (status === undefined || stepStartedAt === undefined) return { stepStartedAt: now, observedMs: 0, remembered: [] }
  return { stepStartedAt: Date.parse(stepStartedAt), observedMs: observed === undefined ? 0 : parseDuration(observed), remembered: status.checks }
}

/** Names what is exposed in this rollout. */
export const stepKey = ({ c, exposure }: Pick<Facts, 'c' | 'exposure'>): string =>
  `${c?.rollout ?? ''}#${exposure === undefined ? 'dark' : `${exposure.step}#${exposure.plan}`}`

/** What status tells of is what stands: by the text for people, and by the index, which is past the last step once promotion has begun. */
export const isTold = (facts: Facts): boolean => {
  const { status } = facts.world
  return status?.step === stepShown(facts) && status.rollout?.stepIndex === stepIndexOf(facts)
}

/** Position of what is exposed, from 0; the number of steps once promotion has begun. */
export const stepIndexOf = ({ exposure, world: { settings } }: Pick<Facts, 'exposure' | 'world'>): number =>
  Math.max(0, Math.min(exposure?.step ?? 0, settings.steps.length))

/** "2/5": how many steps have begun, of how many. */
export const stepShown = ({ exposure, world: { settings } }: Pick<Facts, 'exposure' | 'world'>): string =>
  `${Math.min((exposure?.step ?? -1) + 1, settings.steps.length)}/${settings.steps.length}`
