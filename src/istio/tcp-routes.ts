import type { Refusal } from '../canary/world.ts'
import { ownName } from './destination-rules.ts'
import { serviceHost } from './host-name.ts'
import { listOf, sameJson, specOf, textOf, type Json, type JsonPatch } from './json.ts'
import type { MeshInput } from './mesh-input.ts'
import type { VirtualService } from './mesh.ts'
import { subsetName } from './subset-name.ts'

/** Protocols that Istio routes by connection; a route of ours can hold those of them at stable. Unknown names are detected. */
const BY_CONNECTION = new Set(['tcp', 'mongo', 'mysql', 'redis'])
/** Those that no route by connection sees: TLS goes by the name in its handshake, and UDP by nothing. */
const UNROUTED = new Set(['tls', 'https', 'udp'])

/** A port's protocol is its appProtocol, else its name up to the first dash. */
const spokenAt = ({ appProtocol, name }: Json): string => (textOf(appProtocol) ?? textOf(name)?.split('-')[0] ?? '').toLowerCase()

const portsOf = ({ service }: MeshInput): readonly Json[] => listOf(service && specOf(service)['ports'])

const isUnrouted = (port: Json): boolean => (port['protocol'] ?? 'TCP') !== 'TCP' || UNROUTED.has(spokenAt(port))

/** The ports that go by connection: in Serin's own VirtualService each has a route to stable, which moves with stable. */
const pinnable = (input: MeshInput): readonly Json[] =>
  portsOf(input).filter((port) => !isUnrouted(port) && BY_CONNECTION.has(spokenAt(port)))

/** `spec.tcp` of Serin's own VirtualService; undefined where the Service speaks HTTP only. */
export function tcpRoutes(input: MeshInput, stable: string): readonly Json[] | undefined {
  const host = serviceHost(input)
  const routes = pinnable(input).map(({ port }) => ({
    match: [{ port }],
    route: [{ destination: { host, subset: subsetName(stable), port: { number: port } } }],
  }))
  return routes.length === 0 ? undefined : routes
}

/** Operations that make `spec.tcp` of Serin's own VirtualService say so; none for anybody else's. */
export function tcpOperations({ own, spec }: VirtualService, input: MeshInput, stable: string): JsonPatch {
  const wanted = tcpRoutes(input, stable)
  if (!own || sameJson(spec['tcp'], wanted)) return []
  return wanted === undefined ? [{ op: 'remove', path: '/spec/tcp' }] : [{ op: 'add', path: '/spec/tcp', value: wanted }]
}

/** A port whose callers no route keeps from a new version. `covered`: a VirtualService of the user's has the host for the mesh. */
export function portRefusals(input: MeshInput, covered: boolean): readonly Refusal[] {
  const name = `Service ${input.canary.namespace}/${input.settings.service}`
  const refused = (port: Json, what: string): Refusal => ({
    reason: 'NonHttpPort',
    message: `port ${textOf(port['name']) ?? String(port['port'])} of ${name} does not speak HTTP, ${what}`,
  })
  const unrouted = portsOf(input).filter(isUnrouted).map((port) => refused(port,
    'so no route keeps its callers from the new version: move it to a Service of its own, or correct its name or appProtocol'))
  const unpinned = covered ? pinnable(input).map((port) => refused(port,
    `and only ${ownName(input)}, a VirtualService of Serin's own, could hold its callers at stable: take the host out of yours for the mesh, move the port to a Service of its own, or correct its name or appProtocol`)) : []
  return [...unrouted, ...unpinned]
}
