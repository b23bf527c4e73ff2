import type { MeshInput } from './mesh-input.ts'

/** The host as Istio reads it in an object of `namespace`: only a name without a dot is short. */
export const resolvedHost = (host: string, namespace: string, clusterDomain: string): string =>
  host === '*' || host === '' || host.includes('.') ? host : `${host}.${namespace}.svc.${clusterDomain}`

/** Whether a resolved host, or a wildcard such as "*.test.svc.cluster.local", takes in `fqdn`. */
export const hostCovers = (host: string, fqdn: string): boolean =>
  host.startsWith('*') ? fqdn.endsWith(host.slice(1)) : host === fqdn

/** The full name of the Canary's Service. */
export const serviceHost = (of: Pick<MeshInput, 'canary' | 'settings' | 'clusterDomain'>): string =>
  resolvedHost(of.settings.service, of.canary.namespace, of.clusterDomain)
