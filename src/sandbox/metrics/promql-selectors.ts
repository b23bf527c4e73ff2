import { anchoredRegex } from '../route-regex.ts'
import { childOf, labelNames, unquoted } from './promql-syntax.ts'
import type { Node } from './promql-syntax.ts'
import { PromqlError } from './promql-values.ts'
import type { Evaluate, Point, Range } from './promql-values.ts'
import type { Labels, Series, Tsdb } from './tsdb.ts'

const LOOKBACK_MS = 300_000

type Matcher = { readonly name: string; readonly test: (value: string) => boolean; readonly equals?: string }

/** The newest samples at most 5 minutes old; a series that ended is not there. */
export function instantSelector(tsdb: Tsdb, node: Node, offsetMs: number): Evaluate {
  const select = selector(tsdb, node)
  return (atMs) => ({ kind: 'vector', points: select().flatMap((series) => newest(series, atMs - offsetMs)) })
}

/** All samples of the range that ends at the instant; its start is left out, as in Prometheus 3. */
export function rangeSelector(
  tsdb: Tsdb,
  node: Node,
  { rangeMs, offsetMs }: { readonly rangeMs: number; readonly offsetMs: number },
): Evaluate {
  const select = selector(tsdb, node)
  return (atMs) => {
    const [endMs, startMs] = [atMs - offsetMs, atMs - offsetMs - rangeMs]
    return { kind: 'matrix', startMs, endMs, ranges: select().flatMap((series) => within(series, startMs, endMs)) }
  }
}

function selector(tsdb: Tsdb, node: Node): () => readonly Series[] {
  const matchers = [
    ...node.children.filter(({ name }) => name === 'Identifier').map(({ text }) => matcher('__name__', '=', text)),
    ...(childOf(node, 'LabelMatchers')?.children ?? []).map(matcherOf),
  ]
  if (matchers.every(({ test }) => test(''))) throw new PromqlError('vector selector must contain at least one non-empty matcher')
  const name = matchers.find((candidate) => candidate.name === '__name__' && candidate.equals !== undefined)?.equals
  const fits = (labels: Labels) => matchers.every((candidate) => candidate.test(labels[candidate.name] ?? ''))
  return () => [...tsdb.series(name)].filter(({ labels }) => fits(labels))
}

function matcherOf(node: Node): Matcher {
  if (node.name === 'QuotedLabelName') return matcher('__name__', '=', unquoted(node.text))
  const [label, operator, literal] = node.children
  if (label === undefined || operator === undefined || literal === undefined)
    throw new PromqlError(`incomplete matcher "${node.text}"`)
  return matcher(unquoted(label.text), operator.text, unquoted(literal.text))
}

function matcher(name: string, operator: string, value: string): Matcher {
  if (operator === '=') return { name, test: (actual) => actual === value, equals: value }
  if (operator === '!=') return { name, test: (actual) => actual !== value }
  const expression = regexOf(value)
  return { name, test: (actual) => expression.test(actual) === (operator === '=~') }
}

function regexOf(pattern: string): RegExp {
  try {
    return anchoredRegex(pattern)
  } catch (error) {
    throw new PromqlError(`error parsing regexp "${pattern}"`, { cause: error })
  }
}

function newest({ labels, times, values }: Series, atMs: number): readonly Point[] {
  const index = after(times, atMs) - 1
  const value = values[index] ?? NaN
  return (times[index] ?? -Infinity) <= atMs - LOOKBACK_MS || Number.isNaN(value) ? [] : [{ labels, value }]
}

function within({ labels, times, values }: Series, startMs: number, endMs: number): readonly Range[] {
  const [from, to] = [after(times, startMs), after(times, endMs)]
  const kept = values
    .slice(from, to)
    .map((value, index) => ({ value, time: times[from + index] ?? 0 }))
    .filter(({ value }) => !Number.isNaN(value))
  return kept.length === 0 ? [] : [{ labels, times: kept.map(({ time }) => time), values: kept.map(({ value }) => value) }]
}

/** Index of the first time after `atMs`. */
function after(times: readonly number[], atMs: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? Infinity) <= atMs) low = middle + 1
    else high = middle
  }
  return low
}

/** Labels named after `by`, `without`, `on` or `ignoring`. */
export const groupingOf = (node: Node | undefined): readonly string[] =>
  labelNames(node === undefined ? undefined : childOf(node, 'GroupingLabels'))
