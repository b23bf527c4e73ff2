import { hostCovers, resolvedHost, serviceHost } from './host-name.ts'
import { type Json, olderFirst, specOf, textOf } from './json.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'

/** The label of everything that Serin makes. */
export const MANAGED_BY: Readonly<Record<string, string>> = { 'app.kubernetes.io/managed-by': 'serin' }

/** Name of Serin's own VirtualService and DestinationRule. */
export const ownName = ({ settings }: MeshInput): string => `serin-${settings.service}`

/** Whether Serin made the object, by its name, place and label. */
export const isOwn = (input: MeshInput, { metadata }: KubeObject): boolean =>
  metadata.name === ownName(input) && metadata.namespace === input.canary.namespace &&
  metadata.labels?.['app.kubernetes.io/managed-by'] === 'serin'

/** The DestinationRules that take in the Service, by what they mean to ours. */
export type Rules = {
  readonly own: KubeObject | undefined
  /** Written for the host in the Service's namespace, oldest first: Istio merges ours with them. */
  readonly host: readonly KubeObject[]
  /** The wildcard or root rule that governs where no host rule does. */
  readonly broader: KubeObject | undefined
  /** In a namespace of callers, or private in the root: they hide ours there. */
  readonly callers: readonly KubeObject[]
}

/** Sorts out the rules for the Canary's Service. */
export function rulesOf(input: MeshInput): Rules {
  const fqdn = serviceHost(input)
  const { canary, rootNamespace } = input
  const matching = input.destinationRules.filter((rule) => hostCovers(ruleHost(rule, input), fqdn)).sort(olderFirst)
  const own = matching.find((rule) => isOwn(input, rule))
  const near = matching.filter((rule) => rule !== own && rule.metadata.namespace === canary.namespace)
  const far = matching.filter((rule) => rule.metadata.namespace !== canary.namespace)
  const root = far.filter((rule) => rule.metadata.namespace === rootNamespace && isPublic(rule))
  const host = near.filter((rule) => ruleHost(rule, input) === fqdn)
  const bySpecificity = (a: KubeObject, b: KubeObject) => ruleHost(b, input).length - ruleHost(a, input).length
  const broader = [...near].sort(bySpecificity)[0] ?? [...root].sort(bySpecificity)[0]
  return { own, host, broader: host.length > 0 ? undefined : broader, callers: far.filter((rule) => !root.includes(rule)) }
}

/** The host of a rule, in full. */
export const ruleHost = (rule: KubeObject, { clusterDomain }: MeshInput): string =>
  resolvedHost(textOf(specOf(rule)['host']) ?? '', rule.metadata.namespace ?? '', clusterDomain)

const isPublic = (rule: KubeObject): boolean => {
  const exportTo: Json[string] = specOf(rule)['exportTo']
  return !Array.isArray(exportTo) || exportTo.length === 0 || exportTo.includes('*')
}
