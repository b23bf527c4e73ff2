import { canonicalJson } from '../canary/template-hash.ts'
import { mirrorList } from './http-route.ts'
import type { MeshInput } from './mesh-input.ts'
import { readMesh } from './mesh.ts'

/**
 * What a proxy can see of the routes that decide who is reached, as canonical JSON: equal texts mean that nothing a
 * proxy does for this Service has changed.
 */
export function routesContent(input: MeshInput): string {
  const { services } = readMesh(input)
  return canonicalJson(services.map(({ namespace, name, own, spec: { hosts, gateways, exportTo, tcp }, routes }) => {
    const reaching = routes.filter(({ reached, mirrored }) => reached.length + mirrored.length > 0)
    const seen = reaching.map(({ raw, list, reached, mirrored }) => [raw['match'], list, mirrorList(raw), reached, mirrored])
    return [namespace, name, hosts, gateways, exportTo, seen, ...(own && tcp !== undefined ? [tcp] : [])]
  }))
}
