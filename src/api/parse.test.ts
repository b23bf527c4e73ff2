import { describe, expect, it } from 'vitest'
import { parseCanary } from './parse.ts'

const manifest = (spec: object, rest: object = {}) => ({
  apiVersion: 'serin.dev/v1beta1',
  kind: 'Canary',
  metadata: { name: 'reviews', namespace: 'test', managedFields: [{}] },
  spec: { versions: { selector: { matchLabels: { app: 'reviews' } } }, service: { name: 'reviews' }, ...spec },
  ...rest,
})

const steps = (...items: object[]) => ({ steps: items })
const metrics = (...items: object[]) => ({ analysis: { metrics: items } })
const matching = (match: object) => steps({ match: [match] })

const problemsOf = (object: unknown) => {
  const parsed = parseCanary(object)
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`)
}

describe('a Canary', () => {
  it('needs no more than its versions and its Service', () => {
    expect(parseCanary(manifest({}))).toEqual({
      ok: true,
      canary: {
        apiVersion: 'serin.dev/v1beta1',
        kind: 'Canary',
        metadata: { name: 'reviews', namespace: 'test' },
        spec: {
          versions: { selector: { matchLabels: { app: 'reviews' } }, label: 'version' },
          service: { name: 'reviews' },
          traffic: { drain: '30s' },
          steps: [{ weight: 5, for: '5m' }, { weight: 25, for: '5m' }, { weight: 50, for: '5m' }],
          analysis: {
            failureThreshold: 2, minRequests: 50, initialDelay: '0s', noData: 'Hold', metrics: [{ name: 'error-rate', max: '1%' }],
          },
          scaleDownDelay: { previous: '10m', failed: '0s' },
          progressDeadline: '10m',
          rollbackWindow: '24h',
          suspend: false,
        },
      },
    })
  })

  it.each([
    steps({ for: '2m' }, { mirror: {}, for: '2m' }, { weight: '0.5%', upTo: 5 }, { weight: 5 }, { weight: 100, deadline: '1m' }),
    steps({ name: 'testers', match: [{ headers: { 'x-tester': { exact: 'yes' } }, uri: { prefix: '/' } }, { sourceNamespace: 'a' }] }),
    steps({ mirror: { percent: '12.5%', match: [{ method: { exact: 'GET' } }] } }),
    metrics(),
    metrics({ name: 'error-rate', max: '0.1%', statusCodes: ['503', '4xx'], grpcStatus: [14] }),
    metrics({ name: 'slow', metric: 'latency', percentile: '99.9', max: '1.5s', dryRun: true }),
    { analysis: { schedule: '*/30 * * * * *', noData: 'Pass' } },
    { traffic: { httpRoutes: ['main'], propagation: '0s', drain: '0s' } },
    { versions: { selector: { matchLabels: { 'app.kubernetes.io/name': 'a' } }, label: 'example.com/track', desired: 'v1.2_rc1' } },
  ])('may say %j', (spec) => {
    expect(problemsOf(manifest(spec))).toEqual([])
  })

  const percentage = 'must be an integer from 0 to 100 or a string such as "2.5%"'
  const order = 'spec.steps: must not lower the weight from one step to the next: no weight is 0, so after 25% write weight: 25 there too'
  const twice = 'spec.steps: must not use one name for two steps'
  const upTo = 'spec.steps[0].upTo: needs a weight above 0 and not above upTo: upTo: 50 with weight: 10 stands for 10, 20, 30, 40, 50'
  const specFields = 'versions, service, traffic, steps, analysis, scaleDownDelay, rollbackWindow, progressDeadline, suspend'

  it.each<[string, object, string[]]>([
    ['an unknown field', { replicas: 3 }, [`spec.replicas: is not a field here: write one of ${specFields}`]],
    ['a misspelt field', { traffic: { drian: '5s' } },
      ['spec.traffic.drian: is not a field here: write one of httpRoutes, propagation, drain']],
    ['a missing field', { service: {}, versions: {} }, [
      'spec.versions.selector: is missing: write a map',
      'spec.service.name: is missing: it must be a DNS label: at most 63 of a-z, 0-9 and "-", such as "reviews-v2"',
    ]],
    ['a metric without limit', metrics({ name: 'error-rate' }),
      ['spec.analysis.metrics[0].max: is missing: it must be a limit such as "1%", "500ms" or "1.5s"']],
    ['the wrong kind of value', { suspend: 'yes', steps: 3 },
      ['spec.steps: must be a list', 'spec.suspend: must be true or false']],
    ['an empty list', { traffic: { httpRoutes: [] } }, ['spec.traffic.httpRoutes: must not be empty']],
    ['too long a list', steps(...Array.from({ length: 51 }, () => ({ weight: 1 }))),
      ['spec.steps: must have at most 50 entries']],
    ['a list that names one thing twice', { traffic: { httpRoutes: ['a', 'a'] } },
      ['spec.traffic.httpRoutes: must not name the same item twice']],
    ['a value out of its range', { service: { name: 'a', port: 0 } },
      ['spec.service.port: must be an integer between 1 and 65535']],
    ['another word', { analysis: { noData: 'Maybe' } }, ['spec.analysis.noData: must be Hold, Pass or Fail']],
    ['a name that is none', { service: { name: `A${'a'.repeat(63)}` } },
      ['spec.service.name: must be a DNS label: at most 63 of a-z, 0-9 and "-", such as "reviews-v2"']],
    ['a duration without unit', steps({ for: '90' }), ['spec.steps[0].for: must be a duration like 30s, 5m or 1h30m']],
    ['too long a window', { rollbackWindow: '8785h' }, ['spec.rollbackWindow: must be between 0s and 8784h']],
    ['too long a duration', { progressDeadline: '25h' }, ['spec.progressDeadline: must be between 10s and 24h']],
    ['too short a duration', { analysis: { interval: '500ms' } }, ['spec.analysis.interval: must be between 1s and 1h']],
    ['percentages that are none', steps({ weight: 2.5 }, { weight: 101 }, { weight: '1.234%' }),
      [0, 1, 2].map((index) => `spec.steps[${index}].weight: ${percentage}`)],
    ['a step that says nothing', steps({}), ['spec.steps[0]: must say something: write weight, match, mirror or for']],
    ['a weight that falls', steps({ weight: 50 }, { weight: 20 }), [order]],
    ['a weight that ends', steps({ weight: 25 }, { match: [{ uri: { prefix: '/' } }] }), [order]],
    ['a step below the end of an upTo', steps({ weight: 10, upTo: 50 }, { weight: 40, upTo: 60 }), [order]],
    ['upTo without weight', steps({ upTo: 20 }), [upTo]],
    ['upTo below the weight', steps({ weight: 50, upTo: 20 }), [upTo]],
    ['upTo in too many steps', steps({ weight: '0.5%', upTo: 25 }, { weight: 50 }),
      ['spec.steps: must be at most 50 steps with every upTo written out: write a larger weight or a smaller upTo']],
    ['upTo in more steps than memory holds', steps({ weight: '0.01%', upTo: 1e9 }),
      [`spec.steps[0].upTo: ${percentage}`,
        'spec.steps: must be at most 50 steps with every upTo written out: write a larger weight or a smaller upTo']],
    ['one name for two steps', steps({ name: 'a', weight: 1 }, { name: 'a', weight: 2 }),
      [twice]],
    ['a deadline before the end of "for"', steps({ for: '5m', deadline: '4m59s' }),
      ['spec.steps[0].deadline: must not be shorter than "for" (1m where it is not written)']],
    ['a deadline before the end of an assumed "for"', steps({ weight: 5, deadline: '59s' }),
      ['spec.steps[0].deadline: must not be shorter than "for" (1m where it is not written)']],
    ['a header in capitals', matching({ headers: { 'X-Tester': { exact: 'a' } } }),
      ['spec.steps[0].match[0].headers.X-Tester: must be a header name in lower case, such as "x-tester"']],
    ['a header that Istio does not read', matching({ withoutHeaders: { authority: { exact: '/' } } }),
      ['spec.steps[0].match[0].withoutHeaders.authority: is not a header to Istio: write the field uri or method instead']],
    ['two comparisons at once', matching({ uri: { exact: '/', prefix: '/' } }),
      ['spec.steps[0].match[0].uri: must have exactly one of exact, prefix, regex']],
    ['a match without condition', matching({}),
      ['spec.steps[0].match[0]: must have a condition; to match every request write uri: {prefix: /}']],
    ['two clocks', { analysis: { interval: '30s', schedule: '* * * * *' } },
      ['spec.analysis: must not have both interval and schedule: leave one out']],
    ['a schedule that is none', { analysis: { schedule: 'daily' } },
      ['spec.analysis.schedule: must be a cron expression of five or six fields, such as "*/30 * * * * *"']],
    ['a metric nobody knows', metrics({ name: 'errors', max: '1%' }), [
      'spec.analysis.metrics[0].name: must be error-rate or latency; under another name write metric: error-rate or metric: latency beside it',
    ]],
    ['a share for a time', metrics({ name: 'latency', max: '1%' }),
      ['spec.analysis.metrics[0].max: must be a time above 0 for latency, such as "500ms" or "1.5s"']],
    ['no time at all', metrics({ name: 'latency', max: '0ms' }),
      ['spec.analysis.metrics[0].max: must be a time above 0 for latency, such as "500ms" or "1.5s"']],
    ['a share without unit', metrics({ name: 'error-rate', max: 1 }),
      ['spec.analysis.metrics[0].max: must be a share from 0% to 100% for error-rate, such as "1%"']],
    ['a share of more than all', metrics({ name: 'x', metric: 'error-rate', max: '100.1%' }),
      ['spec.analysis.metrics[0].max: must be a share from 0% to 100% for error-rate, such as "1%"']],
    ['fields of another metric', metrics(
      { name: 'latency', max: '1s', statusCodes: ['5xx'], grpcStatus: [1] }, { name: 'error-rate', max: '1%', percentile: 99 },
    ), [
      'spec.analysis.metrics[0].statusCodes: is only for error-rate: leave it out',
      'spec.analysis.metrics[0].grpcStatus: is only for error-rate: leave it out',
      'spec.analysis.metrics[1].percentile: is only for latency: leave it out',
    ]],
    ['two things wrong at two depths', steps({ name: 'a', weight: 9 }, { name: 'a', upTo: 5 }), [upTo.replace('[0]', '[1]'), order, twice]],
    ['one metric twice', metrics({ name: 'error-rate', max: '1%' }, { name: 'error-rate', max: '2%' }),
      ['spec.analysis.metrics: must not have the same name twice']],
    ['no labels to select by', { versions: { selector: { matchLabels: {} } } },
      ['spec.versions.selector.matchLabels: must have between 1 and 16 entries']],
  ])('with %s is told what to write instead', (_, spec, problems) => {
    expect(problemsOf(manifest(spec))).toEqual(problems)
  })

  it('is told from any other object', () => {
    expect(problemsOf({ kind: 'Deployment' })).toEqual([
      'apiVersion: must be serin.dev/v1beta1', 'kind: must be Canary', 'metadata: is missing: write a map',
      'spec: is missing: write a map',
    ])
    expect(problemsOf(null)).toEqual([': must be a map'])
  })
})

describe('a status', () => {
  const statusOf = (status: unknown) => {
    const parsed = parseCanary(manifest({}, { status }))
    return parsed.ok ? parsed.canary.status : parsed.problems
  }

  it('has empty lists where it has none, and loses what a newer Serin wrote', () => {
    expect(statusOf({ phase: 'Idle', fromTomorrow: 1, canary: { revision: 'v2', alsoNew: 1 } })).toEqual({
      phase: 'Idle', canary: { revision: 'v2' }, waits: [], seen: [], routes: [], checks: [], history: [], conditions: [],
    })
  })

  it.each([
    undefined, null, {}, { phase: 'Dancing' }, { phase: 'Idle', seen: [{ revision: 'v1' }] },
  ])('%j counts as absent', (status) => {
    expect(statusOf(status)).toBeUndefined()
  })
})
