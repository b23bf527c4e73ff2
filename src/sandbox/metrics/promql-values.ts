import type { Labels } from './tsdb.ts'

/** One element of an instant vector. */
export type Point = { readonly labels: Labels; readonly value: number }

/** Samples of one series in a range; times in milliseconds. */
export type Range = { readonly labels: Labels; readonly times: readonly number[]; readonly values: readonly number[] }

/** What an expression gives at one instant. */
export type PromqlValue =
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'vector'; readonly points: readonly Point[] }
  /** From `startMs` (left out) to `endMs`. */
  | { readonly kind: 'matrix'; readonly ranges: readonly Range[]; readonly startMs: number; readonly endMs: number }

/** An expression, ready to be asked at any instant (milliseconds since the epoch). */
export type Evaluate = (atMs: number) => PromqlValue

/** The query is wrong, or asks for more than this engine does. */
export class PromqlError extends Error {}

/** The value's points; a PromqlError for anything but a vector. */
export function pointsOf(value: PromqlValue, wanted: string): readonly Point[] {
  if (value.kind !== 'vector') throw new PromqlError(`expected type instant vector in ${wanted}, got ${value.kind}`)
  return value.points
}

/** The value's number; a PromqlError for anything but a scalar. */
export function numberOf(value: PromqlValue, wanted: string): number {
  if (value.kind !== 'scalar') throw new PromqlError(`expected type scalar in ${wanted}, got ${value.kind}`)
  return value.value
}

/** The labels kept: those named, or all but those named and the metric's name. */
export function grouped(labels: Labels, names: readonly string[], keep: boolean): Labels {
  const kept: Record<string, string> = {}
  for (const name of keep ? names : Object.keys(labels)) {
    const value = labels[name]
    if (value !== undefined && (keep || (name !== '__name__' && !names.includes(name)))) kept[name] = value
  }
  return kept
}

/** The labels without the metric's name, as every result of a calculation has them. */
export const unnamed = (labels: Labels): Labels => grouped(labels, [], false)
