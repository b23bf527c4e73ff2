import * as adoption from './adoption.ts'
import * as ending from './ending.ts'
import * as target from './target.ts'
import * as terminating from './terminating.ts'
import * as guarding from './guarding.ts'
import * as previewing from './previewing.ts'
import * as heeding from './heeding.ts'
import * as progressing from './progressing.ts'
import type { Decision } from './decision.ts'
import type { Facts } from './facts.ts'

type Outcome = Omit<Decision, 'row'>

/** One line of the machine: in these phases, where the rule has something to say, it is said and nothing below it counts. */
export type Row = {
  readonly row: string
  readonly phases: readonly Facts['phase'][]
  /** Also while `suspend` is set: what protects users is never frozen. */
  readonly suspended: boolean
  readonly rule: (facts: Facts) => Outcome | undefined
}

const ROLLING = ['Progressing', 'Promoting'] as const
const AT_REST = ['Idle', 'Failed', 'Waiting'] as const
const ADOPTED = [...AT_REST, ...ROLLING, 'RollingBack'] as const
const ANY = [...ADOPTED, 'Initializing', 'Terminating'] as const
/** Until what the user wrote stands again. */
const GUARDED = [...ADOPTED, 'Terminating'] as const

const always = { suspended: true } as const
const unlessSuspended = { suspended: false } as const

/**
 * The machine of docs/protocol.md, row by row under the same numbers. The first row that says
 * something wins; a row makes at most one serving write. Rows 0 to 8 stand before the phases on purpose.
 */
export const TABLE: readonly Row[] = [
  { row: '0', phases: ANY, ...always, rule: guarding.stale },
  { row: '1', phases: ADOPTED, ...always, rule: guarding.statusDisagrees },
  { row: '2', phases: GUARDED, ...always, rule: guarding.uncovered },
  { row: '2d', phases: GUARDED, ...always, rule: guarding.delegateMissing },
  { row: '3', phases: ROLLING, ...always, rule: guarding.routeLost },
  { row: '4', phases: ROLLING, ...always, rule: guarding.failingWhileNamed },
  { row: '5', phases: ROLLING, ...unlessSuspended, rule: guarding.failingWhileDark },
  { row: '5a', phases: ROLLING, ...always, rule: heeding.abortedWhileDark },
  { row: '6', phases: ROLLING, ...always, rule: guarding.routeTaken },
  { row: '7', phases: GUARDED, ...always, rule: guarding.routesDeviate },
  { row: '21', phases: ['RollingBack'], ...always, rule: ending.backToStable },
  { row: '7r', phases: GUARDED, ...always, rule: guarding.ruleDeviates },
  { row: '8', phases: ADOPTED, ...unlessSuspended, rule: guarding.ownRouteSuperfluous },
  { row: '8a', phases: ADOPTED, ...unlessSuspended, rule: heeding.heed },
  { row: '9', phases: AT_REST, ...unlessSuspended, rule: target.targetToZero },
  { row: '9r', phases: ADOPTED, ...unlessSuspended, rule: target.restartLive },
  { row: '8p', phases: ADOPTED, ...unlessSuspended, rule: previewing.leadPreview },
  { row: '10', phases: AT_REST, ...unlessSuspended, rule: ending.forgetNaming },
  { row: '10r', phases: ['Failed'], ...unlessSuspended, rule: heeding.retry },
  { row: '10t', phases: AT_REST, ...unlessSuspended, rule: target.forgetFailures },
  { row: '25c', phases: ADOPTED, ...always, rule: target.makeStableAgain },
  { row: '25', phases: ADOPTED, ...always, rule: target.sizeStable },
  { row: '12', phases: ['Waiting'], ...unlessSuspended, rule: progressing.begin },
  { row: '15f', phases: [...ROLLING, 'RollingBack'], ...always, rule: progressing.raiseToFloor },
  { row: '13p', phases: ROLLING, ...always, rule: previewing.closePreview },
  { row: '13c', phases: ROLLING, ...always, rule: progressing.changedWhileNamed },
  { row: '13', phases: ['Progressing'], ...unlessSuspended, rule: progressing.supersededWhileNamed },
  { row: '14', phases: ['Progressing'], ...unlessSuspended, rule: progressing.supersededWhileDark },
  { row: '15', phases: ['Progressing'], ...unlessSuspended, rule: progressing.keepFloor },
  { row: '16k', phases: ROLLING, ...always, rule: progressing.keepSize },
  { row: '16', phases: ['Progressing'], ...unlessSuspended, rule: progressing.openAndSize },
  { row: '17', phases: ['Progressing'], ...unlessSuspended, rule: progressing.stampAndSubset },
  { row: '18', phases: ['Progressing'], ...unlessSuspended, rule: progressing.raiseStep },
  { row: '18p', phases: ['Progressing'], ...unlessSuspended, rule: previewing.openPreview },
  { row: '19', phases: ['Progressing'], ...unlessSuspended, rule: progressing.holdStep },
  { row: '20', phases: ['Promoting'], ...unlessSuspended, rule: ending.promote },
  { row: '21w', phases: ['RollingBack'], ...always, rule: ending.noWayBack },
  { row: '22', phases: ['RollingBack'], ...unlessSuspended, rule: ending.retireFailed },
  { row: '23', phases: AT_REST, ...unlessSuspended, rule: ending.retirePrevious },
  { row: '24', phases: AT_REST, ...unlessSuspended, rule: ending.retireOthers },
  { row: '24d', phases: AT_REST, ...unlessSuspended, rule: target.forgetRevisions },
  { row: '27f', phases: AT_REST, ...unlessSuspended, rule: terminating.keepFinalizer },
  { row: '12w', phases: ['Waiting'], ...always, rule: progressing.waitToBegin },
  { row: '27', phases: ['Initializing'], ...unlessSuspended, rule: adoption.adopt },
  { row: '28', phases: ['Terminating'], ...always, rule: terminating.leaveAsItIs },
  { row: '29', phases: ['Terminating'], ...always, rule: terminating.restore },
]
