import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration } from './duration.ts'
import { formatPercent } from './percent.ts'
import { parseCanary } from './parse.ts'
import { settingsOf } from './settings.ts'

const settings = (spec: object) => {
  const parsed = parseCanary({
    apiVersion: 'serin.dev/v1beta1',
    kind: 'Canary',
    metadata: { name: 'reviews', namespace: 'test' },
    spec: { versions: { selector: { matchLabels: { app: 'reviews' } } }, service: { name: 'reviews' }, ...spec },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return settingsOf(parsed.canary.spec, { propagationMs: 15_000 })
}

const stepsOf = (...steps: object[]) => settings({ steps }).steps
const weightsOf = (...steps: object[]) => stepsOf(...steps).map(({ weight }) => weight)

describe('settings', () => {
  it('leave nothing to assume', () => {
    const step = { match: [], mirror: undefined, forMs: 300_000, minRequests: 50, approval: false, deadlineMs: undefined }
    expect(settings({})).toEqual({
      source: { kind: 'versions', selector: { app: 'reviews' } },
      versionLabel: 'version',
      desired: undefined,
      service: 'reviews',
      httpRoutes: undefined,
      delegate: undefined,
      port: undefined,
      propagationMs: 15_000,
      drainMs: 30_000,
      sessionAffinity: undefined,
      preview: { service: undefined, match: [] },
      steps: [5, 25, 50].map((weight, index) => ({ ...step, name: `step-${index + 1}`, weight })),
      clock: { kind: 'interval', everyMs: 30_000 },
      analysis: {
        failureThreshold: 2,
        initialDelayMs: 0,
        noData: 'Hold',
        metrics: [{
          name: 'error-rate', kind: 'error-rate', max: 0.01, percentile: 99, statusCodes: ['5xx'], grpcStatus: [2, 4, 13, 14, 15],
          failureThreshold: 2, minRequests: undefined, dryRun: false,
        }],
      },
      windows: [],
      progressDeadlineMs: 600_000,
      rollbackWindowMs: 86_400_000,
      onDelete: 'Restore',
      previousDelayMs: 600_000,
      failedDelayMs: 0,
      suspend: false,
      skipAnalysis: false,
    })
  })

  it('keep what is written', () => {
    const written = settings({
      versions: { selector: { matchLabels: { app: 'a' } }, label: 'track', desired: 'v3' },
      traffic: { propagation: '0s', drain: '0s', httpRoutes: ['main'] },
      scaleDownDelay: { previous: '1h', failed: '2h' },
      windows: [{ kind: 'Allow', schedule: '0 9 * * 1-5', duration: '8h', timeZone: 'Europe/Berlin' }, { kind: 'Deny', schedule: '0 0 24 12 *', duration: '240h' }],
      progressDeadline: '1m',
      rollbackWindow: '0s',
      onDelete: 'Orphan',
      suspend: true,
      analysis: {
        schedule: '0 * * * *',
        initialDelay: '5s',
        noData: 'Fail',
        failureThreshold: 3,
        metrics: [
          { name: 'slow', metric: 'latency', max: '1.5s', percentile: '99.9' },
          { name: 'latency', max: '0.5ms', failureThreshold: 1, dryRun: true },
          { name: 'error-rate', max: '2.5%', minRequests: 9, statusCodes: ['503'], grpcStatus: [] },
        ],
      },
    })
    expect(written).toMatchObject({
      source: { kind: 'versions', selector: { app: 'a' } }, versionLabel: 'track', desired: 'v3', propagationMs: 0, drainMs: 0, httpRoutes: ['main'], suspend: true,
      clock: { kind: 'schedule', expression: '0 * * * *' }, previousDelayMs: 3_600_000, failedDelayMs: 7_200_000, progressDeadlineMs: 60_000, rollbackWindowMs: 0, onDelete: 'Orphan',
      windows: [{ kind: 'Allow', schedule: '0 9 * * 1-5', durationMs: 28_800_000, timeZone: 'Europe/Berlin' }, { kind: 'Deny', schedule: '0 0 24 12 *', durationMs: 864_000_000, timeZone: 'UTC' }],
    })
    expect(written.analysis).toMatchObject({ failureThreshold: 3, initialDelayMs: 5000, noData: 'Fail' })
    expect(written.analysis.metrics).toMatchObject([
      { kind: 'latency', max: 1500, percentile: 99.9, failureThreshold: 3, dryRun: false },
      { kind: 'latency', max: 0.5, percentile: 99, failureThreshold: 1, dryRun: true },
      { kind: 'error-rate', max: 0.025, minRequests: 9, statusCodes: ['503'], grpcStatus: [] },
    ])
  })

  it('ask a step for requests only where it has some', () => {
    const match = [{ uri: { prefix: '/' } }]
    const steps = stepsOf({ for: '1s' }, { match }, { mirror: {} }, { match, minRequests: 7 }, { weight: 1 })
    expect(steps.map((step) => step.minRequests)).toEqual([0, 0, 50, 7, 50])
  })

  it('copy every request where a mirror does not say which', () => {
    const match = [{ uri: { prefix: '/' } }]
    expect(stepsOf({ mirror: {} }, { mirror: { percent: '12.5%', match } })).toMatchObject([
      { mirror: { percent: 100, match: [] } }, { mirror: { percent: 12.5, match } },
    ])
  })

  it.each<[object, number[]]>([
    [{ weight: 10, upTo: 50 }, [10, 20, 30, 40, 50]],
    [{ weight: 20, upTo: 50 }, [20, 40, 50]],
    [{ weight: 50, upTo: 50 }, [50]],
    [{ weight: 60, upTo: 100 }, [60, 100]],
    [{ weight: '0.1%', upTo: '0.35%' }, [0.1, 0.2, 0.3, 0.35]],
    [{ weight: '33.33%', upTo: 100 }, [33.33, 66.66, 99.99, 100]],
    [{ weight: 2, upTo: 100 }, Array.from({ length: 50 }, (_, index) => 2 * (index + 1))],
  ])('write out %j', (step, weights) => {
    expect(weightsOf(step)).toEqual(weights)
  })

  it('repeat what stands beside an upTo, and count the steps that are written out', () => {
    expect(stepsOf({ name: 'ramp', weight: 25, upTo: 50, for: '90s' }, { weight: 75, deadline: '1h' })).toMatchObject([
      { name: 'ramp', weight: 25, forMs: 90_000 }, { name: 'ramp', weight: 50, forMs: 90_000 },
      { name: 'step-3', weight: 75, forMs: 60_000, deadlineMs: 3_600_000 },
    ])
  })
})

const hundredths = fc.integer({ min: 0, max: 10_000 })
const percent = (value: number) => (value % 100 === 0 ? value / 100 : formatPercent(value / 100))

/** Weights in any order and step width, sorted and paired: each pair is a weight and the upTo it climbs to, or two steps. */
const pairs = fc.array(fc.record({ pair: fc.tuple(hundredths, hundredths), repeats: fc.boolean() }), { minLength: 1, maxLength: 12 })

const risingSteps = pairs.map((items) => {
  const sorted = items.flatMap(({ pair }) => pair).toSorted((a, b) => a - b)
  return items.flatMap(({ repeats }, index) => {
    const [first = 0, last = 0] = sorted.slice(2 * index, 2 * index + 2)
    const climbs = repeats && first > 0 && last <= 3 * first
    return climbs ? [{ weight: percent(first), upTo: percent(last) }] : [{ weight: percent(first) }, { weight: percent(last) }]
  })
})

describe('steps', () => {
  it('never lower the weight, and end where the last one says, however they are written', () => {
    fc.assert(fc.property(risingSteps, (steps) => {
      const weights = weightsOf(...steps)
      const ends = steps.map((step) => Number.parseFloat(String('upTo' in step ? step.upTo : step.weight)))
      expect(weights).toEqual(weights.toSorted((a, b) => a - b))
      expect(weights.at(-1)).toBe(ends.at(-1))
      expect(weights).toEqual(expect.arrayContaining(ends))
      expect(weights.map((weight) => Number(weight.toFixed(2)))).toEqual(weights)
    }))
  })

  it('are refused in any other order', () => {
    fc.assert(fc.property(hundredths, hundredths, (a, b) => {
      fc.pre(a > b)
      expect(() => weightsOf({ weight: percent(a) }, { weight: percent(b) })).toThrow('must not lower the weight')
    }))
  })

  it('keep their time and requests', () => {
    fc.assert(fc.property(fc.nat(168 * 3_600_000), fc.nat(10_000_000), (forMs, minRequests) => {
      expect(stepsOf({ for: formatDuration(forMs), minRequests })).toMatchObject([{ forMs, minRequests }])
    }))
  })

  it('say what follows the value of the cookie by which users are known again', () => {
    const affinity = (cookie: object) => settings({ traffic: { sessionAffinity: { cookie: { name: 'r', ...cookie } } } }).sessionAffinity
    expect(affinity({})).toEqual({ cookie: 'r', attributes: '; Max-Age=86400; Path=/' })
    expect(affinity({ ttl: '1h30m', path: '/shop', attributes: [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }] }))
      .toEqual({ cookie: 'r', attributes: '; Max-Age=5400; Path=/shop; SameSite=Lax; Secure' })
  })
})
