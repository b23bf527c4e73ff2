import type { ReasonOf } from './event-reasons.ts'
import type { CanaryStatus, RolloutStatus } from '../api/canary.ts'
import { normal, outcome, writeLedgers } from './actions.ts'
import type { Change, Decision, Hold } from './decision.ts'
import { failureOf, type Facts } from './facts.ts'
import { failingWhileDark } from './guarding.ts'
import { instant } from './instant.ts'
import { abortOf, exposureKey, presentStep, said } from './people.ts'
import { dueAction, granted } from './requests.ts'
import type { ActionFacts } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/** Status has room for so many. */
const MOST_REQUESTS = 50

/** Row 5a: an Abort is heeded while suspended too, whether or not anybody meets the canary. */
export const abortedWhileDark = (facts: Facts): Outcome | undefined => (abortOf(facts) === undefined ? undefined : failingWhileDark(facts))

/** Row 8a: what somebody asked for, and status remembers. */
export function heed(facts: Facts): Outcome | undefined {
  const action = dueAction(facts)
  if (action === undefined) return undefined
  const at = instant(facts.world.now)
  switch (action.action) {
    case 'Approve':
      return step(facts, action, { reason: 'Approved', verb: 'approved', change: withRequest(facts, 'approvals', granted(facts, action, at)) })
    case 'Skip':
      return step(facts, action, { reason: 'StepSkipped', verb: 'skipped', change: withRequest(facts, 'skips', granted(facts, action, at)) })
    case 'Promote':
      return recorded(facts, { reason: 'StepsSkipped', note: `${said(action)}; all remaining steps of ${facts.c?.revision ?? ''} are skipped`, change: withRequest(facts, 'skips', { by: action.by, at, action: action.uid }) })
    case 'Pause':
      return recorded(facts, { reason: 'Paused', note: `paused by ${said(action)}`, change: { paused: { by: action.by, at } } })
    case 'Resume':
      return recorded(facts, { reason: 'Resumed', note: `resumed by ${said(action)}`, change: { paused: null } })
    case 'Abort':
    case 'Retry':
      return undefined
    default:
      return action.action satisfies never
  }
}

/** What was waited for is waited for still. */
const recorded = ({ world }: Facts, { reason, note, change }: { readonly reason: ReasonOf<'Normal'>; readonly note: string; readonly change: Change }): Outcome =>
  outcome(world.status?.rollout?.waitingFor === undefined ? note : `${note}; ${world.status.message ?? ''}`, { action: { kind: 'status', live: false }, change, events: [normal(reason, note)] })

const step = (facts: Facts, action: ActionFacts, { reason, verb, change }: { readonly reason: ReasonOf<'Normal'>; readonly verb: string; readonly change: Change }): Outcome =>
  recorded(facts, { reason, note: `${facts.c?.revision ?? ''}: step ${presentStep(facts)?.name ?? ''} ${verb} by ${said(action)}`, change })

function withRequest({ world }: Facts, list: 'approvals' | 'skips', request: NonNullable<RolloutStatus['skips']>[number]): Change {
  const rollout = world.status?.rollout
  return rollout === undefined ? {} : { rollout: { ...rollout, [list]: [...(rollout[list] ?? []), request].slice(-MOST_REQUESTS) } }
}

/** Row 10r: the tombstone stays, and says that it was retried: the failed version is a new one once more. Its Deployment is read live. */
export function retry(facts: Facts): Outcome | undefined {
  const action = dueAction(facts)
  const tombstone = failureOf(facts, facts.t)
  if (action?.action !== 'Retry' || tombstone === undefined || facts.t === undefined) return undefined
  const { revision } = facts.t
  const failed = { ...facts.ledger.failed, [revision]: { ...tombstone, retried: action.uid } }
  return outcome(`${revision} is tried again`, {
    action: { ...writeLedgers(facts, { failed }), live: true, reads: revision },
    events: [normal('Retried', `${revision} is tried again from its first step, for ${said(action)}`)],
  })
}

/** Row 19, when nothing but an approval is missing: it is asked for once in each step. */
export function ask(facts: Facts, hold: Hold): Outcome {
  const rollout: CanaryStatus['rollout'] = facts.world.status?.rollout
  const asked = exposureKey(facts)
  const waits = { ...outcome(hold.message), hold }
  if (rollout === undefined || asked === undefined || rollout.asked === asked) return waits
  return { ...waits, change: { rollout: { ...rollout, asked } }, events: [normal('ApprovalRequired', `${rollout.revision}: ${hold.message}`)] }
}
