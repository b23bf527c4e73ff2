import type { KubeObject } from './objects.ts'
import { namespaceOf } from './route-objects.ts'

/** The mesh's root namespace: rules and policies there hold for every namespace. */
export const ROOT_NAMESPACE = 'istio-system'

/** A Service's name in the mesh. */
export const serviceHost = (name: string, namespace: string): string => `${name}.${namespace}.svc.cluster.local`

/** A host as written in an object of `namespace`, in full: Istio completes only names without a dot. */
export const fullHost = (host: string, namespace: string): string =>
  host.includes('.') || host.startsWith('*') ? host.toLowerCase() : serviceHost(host.toLowerCase(), namespace)

/** Every name that may mean `header` to a caller in `namespace`, fullest first. */
export function hostCandidates(header: string, namespace: string): readonly string[] {
  const host = header.replace(/:\d+$/, '').toLowerCase()
  return [serviceHost(host, namespace), `${host}.svc.cluster.local`, `${host}.cluster.local`, host]
}

/** How closely the best of these patterns fits: Infinity when equal, the length of a wildcard, -1 for not at all. */
export const hostFit = (patterns: readonly string[], host: string): number =>
  Math.max(-1, ...patterns.map((pattern) => (pattern === host ? Infinity : wildFit(pattern, host))))

const wildFit = (pattern: string, host: string): number =>
  pattern.startsWith('*') && host.endsWith(pattern.slice(1)) ? pattern.length : -1

/** Those of the objects that fit a host most closely, and at all. */
export function closest<Item>(items: readonly Item[], fitOf: (item: Item) => number): readonly Item[] {
  const fits = items.map(fitOf)
  const best = Math.max(0, ...fits)
  return items.filter((_, index) => fits[index] === best)
}

/** Whether an object is exported to a namespace; without `exportTo` it is to all. */
export const isVisible = (object: KubeObject, exportTo: readonly string[] = [], namespace: string): boolean =>
  exportTo.length === 0 || exportTo.some((target) => ['*', namespace].includes(target === '.' ? namespaceOf(object) : target))
