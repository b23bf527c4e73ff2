import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Metric } from '../api/settings.ts'
import { checkOf, lookAt, type Subject } from './judge.ts'
import { quantile } from './quantile.ts'
import { tallied } from './tally.ts'

const metric = (over: Partial<Metric> = {}): Metric => ({ name: 'error-rate', kind: 'error-rate', max: 0.01, percentile: 99, statusCodes: ['5xx'], grpcStatus: [2, 13], failureThreshold: 2, minRequests: undefined, dryRun: false, ...over })
const subject: Subject = { workload: 'web-v2', namespace: 'test', reporter: 'source', minRequests: 50 }
const mine = { reporter: 'source', destination_workload: 'web-v2', destination_workload_namespace: 'test' }
const growth = (by: number, labels: Record<string, string>) => ({ labels: { ...mine, response_flags: '-', ...labels }, by })
const counted = (...of: readonly ReturnType<typeof growth>[]) => ({ counts: tallied(new Map(), of), durations: new Map() })
const timed = (buckets: Record<string, number>) => ({ counts: new Map(), durations: tallied(new Map(), Object.entries(buckets).map(([le, by]) => growth(by, { le }))) })

describe('the error rate', () => {
  it.each([
    ['passes below its limit', [growth(199, { response_code: '200' }), growth(1, { response_code: '503' })], 'Pass', '0.5%'],
    ['passes at its limit', [growth(99, { response_code: '200' }), growth(1, { response_code: '500' })], 'Pass', '1%'],
    ['fails above it', [growth(98, { response_code: '200' }), growth(2, { response_code: '500' })], 'Fail', '2%'],
    ['counts gRPC failures behind a 200', [growth(90, { response_code: '200' }), growth(10, { response_code: '200', grpc_response_status: '13' })], 'Fail', '10%'],
    ['does not count a 4xx', [growth(50, { response_code: '200' }), growth(50, { response_code: '404' })], 'Pass', '0%'],
    ['does not count faults that the user injects', [growth(50, { response_code: '200' }), growth(50, { response_code: '503', response_flags: 'FI' })], 'Pass', '0%'],
    ['does not count another version', [growth(100, { response_code: '200' }), growth(100, { response_code: '500', destination_workload: 'web-v1' })], 'Pass', '0%'],
    ["does not count what the receiver's proxy says of users", [growth(100, { response_code: '200' }), growth(100, { response_code: '500', reporter: 'destination' })], 'Pass', '0%'],
    ['says so when there is too little to tell, good or bad', [growth(49, { response_code: '500' })], 'NotEnoughEvidence', '100%'],
    ['says so when there is nothing', [], 'NoData', undefined],
  ] as const)('%s', (_what, growths, verdict, value) => {
    expect(lookAt(metric(), subject, counted(...growths))).toMatchObject({ verdict, value })
  })

  it('takes no requests for a pass only where none are required', () => {
    expect(lookAt(metric(), { ...subject, minRequests: 0 }, counted()).verdict).toBe('Pass')
    expect(lookAt(metric({ minRequests: 1 }), { ...subject, minRequests: 0 }, counted()).verdict).toBe('NoData')
  })

  it('never passes on fewer requests than required, and never fails within its limit', () => {
    fc.assert(fc.property(fc.nat(500), fc.nat(500), fc.nat(300), (good, bad, least) => {
      const { verdict } = lookAt(metric({ minRequests: least }), subject, counted(growth(good, { response_code: '200' }), growth(bad, { response_code: '500' })))
      if (good + bad < least) expect(['NotEnoughEvidence', 'NoData']).toContain(verdict)
      if (verdict === 'Fail') expect(bad / (good + bad)).toBeGreaterThan(0.01)
      if (verdict === 'Pass' && good + bad > 0) expect(bad / (good + bad)).toBeLessThanOrEqual(0.01)
    }))
  })
})

describe('latency', () => {
  const p99 = metric({ name: 'latency', kind: 'latency', max: 500 })

  it.each([
    ['passes below its limit', { '100': 99, '500': 100, '+Inf': 100 }, 'Pass', '100ms'],
    ['fails above it', { '100': 90, '500': 95, '1000': 100, '+Inf': 100 }, 'Fail', '900ms'],
    ['fails beyond the last bucket, and says that it is beyond', { '100': 90, '60000': 95, '+Inf': 100 }, 'Fail', '>60000ms'],
    ['says so when there is too little to tell', { '100': 9, '+Inf': 9 }, 'NotEnoughEvidence', '99ms'],
  ] as const)('%s', (_what, buckets, verdict, value) => {
    expect(lookAt(p99, subject, timed(buckets))).toMatchObject({ verdict, value })
  })

  it('reads bounds as Prometheus 3 writes them too', () => {
    expect(lookAt(p99, subject, timed({ '100.0': 99, '500.0': 100, '+Inf': 100 }))).toMatchObject({ verdict: 'Pass' })
  })
})

describe('a quantile', () => {
  it('interpolates as histogram_quantile does', () => {
    const buckets = [{ upTo: 100, count: 50 }, { upTo: 200, count: 100 }, { upTo: Infinity, count: 100 }]
    expect(quantile(buckets, 0.5)).toBe(100)
    expect(quantile(buckets, 0.75)).toBe(150)
    expect(quantile([], 0.5)).toBeUndefined()
  })

  it('lies within its buckets and never falls as the share rises', () => {
    const counts = fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }).filter((list) => list.some((count) => count > 0))
    fc.assert(fc.property(counts, fc.double({ min: 0.01, max: 1, noNaN: true }), fc.double({ min: 0.01, max: 1, noNaN: true }), (list, a, b) => {
      let running = 0
      const buckets = [10, 100, 1000, Infinity].map((upTo, index) => ({ upTo, count: (running += list[index] ?? 0) }))
      const [low, high] = [quantile(buckets, Math.min(a, b)), quantile(buckets, Math.max(a, b))]
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeGreaterThanOrEqual(low ?? 0)
    }))
  })
})

describe('failures in a row', () => {
  const look = (verdict: 'Pass' | 'Fail' | 'NotEnoughEvidence') => ({ verdict, value: undefined, requests: 0, needed: 0, message: '' })
  const after = (failures: number, verdict: 'Pass' | 'Fail' | 'NotEnoughEvidence', judged = true) =>
    checkOf(metric(), look(verdict), checkOf(metric(), { ...look('Fail') }, { ...checkOf(metric(), look('Pass'), undefined, { now: 0, judged: true }), failures: failures - 1 }, { now: 0, judged: true }), { now: 1, judged }).failures

  it('grow with a failed look, end with a passed one, and wait through the rest', () => {
    expect(after(1, 'Fail')).toBe(2)
    expect(after(1, 'Pass')).toBe(0)
    expect(after(1, 'NotEnoughEvidence')).toBe(1)
  })

  it('do not grow while a raise is only looked at', () => {
    expect(after(1, 'Fail', false)).toBe(1)
  })
})
