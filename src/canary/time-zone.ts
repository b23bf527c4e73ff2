/** A time zone: what its clocks show. */
export type Zone = {
  /** IANA name. */
  readonly name: string
  /** Local time less UTC at an instant, milliseconds. */
  readonly offsetMs: (instant: number) => number
}

const DAY_MS = 86_400_000
const SECOND_MS = 1000

/** Throws a RangeError on a name that nobody knows. */
export function zoneOf(name: string): Zone {
  const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, calendar: 'iso8601', hourCycle: 'h23', ...numeric })
  const offsetMs = (instant: number): number => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / SECOND_MS) * SECOND_MS
  }
  return { name, offsetMs }
}

/**
 * The instant at which the zone's clocks show `local` (milliseconds, as if it were UTC): the first of two where clocks
 * are set back, and where they are set forward past it, the instant at which they are.
 */
export function instantOf({ offsetMs }: Zone, local: number): number {
  const [before, after] = [offsetMs(local - DAY_MS), offsetMs(local + DAY_MS)]
  const shown = [local - before, local - after].filter((instant) => instant + offsetMs(instant) === local)
  return shown.length > 0 ? Math.min(...shown) : changeBetween(offsetMs, local - after, local - before)
}

/** The first second at which another offset holds than at `early`. */
function changeBetween(offsetMs: Zone['offsetMs'], early: number, late: number): number {
  const before = offsetMs(early)
  let [still, changed] = [Math.floor(early / SECOND_MS), Math.ceil(late / SECOND_MS)]
  while (changed - still > 1) {
    const middle = Math.floor((still + changed) / 2)
    if (offsetMs(middle * SECOND_MS) === before) still = middle
    else changed = middle
  }
  return changed * SECOND_MS
}
