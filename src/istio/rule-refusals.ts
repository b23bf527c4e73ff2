import type { EventReason } from '../canary/event-reasons.ts'
import type { Refusal } from '../canary/world.ts'
import { isMadeDelegate } from './delegates.ts'
import { isOwn, ownName } from './destination-rules.ts'
import { audienceOf, includesAll } from './export-to.ts'
import { listOf, sameJson, specOf, textsOf } from './json.ts'
import type { KubeObject } from './mesh-input.ts'
import type { Mesh } from './mesh.ts'
import { subsetName } from './subset-name.ts'

/** What about the DestinationRules, or the names of our own objects, forbids to start. */
export function ruleRefusals(mesh: Mesh): readonly Refusal[] {
  const { fqdn, rules: { host, broader, callers }, input: { canary } } = mesh
  const governing = broader === undefined ? host : [broader]
  const selective = governing.filter((rule) => specOf(rule)['workloadSelector'] !== undefined)
  const hidden = broader !== undefined && listOf(specOf(broader)['subsets']).length > 0 ? [broader] : []
  return [
    ...nameRefusals(mesh),
    ...governing.flatMap((rule) => exportRefusals(rule, mesh)),
    ...unequalRefusals(host),
    ...selective.map((rule) => refusal('RuleWorkloadSelector', rule,
      'has a workloadSelector, so its callers would not know the subsets of Serin and get 503: take it out')),
    ...callers.map((rule) => refusal('RuleInCallersNamespace', rule,
      `takes in ${fqdn} and hides the subsets of Serin from callers there: move it to namespace ${canary.namespace}`)),
    ...hidden.map((rule) => refusal('BroaderRuleWithSubsets', rule,
      `defines subsets for ${fqdn} that a rule for the host switches off: move them to such a rule in namespace ${canary.namespace}`)),
  ]
}

const refusal = (reason: EventReason, { kind, metadata }: KubeObject, what: string): Refusal =>
  ({ reason, message: `${kind} ${metadata.namespace ?? ''}/${metadata.name} ${what}` })

/** Istio merges ours with those alone whose exportTo is written alike; of the others the newest, ours, would switch off the rest. */
function unequalRefusals([oldest, ...others]: readonly KubeObject[]): readonly Refusal[] {
  const written = (rule: KubeObject | undefined) => [...new Set(rule && textsOf(specOf(rule)['exportTo']))].sort()
  return others.filter((rule) => !sameJson(written(rule), written(oldest))).map((rule) => refusal('RuleExportTo', rule,
    `is for the host of ${oldest?.metadata.name ?? ''} and has another exportTo, so only the newest of them counts: give both the same`))
}

/**
 * Our rule follows the user's exportTo, so whoever does not see theirs does not see our subsets; and it would bring a
 * broader one's policy to callers who do not see that.
 */
function exportRefusals(rule: KubeObject, { services }: Mesh): readonly Refusal[] {
  const audience = audienceOf(specOf(rule)['exportTo'], rule.metadata.namespace ?? '')
  const wider = services.filter(({ routes, spec, namespace }) =>
    routes.some(({ managed }) => managed) && !includesAll(audience, audienceOf(spec['exportTo'], namespace)))
  return wider.map(({ namespace, name }) => refusal('RuleExportTo', rule,
    `is exported to fewer namespaces than VirtualService ${namespace}/${name}, whose other callers have no part in it: give both the same`))
}

/** Somebody else's object under the name of ours, or a subset of theirs under the name of one of ours. */
function nameRefusals({ input, rules }: Mesh): readonly Refusal[] {
  const { canary, revisions, settings: { versionLabel } } = input
  const foreign = [...input.virtualServices, ...input.destinationRules].filter((object) =>
    object.metadata.name === ownName(input) && object.metadata.namespace === canary.namespace && !isOwn(input, object))
    .concat(input.virtualServices.filter((object) => object.metadata.name === input.settings.delegate && object.metadata.namespace === canary.namespace && !isMadeDelegate(input, object)))
  const labels = new Map<unknown, unknown>(revisions.map(({ revision }) => [subsetName(revision), { [versionLabel]: revision }]))
  const older = rules.host.flatMap((rule) => listOf(specOf(rule)['subsets'])
    .filter((subset) => labels.has(subset['name']) && !sameJson(subset['labels'], labels.get(subset['name'])))
    .map(({ name }) => refusal('NameTaken', rule, `has a subset ${String(name)} with other labels than Serin's own: rename it`)))
  return [
    ...foreign.map((object) => refusal('NameTaken', object,
      "has the name of Serin's own and lacks the label app.kubernetes.io/managed-by: serin: rename it")),
    ...older,
  ]
}
