import { canonicalJson } from '../canary/template-hash.ts'
import { MANAGED_BY, ownName } from './destination-rules.ts'
import { desiredSpec, STAMPS } from './desired-rule.ts'
import { annotate, guarded, sameJson, specOf, type JsonPatch } from './json.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { readMesh } from './mesh.ts'

/** How our rule comes to be as wished. */
export type RuleWrite =
  | { readonly kind: 'create'; readonly object: KubeObject }
  | { readonly kind: 'patch'; readonly patch: JsonPatch }

/**
 * Serin's DestinationRule with a subset for each of these revisions, by the rollout it is stamped with: the object to
 * create, or a patch valid for the very version that was read. Undefined when it stands so already.
 */
export function ruleWrite(input: MeshInput, subsets: Readonly<Record<string, string>>): RuleWrite | undefined {
  const mesh = readMesh(input)
  const spec = desiredSpec(mesh, Object.keys(subsets))
  const annotations = { [STAMPS]: canonicalJson(subsets) }
  const { own } = mesh.rules
  if (own === undefined) {
    const metadata = { name: ownName(input), namespace: input.canary.namespace, labels: MANAGED_BY, annotations }
    return { kind: 'create', object: { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata, spec } }
  }
  const respec = sameJson(specOf(own), spec) ? [] : [{ op: 'replace' as const, path: '/spec', value: spec }]
  const patch = guarded(own, [...annotate(own, annotations), ...respec])
  return patch && { kind: 'patch', patch }
}
