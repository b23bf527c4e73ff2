import { PromqlError, grouped, pointsOf, unnamed } from './promql-values.ts'
import type { Point, PromqlValue } from './promql-values.ts'
import { seriesKey } from './tsdb.ts'
import type { Labels } from './tsdb.ts'

/** How the two sides of an operator meet: by the labels named (`on`), or by all but those. */
export type Matching = { readonly labels: readonly string[]; readonly on: boolean; readonly bool: boolean }

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '^': (a, b) => a ** b,
}

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
}

/** `left OPERATOR right`; vectors are matched one to one. */
export function applyOperator(operator: string, left: PromqlValue, right: PromqlValue, matching: Matching): PromqlValue {
  if (['and', 'or', 'unless'].includes(operator)) return { kind: 'vector', points: combined(operator, left, right, matching) }
  const compute = calculation(operator, matching.bool)
  const { named } = compute
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    if (named) throw new PromqlError('comparisons between scalars must use BOOL modifier')
    return { kind: 'scalar', value: compute.of(left.value, right.value) ?? NaN }
  }
  if (right.kind === 'scalar') return mapped(left, named, (value) => compute.of(value, right.value))
  if (left.kind === 'scalar')
    return mapped(right, named, (value) =>
      compute.of(left.value, value) === undefined ? undefined : named ? value : compute.of(left.value, value),
    )
  return { kind: 'vector', points: paired(left, right, matching, compute) }
}

type Calculation = {
  readonly of: (a: number, b: number) => number | undefined
  /** A filter keeps the metric's name. */ readonly named: boolean
}

function calculation(operator: string, bool: boolean): Calculation {
  const arithmetic = ARITHMETIC[operator]
  if (arithmetic !== undefined) return { of: arithmetic, named: false }
  const comparison = COMPARISONS[operator]
  if (comparison === undefined) throw new PromqlError(`this engine does not implement the operator "${operator}"`)
  if (bool) return { of: (a, b) => (comparison(a, b) ? 1 : 0), named: false }
  return { of: (a, b) => (comparison(a, b) ? a : undefined), named: true }
}

function mapped(value: PromqlValue, named: boolean, change: (value: number) => number | undefined): PromqlValue {
  const points = pointsOf(value, 'binary expression').flatMap((point) => {
    const result = change(point.value)
    return result === undefined ? [] : [{ labels: named ? point.labels : unnamed(point.labels), value: result }]
  })
  return { kind: 'vector', points }
}

const signature = (labels: Labels, { labels: names, on }: Matching): string => seriesKey(grouped(labels, names, on))

function paired(left: PromqlValue, right: PromqlValue, matching: Matching, { of, named }: Calculation): readonly Point[] {
  const others = new Map<string, Point>()
  for (const point of pointsOf(right, 'binary expression')) {
    const key = signature(point.labels, matching)
    if (others.has(key))
      throw new PromqlError(
        'found duplicate series for the match group on the right hand-side of the operation; many-to-many matching not allowed',
      )
    others.set(key, point)
  }
  const met = new Set<string>()
  return pointsOf(left, 'binary expression').flatMap(({ labels, value }) => {
    const key = signature(labels, matching)
    const other = others.get(key)
    if (other === undefined) return []
    if (met.has(key))
      throw new PromqlError('multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)')
    met.add(key)
    const result = of(value, other.value)
    const kept = grouped(labels, matching.labels, matching.on)
    const name = named && !matching.on && labels['__name__'] !== undefined ? { __name__: labels['__name__'] } : {}
    return result === undefined ? [] : [{ labels: { ...name, ...kept }, value: result }]
  })
}

function combined(operator: string, left: PromqlValue, right: PromqlValue, matching: Matching): readonly Point[] {
  const [ours, theirs] = [pointsOf(left, 'set operation'), pointsOf(right, 'set operation')]
  const keys = (points: readonly Point[]) => new Set(points.map(({ labels }) => signature(labels, matching)))
  const [known, other] = [keys(ours), keys(theirs)]
  if (operator === 'or') return [...ours, ...theirs.filter(({ labels }) => !known.has(signature(labels, matching)))]
  return ours.filter(({ labels }) => other.has(signature(labels, matching)) === (operator === 'and'))
}
