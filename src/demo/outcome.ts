import type { Load } from '../sandbox/load.ts'

/** Requests that were answered, and how many of them not with 200. */
export type Counts = { readonly answered: number; readonly failed: number }

/** How a version fared. */
export type Fate = {
  readonly revision: string
  readonly result: string
  readonly reason: string
  readonly message: string
  /** The last step it began, "dark" where none, with its weight in percent. */
  readonly step: string
  readonly weight: number
}

/** What came of the story, as measured. */
export type Outcome = {
  /** Without Serin. */
  readonly bare: Counts
  /** Over the whole story, and act by act. */
  readonly users: Counts
  readonly acts: readonly Counts[]
  readonly fates: readonly Fate[]
  /** Users' requests that reached v2. */
  readonly metV2: number
  readonly stable: string | undefined
  readonly oldPods: number
  /** uids of v4's pods: those that were analysed, and those that serve at the end. */
  readonly analysed: readonly string[]
  readonly serving: readonly string[]
}

/** What a load has come to so far. */
export function countsOf(load: Load): Counts {
  const { ok, errors } = load.total()
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
  return { answered: ok + failed, failed }
}

/** What came between two counts. */
export const minus = (end: Counts, start: Counts | undefined): Counts => ({
  answered: end.answered - (start?.answered ?? 0),
  failed: end.failed - (start?.failed ?? 0),
})

/** The share that failed, from 0 to 1. */
export const failedShare = ({ answered, failed }: Counts): number => (answered === 0 ? 0 : failed / answered)

/** What came out otherwise than the story is told, a sentence each; empty when nothing. */
export function differences(outcome: Outcome): readonly string[] {
  const { bare, users, acts, metV2, stable, oldPods, analysed, serving } = outcome
  const [first = NONE, second = NONE] = acts
  const [v2, v3, v4] = outcome.fates
  const told: readonly (readonly [boolean, string])[] = [
    [failedShare(bare) > 0.35 && failedShare(bare) < 0.65, `without Serin ${bare.failed} of ${bare.answered} requests failed: about half were to`],
    [first.failed === 0, `${first.failed} requests failed while v1 was adopted`],
    [v2?.result === 'RolledBack' && v2.reason === 'ErrorRate' && v2.weight === 0, `v2 was to fail on mirrored traffic: ${describe(v2)}`],
    [second.failed === 0 && metV2 === 0, `${metV2} users met v2, and ${second.failed} of their requests failed`],
    [v3?.result === 'RolledBack' && v3.reason === 'ErrorRate' && v3.weight > 0, `v3 was to fail among few users: ${describe(v3)}`],
    [failedShare(users) < 0.01, `${users.failed} of ${users.answered} requests failed in the whole story: 1 % or more`],
    [v4?.result === 'Promoted' && stable === 'v4', `v4 was to be promoted: ${describe(v4)}`],
    [oldPods === 0, `v1 still has ${oldPods} pods`],
    [analysed.length > 0 && String(analysed) === String(serving), `pods ${String(analysed)} were analysed, but ${String(serving)} serve`],
  ]
  return told.filter(([holds]) => !holds).map(([, sentence]) => sentence)
}

const NONE: Counts = { answered: 0, failed: 0 }

const describe = (fate: Fate | undefined): string => (fate === undefined ? 'nothing is known of it' : `${fate.result} at ${fate.step} ${fate.reason} ${fate.message}`)
