import { describe, expect, it } from 'vitest'
import { compilePromql } from './promql.ts'

const series = (labels: Record<string, string>, value: number) => ({ labels: { __name__: 'c', ...labels }, value })
const SERIES = [
  series({ v: 'v1', code: '200' }, 90),
  series({ v: 'v1', code: '500' }, 10),
  series({ v: 'v2', code: '200' }, 4),
  { labels: { __name__: 'd', v: 'a.b"c' }, value: 1 },
]

const ask = (query: string) =>
  Object.fromEntries(compilePromql(query)(SERIES).map(({ labels, value }) => [Object.values(labels).join(' '), value]))

describe('queries', () => {
  it.each<[string, Record<string, number>]>([
    ['c{code="500"}', { 'c v1 500': 10 }],
    ['(c{v!="v1"})', { 'c v2 200': 4 }],
    ['{__name__="c",v=~"v2|v"}', { 'c v2 200': 4 }],
    ['c{v!~"v1"}', { 'c v2 200': 4 }],
    ['c{none=""}', { 'c v1 200': 90, 'c v1 500': 10, 'c v2 200': 4 }],
    ['d{v=~"a\\\\.b\\"c"}', { 'd a.b"c': 1 }],
    ['d{v=~`a\\.b"c`}', { 'd a.b"c': 1 }],
    ['sum(c)', { '': 104 }],
    ['sum by (v) (c)', { v1: 100, v2: 4 }],
    ['sum(c) by (code, none)', { 200: 94, 500: 10 }],
    ['sum without (code) (c)', { v1: 100, v2: 4 }],
    ['sum(sum by (v) (c{v=~"v.*"}))', { '': 104 }],
    ['sum(e)', {}],
  ])('answer %s', (query, expected) => {
    expect(ask(query)).toEqual(expected)
  })

  it.each([
    '',
    'sum(',
    'rate(c[5m])',
    'c[5m]',
    'c offset 5m',
    'c @ 5',
    'c + c',
    '1',
    '"text"',
    'avg(c)',
    'topk(3, c)',
    'histogram_quantile(0.9, c)',
    '{}',
    'c{v=~"("}',
    '{"c"}',
  ])('refuse %s in a sentence', (query) => {
    expect(() => ask(query)).toThrow(/\w+ \w+/)
  })
})
