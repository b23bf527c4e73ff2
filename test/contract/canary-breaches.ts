type Fields = Readonly<Record<string, unknown>>
type Spec = Record<string, unknown>

const withMetric = (one: Fields) => (spec: Spec): void => void (spec['analysis'] = { metrics: [one] })
const withSteps = (...list: readonly Fields[]) => (spec: Spec): void => void (spec['steps'] = list)
const withMatch = (one: Fields) => withSteps({ match: [one] })
const withLabels = (matchLabels: Fields) => (spec: Spec): void => void (spec['versions'] = { selector: { matchLabels } })
const ofTarget = (fields: Fields) => (spec: Spec): void => {
  delete spec['versions']
  Object.assign(spec, { targetRef: { name: 'a' } }, fields)
}
const errors = { name: 'error-rate', max: '1%' }
const slow = { name: 'latency', max: '1s' }

/** Breaches of what types alone cannot say: every rule between fields, and every bound that two sides could read differently. */
export const BREACHES: readonly ((spec: Spec) => void)[] = [
  withSteps({ weight: 50 }, { weight: 20 }),
  withSteps({ weight: '49.99%' }, { weight: '49.98%' }),
  withSteps({ weight: 10, upTo: 50 }, { weight: 40 }),
  withSteps({ name: 'a' }, { name: 'a', weight: 5 }),
  withSteps({ upTo: 20 }),
  withSteps({ weight: '0.00%', upTo: 20 }),
  withSteps({ weight: 50, upTo: '49.99%' }),
  withSteps({ weight: '0.5%', upTo: 25 }, { weight: 50 }),
  withSteps({ weight: '1.99%', upTo: '99.51%' }),
  withSteps(...Array.from({ length: 51 }, () => ({ weight: 1 }))),
  withSteps({ for: '5m', deadline: '4m59s' }),
  withSteps({ deadline: '59s' }),
  withSteps({ for: '0s', deadline: '999ms' }),
  withSteps({ deadline: '8784h1ms' }),
  withSteps({ for: '168h0m0s1ms' }),
  withSteps({}),
  withSteps({ weight: 5, replicas: 3 }),
  withMatch({ cookies: { a: { exact: 'b' }, b: { exact: 'c' } } }),
  withMatch({ cookies: { a: { exact: 'b' } }, headers: { cookie: { exact: 'c' } } }),
  withSteps({ mirror: { match: [{ cookies: { a: { exact: 'b' } }, headers: { cookie: { exact: 'c' } } }] } }),
  (spec) => void (spec['preview'] = {}),
  (spec) => void (spec['preview'] = { match: [{ cookies: { a: { exact: 'b' } }, headers: { cookie: { exact: 'c' } } }] }),
  (spec) => void (spec['windows'] = [{ kind: 'Allow', schedule: '0 9 * * 1-5', duration: '59s' }]),
  (spec) => void (spec['traffic'] = { sessionAffinity: { cookie: { name: 'a', ttl: '59s' } } }),
  (spec) => void (spec['traffic'] = { sessionAffinity: { cookie: { name: 'a', attributes: [{ name: 'Path', value: '/' }] } } }),
  (spec) => void (spec['rollbackWindow'] = '8785h'),
  (spec) => void (spec['onDelete'] = 'Delete'),
  ofTarget({ steps: [{ weight: 5, replicas: 0 }] }),
  ofTarget({ steps: [{ match: [{ uri: { prefix: '/' } }], replicas: '0%' }] }),
  ofTarget({ canaryReplicas: '0%' }),
  ofTarget({ replicas: 10_001 }),
  (spec) => {
    ofTarget({ targetRef: { name: 'reviews.other' } })(spec)
    delete spec['service']
  },
  (spec) => void (spec['targetRef'] = { name: 'a' }),
  (spec) => void delete spec['versions'],
  (spec) => void delete spec['service'],
  (spec) => void (spec['replicas'] = 3),
  (spec) => void (spec['revisionHistoryLimit'] = 1),
  (spec) => void (spec['trackConfig'] = 'ConfigMaps'),
  ofTarget({ trackConfig: 'Secrets' }),
  withMatch({}),
  withMatch({ uri: { exact: '/', prefix: '/' } }),
  withMatch({ headers: { 'X-Tester': { exact: 'a' } } }),
  withMatch({ withoutHeaders: { authority: { exact: 'a' } } }),
  withMatch({ headers: { 'X-Tester': { exact: 'a', prefix: 'a' } } }),
  withMatch({ queryParams: { '': { exact: 'a' } } }),
  withMatch({ queryParams: { ['q'.repeat(257)]: { exact: 'a' } } }),
  withMatch({ sourceLabels: { '-': 'a' } }),
  withMatch({ uri: { exact: '𝒳'.repeat(600) } }),
  withMatch({ uri: { exact: 'é'.repeat(1025) } }),
  withMatch({ headers: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`x-${index}`, { exact: 'a' }])) }),
  withLabels({}),
  withLabels({ 'a/b/c': 'a' }),
  withLabels({ app: '-a' }),
  withMetric({ name: 'errors', max: '1%' }),
  withMetric({ ...errors, max: '100.1%' }),
  withMetric({ ...errors, max: '1s' }),
  withMetric({ ...errors, max: 1 }),
  withMetric({ ...errors, percentile: 99 }),
  withMetric({ ...slow, max: '0ms' }),
  withMetric({ ...slow, max: '-1s' }),
  withMetric({ ...slow, statusCodes: ['5xx'] }),
  withMetric({ ...slow, grpcStatus: [14] }),
  withMetric({ ...errors, statusCodes: ['5xx', '5xx'] }),
  (spec) => void (spec['analysis'] = { metrics: [errors, { ...errors, max: '2%' }] }),
  (spec) => void (spec['analysis'] = { interval: '30s', schedule: '* * * * *' }),
  (spec) => void (spec['analysis'] = { interval: '1h1ms' }),
  (spec) => void (spec['analysis'] = { initialDelay: '1h1ms' }),
  (spec) => void (spec['traffic'] = { propagation: '5m1ms' }),
  (spec) => void (spec['traffic'] = { drain: '1h1ms' }),
  (spec) => void (spec['traffic'] = { httpRoutes: ['a', 'a'] }),
  (spec) => void (spec['traffic'] = { httpRoutes: ['𝒳'.repeat(200)] }),
  (spec) => void (spec['scaleDownDelay'] = { previous: '169h', failed: '99999h99999h99999h99999h' }),
  (spec) => void (spec['progressDeadline'] = '9s999ms'),
  (spec) => void (spec['rollbackWindow'] = '8784h1ms'),
  (spec) => void (spec['suspend'] = null),
  (spec) => void (spec['unheardOf'] = 1),
]

/** Each by itself, in a spec that is valid without it. */
export const breachedSpecs = (): readonly Fields[] => BREACHES.map((breach) => {
  const spec: Spec = { versions: { selector: { matchLabels: { app: 'a' } } }, service: { name: 'a' } }
  breach(spec)
  return spec
})
