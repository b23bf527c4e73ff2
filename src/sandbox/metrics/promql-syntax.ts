import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'
import { PromqlError } from './promql-values.ts'

/** A node of the query's syntax tree, with its text. */
export type Node = { readonly name: string; readonly text: string; readonly children: readonly Node[] }

/** The query's expression; a PromqlError with the place where it cannot be read. */
export function parsePromql(query: string): Node {
  const top = plain(query, parser.parse(query).topNode)
  const [expression] = top.children
  if (expression === undefined) throw new PromqlError('no expression found in input')
  return expression
}

function plain(query: string, node: SyntaxNode): Node {
  // The parser is an editor's: it reads on after an error, and leaves this node where it stumbled.
  if (node.type.isError)
    throw new PromqlError(`parse error at char ${node.from + 1}: unexpected "${query.slice(node.from, node.from + 20)}"`)
  const children: Node[] = []
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(plain(query, child))
  return { name: node.name, text: query.slice(node.from, node.to), children }
}

/** The first child of that name. */
export const childOf = (node: Node, name: string): Node | undefined => node.children.find((child) => child.name === name)

/** The nth child; a PromqlError where there is none. */
export function childAt(node: Node, index: number): Node {
  const child = node.children.at(index)
  if (child === undefined) throw new PromqlError(`incomplete expression "${node.text}"`)
  return child
}

/** Names in a list such as `(a, b)`. */
export const labelNames = (list: Node | undefined): readonly string[] =>
  (list?.children ?? []).map((child) => unquoted(child.text))

/** The text of a string literal. */
export function unquoted(text: string): string {
  if (!/^["'`]/.test(text)) return text
  const inner = text.slice(1, -1)
  if (text.startsWith('`')) return inner
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }
  return inner.replaceAll(/\\(.)/g, (_, character: string) => escapes[character] ?? character)
}

/** A duration such as `5m`, `1h30m` or `300` (seconds) in milliseconds. */
export function promqlDurationMs(text: string): number {
  if (/^[\d.]+$/.test(text)) return Number(text) * 1000
  const units: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
    d: 86_400_000,
    w: 604_800_000,
    y: 31_536_000_000,
  }
  if (!/^(\d+(ms|s|m|h|d|w|y))+$/.test(text)) throw new PromqlError(`"${text}" is no duration this engine reads`)
  return [...text.matchAll(/(\d+)(ms|s|m|h|d|w|y)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (units[unit ?? ''] ?? 0),
    0,
  )
}

/** A number literal; a PromqlError for a duration in its place. */
export function promqlNumber(text: string): number {
  const infinite = /^([+-]?)inf$/i.exec(text)
  if (infinite) return infinite[1] === '-' ? -Infinity : Infinity
  if (/^nan$/i.test(text)) return NaN
  const value = Number(text)
  return Number.isNaN(value) ? promqlDurationMs(text) / 1000 : value
}
