import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { compilePromql } from './promql.ts'
import { createTsdb } from './tsdb.ts'
import type { Labels } from './tsdb.ts'

const START = Date.UTC(2026, 0, 1)

/** One sample per second from START on; a gap means that the series was not there. */
async function recorded(series: readonly { labels: Labels; values: readonly (number | undefined)[] }[]) {
  const clock = new VirtualClock(START)
  const state = { second: 0 }
  const collect = () =>
    series.flatMap(({ labels, values }) => {
      const value = values[state.second]
      return value === undefined ? [] : [{ labels, value }]
    })
  const tsdb = createTsdb({ clock, targets: () => [{ labels: { pod: 'p' }, collect }] })
  const seconds = Math.max(...series.map(({ values }) => values.length))
  for (; state.second < seconds; state.second += 1) {
    tsdb.scrape()
    await clock.advance(1000)
  }
  return (query: string, second = seconds - 1) => {
    const value = compilePromql(tsdb, query)(START + second * 1000)
    if (value.kind === 'scalar') return value.value
    return value.kind === 'vector'
      ? Object.fromEntries(value.points.map((point) => [Object.values(point.labels).join(' '), point.value]))
      : value
  }
}

const counter = (labels: Labels, values: readonly (number | undefined)[]) => ({ labels: { __name__: 'c', ...labels }, values })
const many = (count: number, value: (index: number) => number) => Array.from({ length: count }, (_, index) => value(index))

describe('counters', () => {
  it('grow by what Prometheus extrapolates to the whole range', async () => {
    const ask = await recorded([
      counter(
        {},
        many(61, (index) => 1000 + 2 * index),
      ),
    ])
    expect(ask('increase(c[60s])')).toEqual({ p: 2 * 59 * (60 / 59) })
    expect(ask('rate(c[60s])')).toEqual({ p: 2 })
    expect(ask('rate(c[20s] offset 30s)')).toEqual({ p: 2 })
  })

  it('that fall were reset, and go on from zero', async () => {
    const ask = await recorded([counter({}, [100, 110, 120, 5, 15])])
    // 10 + 10 + 5 + 10 over 4 s; the range begins 0.5 s (half a step, as 6 s ≥ 1.1 steps) before the first sample.
    expect(ask('increase(c[10s])')).toEqual({ p: 35 * (4.5 / 4) })
  })

  it('that are born in the range are not stretched below zero', async () => {
    const ask = await recorded([counter({}, [undefined, undefined, 1, 11, 21])])
    // 20 in 2 s; zero lies 2 s × 1/20 = 0.1 s before the first sample.
    expect(ask('increase(c[10s])')).toEqual({ p: 20 * (2.1 / 2) })
    expect(ask('increase(c[2s])')).toEqual({ p: 10 * (1.0 + 1.0) })
  })

  it('need two samples, and the range leaves its start out', async () => {
    const ask = await recorded([counter({}, [1, 2])])
    expect(ask('rate(c[1s])')).toEqual({})
    expect(ask('rate(c[1001ms])')).toEqual({ p: expect.closeTo(1.001 / 1.001, 3) as number })
  })
})

describe('selectors', () => {
  const data = () =>
    recorded([
      counter({ v: 'v1', code: '200' }, [1, 2, 3]),
      counter({ v: 'v2', code: '500' }, [4, 5, undefined]),
      { labels: { __name__: 'd', v: 'v1' }, values: [7, 8, 9] },
    ])

  it('match by =, !=, =~ and !~, anchored', async () => {
    const ask = await data()
    const v = (query: string) => ask(`sum by (v) (${query})`, 1)
    expect(v('c{code="200"}')).toEqual({ v1: 2 })
    expect(v('c{code!="200"}')).toEqual({ v2: 5 })
    expect(v('c{code=~"5.."}')).toEqual({ v2: 5 })
    expect(v('c{code=~"5."}')).toEqual({})
    expect(v('c{code!~"2..|4.."}')).toEqual({ v2: 5 })
    expect(v('{__name__="d"}')).toEqual({ v1: 8 })
    expect(v('c{absent=""}')).toEqual({ v1: 2, v2: 5 })
  })

  it('do not see a series that ended, nor a sample five minutes old', async () => {
    const ask = await data()
    expect(ask('sum by (v) (c)', 2)).toEqual({ v1: 3 })
    expect(ask('sum by (v) (c offset 1s)', 2)).toEqual({ v1: 2, v2: 5 })
    expect(ask('sum by (v) (c)', 2 + 299)).toEqual({ v1: 3 })
    expect(ask('sum by (v) (c)', 2 + 300)).toEqual({})
  })
})

describe('the database', () => {
  it('forgets what is older than it keeps, and series that ended long ago', async () => {
    const clock = new VirtualClock(START)
    const state = { born: 0 }
    const live = { __name__: 'live' }
    const collect = () => [
      { labels: live, value: 1 },
      { labels: { __name__: 'short', id: String(Math.floor(state.born++ / 100)) }, value: 1 },
    ]
    const tsdb = createTsdb({ clock, targets: () => [{ labels: {}, collect }], retentionMs: 200_000 })
    for (let scrape = 0; scrape < 1000; scrape += 1) {
      tsdb.scrape()
      await clock.advance(1000)
    }
    const [series] = [...tsdb.series('live')]
    expect(series?.times.length).toBeGreaterThanOrEqual(200)
    expect(series?.times.length).toBeLessThanOrEqual(265)
    expect(series?.times.at(-1)).toBe(START + 999_000)
    expect([...tsdb.series('short')].length).toBeLessThanOrEqual(4)
  })
})

describe('calculations', () => {
  const data = () =>
    recorded([
      counter({ v: 'v1', code: '200' }, [90]),
      counter({ v: 'v1', code: '500' }, [10]),
      counter({ v: 'v2', code: '200' }, [4]),
    ])

  it('aggregate by and without labels', async () => {
    const ask = await data()
    expect(ask('sum(c)')).toEqual({ '': 104 })
    expect(ask('sum by (v) (c)')).toEqual({ v1: 100, v2: 4 })
    expect(ask('max without (code, pod) (c)')).toEqual({ v1: 90, v2: 4 })
    expect(ask('count(c) by (code)')).toEqual({ 200: 2, 500: 1 })
    expect(ask('avg by (v) (c)')).toEqual({ v1: 50, v2: 4 })
    expect(ask('min(c)')).toEqual({ '': 4 })
  })

  it('divide vectors one to one, and leave out what has no partner', async () => {
    const ask = await data()
    expect(ask('sum by (v) (c{code="500"}) / sum by (v) (c)')).toEqual({ v1: 0.1 })
    expect(ask('c{code="500"} / ignoring(code) c{code="200"}')).toEqual({ 'v1 p': 10 / 90 })
    expect(ask('c{code="500"} / on(v) c{code="200"}')).toEqual({ v1: 10 / 90 })
    expect(ask('sum by (v) (c{code="500"}) / sum by (v) (c) or sum by (v) (c) * 0')).toEqual({ v1: 0.1, v2: 0 })
    expect(ask('sum by (v) (c) unless sum by (v) (c{code="500"})')).toEqual({ v2: 4 })
    expect(() => ask('c / on(v) c')).toThrow('duplicate series')
  })

  it('know scalars, signs, precedence and comparisons', async () => {
    const ask = await data()
    expect(ask('2 + 3 * (-2) ^ 2 ^ 1')).toBe(14)
    expect(ask('-sum(c) ^ 2 / 52')).toEqual({ '': -208 })
    expect(ask('sum(c) > 100')).toEqual({ '': 104 })
    expect(ask('sum(c) < 100')).toEqual({})
    expect(ask('100 < sum(c)')).toEqual({ '': 104 })
    expect(ask('sum(c) < bool 100')).toEqual({ '': 0 })
    expect(ask('0 * sum(c) / 0')).toEqual({ '': NaN })
    expect(ask('scalar(sum(c)) / 0')).toBe(Infinity)
    expect(ask('vector(1) - c{code="500"} offset 1h')).toEqual({})
  })

  it('take quantiles of histograms, linear within a bucket', async () => {
    const bucket = (le: string, value: number) => ({ labels: { __name__: 'b', le }, values: [value] })
    const ask = await recorded([bucket('100', 50), bucket('250', 90), bucket('500', 99), bucket('+Inf', 100)])
    expect(ask('histogram_quantile(0.5, b)')).toEqual({ p: 100 })
    expect(ask('histogram_quantile(0.7, b)')).toEqual({ p: 100 + 150 * (20 / 40) })
    expect(ask('histogram_quantile(0.25, sum by (le) (b))')).toEqual({ '': 50 })
    expect(ask('histogram_quantile(0.995, b)')).toEqual({ p: 500 })
    expect(ask('histogram_quantile(0.5, b * 0)')).toEqual({ p: NaN })
  })

  it.each([
    'sum(',
    'topk(3, c)',
    'c[5m:1m]',
    'deriv(c[5m])',
    'c * on(v) group_left c',
    '{}',
    'rate(c)',
    'c @ 5',
    '"text"',
    'c{v=~"("}',
    'sum(c[5m])',
    '1 > 2',
    '-2 ^ 2',
  ])('refuse %s in a sentence', async (query) => {
    const ask = await data()
    expect(() => ask(query)).toThrow(/\w+ \w+/)
  })
})
