import type { KubeObject } from './objects.ts'
import { closest, fullHost, hostFit, isVisible, ROOT_NAMESPACE } from './route-hosts.ts'
import { byAge, namespaceOf, specOf, type DestinationRuleSpec, type StringMap } from './route-objects.ts'

type Policy = Readonly<Record<string, unknown>>

/** What holds for a host after Istio's merge of its DestinationRules. */
export type MergedRule = {
  readonly subsets: ReadonlyMap<string, { readonly labels: StringMap; readonly policy: Policy }>
  /** Of the host without a subset. */
  readonly policy: Policy
}

/** Who asks, and for which Service. */
export type RuleQuery = { readonly host: string; readonly serviceNamespace: string; readonly callerNamespace: string }

/**
 * The rule that governs a host for a caller. The caller's namespace is asked first, then the Service's, then the root:
 * the first that has a matching rule hides the others, and in it the closest host hides wider ones.
 */
export function governingRule(rules: readonly KubeObject[], { host, serviceNamespace, callerNamespace }: RuleQuery): MergedRule {
  const local = callerNamespace === ROOT_NAMESPACE ? [] : [callerNamespace]
  const found = [...local, serviceNamespace, ROOT_NAMESPACE].map((namespace) => {
    const applying = rules.filter(
      (rule) => namespaceOf(rule) === namespace && isVisible(rule, specOf<DestinationRuleSpec>(rule).exportTo, callerNamespace),
    )
    return closest(applying, (rule) => hostFit([fullHost(specOf<DestinationRuleSpec>(rule).host ?? '', namespace)], host))
  })
  return merge(found.find((fitting) => fitting.length > 0) ?? [])
}

/** Rules merge only where they are exported alike as written; the group that began last replaces the others whole. */
function merge(rules: readonly KubeObject[]): MergedRule {
  const specs = rules.toSorted(byAge).map((rule) => specOf<DestinationRuleSpec>(rule))
  const exported = ({ exportTo }: DestinationRuleSpec): string => JSON.stringify(exportTo?.toSorted())
  const last = [...new Set(specs.map(exported))].at(-1)
  const merged = specs.filter((spec) => exported(spec) === last)
  const policy = merged.find((spec) => spec.trafficPolicy !== undefined)?.trafficPolicy ?? {}
  // Of two subsets of one name the older counts: it is put into the map last.
  const subsets = merged
    .flatMap((spec) => spec.subsets ?? [])
    .toReversed()
    .map(({ name, labels = {}, trafficPolicy }) => [name, { labels, policy: { ...policy, ...trafficPolicy } }] as const)
  return { subsets: new Map(subsets), policy }
}
