import { sha256 } from '../canary/sha256.ts'
import { canonicalJson } from '../canary/template-hash.ts'
import { jsonOf, listOf, textOf, type Json } from './json.ts'
import type { Saved } from './ledger-annotation.ts'
import { sharesOf } from './route-list.ts'

/** One entry of `spec.http`. */
export type HttpRoute = {
  readonly index: number
  /** Its name, or a hash of its match: the same wherever it stands in the list. */
  readonly id: string
  readonly raw: Json
  readonly list: readonly Json[]
  /** Set where Serin inserted it: what for, and beside which route. */
  readonly copy: { readonly kind: 'match' | 'sticky' | 'mirror'; readonly of: string } | undefined
  /** Some destination is the Service, be it at weight 0. */
  readonly touches: boolean
  /** Requests go to the Service as a whole: without a subset. */
  readonly open: boolean
  /** The revisions that its list gives requests to; EVERY_POD may be among them. */
  readonly reached: readonly string[]
  /** The revisions that its mirrors copy requests to. */
  readonly mirrored: readonly string[]
}

const COPY = /^serin-(match|sticky|mirror)-(.*)-\d+$/

/** Reads one entry; `reach` as it is in that VirtualService. */
export function httpRoute(raw: Json, index: number, reach: (destination: unknown) => readonly string[] | undefined): HttpRoute {
  const id = textOf(raw['name']) ?? unnamedId(raw['match'])
  const list = listOf(raw['route'])
  const [, kind, of = ''] = COPY.exec(id) ?? []
  const shares = sharesOf(list)
  const serving = list.filter((_entry, i) => shares[i] !== 0).map(({ destination }) => destination)
  return {
    index, id, raw, list,
    copy: kind === 'match' || kind === 'sticky' || kind === 'mirror' ? { kind, of } : undefined,
    touches: list.some(({ destination }) => reach(destination) !== undefined),
    open: serving.some((destination) => reach(destination) !== undefined && jsonOf(destination)['subset'] === undefined),
    reached: serving.flatMap((destination) => reach(destination) ?? []),
    mirrored: mirrorList(raw).flatMap(({ destination }) => reach(destination) ?? []),
  }
}

const unnamedId = (match: unknown): string => (listOf(match).length === 0 ? 'default' : sha256(canonicalJson(match)).slice(0, 10))

/** The saved original of a managed route. */
export const originalOf = ({ id }: HttpRoute, { saved }: { readonly saved: Saved | undefined }): readonly Json[] | undefined =>
  saved?.get(id) ?? undefined

/** The mirrors of a route as one list: in one of its own `mirror` and `mirrors` together are invalid. */
export function mirrorList(raw: Json): readonly Json[] {
  const { mirror, mirrors, mirrorPercentage, mirrorPercent, mirror_percent: oldPercent } = raw
  if (mirror === undefined) return listOf(mirrors)
  const whole = mirrorPercent ?? oldPercent
  const percentage = mirrorPercentage ?? (whole === undefined ? undefined : { value: whole })
  return [{ destination: mirror, ...(percentage === undefined ? {} : { percentage }) }, ...listOf(mirrors)]
}
