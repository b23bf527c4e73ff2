import { rootsOf } from './delegates.ts'
import { specOf, textsOf } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import { readMesh } from './mesh.ts'

/**
 * Every way callers write the Service: its short and long names, and the hosts of the VirtualServices with managed
 * routes. Wildcards are left out. What the mesh answers itself is counted under the host as the caller wrote it.
 */
export function serviceHosts(input: MeshInput): readonly string[] {
  const { fqdn, services } = readMesh(input)
  const { settings: { service }, canary: { namespace } } = input
  const names = [fqdn, `${service}.${namespace}.svc`, `${service}.${namespace}`, service]
  const managed = services.filter(({ routes }) => routes.some((route) => route.managed))
  const served = managed.flatMap((one) => [one.spec, ...rootsOf(input, one).map((root) => specOf(root.object))])
  const written = served.flatMap(({ hosts }) => textsOf(hosts)).filter((host) => !host.includes('*'))
  return [...new Set([...names, ...written])]
}
