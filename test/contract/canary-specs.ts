import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/api/duration.ts'
import { parsePercent } from '../../src/api/percent.ts'
import { BREACHES } from './canary-breaches.ts'

type Fields = Readonly<Record<string, unknown>>
type Spec = Record<string, unknown>

const optional = <T extends Fields>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Fields> => fc.record<T, never>(shape, { requiredKeys: [] })
const some = (shape: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Fields> => optional(shape).filter((fields) => Object.keys(fields).length > 0)

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?$/)
const labelKey = fc.oneof(fc.stringMatching(/^([a-z0-9]([-a-z0-9.]{0,4}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,6}[A-Za-z0-9])?$/), fc.constantFrom('app', 'app.kubernetes.io/name'))
const labelValue = fc.stringMatching(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,6}[A-Za-z0-9])?)?$/)
const headerName = fc.constantFrom('x-tester', 'cookie', 'end-user', 'x_y')
const dictionary = (key: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>, least = 0) => fc.dictionary(key, value, { minKeys: least, maxKeys: 3, noNullPrototype: true })

/** Within the bounds, and the bounds themselves more often than chance would have them. */
function duration(least: string, most: string): fc.Arbitrary<string> {
  const [min, max] = [parseDuration(least), parseDuration(most)]
  return fc.oneof(fc.integer({ min, max }).map(formatDuration).filter((text) => parseDuration(text) >= min), fc.constantFrom(least, most))
}

const hundredths = fc.integer({ min: 0, max: 10_000 })
const asPercent = (share: number): number | string => (share % 100 === 0 ? share / 100 : `${share / 100}%`)
const percent = fc.oneof(hundredths.map(asPercent), fc.constantFrom(0, 100, '0%', '100%', '100.0%', '100.00%', '5.50%'))

const stringMatch = fc.oneof(...['exact', 'prefix', 'regex'].map((name) => fc.record({ [name]: fc.constantFrom('/', 'yes', 'é', '^(a|b)$', '𝒳') })), fc.constant({ exact: '' }))
const httpMatch = some({
  headers: dictionary(headerName, stringMatch),
  withoutHeaders: dictionary(headerName, stringMatch),
  queryParams: dictionary(fc.constantFrom('q', 'a.b', 'page[1]'), stringMatch),
  uri: stringMatch,
  method: stringMatch,
  cookies: fc.tuple(fc.constantFrom('beta', 'serin-revision'), stringMatch).map(([name, match]) => ({ [name]: match })),
  claims: dictionary(fc.constantFrom('groups', 'realm.role', '[https://shop.example/role]'), stringMatch),
  sourceLabels: dictionary(labelKey, labelValue),
  sourceNamespace: label,
}).filter(({ cookies, headers = {} }) => cookies === undefined || !Object.hasOwn(headers as Fields, 'cookie'))
const matches = fc.array(httpMatch, { minLength: 1, maxLength: 2 })

const step = some({
  name: label,
  weight: percent,
  match: matches,
  mirror: optional({ percent, match: matches }),
  for: duration('0s', '168h'),
  minRequests: fc.constantFrom(0, 50, 10_000_000),
  deadline: duration('168h', '8784h'),
  approval: fc.constant('Required'),
})

const weightOf = (one: Fields): number => parsePercent((one['weight'] ?? 0) as number | string)

/** Weights that never fall, names of their own, and now and then a last step that repeats itself. */
const steps = fc.tuple(fc.array(step, { minLength: 1, maxLength: 5 }), fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }))
  .map(([list, times]) => {
    const sorted = list.toSorted((one, other) => weightOf(one) - weightOf(other))
      .map((one, index) => ('name' in one ? { ...one, name: `${String(one['name'])}-${index}` } : one))
    const last = sorted.at(-1) ?? {}
    const upTo = Math.min(Math.round(weightOf(last) * 100) * (times ?? 0), 10_000)
    return upTo > 0 ? [...sorted.slice(0, -1), { ...last, upTo: asPercent(upTo) }] : sorted
  })

const anyMetric = { failureThreshold: fc.constantFrom(1, 100), minRequests: fc.constantFrom(0, 10_000_000), dryRun: fc.boolean() }
const errorRate = fc.tuple(
  fc.record({ max: fc.constantFrom('1%', '0%', '100%', '100.0%', '99.999%') }),
  optional({ ...anyMetric, statusCodes: fc.subarray(['5xx', '4xx', '404', '200']), grpcStatus: fc.subarray([1, 2, 14, 16]) }),
).map(([needed, rest]) => ({ metric: 'error-rate', ...needed, ...rest }))
const latency = fc.tuple(
  fc.record({ max: fc.constantFrom('500ms', '1.5s', '0.001s', '999999999ms') }),
  optional({ ...anyMetric, percentile: fc.constantFrom(1, 99, '99.9', '1.001', 50) }),
).map(([needed, rest]) => ({ metric: 'latency', ...needed, ...rest }))
const metric = fc.tuple(fc.oneof(errorRate, latency), label, fc.boolean())
  .map(([{ metric: kind, ...rest }, name, named]) => (named ? { name: kind, ...rest } : { name, metric: kind, ...rest }))
const metrics = fc.uniqueArray(metric, { maxLength: 3, selector: ({ name }) => name })
  .filter((list) => list.every((one) => 'metric' in one || one.name === 'error-rate' || one.name === 'latency'))

const analysis = fc.tuple(
  fc.oneof(fc.constant({}), fc.record({ interval: duration('1s', '1h') }), fc.record({ schedule: fc.constantFrom('0 9 * * 1-5', '*/30 * * * * *') })),
  optional({ failureThreshold: fc.constantFrom(1, 2, 100), minRequests: fc.constantFrom(0, 10_000_000), initialDelay: duration('0s', '1h'), noData: fc.constantFrom('Hold', 'Pass', 'Fail'), metrics }),
).map(([clock, rest]) => ({ ...clock, ...rest }))

const versions = fc.tuple(dictionary(labelKey, labelValue, 1), optional({ label: labelKey, desired: labelValue.filter((text) => text !== '') }))
  .map(([matchLabels, rest]) => ({ selector: { matchLabels }, ...rest }))

const service = fc.tuple(label, optional({ port: fc.constantFrom(1, 80, 65_535) })).map(([name, rest]) => ({ name, ...rest }))

const podCount = fc.constantFrom(1, 10_000, '1%', '100%', '50%')
const target = fc.tuple(
  fc.record({ targetRef: fc.tuple(label, optional({ apiVersion: fc.constant('apps/v1'), kind: fc.constant('Deployment') })).map(([name, rest]) => ({ name, ...rest })) }),
  optional({
    service,
    replicas: fc.constantFrom(0, 3, 10_000),
    canaryReplicas: podCount,
    trackConfig: fc.constantFrom('None', 'ConfigMaps', 'All'),
    ignoreAnnotations: fc.uniqueArray(labelKey, { maxLength: 3 }),
    revisionHistoryLimit: fc.constantFrom(0, 50),
  }),
).map(([needed, rest]) => ({ ...needed, ...rest }))

/** Pods of a step are for targets; none of them only where nobody would be sent there. */
const sized = (spec: Fields, pods: number | string): Fields => {
  const list = spec['steps'] as readonly Fields[] | undefined
  if (list === undefined || spec['targetRef'] === undefined) return spec
  return { ...spec, steps: list.map((step) => ({ ...step, replicas: 'weight' in step || 'match' in step || 'mirror' in step ? pods : 0 })) }
}

/** Specs that a Canary may have, of every kind of field. */
export const validSpec: fc.Arbitrary<Fields> = fc.tuple(
  fc.oneof({ weight: 2, arbitrary: fc.record({ versions, service }) }, { weight: 1, arbitrary: target }),
  optional({
    traffic: optional({ httpRoutes: fc.uniqueArray(fc.constantFrom('main', 'é', 'a b', '𝒳𝒴'), { minLength: 1 }), propagation: duration('0s', '5m'), drain: duration('0s', '1h'), delegate: label, sessionAffinity: fc.constantFrom({ cookie: { name: 'serin' } }, { cookie: { name: 'serin', ttl: '1m', path: '/a', attributes: [{ name: 'Secure' }, { name: 'SameSite', value: 'Lax' }] } }) }),
    steps,
    analysis,
    preview: fc.oneof(fc.constant({ service: 'a-canary' }), fc.constant({ match: [{ cookies: { tester: { exact: 'yes' } } }] })),
    windows: fc.array(fc.tuple(fc.record({ kind: fc.constantFrom('Allow', 'Deny'), schedule: fc.constantFrom('0 9 * * 1-5', '*/30 * * * * *'), duration: duration('1m', '8784h') }), optional({ timeZone: fc.constantFrom('UTC', 'Europe/Berlin') })).map(([needed, rest]) => ({ ...needed, ...rest })), { maxLength: 3 }),
    rollbackWindow: duration('0s', '8784h'),
    onDelete: fc.constantFrom('Restore', 'Orphan'),
    scaleDownDelay: optional({ previous: duration('0s', '168h'), failed: duration('0s', '168h') }),
    progressDeadline: duration('10s', '24h'),
    suspend: fc.boolean(),
    skipAnalysis: fc.boolean(),
  }),
  fc.option(podCount, { nil: undefined }),
).map(([needed, rest, pods]) => (pods === undefined ? { ...needed, ...rest } : sized({ ...needed, ...rest }, pods)))

/** Values that belong nowhere, or just beyond a bound of somewhere. */
const STRANGERS: readonly unknown[] = [
  null, true, 0, -1, 1, 17, 51, 101, 1.5, 65_536, 10_000_001, 2 ** 31, 2 ** 53, 1e21, '', 'a', 'A', '-a', ' ', 'a\n', 'é', '5xx', '2xx', 'Hold', 'hold',
  '0s', '500ms', '1.5s', '25h', '8785h', '1d', '100%', '100.00%', '1.234%', '-1%', '99.9', '* * * * *', 'a'.repeat(64), 'a'.repeat(254), 'a'.repeat(1025),
  [], {}, [null], [[]], [{}], ['a', 'a'], [14, 14], { a: null }, { app: 'a' }, { exact: 'a' },
]

type Place = { readonly holder: Record<string, unknown> | unknown[]; readonly key: string | number }

const placesIn = (holder: Place['holder']): readonly Place[] =>
  Object.entries(holder).flatMap(([name, value]) => {
    const key = Array.isArray(holder) ? Number(name) : name
    const below = typeof value === 'object' && value !== null ? placesIn(value as Place['holder']) : []
    return [{ holder, key }, ...below]
  })

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const valueAt = ({ holder, key }: Place): unknown => (holder as Record<string | number, unknown>)[key]
const put = ({ holder, key }: Place, value: unknown): void => void ((holder as Record<string | number, unknown>)[key] = structuredClone(value))

/** What may befall any place in a spec; `other` is a second place. */
const ACCIDENTS: readonly ((place: Place, other: Place, stranger: unknown) => void)[] = [
  (place, _, stranger) => put(place, stranger),
  (place) => void (Array.isArray(place.holder) ? place.holder.splice(Number(place.key), 1) : delete place.holder[place.key]),
  (place, other) => put(place, valueAt(other)),
  (place, _, stranger) => {
    const value = valueAt(place)
    if (Array.isArray(value)) value.push(stranger)
    else if (isMap(value)) value['unheardOf'] = stranger
    else put(place, stranger)
  },
  (place) => {
    const value = valueAt(place)
    if (Array.isArray(value)) value.push(...structuredClone(value.slice(0, 1)))
    else put(place, null)
  },
  (place) => {
    const value = valueAt(place)
    put(place, Array.isArray(value) ? value.toReversed() : [value])
  },
]

const breach = fc.constantFrom(...BREACHES)
const accident = fc.record({ part: fc.nat(), at: fc.nat(), other: fc.nat(), stranger: fc.constantFrom(...STRANGERS), happens: fc.constantFrom(...ACCIDENTS) })
  .map(({ part, at, other, stranger, happens }) => (spec: Spec) => {
    const everywhere = placesIn(spec)
    // Steps have most of the places: each part of the spec is hit as often as they are.
    const name = Object.keys(spec)[part % Object.keys(spec).length]
    const value = name === undefined ? undefined : spec[name]
    const places = [...(name === undefined ? [] : [{ holder: spec, key: name }]), ...(typeof value === 'object' && value !== null ? placesIn(value as Place['holder']) : [])]
    const [one, two] = [places[at % places.length], everywhere[other % everywhere.length]]
    if (one !== undefined && two !== undefined) happens(one, two, stranger)
  })

/** Specs with nothing, one thing or two things done to them: about a third are still valid. */
export const anySpec: fc.Arbitrary<Fields> = fc.tuple(validSpec, fc.array(fc.oneof(breach, accident), { maxLength: 2 }))
  .map(([valid, changes]) => {
    const changed = changes.reduce((spec, change) => {
      // A change puts in values that the next spec will get as well: the next change must not touch those.
      const own = structuredClone(spec)
      change(own)
      return own
    }, valid as Spec)
    return JSON.parse(JSON.stringify(changed)) as Fields
  })

/** As much as every list, map and text may hold: what the dearest Canary costs to check. */
export function largestSpec(): Fields {
  const keys = (prefix: string) => Array.from({ length: 16 }, (_, index) => `${prefix}${String(index).padStart(2, '0')}`)
  const full = (most: number, index = 0) => `${'a'.repeat(most - 2)}${String(index).padStart(2, '0')}`
  const text = { regex: full(1024) }
  const conditionsOn = (prefix: string) => Object.fromEntries(keys(prefix).map((name) => [name, text]))
  const labels = Object.fromEntries(keys('label').map((name) => [name, full(63)]))
  const match = Array.from({ length: 10 }, () => ({
    headers: conditionsOn('x-'), withoutHeaders: conditionsOn('y-'), queryParams: conditionsOn('q'), claims: conditionsOn('c'), cookies: { beta: text }, uri: text, method: text, sourceLabels: labels, sourceNamespace: full(63),
  }))
  return {
    versions: { selector: { matchLabels: labels }, label: full(63), desired: full(63) },
    service: { name: full(63), port: 65_535 },
    traffic: { httpRoutes: Array.from({ length: 32 }, (_, index) => full(253, index)), propagation: '4m59s999ms', drain: '59m59s999ms', sessionAffinity: { cookie: { name: full(64), ttl: '8783h59m59s999ms', path: `/${full(255)}`, attributes: Array.from({ length: 8 }, (_, index) => ({ name: `A${'a'.repeat(62)}${'abcdefgh'[index] ?? ''}`, value: full(256) })) } } },
    preview: { service: full(63), match },
    windows: Array.from({ length: 20 }, () => ({ kind: 'Allow', schedule: `${full(120)} * * * *`, duration: '8783h59m59s999ms', timeZone: 'America/Argentina/ComodRivadavia' })),
    steps: Array.from({ length: 50 }, (_, index) => ({
      name: full(63, index), weight: `${50 + index / 100}%`, upTo: `${50 + index / 100}%`, for: '167h59m59s999ms', minRequests: 10_000_000, deadline: '8783h59m59s999ms', approval: 'Required',
      ...(index === 0 && { match, mirror: { percent: '99.99%', match } }),
    })),
    analysis: {
      schedule: `${full(100)} * * * * *`,
      metrics: Array.from({ length: 20 }, (_, index) => ({
        name: full(63, index), metric: 'error-rate', max: '99.999999%', statusCodes: Array.from({ length: 20 }, (_, code) => String(400 + code)), grpcStatus: Array.from({ length: 16 }, (_, code) => code + 1), failureThreshold: 100, minRequests: 10_000_000, dryRun: true,
      })),
    },
    scaleDownDelay: { previous: '167h59m59s999ms', failed: '167h59m59s999ms' },
    progressDeadline: '23h59m59s999ms',
    rollbackWindow: '8784h',
    onDelete: 'Restore',
  }
}
