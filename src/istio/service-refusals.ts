import type { Refusal } from '../canary/world.ts'
import { labelsOf, listOf, specOf, textOf, type Json } from './json.ts'
import type { MeshInput } from './mesh-input.ts'

type Labels = Readonly<Record<string, string>>

/** Protocols whose requests no http route sees. Source: Istio's protocol selection; unknown names are detected. */
const NOT_HTTP = new Set(['tcp', 'tls', 'https', 'udp', 'mongo', 'mysql', 'redis'])

/** What about the Service itself forbids to start. */
export function serviceRefusals(input: MeshInput): readonly Refusal[] {
  const { service, canary } = input
  const name = `Service ${canary.namespace}/${input.settings.service}`
  const absent: Refusal = { reason: 'ServiceNotFound', message: `${name} does not exist: create it, or correct spec.service.name` }
  if (service === undefined) return [absent]
  const { clusterIP, ports, selector } = specOf(service)
  const headless: Refusal = { reason: 'HeadlessService', message: `${name} is headless, and its callers pass all routes by: give it a cluster IP` }
  const foreign = listOf(ports).filter(isForeign).map((port): Refusal => ({
    reason: 'NonHttpPort',
    message: `port ${textOf(port['name']) ?? String(port['port'])} of ${name} does not speak HTTP, so no route keeps its callers ` +
      'from the new version: move it to a Service of its own, or correct its name or appProtocol',
  }))
  return [...(clusterIP === 'None' ? [headless] : []), ...foreign, ...selectorRefusals(labelsOf(selector), name, input)]
}

/** A port's protocol is its appProtocol, else its name up to the first dash. */
function isForeign({ protocol = 'TCP', appProtocol, name }: Json): boolean {
  const spoken = textOf(appProtocol) ?? textOf(name)?.split('-')[0] ?? ''
  return protocol !== 'TCP' || NOT_HTTP.has(spoken.toLowerCase())
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
