import { PROMQL_FUNCTIONS } from './promql-functions.ts'
import { applyOperator } from './promql-operators.ts'
import type { Matching } from './promql-operators.ts'
import { groupingOf, instantSelector, rangeSelector } from './promql-selectors.ts'
import { childAt, childOf, parsePromql, promqlDurationMs, promqlNumber } from './promql-syntax.ts'
import type { Node } from './promql-syntax.ts'
import { PromqlError, grouped, pointsOf } from './promql-values.ts'
import type { Evaluate, Point, PromqlValue } from './promql-values.ts'
import { seriesKey } from './tsdb.ts'
import type { Tsdb } from './tsdb.ts'

type Compile = (tsdb: Tsdb, node: Node, offsetMs: number) => Evaluate

/** A query over the database, ready to be asked; throws a PromqlError where it is wrong or asks for too much. */
export const compilePromql = (tsdb: Tsdb, query: string): Evaluate => compile(tsdb, parsePromql(query), 0)

const compile: Compile = (tsdb, node, offsetMs) => {
  const compiler = COMPILERS[node.name]
  if (compiler === undefined) throw new PromqlError(`this engine does not implement "${node.text}" (${node.name})`)
  return compiler(tsdb, node, offsetMs)
}

const COMPILERS: Readonly<Record<string, Compile>> = {
  ParenExpr: (tsdb, node, offsetMs) => compile(tsdb, childAt(node, 0), offsetMs),
  NumberDurationLiteral(_tsdb, node) {
    const value = promqlNumber(node.text)
    return () => ({ kind: 'scalar', value })
  },
  VectorSelector: instantSelector,
  MatrixSelector: (tsdb, node, offsetMs) =>
    rangeSelector(tsdb, childAt(node, 0), { rangeMs: promqlDurationMs(childAt(node, 1).text), offsetMs }),
  OffsetExpr: compileOffset,
  UnaryExpr(tsdb, node, offsetMs) {
    const inner = compile(tsdb, childAt(node, 1), offsetMs)
    const factor = childAt(node, 0).text === '-' ? -1 : 1
    return (atMs) => applyOperator('*', inner(atMs), { kind: 'scalar', value: factor }, EVERY_LABEL)
  },
  FunctionCall: compileCall,
  AggregateExpr: compileAggregate,
  BinaryExpr: compileBinary,
}

/** Only selectors can be shifted; the grammar hangs the offset of `a - b offset 5m` on the difference, but it is b's. */
function compileOffset(tsdb: Tsdb, node: Node, offsetMs: number): Evaluate {
  const inner = childAt(node, 0)
  const text = childAt(node, -1).text.replaceAll(/\s/g, '')
  const ownMs = text.startsWith('-') ? -promqlDurationMs(text.slice(1)) : promqlDurationMs(text)
  if (inner.name === 'BinaryExpr') {
    const right = { name: 'OffsetExpr', text: node.text, children: [childAt(inner, -1), childAt(node, -1)] }
    return compileBinary(tsdb, { ...inner, children: [...inner.children.slice(0, -1), right] }, offsetMs)
  }
  if (inner.name !== 'VectorSelector' && inner.name !== 'MatrixSelector')
    throw new PromqlError('offset modifier must be preceded by a selector')
  return compile(tsdb, inner, offsetMs + ownMs)
}

function compileCall(tsdb: Tsdb, node: Node, offsetMs: number): Evaluate {
  const name = childAt(node, 0).text
  const apply = PROMQL_FUNCTIONS[name]
  if (apply === undefined) throw new PromqlError(`this engine does not implement the function "${name}"`)
  const args = (childOf(node, 'FunctionCallBody')?.children ?? []).map((child) => compile(tsdb, child, offsetMs))
  return (atMs) => apply(args.map((argument) => argument(atMs)))
}

const AGGREGATIONS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  avg: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  count: (values) => values.length,
  max: (values) => Math.max(...comparable(values)),
  min: (values) => Math.min(...comparable(values)),
}

/** NaN loses against every number, and wins only alone. */
function comparable(values: readonly number[]): readonly number[] {
  const numbers = values.filter((value) => !Number.isNaN(value))
  return numbers.length > 0 ? numbers : [NaN]
}

function compileAggregate(tsdb: Tsdb, node: Node, offsetMs: number): Evaluate {
  const name = childAt(node, 0).text.toLowerCase()
  const aggregate = AGGREGATIONS[name]
  if (aggregate === undefined) throw new PromqlError(`this engine does not implement the aggregation "${name}"`)
  const modifier = childOf(node, 'AggregateModifier')
  const names = groupingOf(modifier)
  const keep = modifier === undefined || childOf(modifier, 'By') !== undefined
  const inner = compile(tsdb, childAt(childOf(node, 'FunctionCallBody') ?? node, 0), offsetMs)
  return (atMs) => {
    const groups = new Map<string, Point[]>()
    for (const { labels, value } of pointsOf(inner(atMs), 'aggregation expression')) {
      const kept = grouped(labels, names, keep)
      const key = seriesKey(kept)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [{ labels: kept, value }])
      else group.push({ labels: kept, value })
    }
    return {
      kind: 'vector',
      points: [...groups.values()].map((points) => ({
        labels: points[0]?.labels ?? {},
        value: aggregate(points.map(({ value }) => value)),
      })),
    }
  }
}

const EVERY_LABEL: Matching = { labels: [], on: false, bool: false }

function compileBinary(tsdb: Tsdb, node: Node, offsetMs: number): Evaluate {
  const modifiers = node.children.slice(2, -1)
  const clause = modifiers.find(({ name }) => name === 'MatchingModifierClause')
  if (clause?.children.some(({ name }) => name.startsWith('Group') && name !== 'GroupingLabels') === true) {
    throw new PromqlError('this engine does not implement group_left and group_right')
  }
  const on = clause !== undefined && childOf(clause, 'On') !== undefined
  const matching = { labels: groupingOf(clause), on, bool: modifiers.some(({ name }) => name === 'BoolModifier') }
  const [left, right] = [compile(tsdb, childAt(node, 0), offsetMs), compile(tsdb, childAt(node, -1), offsetMs)]
  const operator = childAt(node, 1).text.toLowerCase()
  // The parser takes the sign for the literal's, and would answer 4 where Prometheus answers -4.
  if (operator === '^' && /^[+-]/.test(childAt(node, 0).text))
    throw new PromqlError('a signed number before ^ must be put in parentheses')
  return (atMs): PromqlValue => applyOperator(operator, left(atMs), right(atMs), matching)
}
