import { createTask, parse, validate } from 'node-cron'
import type { Schedule } from '../canary/windows.ts'

const DAY_MS = 86_400_000
/** No schedule that ever fires waits longer: 29 February, in a leap year. */
const FARTHEST_DAYS = 366 * 8

/** Why a schedule cannot be used; undefined when it can. node-cron's rules: 5 or 6 fields, day of month AND day of week. */
export function scheduleProblem(expression: string, example = '"*/30 * * * * *" for every 30 seconds'): string | undefined {
  return validate(expression) ? undefined : `"${expression}" is no cron expression, or never comes: write 5 or 6 fields, such as ${example}`
}

/**
 * The first instant after `afterMs` (milliseconds since the epoch) that matches, in UTC; undefined when none does.
 * node-cron parses and matches; the search is ours, because its own answer starts at the real present only.
 */
export function nextRun(expression: string, afterMs: number): number | undefined {
  const fields = fieldsOf(expression)
  const task = createTask(expression, () => undefined, { timezone: 'UTC' })
  try {
    const firstDay = Math.floor(afterMs / DAY_MS)
    for (let day = firstDay; day < firstDay + FARTHEST_DAYS; day++) {
      const midnight = day * DAY_MS
      const first = timeAfter(fields, -1)
      if (first === undefined || !task.match(new Date(midnight + first))) continue
      const found = timeAfter(fields, afterMs - midnight)
      if (found !== undefined) return midnight + found
    }
    return undefined
  } finally {
    void task.destroy()
  }
}

type Fields = Pick<ReturnType<typeof parse>, 'hour' | 'minute' | 'second' | 'month'>

/** node-cron leaves a list in the order in which it was written. */
function fieldsOf(expression: string): Fields {
  const { hour, minute, second, month } = parse(expression)
  const [hours = [], minutes = [], seconds = [], months = []] = [hour, minute, second, month].map((values) => values.toSorted((a, b) => a - b))
  return { hour: hours, minute: minutes, second: seconds, month: months }
}

/**
 * A valid cron expression as days and times of day of any calendar: which zone they are of is another matter, because
 * node-cron's own search leaves out starts that a clock change skips, and takes the second of two.
 */
export function scheduleOf(expression: string): Schedule {
  const { hour, minute, second, month } = fieldsOf(expression)
  const task = createTask(expression, () => undefined, { timezone: 'UTC' })
  // It only matches: off the list of tasks that node-cron keeps.
  void task.destroy()
  const firstMs = ((hour[0] ?? 0) * 3600 + (minute[0] ?? 0) * 60 + (second[0] ?? 0)) * 1000
  const hasDay = (day: number): boolean => {
    const at = new Date(day * DAY_MS + firstMs)
    return month.includes(at.getUTCMonth() + 1) && task.match(at)
  }
  return { hours: hour, minutes: minute, seconds: second, hasDay }
}

/** The first matching time of day after `ms` past midnight, in the same unit. */
function timeAfter({ hour, minute, second }: Fields, ms: number): number | undefined {
  for (const h of hour) {
    for (const m of minute) {
      const start = (h * 60 + m) * 60_000
      const found = start + 60_000 <= ms ? undefined : second.find((s) => start + s * 1000 > ms)
      if (found !== undefined) return start + found * 1000
    }
  }
  return undefined
}
