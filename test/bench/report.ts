import { cpus } from 'node:os'
import type { Row } from './bars.ts'

const HEAD = ['what', 'canaries', 'measured', 'bar', ''] as const

const cellsOf = ({ what, size, measured, bar, verdict }: Row): readonly string[] => [what, size.toLocaleString('en'), measured, bar, verdict]

/** The table for a terminal. */
export function textTable(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  return lines.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

/** The same in Markdown, with the machine it was measured on. */
export function markdown(rows: readonly Row[], { runs, load }: { readonly runs: number; readonly load: readonly number[] }): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const [cpu] = cpus()
  const loads = load.map((value) => value.toFixed(1)).join(' to ')
  return [
    `Measured on ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Node ${process.version}, load average ${loads}; ${runs === 1 ? 'one run' : `median of ${runs} runs, lowest and highest in brackets`}.`,
    '',
    line(HEAD),
    line(['---', '---:', '---:', '---:', '---']),
    ...rows.map((row) => line(cellsOf(row))),
  ].join('\n')
}

/** The document with another table between the two marks of that name; throws where it has none. */
export function withTable(document: string, table: string, name: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [head, rest] = document.split(begin)
  const tail = rest?.split(end)[1]
  if (head === undefined || tail === undefined) throw new Error(`the document has no ${begin} … ${end}`)
  return `${head}${begin}\n${table}\n${end}${tail}`
}
