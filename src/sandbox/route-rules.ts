import type { KubeObject } from './objects.ts'
import { byAge, namespaceOf, selects, specOf } from './route-objects.ts'
import type { DestinationRuleSpec, StringMap } from './route-objects.ts'
import { ROOT_NAMESPACE, fullHost, hostFit, isVisible } from './route-hosts.ts'

type Policy = Readonly<Record<string, unknown>>

/** What holds for a host after Istio's merge of its DestinationRules. */
export type MergedRule = {
  readonly subsets: ReadonlyMap<string, { readonly labels: StringMap; readonly policy: Policy }>
  /** Of the host without a subset. */
  readonly policy: Policy
}

/** Who asks, and for which Service. */
export type RuleQuery = {
  readonly host: string
  readonly serviceNamespace: string
  readonly callerNamespace: string
  readonly callerLabels: StringMap
}

const NO_RULE: MergedRule = { subsets: new Map(), policy: {} }

/**
 * The rule that governs a host for a caller. The caller's namespace is asked first, then the Service's, then the root:
 * the first that has a matching rule hides the others, and in it the closest host hides wider ones.
 */
export function governingRule(rules: readonly KubeObject[], query: RuleQuery): MergedRule {
  const local = query.callerNamespace === ROOT_NAMESPACE ? [] : [query.callerNamespace]
  for (const namespace of [...local, query.serviceNamespace, ROOT_NAMESPACE]) {
    const found = closest(rules, namespace, query)
    if (found.length > 0) return merge(found)
  }
  return NO_RULE
}

function closest(rules: readonly KubeObject[], namespace: string, query: RuleQuery): readonly KubeObject[] {
  const fits = rules
    .filter((rule) => namespaceOf(rule) === namespace && applies(rule, query))
    .map((rule) => ({ rule, fit: hostFit(fullHost(specOf<DestinationRuleSpec>(rule).host ?? '', namespace), query.host) }))
  const best = Math.max(0, ...fits.map(({ fit }) => fit))
  return fits.filter(({ fit }) => fit === best).map(({ rule }) => rule)
}

function applies(rule: KubeObject, { callerNamespace, callerLabels }: RuleQuery): boolean {
  const { exportTo, workloadSelector } = specOf<DestinationRuleSpec>(rule)
  if (!isVisible(rule, exportTo, callerNamespace)) return false
  return (
    workloadSelector === undefined ||
    (namespaceOf(rule) === callerNamespace && selects(workloadSelector.matchLabels ?? {}, callerLabels))
  )
}

/** Rules merge only where they are exported alike as written; the group that began last replaces the others whole. */
function merge(rules: readonly KubeObject[]): MergedRule {
  const groups = new Map<string, DestinationRuleSpec[]>()
  for (const rule of rules.toSorted(byAge)) {
    const spec = specOf<DestinationRuleSpec>(rule)
    const key = JSON.stringify([spec.exportTo?.toSorted(), spec.workloadSelector])
    groups.set(key, [...(groups.get(key) ?? []), spec])
  }
  const specs = selected([...groups.values()])
  const policy = specs.find((spec) => spec.trafficPolicy !== undefined)?.trafficPolicy ?? {}
  const subsets = new Map<string, { labels: StringMap; policy: Policy }>()
  for (const subset of specs.flatMap((spec) => spec.subsets ?? [])) {
    if (subsets.has(subset.name)) continue
    subsets.set(subset.name, { labels: subset.labels ?? {}, policy: { ...policy, ...subset.trafficPolicy } })
  }
  return { subsets, policy }
}

/** A rule made for the caller's workload hides the general ones. */
const selected = (groups: readonly DestinationRuleSpec[][]): readonly DestinationRuleSpec[] =>
  groups.findLast(([first]) => first?.workloadSelector !== undefined) ?? groups.at(-1) ?? []
