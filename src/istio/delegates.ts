import { MANAGED_BY } from './destination-rules.ts'
import { hostCovers, resolvedHost, serviceHost } from './host-name.ts'
import { jsonOf, listOf, specOf, textOf, textsOf, type Json } from './json.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'

type Named = { readonly namespace: string; readonly name: string }

/** A VirtualService of the user's and those of its http routes that hand requests to one delegate. */
export type Root = { readonly object: KubeObject; readonly routes: readonly { readonly raw: Json; readonly index: number }[] }

/** Whether Serin made the object as a delegate: without hosts, by its label. */
export const isMadeDelegate = ({ canary }: MeshInput, { kind, metadata, ...object }: KubeObject): boolean =>
  kind === 'VirtualService' && metadata.namespace === canary.namespace && metadata.labels?.['app.kubernetes.io/managed-by'] === 'serin' &&
  textsOf(jsonOf(object['spec'])['hosts']).length === 0

/** The delegate that `traffic.delegate` names. */
export const wantedDelegate = ({ canary, settings }: MeshInput): Named | undefined =>
  settings.delegate === undefined ? undefined : { namespace: canary.namespace, name: settings.delegate }

/** It is to be made: nobody's object has its name. */
export const isDelegateMissing = (input: MeshInput): boolean => {
  const wanted = wantedDelegate(input)
  return wanted !== undefined && !input.virtualServices.some(({ metadata }) => metadata.namespace === wanted.namespace && metadata.name === wanted.name)
}

/** Which delegate an http route of an object of `namespace` hands its requests to. */
export function delegateOf(raw: Json, namespace: string): Named | undefined {
  if (raw['delegate'] === undefined) return undefined
  const { name, namespace: written } = jsonOf(raw['delegate'])
  return { name: textOf(name) ?? '', namespace: textOf(written) ?? namespace }
}

/** The VirtualServices that name a delegate: it has their hosts and gateways. */
export function rootsOf({ virtualServices }: MeshInput, { namespace, name }: Named): readonly Root[] {
  return virtualServices.flatMap((object) => {
    const routes = listOf(specOf(object)['http']).flatMap((raw, index) => {
      const delegate = delegateOf(raw, object.metadata.namespace ?? '')
      return delegate?.name === name && delegate.namespace === namespace ? [{ raw, index }] : []
    })
    return routes.length === 0 ? [] : [{ object, routes }]
  })
}

/** Whether an object has the Service's host for callers in the mesh. */
export function hasMeshHost(object: KubeObject, input: MeshInput): boolean {
  const { hosts, gateways } = specOf(object)
  const fqdn = serviceHost(input)
  const isFor = (host: string) => hostCovers(resolvedHost(host, object.metadata.namespace ?? '', input.clusterDomain), fqdn)
  return textsOf(hosts).some(isFor) && isInMesh(textsOf(gateways))
}

const isInMesh = (gateways: readonly string[]): boolean => gateways.length === 0 || gateways.includes('mesh')

/** Whether some caller of a root comes in by a gateway. */
export const isAtGateway = ({ object }: Root): boolean => textsOf(specOf(object)['gateways']).some((gateway) => gateway !== 'mesh')

/** The delegate as it is before anything is pinned: everything to the Service, at the port that the spec names. */
export function bareDelegate(input: MeshInput): KubeObject {
  const { canary, settings } = input
  const port = settings.port === undefined ? {} : { port: { number: settings.port } }
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: settings.delegate ?? '', namespace: canary.namespace, labels: MANAGED_BY },
    spec: { http: [{ name: 'main', route: [{ destination: { host: serviceHost(input), ...port } }] }] },
  }
}
