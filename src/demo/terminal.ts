import type { WriteStream } from 'node:tty'
import type { Model } from './model.ts'
import { momentLines } from './panels.ts'
import { failedShare } from './outcome.ts'
import { render } from './screen.ts'
import { count, end, type Line, paint, percent, seconds } from './text.ts'

/** Where the demo is told. */
export type Presenter = {
  /** Shows how things stand; call it a few times a second. */
  readonly show: (model: Model) => void
  /** Gives the terminal back as it was. */
  readonly close: () => void
}

const ENTER = '\u001B[?1049h\u001B[?25l'
const LEAVE = '\u001B[?25h\u001B[?1049l'

/** A live screen in the terminal's second buffer, each frame in one write that the terminal shows at once. */
export function liveScreen(out: WriteStream, color: boolean): Presenter {
  out.write(ENTER)
  return {
    show: (model) => {
      const lines = render(model, { columns: out.columns, rows: out.rows, color }).map((line) => `${line}\u001B[K`)
      out.write(`\u001B[?2026h\u001B[H${lines.join('\r\n')}\u001B[J\u001B[?2026l`)
    },
    close: () => out.write(LEAVE),
  }
}

const PROGRESS_MS = 5_000

/** Plain lines without cursor movement: a line for each moment, and how things stand every five seconds. */
export function plainLines(write: (text: string) => unknown, { columns, color }: { readonly columns: number; readonly color: boolean }): Presenter {
  const told = { act: 0, moments: 0, progressMs: 0 }
  const say = (...lines: readonly Line[]) => lines.forEach((line) => write(`${paint(line, color)}\n`))
  return {
    show: (model) => {
      const { act, acts, moments, elapsedMs } = model
      const { title = '', tells = '' } = acts[act - 1] ?? {}
      if (act > told.act) say([], [['bold', `Act ${act} of ${acts.length}: ${title}`]], [['plain', tells]])
      say(...moments.slice(told.moments).flatMap((moment) => momentLines(moment, columns)))
      if (elapsedMs - told.progressMs >= PROGRESS_MS) say(progress(model))
      told.progressMs = elapsedMs - told.progressMs >= PROGRESS_MS ? elapsedMs : told.progressMs
      told.act = act
      told.moments = moments.length
    },
    close: () => undefined,
  }
}

function progress({ elapsedMs, users, canary, gates }: Model): Line {
  const failed = users === undefined ? '' : `${users.rps}/s, ${percent(failedShare(users))} of ${count(users.answered)} failed`
  const said = gates.flatMap(({ name, check }) => (check?.value === undefined ? [] : [`${name} ${check.value}`]))
  const parts = [failed, canary === undefined ? '' : `${canary.phase} at ${canary.weight}`, ...said]
  return [['dim', `${end(seconds(elapsedMs), 6)}  ${parts.filter((part) => part !== '').join(' · ')}`]]
}
