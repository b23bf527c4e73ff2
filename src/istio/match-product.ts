import type { HTTPMatch } from '../api/canary.ts'
import { jsonOf, sameJson, type Json } from './json.ts'
import { istioMatch } from './match-words.ts'

/** Both conditions as one; `never` where no request meets both; `clash` where Istio cannot say it. */
type Product =
  | { readonly kind: 'both'; readonly value: unknown }
  | { readonly kind: 'never' }
  | { readonly kind: 'clash'; readonly key?: string }

/** What became of one match of the user's and one of a step: `clash` names the field that stands in the way. */
export type MatchProduct =
  | { readonly kind: 'both'; readonly match: Json }
  | { readonly kind: 'never' }
  | { readonly kind: 'clash'; readonly field: string }

type Rule = (theirs: unknown, ours: unknown) => Product

const NEVER: Product = { kind: 'never' }
const CLASH: Product = { kind: 'clash' }

/** Fields a step's match may have, by how two of them are joined. */
const RULES: ReadonlyMap<string, Rule> = new Map<keyof HTTPMatch, Rule>([
  ['uri', both],
  ['method', both],
  ['headers', byKey(both)],
  ['queryParams', byKey(both)],
  ['withoutHeaders', byKey(neither)],
  ['sourceLabels', byKey(same)],
  ['sourceNamespace', same],
])

/** Requests that meet the user's match and the step's. The user's fields that a step cannot name stay as they are. */
export function matchProduct(theirs: Json, ours: HTTPMatch): MatchProduct {
  const impossible = unsupported(theirs, ours)
  if (impossible !== undefined) return { kind: 'clash', field: impossible }
  let match = theirs
  for (const [field, value] of Object.entries(istioMatch(ours))) {
    const present = theirs[field]
    const product = present === undefined ? { kind: 'both' as const, value } : (RULES.get(field)?.(present, value) ?? CLASH)
    if (product.kind === 'never') return { kind: 'never' }
    if (product.kind === 'clash') return { kind: 'clash', field: product.key === undefined ? field : `${field}.${product.key}` }
    match = { ...match, [field]: product.value }
  }
  return { kind: 'both', match }
}

/**
 * The matches that a step's list makes of a route's, without those that no request can meet.
 * An empty list of the user's means all requests.
 */
export const matchProducts = (theirs: readonly Json[], ours: readonly HTTPMatch[]): readonly Json[] =>
  ours.flatMap((own) => (theirs.length === 0 ? [{}] : theirs).flatMap((one) => {
    const product = matchProduct(one, own)
    return product.kind === 'both' ? [product.match] : []
  }))

/** Whether every request that meets `match` meets `ours` too, as far as the text of both shows. */
export function isWithin(match: Json, ours: HTTPMatch): boolean {
  const product = matchProduct(match, ours)
  return product.kind === 'both' && sameJson(product.match, match)
}

/** Istio ignores conditions on the caller beside a match's own gateways, and ignoreUriCase would widen the step's path. */
function unsupported(theirs: Json, ours: HTTPMatch): string | undefined {
  if (theirs['ignoreUriCase'] === true && ours.uri !== undefined) return 'uri'
  if (theirs['gateways'] === undefined) return undefined
  return ours.sourceLabels !== undefined ? 'sourceLabels' : ours.sourceNamespace !== undefined ? 'sourceNamespace' : undefined
}

function byKey(rule: Rule): Rule {
  return (theirs, ours) => {
    let value = jsonOf(theirs)
    for (const [key, condition] of Object.entries(jsonOf(ours))) {
      const present = Object.hasOwn(value, key) ? value[key] : undefined
      const product = present === undefined ? { kind: 'both' as const, value: condition } : rule(present, condition)
      if (product.kind !== 'both') return product.kind === 'clash' ? { kind: 'clash', key } : product
      value = { ...value, [key]: product.value }
    }
    return { kind: 'both', value }
  }
}

function same(theirs: unknown, ours: unknown): Product {
  return theirs === ours ? { kind: 'both', value: ours } : NEVER
}

function both(theirs: unknown, ours: unknown): Product {
  if (implies(ours, theirs)) return { kind: 'both', value: ours }
  if (implies(theirs, ours)) return { kind: 'both', value: theirs }
  return isRegex(theirs) || isRegex(ours) ? CLASH : NEVER
}

/** Neither may hold: the wider condition says both. */
function neither(theirs: unknown, ours: unknown): Product {
  if (implies(ours, theirs)) return { kind: 'both', value: theirs }
  return implies(theirs, ours) ? { kind: 'both', value: ours } : CLASH
}

const isRegex = (condition: unknown): boolean => jsonOf(condition)['regex'] !== undefined

/** Whether every text that meets `narrow` meets `wide`. An empty condition means the header is there. */
function implies(narrow: unknown, wide: unknown): boolean {
  if (sameJson(narrow, wide) || Object.keys(jsonOf(wide)).length === 0) return true
  const { exact, prefix } = jsonOf(narrow)
  const begins = jsonOf(wide)['prefix']
  const text = exact ?? prefix
  return typeof text === 'string' && typeof begins === 'string' && text.startsWith(begins)
}
