import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Settings } from '../api/settings.ts'
import { scheduleOf } from './schedule.ts'
import { calendarProblems, Windows } from './windows.ts'

type Window = Settings['windows'][number]

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const window = (schedule: string, durationMs: number, timeZone = 'UTC', kind: Window['kind'] = 'Allow'): Window => ({ kind, schedule, durationMs, timeZone })
const closedAt = (windows: readonly Window[], at: string) => new Windows().closed(windows, Date.parse(at))
/** "2026-03-29T01:00Z" of the opening that is announced at an instant; "open", or "never". */
const opening = (windows: readonly Window[], at: string): string => {
  const closed = closedAt(windows, at)
  if (closed === undefined) return 'open'
  return closed.until === undefined ? 'never' : new Date(closed.until).toISOString().replace(':00.000Z', 'Z')
}
/** When the window that is open at an instant closes. */
const closing = (windows: readonly Window[], from: string): string => {
  const memo = new Windows()
  let at = Date.parse(from)
  while (memo.closed(windows, at) === undefined) at += MINUTE
  return new Date(at).toISOString().replace(':00.000Z', 'Z')
}

describe('a window', () => {
  const office = [window('0 9 * * 1-5', 8 * HOUR, 'Europe/Berlin')]

  it.each([
    ['2026-01-05T07:59:59.999Z', 'window closed: opens Mon 2026-01-05 08:00 UTC (09:00 Europe/Berlin)'],
    ['2026-01-05T08:00:00Z', undefined],
    ['2026-01-05T15:59:59.999Z', undefined],
    ['2026-01-05T16:00:00Z', 'window closed: opens Tue 2026-01-06 08:00 UTC (09:00 Europe/Berlin)'],
    ['2026-07-03T20:00:00Z', 'window closed: opens Mon 2026-07-06 07:00 UTC (09:00 Europe/Berlin)'],
  ])('from its start up to its end: %s', (at, message) => {
    expect(closedAt(office, at)?.message).toBe(message)
  })

  it('names the day where it is another one in its zone, and no zone where it is UTC', () => {
    expect(closedAt([window('0 9 * * 1', HOUR, 'Australia/Sydney')], '2026-01-03T00:00:00Z')?.message).toBe('window closed: opens Sun 2026-01-04 22:00 UTC (Mon 09:00 Australia/Sydney)')
    expect(closedAt([window('30 9 * * 1', HOUR)], '2026-01-03T00:00:00Z')?.message).toBe('window closed: opens Mon 2026-01-05 09:30 UTC')
  })

  it.each([
    ['Europe/Berlin', '30 2 * * *', '2026-03-28T12:00:00Z', '2026-03-29T01:00Z'],
    ['America/New_York', '30 2 * * *', '2026-03-07T12:00:00Z', '2026-03-08T07:00Z'],
    ['Australia/Lord_Howe', '15 2 * * *', '2026-10-03T12:00:00Z', '2026-10-03T15:30Z'],
    ['Australia/Sydney', '59 2 * * *', '2026-10-03T12:00:00Z', '2026-10-03T16:00Z'],
    ['Pacific/Apia', '0 12 30 12 *', '2011-12-29T12:00:00Z', '2011-12-30T10:00Z'],
  ])('whose start does not exist opens at the next minute that does: %s', (zone, schedule, at, expected) => {
    expect(opening([window(schedule, HOUR, zone)], at)).toBe(expected)
  })

  it.each([
    ['Europe/Berlin', '30 2 * * *', '2026-10-24T12:00:00Z', '2026-10-25T00:30Z'],
    ['America/New_York', '30 1 * * *', '2026-10-31T12:00:00Z', '2026-11-01T05:30Z'],
    ['Australia/Lord_Howe', '45 1 * * *', '2026-04-04T12:00:00Z', '2026-04-04T14:45Z'],
    ['Australia/Sydney', '30 2 * * *', '2026-04-04T12:00:00Z', '2026-04-04T15:30Z'],
  ])('whose start occurs twice opens at the first, and not again: %s', (zone, schedule, at, expected) => {
    const windows = [window(schedule, 10 * MINUTE, zone)]
    expect(opening(windows, at)).toBe(expected)
    expect(Date.parse(opening(windows, closing(windows, expected).replace('Z', ':00Z')))).toBeGreaterThan(Date.parse(expected) + 20 * HOUR)
  })

  it('lasts as long as the clock runs, whatever it shows: through spring and autumn', () => {
    expect(closing([window('0 20 * * *', 8 * HOUR, 'Europe/Berlin')], '2026-03-28T19:00:00Z')).toBe('2026-03-29T03:00Z')
    expect(closing([window('0 20 * * *', 8 * HOUR, 'Europe/Berlin')], '2026-10-24T18:00:00Z')).toBe('2026-10-25T02:00Z')
  })

  it('longer than its period never closes; Deny like that never opens, which is said', () => {
    expect(opening([window('0 0 * * *', 25 * HOUR)], '2026-05-05T05:05:00Z')).toBe('open')
    expect(closedAt([window('0 0 * * *', 25 * HOUR, 'UTC', 'Deny')], '2026-05-05T05:05:00Z')?.message).toMatch(/^window closed: it does not open before .* 2029-/)
    expect(closedAt([window('* * * * *', 2 * MINUTE, 'UTC', 'Deny')], '2026-05-05T05:05:00Z')?.message).toContain('does not open before Wed 2026-05-06')
  })

  it('on 29 February comes in leap years only; one that comes later than in eight years says so', () => {
    expect(opening([window('0 12 29 2 *', HOUR)], '2026-01-01T00:00:00Z')).toBe('2028-02-29T12:00Z')
    expect(closedAt([window('0 12 29 2 1', HOUR)], '2026-01-01T00:00:00Z')?.message).toBe('window closed: it does not open within eight years')
  })
})

describe('several windows', () => {
  const nights = window('0 22 * * *', 4 * HOUR)
  const freeze = window('0 0 24 12 *', 10 * DAY, 'UTC', 'Deny')

  it('allow where any of them does, through their overlap', () => {
    expect(closing([nights, window('0 1 * * *', 3 * HOUR)], '2026-05-05T22:00:00Z')).toBe('2026-05-06T04:00Z')
  })

  it('deny where any Deny does, whatever is allowed, until both agree', () => {
    expect(opening([nights, freeze], '2026-12-24T23:00:00Z')).toBe('2027-01-03T00:00Z')
    expect(opening([window('0 9 * * 1-5', HOUR), freeze], '2026-12-24T09:30:00Z')).toBe('2027-01-04T09:00Z')
  })

  it('are open without any Allow, but for Deny', () => {
    expect(opening([], '2026-12-25T00:00:00Z')).toBe('open')
    expect(opening([freeze], '2026-12-23T23:59:00Z')).toBe('open')
    expect(opening([freeze], '2026-12-24T00:00:00Z')).toBe('2027-01-03T00:00Z')
  })
})

describe('the windows of one memory', () => {
  it('are worked out anew when their time is over, and when the clock was set back', () => {
    const memo = new Windows()
    const windows = [window('0 9 * * *', HOUR)]
    const states = ['08:59:59', '09:00:00', '09:59:59', '10:00:00', '09:30:00', '08:30:00'].map((time) => memo.closed(windows, Date.parse(`2026-05-05T${time}Z`)) === undefined)
    expect(states).toEqual([false, true, true, false, true, false])
  })
})

/**
 * The slow way: every minute of the zone's clock, as it passes; what a change of clocks skips comes at once, what it
 * repeats does not count again. How many starts cover each minute from `from` on.
 */
function scanned({ schedule, durationMs, timeZone }: Window, from: number, minutes: number): readonly number[] {
  const { hasDay, hours, minutes: those } = scheduleOf(schedule)
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
  const shown = (at: number) => Date.parse(`${clock.format(at).replace(' ', 'T')}:00Z`)
  const matches = (local: number) => those.includes(new Date(local).getUTCMinutes()) && hours.includes(new Date(local).getUTCHours()) && hasDay(Math.floor(local / DAY))
  const changes = Array.from({ length: minutes + durationMs / MINUTE }, () => 0)
  let newest = shown(from) - MINUTE
  for (let index = 0; index < minutes; index++) {
    for (const local = shown(from + index * MINUTE); newest < local;) {
      newest += MINUTE
      if (!matches(newest)) continue
      changes[index]! += 1
      changes[index + durationMs / MINUTE]! -= 1
    }
  }
  let covering = 0
  return changes.map((change) => (covering += change))
}

describe('what windows come to', () => {
  const zones = fc.constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Australia/Sydney', 'UTC')
  const some = (least: number, most: number) => fc.oneof(fc.constant('*'), fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 }).map((values) => values.join(',')))
  const schedules = fc.tuple(some(0, 59), fc.oneof(some(0, 4), some(0, 23)), fc.constantFrom('*', '*', '28,29', '1,8,25', '4-5'), fc.constant('*'), fc.constantFrom('*', '*', '0', '6', '1-5')).map((parts) => parts.join(' '))
  const windows = fc.array(fc.record({ kind: fc.constantFrom<Window['kind']>('Allow', 'Allow', 'Deny'), schedule: schedules, durationMs: fc.integer({ min: 1, max: 40 * 60 }).map((minutes) => minutes * MINUTE), timeZone: zones }), { minLength: 1, maxLength: 3 })
  /** Days around which clocks change somewhere, and one on which they do not. */
  const days = fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-04', '2026-10-25', '2026-11-01', '2028-02-29').map((day) => Date.parse(`${day}T00:00:00Z`))

  it('is what a look at every minute of two days comes to, and the opening that is announced is the first', () => {
    fc.assert(fc.property(windows, days, (written, day) => {
      const [from, to] = [day - DAY, day + DAY]
      const start = from - 3 * DAY
      const cover = written.map((each) => ({ kind: each.kind, of: scanned(each, start, (to - start) / MINUTE) }))
      const covered = (kind: Window['kind'], at: number) => cover.some((each) => each.kind === kind && each.of[Math.floor((at - start) / MINUTE)]! > 0)
      const isOpen = (at: number) => !covered('Deny', at) && (covered('Allow', at) || cover.every(({ kind }) => kind === 'Deny'))
      const memo = new Windows()
      let announced = from
      for (let at = from; at < to; at += 7 * MINUTE) {
        const closed = memo.closed(written, at)
        if ((closed === undefined) !== isOpen(at)) throw new Error(`${new Date(at).toISOString()} is ${closed === undefined ? 'open' : closed.message}`)
        if (closed?.until === undefined || closed.until <= announced || closed.until >= to || closed.message.includes('before')) continue
        announced = closed.until
        if (!isOpen(announced)) throw new Error(`not open at ${new Date(announced).toISOString()}`)
        for (let between = at; between < announced; between += MINUTE) if (isOpen(between)) throw new Error(`open before ${new Date(announced).toISOString()}`)
      }
    }), { numRuns: 25 })
  })
})

describe('windows that cannot be used', () => {
  it('are named with the path and what to write instead', () => {
    const problemsOf = (...windows: readonly Window[]) => calendarProblems({ clock: { kind: 'schedule', expression: 'now' }, windows })
    expect(problemsOf(window('0 9 * * 1-5', HOUR), window('0 25 * * *', HOUR, 'Europe/Bonn'), window('0 0 30 2 *', HOUR))).toEqual([
      { path: 'spec.analysis.schedule', message: expect.stringContaining('such as "*/30 * * * * *"') as string },
      { path: 'spec.windows[1].schedule', message: expect.stringMatching(/^"0 25 \* \* \*" is no cron expression.*such as "0 9 \* \* 1-5"/) as string },
      { path: 'spec.windows[1].timeZone', message: '"Europe/Bonn" is no time zone of the IANA database: write one, such as "Europe/Berlin" or "UTC"' },
      { path: 'spec.windows[2].schedule', message: expect.stringContaining('never comes') as string },
    ])
    expect(calendarProblems({ clock: { kind: 'interval', everyMs: 1000 }, windows: [window('0 9 * * 1-5', HOUR, 'America/New_York')] })).toEqual([])
  })
})
