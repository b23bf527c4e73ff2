import type { Moment } from './chronicle.ts'
import { heading } from './panels.ts'
import { type Counts, differences, type Fate, failedShare, type Outcome } from './outcome.ts'
import { bar, count, end, fit, type Line, percent, seconds, start, type Tone, wrap } from './text.ts'

/** One line of the final table. */
type Chapter = { readonly atMs: number; readonly tone: Tone; readonly what: string; readonly why: string; readonly users?: Counts | undefined }

/** What happened, when and why, in lines of at most `columns`. */
export function summary(outcome: Outcome, moments: readonly Moment[], columns: number): readonly Line[] {
  const wrong = differences(outcome)
  const { elapsedMs, operatorRequests, analysed, podName, metV2, fates } = outcome
  const v2 = fates[0]
  return [
    heading('What happened', columns, [['dim', 'users failed'.padStart(16)]]),
    ...chapters(outcome, moments).flatMap((chapter) => chapterLines(chapter, columns)),
    [],
    heading('Requests that failed for users', columns),
    figureLine('without Serin', outcome.bare, columns),
    figureLine('with Serin', outcome.users, columns),
    [],
    [['good', '✔ '], ['plain', `${metV2} users met v2: ${v2?.message ?? ''} of copies`]],
    [['good', '✔ '], ['plain', `the pod that was analysed is the pod that serves: ${podName}, uid ${analysed.join(', ')}`]],
    [['dim', `  ${operatorRequests} requests to the API server by the operator, for three releases, in ${seconds(elapsedMs)}`]],
    [],
    ...(wrong.length === 0 ? [[['goodBadge', ' as told ']] as Line] : wrong.map((sentence): Line => [['badBadge', ' not as told '], ['plain', ` ${sentence}`]])),
  ].map((line) => fit(line, columns))
}

function chapters({ acts, fates }: Outcome, moments: readonly Moment[]): readonly Chapter[] {
  const at = (reason: string, note: string) => moments.find((moment) => moment.reason === reason && moment.note.includes(note))?.atMs ?? 0
  const [v2, v3, v4] = fates
  return [
    { atMs: at('Adopted', 'v1'), tone: 'plain', what: 'v1 adopted', why: 'it serves alone: every route is pinned to it', users: acts[0] },
    ...[v2, v3].flatMap((fate, index) => fate === undefined ? [] : failure(fate, at, acts[index + 1])),
    ...(v4 === undefined ? [] : success(v4, at, acts[3])),
  ]
}

type When = (reason: string, note: string) => number

const applied = ({ revision }: Fate, at: When, why: string): Chapter => ({ atMs: at('Applied', `-${revision}`), tone: 'plain', what: `${revision} applied`, why })

const failure = (fate: Fate, at: When, users: Counts | undefined): readonly Chapter[] => [
  applied(fate, at, 'dark at first: it runs, and nobody reaches it'),
  { atMs: at('RolledBack', fate.revision), tone: 'bad', what: `${fate.revision} rolled back at ${fate.weight > 0 ? `${fate.weight} %` : fate.step}`, why: fate.message, users },
]

const success = (fate: Fate, at: When, users: Counts | undefined): readonly Chapter[] => [
  applied(fate, at, 'dark at first, like the others'),
  { atMs: at('Promoted', fate.revision), tone: 'good', what: `${fate.revision} promoted`, why: 'every gate passed at every step', users },
  { atMs: at('ScaledDown', '-v1'), tone: 'plain', what: 'v1 drained, scaled to 0', why: 'it stood by at full size until then' },
]

function chapterLines({ atMs, tone, what, why, users }: Chapter, columns: number): readonly Line[] {
  const room = columns - 8 - 26 - 16
  const [first = '', ...rest] = wrap(why, room)
  const told = users === undefined ? '' : `${users.failed} of ${count(users.answered)}`
  return [
    [['dim', `${end(seconds(atMs), 6)}  `], [tone, start(what, 26)], ['plain', start(first, room)], [(users?.failed ?? 0) > 0 ? 'bad' : 'good', end(told, 16)]],
    ...rest.map((text): Line => [['plain', ' '.repeat(34)], ['plain', text]]),
  ]
}

function figureLine(name: string, counts: Counts, columns: number): Line {
  const share = failedShare(counts)
  return [['plain', start(name, 16)], ['bad', bar(share, columns - 50)], ['bold', end(percent(share), 9)], ['dim', `  ${count(counts.failed)} of ${count(counts.answered)}`]]
}
