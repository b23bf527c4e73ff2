import { canonicalJson } from '../canary/template-hash.ts'
import { specOf } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import { readMesh } from './mesh.ts'
import { mirrorList } from './rendered-route.ts'
import { listReach, mirrorReach } from './route-reach.ts'

/**
 * What a proxy can see of the routes that decide who is reached, as canonical JSON: equal texts mean that nothing a
 * proxy does for this Service has changed.
 */
export function routesContent(input: MeshInput): string {
  const mesh = readMesh(input)
  return canonicalJson(mesh.services.map((service) => {
    const { namespace, name, spec, routes } = service
    const reaching = routes.map((route) => ({ route, reached: [...listReach(route, service, mesh), ...mirrorReach(route, service, mesh)] }))
      .filter(({ reached }) => reached.length > 0)
      .map(({ route: { raw, list }, reached }) => [raw['match'] ?? null, list, mirrorList(raw), reached])
    return [namespace, name, spec['hosts'] ?? null, spec['gateways'] ?? null, spec['exportTo'] ?? null, reaching]
  }))
}

/** What a proxy can see of our rule, and of what decides whether Istio merges it with the user's, as canonical JSON. */
export function ruleContent(input: MeshInput): string {
  const { own, host } = readMesh(input).rules
  return canonicalJson([own === undefined ? null : specOf(own), host.map((rule) => specOf(rule)['exportTo'] ?? null)])
}
