import { EVERY_POD, NO_POD } from '../canary/world.ts'
import { rulesOf, type Rules } from './destination-rules.ts'
import { resolvedHost, serviceHost } from './host-name.ts'
import { jsonOf, labelsOf, listOf, specOf, textOf, textsOf, type Json } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import { subsetName } from './subset-name.ts'

/**
 * The revisions whose pods a destination reaches, when it is written in an object of `namespace`;
 * EVERY_POD among them where no subset narrows it, NO_POD where no rule defines the subset; undefined where it is not
 * for the Service.
 */
export type Reach = (destination: unknown, namespace: string) => readonly string[] | undefined

type Labels = Readonly<Record<string, string>>

/** Reads the reach of destinations from the rules and the revisions' pod labels. */
export function reachOf(input: MeshInput, rules: Rules = rulesOf(input)): Reach {
  const fqdn = serviceHost(input)
  const subsets = subsetLabels(rules)
  const ours = new Map(input.revisions.map(({ revision }) => [subsetName(revision), revision]))
  return (destination, namespace) => {
    const { host, subset } = jsonOf(destination)
    if (resolvedHost(textOf(host) ?? '', namespace, input.clusterDomain) !== fqdn) return undefined
    const name = textOf(subset) ?? ''
    const labels = subsets.get(name)
    if (labels === undefined) return [ours.get(name) ?? (name === '' ? EVERY_POD : NO_POD)]
    return selectedBy(labels, input)
  }
}

function selectedBy(labels: Labels, { revisions, settings }: MeshInput): readonly string[] {
  const conditions = Object.entries(labels)
  if (conditions.length === 0) return [EVERY_POD]
  const selected = revisions.filter((revision) => conditions.every(([key, value]) => revision.labels[key] === value))
  const gone = conditions.length === 1 ? labels[settings.versionLabel] : undefined
  if (selected.length === 0 && gone !== undefined) return [gone]
  return selected.map(({ revision }) => revision)
}

/** Of two subsets with one name, the older rule's counts. */
function subsetLabels({ own, host, broader }: Rules): ReadonlyMap<string, Labels> {
  const rules = [...host, ...(own === undefined ? [] : [own]), ...(broader === undefined ? [] : [broader])]
  const subsets = rules.flatMap((rule) => listOf(specOf(rule)['subsets']))
  return new Map(subsets.toReversed().map(({ name, labels }) => [textOf(name) ?? '', labelsOf(labels)]))
}

/** Whether a VirtualService decides at some gateway. */
export const isAtGateway = (spec: Json): boolean => textsOf(spec['gateways']).some((name) => name !== 'mesh')

/** Whether a VirtualService decides for the proxies of the mesh. */
export const isInMesh = (spec: Json): boolean => textsOf(spec['gateways']).length === 0 || textsOf(spec['gateways']).includes('mesh')
