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
          onDelete: 'Restore',
          suspend: false,
          skipAnalysis: false,
        },
      },
    })
  })

  it.each([
    steps({ for: '2m' }, { mirror: {}, for: '2m' }, { weight: '0.5%', upTo: 5 }, { weight: 5 }, { weight: 100, deadline: '1m' }),
    steps({ name: 'testers', match: [{ headers: { 'x-tester': { exact: 'yes' } }, uri: { prefix: '/' } }, { sourceNamespace: 'a' }] }),
    steps({ mirror: { percent: '12.5%', match: [{ method: { exact: 'GET' } }] } }),
    matching({ cookies: { beta: { exact: 'yes' } }, claims: { 'realm.group': { prefix: 'staff' }, '[https://shop.example/role]': { exact: 'admin' } } }),
    { preview: { service: 'reviews-canary' } },
    { preview: { match: [{ cookies: { beta: { prefix: 'y' } } }] } },
    { traffic: { sessionAffinity: { cookie: { name: 'serin-revision' } } } },
    { traffic: { sessionAffinity: { cookie: { name: 'r', ttl: '1m', path: '/shop', attributes: [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }] } } } },
    metrics(),
    metrics({ name: 'error-rate', max: '0.1%', statusCodes: ['503', '4xx'], grpcStatus: [14] }),
    metrics({ name: 'slow', metric: 'latency', percentile: '99.9', max: '1.5s', dryRun: true }),
    { analysis: { schedule: '*/30 * * * * *', noData: 'Pass' } },
    { windows: [] },
    { windows: [{ kind: 'Allow', schedule: '0 9 * * 1-5', duration: '8h', timeZone: 'America/Argentina/Buenos_Aires' }, { kind: 'Deny', schedule: '0 0 0 24 12 *', duration: '240h' }] },
    { traffic: { httpRoutes: ['main'], propagation: '0s', drain: '0s' } },
    { versions: { selector: { matchLabels: { 'app.kubernetes.io/name': 'a' } }, label: 'example.com/track', desired: 'v1.2_rc1' } },
  ])('may say %j', (spec) => {
    expect(problemsOf(manifest(spec))).toEqual([])
  })

  const percentage = 'must be an integer from 0 to 100 or a string such as "2.5%"'
  const order = 'spec.steps: must not lower the weight from one step to the next: no weight is 0, so after 25% write weight: 25 there too'
  const twice = 'spec.steps: must not use one name for two steps'
  const upTo = 'spec.steps[0].upTo: needs a weight above 0 and not above upTo: upTo: 50 with weight: 10 stands for 10, 20, 30, 40, 50'
  const specFields = 'targetRef, versions, service, traffic, preview, steps, analysis, replicas, canaryReplicas, trackConfig, ignoreAnnotations, revisionHistoryLimit, ' +
    'windows, scaleDownDelay, rollbackWindow, progressDeadline, onDelete, suspend, skipAnalysis'

  it.each<[string, object, string[]]>([
    ['an unknown field', { pods: 3 }, [`spec.pods: is not a field here: write one of ${specFields}`]],
    ['a target beside versions', { targetRef: { name: 'a' } }, ['spec: must have exactly one of targetRef and versions']],
    ['neither target nor versions', { versions: undefined }, ['spec: must have exactly one of targetRef and versions']],
    ['versions without Service', { service: undefined }, ['spec: must name the Service beside versions: write service: {name: ...}']],
    ['a target whose name no Service has', { versions: undefined, service: undefined, targetRef: { name: 'reviews.other' } },
      ['spec: must name the Service beside this targetRef, whose name no Service can have: write service: {name: ...}']],
    ['the size of versions', { replicas: 3, canaryReplicas: '50%' },
      ['spec: replicas, canaryReplicas, trackConfig, ignoreAnnotations, revisionHistoryLimit are only for targetRef: with versions the Deployments are yours']],
    ['the size of versions in a step', steps({ weight: 5, replicas: 3 }),
      ['spec: replicas of a step is only for targetRef: with versions the Deployments are yours']],
    ['a step with users and no pods', { ...steps({ weight: 5, replicas: '0%' }), versions: undefined, targetRef: { name: 'a' } },
      ['spec.steps[0].replicas: must not be 0 in a step with weight, match or mirror: nobody would answer']],
    ['a misspelt field', { traffic: { drian: '5s' } },
      ['spec.traffic.drian: is not a field here: write one of httpRoutes, delegate, propagation, drain, sessionAffinity']],
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
    ['a window of another kind, with wrong times', { windows: [{ kind: 'Open', schedule: 'daily', duration: '30s', timeZone: '+01:00' }] }, [
      'spec.windows[0].kind: must be Allow or Deny',
      'spec.windows[0].schedule: must be a cron expression of five or six fields, such as "0 9 * * 1-5"',
      'spec.windows[0].duration: must be between 1m and 8784h',
      'spec.windows[0].timeZone: must be a time zone such as "Europe/Berlin" or "UTC"',
    ]],
    ['a name that is none', { service: { name: `A${'a'.repeat(63)}` } },
      ['spec.service.name: must be a DNS label: at most 63 of a-z, 0-9 and "-", such as "reviews-v2"']],
    ['a duration without unit', steps({ for: '90' }), ['spec.steps[0].for: must be a duration like 30s, 5m or 1h30m']],
    ['too long a window', { rollbackWindow: '8785h' }, ['spec.rollbackWindow: must be between 0s and 8784h']],
    ['too long a duration', { progressDeadline: '25h' }, ['spec.progressDeadline: must be between 10s and 24h']],
    ['too short a duration', { analysis: { interval: '500ms' } }, ['spec.analysis.interval: must be between 1s and 1h']],
    ['percentages that are none', steps({ weight: 2.5 }, { weight: 101 }, { weight: '1.234%' }),
      [0, 1, 2].map((index) => `spec.steps[${index}].weight: ${percentage}`)],
    ['a step that says nothing', steps({}), ['spec.steps[0]: must say something: write weight, match, mirror, for or approval']],
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
    ['two cookies in one match', matching({ cookies: { a: { exact: '1' }, b: { exact: '2' } } }),
      ['spec.steps[0].match[0].cookies: must name one cookie, and none beside headers.cookie: to Istio all cookies are one header, which can be compared once']],
    ['a cookie beside the header of all cookies', { preview: { match: [{ cookies: { a: { exact: '1' } }, headers: { cookie: { regex: '.*' } } }] } },
      ['spec.preview.match[0].cookies: must name one cookie, and none beside headers.cookie: to Istio all cookies are one header, which can be compared once']],
    ['a cookie’s name that is none', matching({ cookies: { 'a b': { exact: '1' } } }),
      ['spec.steps[0].match[0].cookies.a b: must be a cookie name, such as "beta" or "serin-revision"']],
    ['a claim’s path that is none', matching({ claims: { 'a..b': { exact: '1' } } }),
      ['spec.steps[0].match[0].claims.a..b: must be the path of a claim, such as "groups", "realm.role" or "[https://shop.example/role]"']],
    ['a preview of nothing', { preview: {} }, ['spec.preview: must have service, match or both']],
    ['a cookie that lives too long', { traffic: { sessionAffinity: { cookie: { name: 'a', ttl: '8785h' } } } },
      ['spec.traffic.sessionAffinity.cookie.ttl: must be between 1m and 8784h']],
    ['a cookie’s path that is none', { traffic: { sessionAffinity: { cookie: { name: 'a', path: 'shop' } } } },
      ['spec.traffic.sessionAffinity.cookie.path: must be a path such as "/"']],
    ['an attribute that has a field of its own', { traffic: { sessionAffinity: { cookie: { name: 'a', attributes: [{ name: 'Max-age', value: '1' }] } } } },
      ['spec.traffic.sessionAffinity.cookie.attributes[0].name: has a field of its own: write path or ttl']],
    ['an attribute that would begin another', { traffic: { sessionAffinity: { cookie: { name: 'a', attributes: [{ name: 'SameSite', value: 'Lax; Path=/' }] } } } },
      ['spec.traffic.sessionAffinity.cookie.attributes[0].value: must be printable ASCII without ";"']],
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
