import type { Model } from './model.ts'
import { canaryCard, events, gates, header, storyline, streams, versions } from './panels.ts'
import { fit, type Line, paint } from './text.ts'

/** The terminal's size, and whether it shows colours. */
export type Size = { readonly columns: number; readonly rows: number; readonly color: boolean }

/** From here on events stand beside the rest. */
const WIDE = 120
const LEFT = 80

/** A frame of at most `rows` lines, none wider than `columns`; laid out for 80 columns and 24 rows or more. */
export function render(model: Model, { columns, rows, color }: Size): readonly string[] {
  const inner = Math.max(78, columns - 2)
  const lines = columns < WIDE ? narrow(model, inner, rows) : wide(model, inner, rows)
  return lines.slice(0, rows).map((line) => paint(fit([['plain', ' '], ...line], columns), color))
}

function narrow(model: Model, columns: number, rows: number): readonly Line[] {
  const blocks = [header(model, columns), streams(model, columns), ...middle(model, columns)]
  const taken = blocks.flat().length
  const gap: readonly Line[] = rows - taken - blocks.length >= 7 ? [[]] : []
  const above = blocks.flatMap((block) => [...block, ...gap])
  return [...above, ...events(model.moments, columns, rows - above.length)]
}

function wide(model: Model, columns: number, rows: number): readonly Line[] {
  const top = [...header(model, columns), [], ...streams(model, columns), []]
  const room = rows - top.length
  const left = [...middle(model, LEFT), storyline(model, LEFT)].flatMap((block) => [...block, []])
  const right = events(model.moments, columns - LEFT - 3, room)
  const below = Array.from({ length: Math.max(left.length, right.length) }, (_, row): Line => [...fit(left[row] ?? [], LEFT + 3), ...(right[row] ?? [])])
  return [...top, ...below]
}

const middle = (model: Model, columns: number): readonly (readonly Line[])[] => [
  canaryCard(model.canary, columns),
  gates(model.gates, columns),
  versions(model.versions, columns),
]
