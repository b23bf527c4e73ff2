import type { Refusal } from '../canary/world.ts'
import { labelsOf, specOf } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import type { Mesh } from './mesh.ts'
import { portRefusals } from './tcp-routes.ts'

type Labels = Readonly<Record<string, string>>

/** What about the Service itself forbids to start. */
export function serviceRefusals({ input, services }: Mesh): readonly Refusal[] {
  const covered = services.some(({ mesh, own }) => mesh && !own)
  const { service, canary } = input
  const name = `Service ${canary.namespace}/${input.settings.service}`
  const absent: Refusal = { reason: 'ServiceNotFound', message: `${name} does not exist: create it, or correct spec.service.name` }
  if (service === undefined) return [absent]
  const { clusterIP, selector } = specOf(service)
  const headless: Refusal = { reason: 'HeadlessService', message: `${name} is headless, and its callers pass all routes by: give it a cluster IP` }
  return [...(clusterIP === 'None' ? [headless] : []), ...portRefusals(input, covered), ...selectorRefusals(labelsOf(selector), name, input)]
}

function selectorRefusals(selector: Labels, name: string, { settings: { versionLabel }, revisions }: MeshInput): readonly Refusal[] {
  const refused = (what: string): Refusal => ({ reason: 'SelectorExcludesVersions', message: `${name} ${what}` })
  const only = selector[versionLabel]
  if (only !== undefined) return [refused(`selects only ${versionLabel}: ${only}: take ${versionLabel} out of its selector`)]
  if (Object.keys(selector).length === 0) return [refused("has no selector, and so no version's pods: give it one")]
  return Object.entries(selector).flatMap(([key, value]) => {
    const excluded = revisions.filter(({ labels }) => labels[key] !== value).map(({ revision }) => revision).join(', ')
    return excluded === '' ? [] : [refused(`does not select the pods of ${excluded}: give them the label ${key}: ${value}`)]
  })
}
