import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'
import { anchoredRegex } from '../route-match.ts'
import type { Labels, Sample } from './request-metrics.ts'

/** A query, ready to be asked of all series. */
export type Query = (series: readonly Sample[]) => readonly Sample[]

/** The query is wrong, or asks for more than selectors and their sums. */
export class PromqlError extends Error {}

/** Reads an instant selector, or sums (by, without) of one; throws a PromqlError with the reason for everything else. */
export function compilePromql(text: string): Query {
  const read = (node: SyntaxNode): string => text.slice(node.from, node.to)
  // The parser is an editor's: it reads on after an error, and leaves a node where it stumbled.
  parser.parse(text).iterate({
    enter: ({ type, from }) => {
      if (type.isError) throw new PromqlError(`parse error at char ${from + 1}: unexpected "${text.slice(from, from + 20)}"`)
    },
  })
  const compile = (node: SyntaxNode | null): Query => {
    if (node === null) throw new PromqlError('no expression found in input')
    if (node.name === 'ParenExpr') return compile(node.firstChild)
    if (node.name === 'VectorSelector') return selector(node, read)
    const inner = node.getChild('FunctionCallBody')?.firstChild
    if (node.name !== 'AggregateExpr' || node.getChild('AggregateOp')?.getChild('Sum') === null || inner === undefined)
      throw new PromqlError(`the sandbox's Prometheus knows selectors and their sums only, not "${read(node)}"`)
    return sum(compile(inner), node.getChild('AggregateModifier'), read)
  }
  return compile(parser.parse(text).topNode.firstChild)
}

type Read = (node: SyntaxNode) => string

function childrenOf(node: SyntaxNode | null | undefined): readonly SyntaxNode[] {
  const children: SyntaxNode[] = []
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) children.push(child)
  return children
}

function sum(inner: Query, modifier: SyntaxNode | null, read: Read): Query {
  const names = childrenOf(modifier?.getChild('GroupingLabels')).map((name) => read(name).replaceAll('"', ''))
  const without = Boolean(modifier?.getChild('Without'))
  return (series) => {
    const groups = new Map<string, { readonly labels: Labels; value: number }>()
    for (const { labels, value } of inner(series)) {
      const kept = without ? others(labels, names) : names
      const key = kept.map((name) => `${name}=${labels[name] ?? ''}`).join('\n')
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { labels: picked(labels, kept), value })
      else group.value += value
    }
    return [...groups.values()]
  }
}

const others = (labels: Labels, names: readonly string[]): readonly string[] =>
  Object.keys(labels).filter((name) => name !== '__name__' && !names.includes(name))

const picked = (labels: Labels, names: readonly string[]): Labels =>
  Object.fromEntries(names.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])))

type Test = (labels: Labels) => boolean

function selector(node: SyntaxNode, read: Read): Query {
  const metric = node.getChild('Identifier')
  const matchers = childrenOf(node.getChild('LabelMatchers')).map((each) => matcherOf(each, read))
  const tests = [...(metric === null ? [] : [matcher('__name__', '=', read(metric))]), ...matchers]
  if (tests.every((test) => test({}))) throw new PromqlError('vector selector must contain at least one non-empty matcher')
  return (series) => series.filter(({ labels }) => tests.every((test) => test(labels)))
}

function matcherOf(node: SyntaxNode, read: Read): Test {
  const [name, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((part) => node.getChild(part))
  if (!name || !operator || !value) throw new PromqlError(`the sandbox's Prometheus cannot read the matcher ${read(node)}`)
  return matcher(read(name), read(operator), unquoted(read(value)))
}

function matcher(name: string, operator: string, value: string): Test {
  const wanted = operator.startsWith('=')
  if (!operator.endsWith('~')) return (labels) => ((labels[name] ?? '') === value) === wanted
  try {
    const expression = anchoredRegex(value)
    return (labels) => expression.test(labels[name] ?? '') === (operator === '=~')
  } catch (error) {
    throw new PromqlError(`error parsing regexp "${value}"`, { cause: error })
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

const unquoted = (text: string): string => {
  const inner = text.slice(1, -1)
  return text.startsWith('`') ? inner : inner.replaceAll(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character)
}
