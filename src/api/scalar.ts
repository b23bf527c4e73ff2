import * as z from 'zod'
import { durationPattern, parseDuration } from './duration.ts'
import { percentPattern } from './percent.ts'
import { ruled } from './rule.ts'

// A pattern that fails ends the parse there (`abort`): rules see only values of the right shape.
const text = (pattern: RegExp, max: number, error: string) => z.string(error).max(max, error).regex(pattern, { error, abort: true })

const intOrString = { 'x-kubernetes-int-or-string': true }

/** A DNS label: the name of a Service, namespace, step or metric. */
export const label = () =>
  text(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 63, 'must be a DNS label: at most 63 of a-z, 0-9 and "-", such as "reviews-v2"')

/** The key of a Kubernetes label. */
export const labelKey = () =>
  text(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 317, 'must be a label key such as "version" or "app.kubernetes.io/name"')

/** The value of a Kubernetes label; may be empty. */
export const labelValue = () =>
  text(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, 63, 'must be a label value: at most 63 of letters, digits, "-", "_" and ".", such as "v1.2.3"')

/** A GEP-2257 duration between two others, both allowed. */
export const duration = (least: string, most = '99999h') => {
  const schema = text(durationPattern, 24, 'must be a duration like 30s, 5m or 1h30m')
  return ruled(schema, [{
    cel: `duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
    message: most === '99999h' ? `must be at least ${least}` : `must be between ${least} and ${most}`,
    holds: (value) => parseDuration(value) >= parseDuration(least) && parseDuration(value) <= parseDuration(most),
  }])
}

/** A share: an integer from 0 to 100, or text with up to two digits after the point. */
export const percent = () => {
  const error = 'must be an integer from 0 to 100 or a string such as "2.5%"'
  return z.union([z.int().min(0).max(100), text(percentPattern, 8, error)], { error }).meta(intOrString)
}

/** A limit, before its metric says in which unit it is. */
export const bound = () => {
  const error = 'must be a limit such as "1%", "500ms" or "1.5s"'
  return z.union([z.int(), text(/^-?[0-9]{1,9}(\.[0-9]{1,6})?(%|ms|s)?$/, 24, error)], { error }).meta(intOrString)
}

/** A percentile from 1 up to, and without, 100. */
export const percentile = () => {
  const error = 'must be an integer from 1 to 99 or a string such as "99.9"'
  return z.union([z.int().min(1).max(99), text(/^[1-9][0-9]?(\.[0-9]{1,3})?$/, 6, error)], { error }).meta(intOrString)
}

/** An integer between two others, both allowed. */
export const integer = (least: number, most: number) => z.int(`must be an integer between ${least} and ${most}`).min(least).max(most)

/** An object in which every field that is not named here is a problem. */
export const fields = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? `is not a field here: write one of ${Object.keys(shape).join(', ')}` : undefined),
  })

/** A list without two equal items, in which order means nothing. */
export const set = <S extends z.ZodType<string | number>>(item: S, most: number) =>
  z.array(item).max(most)
    .refine((items) => new Set(items).size === items.length, 'must not name the same item twice')
    .meta({ 'x-kubernetes-list-type': 'set' })

/** A list in which order counts, and which changes as one. */
export const atomic = <S extends z.ZodType>(item: S, least: number, most: number) =>
  z.array(item).min(least).max(most).meta({ 'x-kubernetes-list-type': 'atomic' })

/** A list of objects told apart by the text in their `keys`. */
export const keyed = <S extends z.ZodType<Readonly<Record<string, unknown>>>>(item: S, keys: readonly (keyof z.output<S> & string)[], most: number) =>
  z.array(item).max(most)
    .refine((items) => new Set(items.map((one) => JSON.stringify(keys.map((key) => one[key])))).size === items.length, `must not have the same ${keys.join(' and ')} twice`)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [...keys] })

/** Text under keys that are text: at least `least` and at most `most` entries. */
export const mapped = <S extends z.ZodType>(key: z.ZodType<string, string>, value: S, least: number, most: number) =>
  z.record(key, value)
    .refine((map) => Object.keys(map).length >= least && Object.keys(map).length <= most, `must have between ${least} and ${most} entries`)
    .meta({ minProperties: least, maxProperties: most })
