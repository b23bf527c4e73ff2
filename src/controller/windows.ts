import type { Problem } from '../api/parse.ts'
import type { Settings } from '../api/settings.ts'
import { zoneOf } from '../canary/time-zone.ts'
import { windowState, type Closure, type ParsedWindow, type WindowState } from '../canary/windows.ts'
import { scheduleOf, scheduleProblem } from './schedule.ts'

type Written = Settings['windows']
type Known = { readonly windows: readonly ParsedWindow[]; state: WindowState; from: number }

/** More lists than that are no longer remembered: they are worked out again. */
const MOST_KNOWN = 1000

/** What the windows of Canaries come to. Windows in the same words are worked out once, and again when something may have changed. */
export class Windows {
  readonly #known = new Map<string, Known>()

  /** Why windows that have no problem forbid to begin and to raise at `now` (milliseconds since the epoch); undefined while they are open. */
  closed(written: Written, now: number): Closure | undefined {
    if (written.length === 0) return undefined
    const name = JSON.stringify(written)
    const known = this.#known.get(name) ?? this.#remember(name, parsed(written), now)
    // Clocks are set back, too.
    if (now < known.from || now >= known.state.until) Object.assign(known, { state: windowState(known.windows, now), from: now })
    return known.state.closed
  }

  #remember(name: string, windows: readonly ParsedWindow[], now: number): Known {
    if (this.#known.size >= MOST_KNOWN) this.#known.clear()
    const known = { windows, state: windowState(windows, now), from: now }
    this.#known.set(name, known)
    return known
  }
}

const parsed = (written: Written): readonly ParsedWindow[] =>
  written.map(({ kind, schedule, durationMs, timeZone }) => ({ kind, schedule: scheduleOf(schedule), durationMs, zone: zoneOf(timeZone) }))

/** What is wrong with schedules and time zones that no schema can tell. */
export function calendarProblems({ clock, windows }: Pick<Settings, 'clock' | 'windows'>): readonly Problem[] {
  const problem = clock.kind === 'schedule' ? scheduleProblem(clock.expression) : undefined
  return [...(problem === undefined ? [] : [{ path: 'spec.analysis.schedule', message: problem }]), ...windowProblems(windows)]
}

const windowProblems = (written: Written): readonly Problem[] =>
  written.flatMap(({ schedule, timeZone }, index) => {
    const cron = scheduleProblem(schedule, '"0 9 * * 1-5" for nine o\'clock from Monday to Friday')
    return [
      ...(cron === undefined ? [] : [{ path: `spec.windows[${index}].schedule`, message: cron }]),
      ...(isZone(timeZone) ? [] : [{ path: `spec.windows[${index}].timeZone`, message: `"${timeZone}" is no time zone of the IANA database: write one, such as "Europe/Berlin" or "UTC"` }]),
    ]
  })

function isZone(name: string): boolean {
  try {
    zoneOf(name)
    return true
  } catch {
    // A RangeError: the runtime knows no such name.
    return false
  }
}
