import type { KubeObject } from './objects.ts'
import { namespaceOf } from './route-objects.ts'

/** The mesh's root namespace: rules and policies there hold for every namespace. */
export const ROOT_NAMESPACE = 'istio-system'

/** A host as written in an object of `namespace`, in full: Istio completes only names without a dot. */
export const fullHost = (host: string, namespace: string): string =>
  host.includes('.') || host.startsWith('*') ? host.toLowerCase() : serviceHost(host.toLowerCase(), namespace)

/** A Service's name in the mesh. */
export const serviceHost = (name: string, namespace: string): string => `${name}.${namespace}.svc.cluster.local`

/** Every name that may mean `header` to a caller in `namespace`, fullest first. */
export function hostCandidates(header: string, namespace: string): readonly string[] {
  const host = header.replace(/:\d+$/, '').toLowerCase()
  return [serviceHost(host, namespace), `${host}.svc.cluster.local`, `${host}.cluster.local`, host]
}

/** How closely a host pattern fits: Infinity when equal, the pattern's length for a wildcard, -1 for not at all. */
export function hostFit(pattern: string, host: string): number {
  if (pattern === host) return Infinity
  return pattern.startsWith('*') && host.endsWith(pattern.slice(1)) ? pattern.length : -1
}

/** The best of several patterns' fits. */
export const bestFit = (patterns: readonly string[], host: string): number =>
  Math.max(-1, ...patterns.map((pattern) => hostFit(pattern, host)))

/** Whether an object is exported to a namespace; without `exportTo` it is to all. */
export function isVisible(object: KubeObject, exportTo: readonly string[] | undefined, namespace: string): boolean {
  if (exportTo === undefined || exportTo.length === 0) return true
  return exportTo.some(
    (target) => target === '*' || target === namespace || (target === '.' && namespaceOf(object) === namespace),
  )
}
