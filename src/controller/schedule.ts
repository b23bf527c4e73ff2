import { createTask, parse, validate } from 'node-cron'

const DAY_MS = 86_400_000
/** No schedule that ever fires waits longer: 29 February, in a leap year. */
const FARTHEST_DAYS = 366 * 8

/** Why a schedule cannot be used; undefined when it can. node-cron's rules: 5 or 6 fields, day of month AND day of week. */
export function scheduleProblem(expression: string): string | undefined {
  return validate(expression) ? undefined : `"${expression}" is no cron expression, or never comes: write 5 or 6 fields, such as "*/30 * * * * *" for every 30 seconds`
}

/**
 * The first instant after `afterMs` (milliseconds since the epoch) that matches, in UTC; undefined when none does.
 * node-cron parses and matches; the search is ours, because its own answer starts at the real present only.
 */
export function nextRun(expression: string, afterMs: number): number | undefined {
  const fields = parse(expression)
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

/** The first matching time of day after `ms` past midnight, in the same unit. */
function timeAfter({ hour, minute, second }: ReturnType<typeof parse>, ms: number): number | undefined {
  for (const h of hour) {
    for (const m of minute) {
      const start = (h * 60 + m) * 60_000
      const found = start + 60_000 <= ms ? undefined : second.find((s) => start + s * 1000 > ms)
      if (found !== undefined) return start + found * 1000
    }
  }
  return undefined
}
