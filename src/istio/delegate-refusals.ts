import type { HTTPMatch, StringMatch } from '../api/canary.ts'
import type { Refusal } from '../canary/world.ts'
import { isAtGateway, rootsOf, wantedDelegate, type Root } from './delegates.ts'
import { jsonOf, listOf, specOf, type Json } from './json.ts'
import { mirrorList } from './http-route.ts'
import type { MeshInput } from './mesh-input.ts'
import type { Mesh } from './mesh.ts'

/** What a root of the delegate that Serin makes, or the lack of a port, forbids. */
export function delegateRefusals({ input }: Mesh): readonly Refusal[] {
  const wanted = wantedDelegate(input)
  if (wanted === undefined) return []
  const roots = rootsOf(input, wanted)
  return [...roots.flatMap((root) => [...matchRefusals(root, input), ...mirrorRefusals(root, input)]), ...portRefusals(roots, input)]
}

const placeOf = ({ object: { metadata } }: Root, index: number): string =>
  `VirtualService ${metadata.namespace ?? ''}/${metadata.name} http[${index}]`

/** Istio drops a route of a delegate whose every match contradicts the root's: a step would do nothing, in silence. */
function matchRefusals(root: Root, { settings: { steps } }: MeshInput): readonly Refusal[] {
  const conditions = steps.flatMap(({ match, mirror }, step) => [
    ...match.map((ours, i) => ({ ours, path: `spec.steps[${step}].match[${i}]` })),
    ...(mirror?.match ?? []).map((ours, i) => ({ ours, path: `spec.steps[${step}].mirror.match[${i}]` })),
  ])
  return root.routes.flatMap(({ raw, index }) => conditions.flatMap(({ ours, path }) => {
    const theirs = listOf(raw['match'])
    if (theirs.length === 0 || theirs.some((match) => !isContradicted(match, ours))) return []
    return [{
      reason: 'UnmatchableProduct',
      message: `${path} contradicts every match of ${placeOf(root, index)}, which hands its requests to the delegate: Istio would drop the step's route; change one of them`,
    }]
  }))
}

/** A root's mirror is lost beside one of the delegate's, or both stand in one route, which is invalid. */
function mirrorRefusals(root: Root, { settings: { steps } }: MeshInput): readonly Refusal[] {
  const step = steps.findIndex(({ mirror }) => mirror !== undefined)
  const mirroring = root.routes.find(({ raw }) => mirrorList(raw).length > 0)
  if (step < 0 || mirroring === undefined) return []
  const message = `spec.steps[${step}].mirror and the mirror of ${placeOf(root, mirroring.index)} cannot stand together in a delegate: take one of them out`
  return [{ reason: 'RootMirrors', message }]
}

/** At a gateway nothing but the destination says which of several ports is meant. */
function portRefusals(roots: readonly Root[], { service, settings }: MeshInput): readonly Refusal[] {
  const ports = listOf(service && specOf(service)['ports'])
  if (settings.port !== undefined || ports.length < 2 || !roots.some(isAtGateway)) return []
  const numbers = ports.map(({ port }) => String(port)).join(', ')
  return [{ reason: 'PortUnnamed', message: `Service ${settings.service} has the ports ${numbers}, and a gateway must be told which: write it in spec.service.port` }]
}

/** Istio's own rule for one match of a root and one of its delegate. Source: pilot/pkg/model/virtualservice.go, hasConflict. */
export function isContradicted(root: Json, ours: HTTPMatch): boolean {
  const { sourceNamespace, sourceLabels, ignoreUriCase } = root
  const labels = jsonOf(sourceLabels)
  return ignoreUriCase === true ||
    (sourceNamespace !== undefined && sourceNamespace !== ours.sourceNamespace) ||
    Object.entries(ours.sourceLabels ?? {}).some(([key, value]) => labels[key] !== undefined && labels[key] !== value) ||
    textsContradict(root['uri'], ours.uri) || textsContradict(root['method'], ours.method) ||
    (['headers', 'withoutHeaders', 'queryParams'] as const).some((field) =>
      Object.entries(ours[field] ?? {}).some(([key, value]) => textsContradict(jsonOf(root[field])[key], value)))
}

/** A delegate's text must lie within the root's, and beside a regular expression there may be nothing. */
function textsContradict(root: unknown, ours: StringMatch | undefined): boolean {
  if (root === undefined || ours === undefined) return false
  const { exact, prefix } = jsonOf(root)
  const text = ours.exact ?? ours.prefix
  if (text === undefined) return true
  if (typeof exact === 'string') return ours.exact !== exact
  return typeof prefix !== 'string' || !text.startsWith(prefix)
}
