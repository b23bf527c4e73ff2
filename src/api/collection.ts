import * as z from 'zod'

/** An object in which every field that is not named here is a problem. */
export const fields = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: ({ code }) => {
      if (code === 'unrecognized_keys') return `is not a field here: write one of ${Object.keys(shape).join(', ')}`
      return undefined
    },
  })

/** A list without two equal items, in which order means nothing. */
export const set = <S extends z.ZodType<string | number>>(item: S, most: number) =>
  z.array(item).max(most)
    .refine((items) => new Set(items).size === items.length, 'must not name the same item twice')
    .meta({ 'x-kubernetes-list-type': 'set' })

/** A list in which order counts, and which changes as one. */
export const atomic = <S extends z.ZodType>(item: S, least: number, most: number) =>
  z.array(item).min(least).max(most).meta({ 'x-kubernetes-list-type': 'atomic' })

/** A list of objects that are told apart by the text in their `keys`. */
export const keyed = <S extends z.ZodType<Readonly<Record<string, unknown>>>>(
  item: S, keys: readonly (keyof z.output<S> & string)[], most: number,
) =>
  z.array(item).max(most)
    .refine(
      (items) => new Set(items.map((one) => JSON.stringify(keys.map((key) => one[key])))).size === items.length,
      `must not have the same ${keys.join(' and ')} twice`,
    )
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [...keys] })

/** Values under keys that are text, between `least` and `most` of them. */
export const mapped = <S extends z.ZodType>(key: z.ZodType<string, string>, value: S, least: number, most: number) =>
  z.record(key, value)
    .refine((map) => {
      const size = Object.keys(map).length
      return size >= least && size <= most
    }, `must have between ${least} and ${most} entries`)
    .meta({ minProperties: least, maxProperties: most })
