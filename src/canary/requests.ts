import type { CanaryActionSpec, CanaryActionStatus } from '../api/canary-action.ts'
import { failureOf, type Facts } from './facts.ts'
import { replanned } from './guards.ts'
import { exposureKey, presentStep } from './people.ts'
import type { ActionFacts } from './world.ts'

/** What became of one CanaryAction. */
export type Answer = { readonly uid: string; readonly result: NonNullable<CanaryActionStatus['result']>; readonly message: string }

/**
 * How one kind of action is met. `done`: what it asked for stands, in an object that the answer may rest on. `refusal`:
 * why it does not fit. `waits`: it fits, but not yet. Otherwise it is due, and a row of the table does it.
 */
type Rule = {
  readonly done: (facts: Facts, action: ActionFacts) => string | undefined
  readonly refusal: (facts: Facts, action: ActionFacts) => string | undefined
  readonly waits?: (facts: Facts, action: ActionFacts) => boolean
}

const rolloutOf = ({ world }: Facts) => world.status?.rollout
const isReplanned = (facts: Facts): boolean => replanned(facts) !== undefined

const RULES: Readonly<Record<CanaryActionSpec['action'], Rule>> = {
  Approve: {
    done: (facts, { uid }) => rolloutOf(facts)?.approvals?.find(({ action }) => action === uid) && 'approved',
    refusal: (facts, action) => notProgressing(facts) ?? notPresent(facts, action) ?? needsNoApproval(facts),
    waits: isReplanned,
  },
  Skip: {
    done: (facts, { uid }) => rolloutOf(facts)?.skips?.find(({ action }) => action === uid) && 'skipped',
    refusal: (facts, action) => notProgressing(facts) ?? paused(facts) ?? notPresent(facts, action),
    waits: isReplanned,
  },
  Promote: {
    done: (facts, { uid }) => rolloutOf(facts)?.skips?.find(({ action }) => action === uid) && 'all remaining steps are skipped',
    refusal: (facts) => (facts.phase === 'Waiting' ? undefined : notProgressing(facts)) ?? paused(facts),
    waits: ({ phase }) => phase === 'Waiting',
  },
  Pause: {
    done: (facts, action) => (otherRevision(facts, action) === undefined ? facts.world.status?.paused && `paused by ${facts.world.status.paused.by}` : undefined),
    refusal: () => undefined,
  },
  Resume: {
    done: (facts, action) => (otherRevision(facts, action) === undefined && facts.world.status?.paused === undefined ? 'not paused' : undefined),
    refusal: () => undefined,
  },
  Abort: {
    done: ({ ledger }, { uid, revision = '' }) => (ledger.failed[revision]?.action === uid ? 'aborted' : undefined),
    refusal: (facts) => (facts.phase === 'Promoting' ? undefined : notProgressing(facts)),
  },
  Retry: {
    done: ({ ledger }, { uid, revision = '' }) => (ledger.failed[revision]?.retried === uid ? 'it starts anew' : undefined),
    refusal: (facts) => (failureOf(facts, facts.t) === undefined || facts.phase !== 'Failed' ? `${current(facts)} cannot be retried while the Canary is ${facts.phase}` : undefined),
  },
}

/** What is being rolled out, or else what should serve. */
const current = ({ c, t }: Facts): string => (c ?? t)?.revision ?? 'nothing'

const otherRevision = (facts: Facts, { revision }: ActionFacts): string | undefined =>
  revision === undefined || revision === current(facts) ? undefined : `names ${revision}, the current revision is ${current(facts)}`

const notProgressing = (facts: Facts): string | undefined =>
  facts.phase === 'Progressing' ? undefined : `${current(facts)} is not on its way through the steps: the Canary is ${facts.phase}`

const paused = ({ world }: Facts): string | undefined => world.status?.paused && `paused by ${world.status.paused.by}: resume it first`

function notPresent(facts: Facts, { step }: ActionFacts): string | undefined {
  const present = presentStep(facts)
  if (present === undefined) return `no step of ${current(facts)} has begun`
  return step === undefined || step === present.name ? undefined : `names step ${step}, the present one is ${present.name}`
}

const needsNoApproval = (facts: Facts): string | undefined => {
  const present = presentStep(facts)
  return present?.approval === true ? undefined : `step ${present?.name ?? ''} needs no approval`
}

/** A suspended Canary heeds nothing but an Abort, and before adoption there is nothing to speak of. */
const isUnheeded = ({ world, phase }: Facts, { action }: ActionFacts): boolean =>
  phase === 'Initializing' || (world.settings.suspend && action !== 'Abort')

function verdictOf(facts: Facts, action: ActionFacts): Answer | 'due' | 'waits' {
  const { uid } = action
  const rule = RULES[action.action]
  const done = rule.done(facts, action)
  if (done !== undefined) return { uid, result: 'Accepted', message: done }
  if (facts.world.now >= action.expiresAt) return { uid, result: 'Expired', message: 'it could not be acted on within expiresAfter' }
  if (facts.phase === 'Initializing') return 'waits'
  const refusal = otherRevision(facts, action) ?? rule.refusal(facts, action)
  if (refusal !== undefined) return { uid, result: 'Refused', message: refusal }
  return isUnheeded(facts, action) || rule.waits?.(facts, action) === true ? 'waits' : 'due'
}

/** What is asked for, in its order: everything up to the first that is due has its answer, or waits for its time. */
function heard(facts: Facts): { readonly answers: readonly Answer[]; readonly due: ActionFacts | undefined } {
  const answers: Answer[] = []
  for (const action of facts.world.actions) {
    const verdict = verdictOf(facts, action)
    if (verdict === 'due') return { answers, due: action }
    if (verdict !== 'waits') answers.push(verdict)
  }
  return { answers, due: undefined }
}

/** The action to act on now: the oldest that fits. */
export const dueAction = (facts: Facts): ActionFacts | undefined => heard(facts).due

/**
 * What can be answered by what stands. An effect is answered once it is seen to stand, in a later pass than the one that
 * made it: a process that dies in between, or a second one, finds either the effect or the action still to do.
 */
export const answersOf = (facts: Facts): readonly Answer[] => {
  if (facts.world.stale !== undefined) return []
  if (facts.phase !== 'Terminating') return heard(facts).answers
  return facts.world.actions.map(({ uid }) => ({ uid, result: 'Refused', message: `Canary ${facts.world.canary.name} is being deleted` }))
}

/** A record of what was granted: of the present step, or of all that are left. */
export const granted = (facts: Facts, { by, uid }: ActionFacts, at: string) => {
  const [step, exposure] = [presentStep(facts)?.name, exposureKey(facts)]
  return { ...(step === undefined ? {} : { step }), ...(exposure === undefined ? {} : { exposure }), by, at, action: uid }
}
