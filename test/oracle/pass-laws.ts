import type { CanaryStatus, CheckStatus } from '../../src/api/canary.ts'
import type { Metric } from '../../src/api/settings.ts'
import { isOlder } from '../../src/controller/own-writes.ts'
import type { Question, Verdict } from './answers.ts'
import type { Act, Carried } from './requests.ts'

/**
 * What must hold of what an operator does, by what it has been told: pure, by the numbers in docs/testing.md. Each
 * returns what is broken. A pass is what lies between an operator's last write that was answered and the next.
 */
export type Read = { readonly askedMs: number; readonly atMs: number; readonly isAnswered: boolean }

/** How long what was read live may be gone by, milliseconds. */
const FRESH_MS = 2000

/** What waits for nothing. */
const FREE: readonly Act[] = ['withdrawal']
const OF_S15: readonly Act[] = ['creation', 'deletion', 'release']

/** What was asked for together is as old as the last answer of it. */
const fresh = (reads: ReadonlyMap<string, Read>, nowMs: number): readonly (readonly [string, Read])[] =>
  [...reads].filter(([, { askedMs }]) => nowMs - Math.max(...[...reads.values()].filter((other) => other.askedMs === askedMs).map(({ atMs }) => atMs)) <= FRESH_MS)

/** S11, S15: nothing rises, goes, is made or let go where a read of the same pass failed: an error is no absence. */
export function unseen(acts: readonly Act[], reads: ReadonlyMap<string, Read>, nowMs: number): readonly string[] {
  const [failed] = fresh(reads, nowMs).filter(([, { isAnswered }]) => !isAnswered).map(([path]) => path)
  return failed === undefined ? [] : acts.filter((act) => !FREE.includes(act)).map((act) => `${OF_S15.includes(act) ? 'S15' : 'S11'}: ${act}, though ${failed} could not be read`)
}

/** What an act rests on beside the object that it changes, which is fenced by its own version. */
const RESTS_ON: Readonly<Partial<Record<Act, readonly string[]>>> = {
  raise: ['deployments', 'destinationrules'],
  promotion: ['deployments', 'destinationrules'],
  'scale-down': ['virtualservices'],
  'removal of a subset': ['virtualservices'],
  deletion: ['virtualservices'],
}

/** S11: what these acts rest on was read in the same pass. */
export const unasked = (acts: readonly Act[], reads: ReadonlyMap<string, Read>, nowMs: number): readonly string[] => acts.flatMap((act) => {
  const missing = RESTS_ON[act]?.filter((kind) => !fresh(reads, nowMs).some(([path]) => path.includes(`/${kind}/`))) ?? []
  return missing.length === 0 ? [] : [`S11: ${act}, and no ${missing.join(', no ')} read live`]
})

/** What a step asks of its evidence. */
export type Demand = { readonly questions: readonly Question[]; readonly needsRequests: boolean }

/** S11: the newest answer to each question is one of numbers, asked for since what stands has stood. */
export function blind(revision: string, answers: ReadonlyMap<Question, { readonly askedMs: number; readonly verdict: Verdict }>, { questions, needsRequests }: Demand, sinceMs: number): readonly string[] {
  const newest = [...answers].filter(([, { askedMs }]) => askedMs > sinceMs)
  const failed = newest.find(([, { verdict }]) => verdict === 'error')
  const missing = questions.find((question) => !newest.some(([asked]) => asked === question))
  const empty = needsRequests && newest.some(([asked, { verdict }]) => asked === 'counts' && verdict === 'empty')
  return [
    failed === undefined ? '' : `S11: ${revision} is raised, though Prometheus could not tell its ${failed[0]}`,
    missing === undefined ? '' : `S11: ${revision} is raised, and its ${missing} were not asked for in this step`,
    empty ? `S11: ${revision} is raised, and there are no requests to go by` : '',
  ].filter((what) => what !== '')
}

/** S9: between the answer that decides and the route write an operator sends nothing else. */
export const notFirst = (revision: string, sent: readonly string[]): readonly string[] => (sent.length === 0 ? [] : [`S9: ${sent.join(', ')} came before the route of ${revision}, which has failed`])

/** A gate that failed when it was last looked at, and how often more than its threshold says. */
export type FailedLook = { readonly name: string; readonly beyond: number; readonly atMs: number }

/** Those that a status tells of. */
export const failedLooks = (checks: readonly CheckStatus[], metrics: readonly Metric[]): readonly (Omit<FailedLook, 'atMs'> & { readonly time: string })[] =>
  checks.flatMap(({ name, verdict, failures = 0, time = '' }) =>
    metrics.filter((metric) => metric.name === name && !metric.dryRun && verdict === 'Fail').map(({ failureThreshold }) => ({ name, beyond: failures - failureThreshold, time })))

/** S9: no status says of what is still exposed, and was not yet taken back, that it has failed. */
export function toldFirst({ phase, rollout }: CanaryStatus, looks: readonly FailedLook[], exposed: readonly string[]): readonly string[] {
  if (rollout === undefined || !exposed.includes(rollout.revision)) return []
  const failed = looks.find(({ beyond }) => beyond >= 0)?.name ?? (phase === 'RollingBack' ? phase : undefined)
  return failed === undefined ? [] : [`S9: status says ${failed} of ${rollout.revision} before its route is written`]
}

/** When what failed was taken out of the routes first, and since when nothing had stood in the way of that, monotonic milliseconds. */
export type Withdrawal = { readonly atMs: number; readonly freeSinceMs: number }

/** S9: no gate fails more often than it may before the route is written. */
export const late = (looks: readonly FailedLook[], { atMs: writtenMs, freeSinceMs }: Withdrawal, intervalMs: number): readonly string[] =>
  looks.filter(({ beyond, atMs }) => beyond > 0 && atMs <= writtenMs && freeSinceMs <= atMs - beyond * intervalMs)
    .map(({ name, beyond }) => `S9: ${name} failed ${beyond} more times than it may before the route was written`)

/** S15: a write is not computed from an older version than its writer was told of. */
export function outdated(what: string, { uid = '', resourceVersion }: Carried, versions: ReadonlyMap<string, string>): readonly string[] {
  const known = versions.get(uid)
  return known !== undefined && resourceVersion !== undefined && isOlder(resourceVersion, known) ? [`S15: ${what} is computed from version ${resourceVersion}, and its writer knew ${known}`] : []
}

/** S15: nothing is made that its maker has written itself, and that stands. */
export const madeTwice = (what: string, standingUid: string | undefined, written: ReadonlySet<string>): readonly string[] =>
  (standingUid !== undefined && written.has(standingUid) ? [`S15: ${what} is made, and its maker knew that it stands`] : [])

/** S15: what was read of an object once is not taken back by an older look at it. */
export function recalled(before: CanaryStatus | undefined, after: CanaryStatus): readonly string[] {
  const [from, to] = [before?.observedTarget, after.observedTarget]
  const older = after.seen.filter(({ uid, revision, generation }) => before?.seen.some((known) => known.uid === uid && known.revision === revision && known.generation > generation))
  const isOlderTarget = from !== undefined && from.uid === to?.uid && from.generation > to.generation
  return [...older.map(({ revision }) => revision), ...(isOlderTarget ? [to.name] : [])].map((name) => `S15: status goes back to an older ${name}`)
}
