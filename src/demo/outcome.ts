import type { LoadTally } from '../sandbox/load.ts'
import { percent } from './text.ts'

/** Requests that were answered, and how many of them not with 200. */
export type Counts = { readonly answered: number; readonly failed: number }

const NONE: Counts = { answered: 0, failed: 0 }

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
  readonly fates: Readonly<Record<'v2' | 'v3' | 'v4', Fate>>
  /** Users' requests that reached v2. */
  readonly metV2: number
  readonly stable: string | undefined
  readonly oldPods: number
  /** uids of v4's pods: those that were analysed, and those that serve at the end. */
  readonly analysed: readonly string[]
  readonly serving: readonly string[]
  readonly podName: string
  /** Requests to the API server. */
  readonly operatorRequests: number
  readonly elapsedMs: number
}

/** What a load's tally comes to. */
export function countsOf({ ok, errors }: LoadTally): Counts {
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
  return { answered: ok + failed, failed }
}

/** What came between two counts. */
export const minus = (end: Counts, start: Counts): Counts => ({ answered: end.answered - start.answered, failed: end.failed - start.failed })

/** All of them together. */
export const sum = (all: readonly Counts[]): Counts =>
  all.reduce((total, { answered, failed }) => ({ answered: total.answered + answered, failed: total.failed + failed }), NONE)

/** The share that failed, from 0 to 1. */
export const failedShare = ({ answered, failed }: Counts): number => (answered === 0 ? 0 : failed / answered)

/** One sentence of the story, and what to say where it is not so. */
export type Claim = { readonly holds: boolean; readonly told: string; readonly otherwise: string }

/** All that the story claims, held against what was measured; it came out as told when every claim holds. */
export function claimsOf({ bare, users, acts, fates: { v2, v3, v4 }, metV2, stable, oldPods, analysed, serving, podName }: Outcome): readonly Claim[] {
  const [first = NONE, second = NONE] = acts
  const [bareShare, share] = [failedShare(bare), failedShare(users)]
  return [
    {
      holds: bareShare > 0.3 && bareShare < 0.7,
      told: `without Serin v2 broke half of the users' requests: ${bare.failed} of ${bare.answered}`,
      otherwise: `without Serin ${bare.failed} of ${bare.answered} requests failed: about half were to`,
    },
    { holds: first.failed === 0, told: 'nothing was dropped while v1 was adopted and its routes were pinned', otherwise: `${first.failed} requests failed while v1 was adopted` },
    {
      holds: isCaught(v2) && v2.weight === 0 && metV2 === 0 && second.failed === 0,
      told: `v2 was caught at ${v2.step}, on copies of requests: no user met it`,
      otherwise: `v2 was to fail on copies alone: ${fateOf(v2)}; ${metV2} users met it, and ${second.failed} of their requests failed`,
    },
    { holds: isCaught(v3) && v3.weight > 0, told: `v3 was caught at ${v3.weight}% of the users' requests, which no copy of a GET could show`, otherwise: `v3 was to fail among few users: ${fateOf(v3)}` },
    { holds: share < 0.01, told: `over the whole story ${percent(share)} of the users' requests failed: less than 1%`, otherwise: `${users.failed} of ${users.answered} requests failed in the whole story: 1% or more` },
    {
      holds: v4.result === 'Promoted' && stable === 'v4' && oldPods === 0,
      told: 'v4 is stable, and v1 is drained and scaled to 0',
      otherwise: `v4 was to be promoted: ${fateOf(v4)}; v1 has ${oldPods} pods`,
    },
    {
      holds: analysed.length > 0 && String(analysed) === String(serving),
      told: `the pod that was analysed is the pod that serves: ${podName}, uid ${String(serving)}`,
      otherwise: `pods ${String(analysed)} were analysed, but ${String(serving)} serve`,
    },
  ]
}

const isCaught = ({ result, reason }: Fate): boolean => result === 'RolledBack' && reason === 'ErrorRate'

const fateOf = ({ result, step, reason, message }: Fate): string => `${result} at ${step} ${reason} ${message}`.trimEnd()
