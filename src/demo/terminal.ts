import type { WriteStream } from 'node:tty'
import type { Model } from './model.ts'
import { momentLines, placeOf } from './panels.ts'
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
  let open = true
  const close = () => {
    if (open) out.write(LEAVE)
    open = false
  }
  // Whatever ends the process, the terminal is given back.
  process.once('exit', close)
  out.write(ENTER)
  return {
    show: (model) => {
      const lines = render(model, { columns: out.columns, rows: out.rows, color }).map((line) => `${line}\u001B[K`)
      out.write(`\u001B[?2026h\u001B[H${lines.join('\r\n')}\u001B[J\u001B[?2026l`)
    },
    close,
  }
}

type PlainOptions = { readonly columns: number; readonly color: boolean; readonly everyMs: number }

/** Plain lines without cursor movement: a line for each moment, and how things stand now and then. */
export function plainLines(write: (text: string) => unknown, { columns, color, everyMs }: PlainOptions): Presenter {
  const told = { act: 0, moments: 0, progressMs: 0 }
  const say = (...lines: readonly Line[]) => lines.forEach((line) => write(`${paint(line, color)}\n`))
  return {
    show: (model) => {
      const { act, acts, moments, elapsedMs } = model
      const { title = '', tells = '' } = acts[act - 1] ?? {}
      if (act > told.act) say([], [['bold', `Act ${act} of ${acts.length}: ${title}`]], [['plain', tells]])
      say(...moments.slice(told.moments).flatMap((moment) => momentLines(moment, columns)))
      Object.assign(told, { act, moments: moments.length })
      if (elapsedMs - told.progressMs < everyMs) return
      say(progress(model))
      told.progressMs = elapsedMs
    },
    close: () => undefined,
  }
}

function progress({ elapsedMs, users, canary, gates }: Model): Line {
  const served = users === undefined ? [] : [`${users.rps}/s`, `${percent(failedShare(users))} of ${count(users.answered)} failed`]
  const said = gates.flatMap(({ name, check }) => (check?.value === undefined ? [] : [`${name} ${check.value}`]))
  const parts = [...served, ...(canary === undefined ? [] : [canary.phase]), ...(canary?.phase === 'Progressing' ? [placeOf(canary), ...said] : [])]
  return [['dim', `${end(seconds(elapsedMs), 6)}  ${parts.join(' · ')}`]]
}
