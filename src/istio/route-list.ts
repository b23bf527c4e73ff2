import { jsonOf, without, type Json } from './json.ts'
import { subsetName } from './subset-name.ts'

/** How the own share of a route is divided. */
export type Split = {
  readonly stable: string
  readonly canary: string | undefined
  /** The canary's percent of the own share, at most two decimals. */
  readonly percent: number
}

/**
 * The `route` list for a split, made from the list as the user wrote it. Foreign destinations keep their share and
 * place; ours stand where the first own one stood, with its host, port and headers. Nothing is at weight 0: Istio
 * gives a lone destination everything whatever its weight.
 */
export function renderedList(original: readonly Json[], split: Split, isOwn: (destination: unknown) => boolean): readonly Json[] {
  const shares = sharesOf(original)
  const entries = original.map((entry, index) => ({ entry, share: shares[index] ?? 0, own: isOwn(entry['destination']) }))
  const share = entries.reduce((sum, next) => sum + (next.own ? next.share : 0), 0)
  const { factor, parts } = divided(share, split)
  const first = entries.find(({ own, share: weight }) => own && weight > 0)
  const rendered = entries.flatMap(({ entry, share: weight, own }) => {
    if (!own) return weight === 0 ? [] : [{ ...entry, weight: weight * factor }]
    if (entry !== first?.entry) return []
    const { destination } = entry
    const ours = (revision: string) => ({ ...jsonOf(destination), subset: subsetName(revision) })
    return parts.map(([revision, part]) => ({ ...entry, destination: ours(revision), weight: part }))
  })
  const [lone, ...others] = original
  const isLone = rendered.length === 1 && others.length === 0
  return isLone && lone !== undefined ? rendered.map((entry) => weighedAs(entry, lone)) : rendered
}

/** Effective weights, as Envoy takes them: a lone destination, or the first where the sum is 0, gets everything. */
export function sharesOf(list: readonly Json[]): readonly number[] {
  const weights = list.map(({ weight }) => (typeof weight === 'number' ? weight : 0))
  if (weights.some((weight) => weight > 0)) return weights
  return weights.map((_, index) => (index === 0 ? 100 : 0))
}

type Divided = { readonly factor: number; readonly parts: readonly (readonly [revision: string, weight: number])[] }

/** Whole weights for the split; where the share cannot express it, everything grows by the smallest factor that can. */
function divided(share: number, { stable, canary, percent }: Split): Divided {
  const hundredths = canary === undefined || canary === stable ? 0 : Math.round(percent * 100)
  const factor = 10_000 / commonDivisor(share * hundredths, 10_000)
  const part = (share * hundredths * factor) / 10_000
  const parts = [[stable, share * factor - part], [canary ?? stable, part]] as const
  return { factor, parts: parts.filter(([, weight]) => weight > 0) }
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b))

/** A lone destination is weighed the way the user did it. */
function weighedAs(entry: Json, { weight }: Json): Json {
  return typeof weight === 'number' && weight > 0 ? { ...entry, weight } : without(entry, 'weight')
}
