import type { Moment } from './chronicle.ts'
import type { CanaryView, Gate, Model, Role, Stream, VersionView } from './model.ts'
import { failedShare } from './outcome.ts'
import { bar, count, cut, end, fit, type Line, lineWidth, percent, seconds, type Span, spread, start, type Tone, wrap } from './text.ts'

/** A heading with a rule, and column heads or a badge at its end. */
export function heading(title: string, columns: number, tail: Line = []): Line {
  const rule = columns - title.length - 1 - lineWidth(tail) - (tail.length === 0 ? 0 : 1)
  return fit([['bold', `${title} `], ['dim', '─'.repeat(Math.max(0, rule))], ['plain', tail.length === 0 ? '' : ' '], ...tail], columns)
}

/** The story's place in itself, and what happens in it. */
export function header({ act, acts, elapsedMs }: Model, columns: number): readonly Line[] {
  const { title = '', tells = '' } = acts[act - 1] ?? {}
  const place: Line = [['warnBadge', ' serin '], ['dim', `  act ${act} of ${acts.length}  `], ['bold', title]]
  return [spread(place, [['dim', seconds(elapsedMs)]], columns), fit([['plain', tells]], columns)]
}

/** The whole story, as far as it has come. */
export function storyline({ act, acts }: Model, columns: number): readonly Line[] {
  const lines = acts.map(({ title, users }, index): Line => {
    const [tone, mark]: Span = users !== undefined ? ['good', '✔'] : index + 1 === act ? ['warn', '▸'] : ['dim', '·']
    const told: Span = users === undefined ? ['plain', ''] : [users.failed === 0 ? 'good' : 'plain', `${users.failed} of ${count(users.answered)}`]
    return spread([[tone, `${mark} ${index + 1}  `], [index + 1 > act ? 'dim' : 'plain', title]], [told], columns)
  })
  return [heading('Story', columns, [['dim', 'users failed']]), ...lines]
}

/** What users get, beside what they get without Serin. */
export function streams({ users, bare }: Model, columns: number): readonly Line[] {
  return [streamLine('with Serin', users, columns), streamLine('without', bare, columns)]
}

function streamLine(name: string, stream: Stream | undefined, columns: number): Line {
  const title: Span = ['dim', start(name, 12)]
  if (stream === undefined) return fit([title, ['dim', 'no requests yet']], columns)
  const failed = failedShare(stream)
  const tail: Line = [
    ['dim', end(stream.rps === 0 ? 'ended' : `${stream.rps}/s`, 7)],
    [failed === 0 ? 'good' : failed < 0.01 ? 'plain' : 'bad', end(percent(failed), 8)],
    ['dim', start(` of ${count(stream.answered)} failed`, 19)],
  ]
  const room = Math.min(60, columns - 12 - lineWidth(tail))
  return [title, ...fit(sparkline(stream.shares.slice(-room)), room), ...tail]
}

const LEVELS = '▁▂▃▄▅▆▇█'

/** One column for each share, on a scale from nothing to all; the least failure stands out. */
function sparkline(shares: readonly number[]): Line {
  return shares.map((share) => (share === 0 ? ['good', '▁'] : ['bad', LEVELS.charAt(Math.max(1, Math.round(share * 7)))]))
}

const PHASES: Readonly<Record<CanaryView['phase'], Tone>> = {
  Initializing: 'warnBadge', Idle: 'goodBadge', Waiting: 'warnBadge', Progressing: 'warnBadge', Promoting: 'goodBadge',
  RollingBack: 'badBadge', Failed: 'badBadge', Suspended: 'warnBadge', Terminating: 'warnBadge',
}

/** The Canary: its phase, its steps and what it says. */
export function canaryCard(canary: CanaryView | undefined, columns: number): readonly Line[] {
  if (canary === undefined) return [heading('Canary service-c', columns), fit([['dim', 'not applied yet']], columns), [], []]
  const { phase, message, failed } = canary
  const tail: Line = [['plain', `${placeOf(canary)} `], [PHASES[phase], ` ${phase} `]]
  return [heading('Canary service-c', columns, tail), ...stepBar(canary, columns), fit([[failed ? 'bad' : 'plain', message]], columns)]
}

/** "v3 at 5%", "v3 dark", or the version alone where it is past all that. */
export function placeOf({ phase, revision = '', at, steps }: CanaryView): string {
  if (phase !== 'Progressing') return revision
  return at < 0 ? `${revision} dark` : `${revision} at ${steps[at] ?? ''}`
}

/** A segment for each step with its name below: done, under way, failed, or still to come. */
function stepBar(canary: CanaryView, columns: number): readonly Line[] {
  const { steps } = canary
  const room = Math.floor((columns + 1) / steps.length) - 1
  const last = columns - (steps.length - 1) * (room + 1)
  const bars = steps.flatMap((_, index): Span[] => [...segment(canary, index, index === steps.length - 1 ? last : room), ['plain', ' ']])
  const names = steps.map((name, index): Span => [toneAt(canary, index), start(`${canary.failed && index === canary.at ? '✗ ' : ''}${name}`, room + 1)])
  return [fit(bars, columns), fit(names, columns)]
}

function segment(canary: CanaryView, index: number, room: number): readonly Span[] {
  const { at, done } = canary
  const full = index < at ? room : index === at ? Math.max(1, Math.round(done * room)) : 0
  return [[toneAt(canary, index), '━'.repeat(full)], ['dim', '─'.repeat(room - full)]]
}

function toneAt({ at, failed }: CanaryView, index: number): Tone {
  if (index > at) return 'dim'
  return index < at ? 'good' : failed ? 'bad' : 'warn'
}

const VERDICTS: Readonly<Record<NonNullable<Gate['check']>['verdict'], Span>> = {
  Pass: ['good', '✔ pass'],
  Fail: ['bad', '✗ fail'],
  NotEnoughEvidence: ['warn', '… not enough evidence'],
  NoData: ['warn', '… no data'],
  Error: ['bad', '? blind'],
}

/** The gates, each with the last word on it. */
export function gates(all: readonly Gate[], columns: number): readonly Line[] {
  const heads: Line = [['dim', `${end('value', 8)}${end('limit', 9)}${end('requests', 12)}  ${start('verdict', 21)}`]]
  return [heading('Gates', columns, heads), ...all.map((gate) => gateLine(gate, columns))]
}

function gateLine({ name, bound, check }: Gate, columns: number): Line {
  const { requests = 0, needed = 0 } = check ?? {}
  const value: Span = [check?.verdict === 'Fail' ? 'bad' : 'plain', end(check?.value ?? '–', 8)]
  const seen = check === undefined ? '' : needed > 0 ? `${requests} of ${requests + needed}` : count(requests)
  const [tone, verdict] = check === undefined ? (['dim', 'not asked yet'] as const) : VERDICTS[check.verdict]
  return spread([['plain', name]], [value, ['dim', end(`≤ ${bound}`, 9)], ['plain', end(seen, 12)], ['plain', '  '], [tone, start(verdict, 21)]], columns)
}

const ROLES: Readonly<Record<Role, readonly [mark: string, tone: Tone]>> = {
  stable: ['●', 'good'], canary: ['◆', 'warn'], dark: ['○', 'warn'], failed: ['✗', 'bad'], standby: ['◌', 'plain'], retired: ['·', 'dim'], waiting: ['·', 'dim'],
}

/** What each version carries, and how it answered users and copies. */
export function versions(all: readonly VersionView[], columns: number): readonly Line[] {
  const heads: Line = [['dim', `${end('pods', 5)}${start('  weight', columns - 53)}${end('users', 7)}${end('failed', 8)}${end('mirrored', 10)}${end('failed', 8)}`]]
  return [heading('Versions', columns, heads), ...all.map((version) => versionLine(version, columns))]
}

function versionLine(version: VersionView, columns: number): Line {
  const { role, weight, pods, ready, requests, errors, mirrored, mirroredErrors } = version
  const [mark, tone] = ROLES[role]
  const title: Line = [[tone, `${mark} `], ['bold', start(version.version, 4)], [tone, start(role, 9)]]
  const room = columns - 61
  return spread(title, [
    [pods === 0 ? 'dim' : 'plain', end(`${ready}/${pods}`, 5)],
    ['plain', '  '],
    [tone, bar(weight, room)],
    [weight === 0 ? 'dim' : 'plain', end(`${Math.round(weight * 100)}%`, 6)],
    ...answered(requests, errors, 7),
    ...answered(mirrored, mirroredErrors, 10),
  ], columns)
}

function answered(requests: number, errors: number, room: number): Line {
  if (requests === 0) return [['dim', end('–', room)], ['plain', ' '.repeat(8)]]
  return [['plain', end(count(requests), room)], [errors === 0 ? 'good' : 'bad', end(percent(errors / requests), 8)]]
}

const TONES: Readonly<Record<string, Tone>> = { Applied: 'bold', Adopted: 'good', Promoting: 'good', Promoted: 'good' }

/** The last moments that fit into `rows`, oldest first, the heading among them. */
export function events(moments: readonly Moment[], columns: number, rows: number): readonly Line[] {
  let lines: readonly Line[] = []
  for (const moment of moments.toReversed()) {
    const longer = [...momentLines(moment, columns), ...lines]
    if (longer.length > rows - 1) break
    lines = longer
  }
  return [heading('Events', columns), ...lines]
}

/** When, what and why; the rest of a long note stands below it. */
export function momentLines({ atMs, reason, note, warns }: Moment, columns: number): readonly Line[] {
  const tone = warns ? 'bad' : (TONES[reason] ?? 'plain')
  const [first = '', ...rest] = wrap(note, columns - 23)
  const when: Line = [['dim', `${end(seconds(atMs), 6)}  `], [tone, start(cut(reason, 14), 15)]]
  return [[...when, [tone, first]], ...rest.map((text): Line => [['plain', ' '.repeat(23)], [tone, text]])]
}
