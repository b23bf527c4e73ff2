import type { CanaryStatus } from '../api/canary.ts'
import { canonicalJson } from './template-hash.ts'

/** How long a change that only people look at may wait for others, milliseconds. */
export const MINOR_MS = 10_000

/**
 * Whether status must be written now, may wait, or says nothing new. What a restart rests on, and every transition, is
 * written at once; progress within a step is gathered.
 */
export function statusChange(before: CanaryStatus | undefined, after: CanaryStatus): 'none' | 'minor' | 'major' {
  if (before === undefined || canonicalJson(major(before)) !== canonicalJson(major(after))) return 'major'
  return canonicalJson(timeless(before)) === canonicalJson(timeless(after)) ? 'none' : 'minor'
}

/** Transitions, what is stable and what failed, waits for pods (a deadline hangs on them), verdicts, conditions. */
function major(status: CanaryStatus) {
  const { observedGeneration, observedTarget, phase, step, weight, stableRevision, canaryRevision, previous, seen, failed, routes, history } = status
  const rollout = status.rollout && { ...status.rollout, observed: undefined, waitingFor: undefined, until: undefined }
  return {
    observedGeneration, observedTarget, phase, step, weight, stableRevision, canaryRevision, previous, seen, failed, routes, history, rollout,
    pods: status.rollout?.waitingFor === 'Pods' ? status.rollout.until : undefined,
    checks: status.checks.map(({ name, verdict, failures }) => [name, verdict, failures]),
    conditions: status.conditions.map(({ type, status: state, reason, observedGeneration: seenAt }) => [type, state, reason, seenAt]),
  }
}

/** Without what changes at every look. */
const timeless = (status: CanaryStatus) => ({ ...status, checks: status.checks.map((check) => ({ ...check, time: undefined })) })
