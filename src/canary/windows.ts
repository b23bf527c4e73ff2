import { instantOf, type Zone } from './time-zone.ts'

/** A cron expression, parsed: the days of any calendar that match it (counted from 1970-01-01), and the times of such a day. */
export type Schedule = {
  readonly hasDay: (day: number) => boolean
  readonly hours: readonly number[]
  readonly minutes: readonly number[]
  readonly seconds: readonly number[]
}

/** A window whose schedule and zone are known to be good. */
export type ParsedWindow = { readonly kind: 'Allow' | 'Deny'; readonly schedule: Schedule; readonly durationMs: number; readonly zone: Zone }

/** Why nothing may begin or rise now, and until when, milliseconds since the epoch. */
export type Closure = { readonly message: string; readonly until?: number }

/** What all windows of a Canary come to at an instant, and how long nothing but a new look at the windows can change that. */
export type WindowState = { readonly closed: Closure | undefined; readonly until: number }

const DAY_MS = 86_400_000
/** No schedule that ever comes waits longer: 29 February, in a leap year. */
const FARTHEST_DAYS = 366 * 8
/** How many ends and starts are looked at to find an opening: windows that follow each other by the minute could go on for years. */
const MOST_LOOKS = 1000

/** Whether the windows are open: some Allow lasts, or there is none, and no Deny lasts. */
export function windowState(windows: readonly ParsedWindow[], now: number): WindowState {
  const change = shutUntil(windows, now)
  if (change === undefined) return { closed: undefined, until: staysOpenUntil(windows, now) }
  const { at, by, found } = openingAfter(windows, change)
  if (at === Infinity) return { closed: { message: 'window closed: it does not open within eight years' }, until: Infinity }
  if (!found) return { closed: { message: `window closed: it does not open before ${timeShown(at)} UTC`, until: at }, until: at }
  return { closed: { message: `window closed: opens ${timeShown(at)} UTC${localShown(at, by)}`, until: at }, until: at }
}

type ChangeOfWindow = { readonly at: number; readonly by: Zone }

/** What may open next where it is shut: the end of a Deny that lasts, else the next Allow; undefined where it is open. */
function shutUntil(windows: readonly ParsedWindow[], at: number): ChangeOfWindow | undefined {
  const denials = windows.filter(({ kind }) => kind === 'Deny').flatMap((window) => lasting(window, at))
  if (denials.length > 0) return denials.reduce((last, next) => (next.at > last.at ? next : last))
  const allowing = windows.filter(({ kind }) => kind === 'Allow')
  if (allowing.length === 0 || allowing.some((window) => lasting(window, at).length > 0)) return undefined
  return allowing.map((window) => ({ at: nextStart(window, at) ?? Infinity, by: window.zone })).reduce((first, next) => (next.at < first.at ? next : first))
}

function openingAfter(windows: readonly ParsedWindow[], first: ChangeOfWindow): ChangeOfWindow & { readonly found: boolean } {
  let change = first
  for (let looks = 0; looks < MOST_LOOKS && change.at !== Infinity; looks++) {
    const next = shutUntil(windows, change.at)
    if (next === undefined) return { ...change, found: true }
    change = next
  }
  return { ...change, found: false }
}

/** No Deny begins before, and no Allow that makes it open ends. */
function staysOpenUntil(windows: readonly ParsedWindow[], now: number): number {
  const changes = windows.flatMap((window) => (window.kind === 'Deny' ? [nextStart(window, now) ?? Infinity] : lasting(window, now).map(({ at }) => at)))
  return Math.min(...changes, Infinity)
}

/** When the window that lasts at an instant ends; nothing where it does not last. It lasts from its start up to, and without, its end. */
function lasting(window: ParsedWindow, at: number): readonly ChangeOfWindow[] {
  const start = lastStart(window, at)
  return start !== undefined && start + window.durationMs > at ? [{ at: start + window.durationMs, by: window.zone }] : []
}

/** The last start at or before an instant, unless it would be over by then. Starts come in the order of their local times. */
function lastStart({ schedule, durationMs, zone }: ParsedWindow, at: number): number | undefined {
  // While clocks repeat an hour, later local times have come already.
  const newest = at + Math.max(zone.offsetMs(at - DAY_MS), zone.offsetMs(at))
  for (let day = Math.floor(newest / DAY_MS); day * DAY_MS > at - durationMs - 2 * DAY_MS; day--) {
    if (!schedule.hasDay(day)) continue
    for (let time = timeUpTo(schedule, newest - day * DAY_MS); time !== undefined; time = timeUpTo(schedule, time - 1)) {
      const start = instantOf(zone, day * DAY_MS + time)
      if (start <= at) return start
    }
  }
  return undefined
}

/** The first start after an instant; undefined where none comes within eight years. */
function nextStart({ schedule, zone }: ParsedWindow, after: number): number | undefined {
  const oldest = after + Math.min(zone.offsetMs(after), zone.offsetMs(after + DAY_MS))
  const first = Math.floor(oldest / DAY_MS)
  for (let day = first; day < first + FARTHEST_DAYS; day++) {
    if (!schedule.hasDay(day)) continue
    for (let time = timeFrom(schedule, oldest - day * DAY_MS); time !== undefined; time = timeFrom(schedule, time + 1)) {
      const start = instantOf(zone, day * DAY_MS + time)
      if (start > after) return start
    }
  }
  return undefined
}

/** The first matching time of day at or after `ms` past midnight, in the same unit. */
function timeFrom({ hours, minutes, seconds }: Schedule, ms: number): number | undefined {
  for (const hour of hours) {
    for (const minute of minutes) {
      const start = (hour * 60 + minute) * 60_000
      const second = start + 60_000 <= ms ? undefined : seconds.find((each) => start + each * 1000 >= ms)
      if (second !== undefined) return start + second * 1000
    }
  }
  return undefined
}

/** The last matching time of day at or before `ms` past midnight, in the same unit. */
function timeUpTo({ hours, minutes, seconds }: Schedule, ms: number): number | undefined {
  for (const hour of hours.toReversed()) {
    for (const minute of minutes.toReversed()) {
      const start = (hour * 60 + minute) * 60_000
      const second = start > ms ? undefined : seconds.findLast((each) => start + each * 1000 <= ms)
      if (second !== undefined) return start + second * 1000
    }
  }
  return undefined
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const weekdayOf = (at: number): string => WEEKDAYS[new Date(at).getUTCDay()] ?? ''
const clockOf = (at: number): string => new Date(at).toISOString().slice(11, 16)

/** "Mon 2026-01-05 08:00". */
const timeShown = (at: number): string => `${weekdayOf(at)} ${new Date(at).toISOString().slice(0, 10)} ${clockOf(at)}`

/** " (09:00 Europe/Berlin)", with the day where it is another there. */
function localShown(at: number, { name, offsetMs }: Zone): string {
  if (name === 'UTC') return ''
  const local = at + offsetMs(at)
  const day = weekdayOf(local) === weekdayOf(at) ? '' : `${weekdayOf(local)} `
  return ` (${day}${clockOf(local)} ${name})`
}
