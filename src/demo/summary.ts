import type { Moment } from './chronicle.ts'
import { heading } from './panels.ts'
import { type Claim, claimsOf, type Counts, type Fate, failedShare, type Outcome } from './outcome.ts'
import { bar, count, end, fit, type Line, percent, seconds, start, type Tone, wrap } from './text.ts'

/** One line of the final table. */
type Chapter = { readonly atMs: number; readonly tone: Tone; readonly what: string; readonly why: string; readonly users?: Counts | undefined }

/** What happened, when and why, in lines of at most `columns`. */
export function summary(outcome: Outcome, moments: readonly Moment[], columns: number): readonly Line[] {
  const claims = claimsOf(outcome)
  const lines: readonly Line[] = [
    heading('What happened', columns, [['dim', 'users failed']]),
    ...chapters(outcome, moments).flatMap((chapter) => chapterLines(chapter, columns)),
    [],
    heading('Requests that failed for users', columns),
    figureLine('without Serin', outcome.bare, columns),
    figureLine('with Serin', outcome.users, columns),
    [],
    heading('What was claimed', columns),
    ...claims.flatMap((claim) => claimLines(claim, columns)),
    [],
    [...ending(claims), ['dim', `  ${count(outcome.operatorRequests)} requests to the API server by the operator, ${seconds(outcome.elapsedMs)} in all`]],
  ]
  return lines.map((line) => fit(line, columns))
}

const ending = (claims: readonly Claim[]): Line => (claims.every(({ holds }) => holds) ? [['goodBadge', ' as told ']] : [['badBadge', ' not as told ']])

function claimLines({ holds, told, otherwise }: Claim, columns: number): readonly Line[] {
  const lines = wrap(holds ? told : otherwise, columns - 2)
  return lines.map((text, index): Line => [[holds ? 'good' : 'bad', index > 0 ? '  ' : holds ? '✔ ' : '✗ '], ['plain', text]])
}

function chapters({ acts, fates: { v2, v3, v4 } }: Outcome, moments: readonly Moment[]): readonly Chapter[] {
  const at = (reason: string, note: string) => moments.find((moment) => moment.reason === reason && moment.note.includes(note))?.atMs ?? 0
  return [
    { atMs: at('Adopted', 'v1'), tone: 'plain', what: 'v1 adopted', why: 'it serves alone: every route is pinned to it', users: acts[0] },
    ...failure(v2, at, acts[1]),
    ...failure(v3, at, acts[2]),
    ...success(v4, at, acts[3]),
  ]
}

type When = (reason: string, note: string) => number

const applied = ({ revision }: Fate, at: When, why: string): Chapter => ({ atMs: at('Applied', `-${revision}`), tone: 'plain', what: `${revision} applied`, why })

const failure = (fate: Fate, at: When, users: Counts | undefined): readonly Chapter[] => [
  applied(fate, at, 'dark at first: it runs, and nobody reaches it'),
  { atMs: at('RolledBack', fate.revision), tone: 'bad', what: `${fate.revision} rolled back at ${fate.weight > 0 ? `${fate.weight}%` : fate.step}`, why: fate.message, users },
]

const success = (fate: Fate, at: When, users: Counts | undefined): readonly Chapter[] => [
  applied(fate, at, 'dark at first, like the others'),
  { atMs: at('Promoted', fate.revision), tone: 'good', what: `${fate.revision} promoted`, why: 'every gate passed at every step', users },
  { atMs: at('ScaledDown', '-v1'), tone: 'plain', what: 'v1 drained, scaled to 0', why: 'it stood by at full size until then' },
]

function chapterLines({ atMs, tone, what, why, users }: Chapter, columns: number): readonly Line[] {
  const room = columns - 8 - 26 - 13
  const [first = '', ...rest] = wrap(why, room)
  const told = users === undefined ? '' : `${users.failed} of ${count(users.answered)}`
  return [
    [['dim', `${end(seconds(atMs), 6)}  `], [tone, start(what, 26)], ['plain', start(first, room)], [(users?.failed ?? 0) > 0 ? 'bad' : 'good', end(told, 13)]],
    ...rest.map((text): Line => [['plain', ' '.repeat(34)], ['plain', text]]),
  ]
}

function figureLine(name: string, counts: Counts, columns: number): Line {
  const share = failedShare(counts)
  return [['plain', start(name, 16)], ['bad', bar(share, columns - 50)], ['bold', end(percent(share), 9)], ['dim', `  ${count(counts.failed)} of ${count(counts.answered)}`]]
}
