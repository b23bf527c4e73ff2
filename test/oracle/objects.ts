import type { CanaryStatus } from '../../src/api/canary.ts'
import { parseCanary } from '../../src/api/parse.ts'
import { settingsOf, type Settings } from '../../src/api/settings.ts'
import type { Ledger } from '../../src/canary/ledger.ts'
import { templateHash } from '../../src/canary/template-hash.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'

/** What the oracle reads out of single objects: nothing here judges. */
type Destination = { readonly host?: string; readonly subset?: string }
type Route = {
  readonly route?: readonly { readonly destination?: Destination }[]
  readonly mirror?: Destination
  readonly mirrors?: readonly { readonly destination?: Destination }[]
}

/** How the subsets that Serin makes begin. */
export const OURS = 'serin-'

/** The waits of a Canary that says nothing of them, milliseconds. */
export const DEFAULTS = { propagationMs: 15_000, drainMs: 30_000 }

/** What stands in the annotation. */
export const ledgerOf = ({ metadata }: KubeObject): Ledger | undefined => {
  const text = metadata.annotations?.['serin.dev/ledger']
  return text === undefined ? undefined : (JSON.parse(text) as Ledger)
}

const routesOf = ({ spec }: KubeObject): readonly Route[] => (spec as { http?: readonly Route[] }).http ?? []

/** Whether some route of a VirtualService reaches every pod of this Service; of any, where none is given. */
export const reachesEveryPod = (object: KubeObject, service?: string): boolean =>
  routesOf(object).some(({ route = [] }) => route.some(({ destination = {} }) =>
    destination.subset === undefined && (service === undefined || isOf(service, destination.host ?? '', object.metadata.namespace ?? ''))))

const isOf = (service: string, host: string, namespace: string): boolean =>
  [service, `${service}.${namespace}`, `${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`].includes(host)

/** Every subset that a VirtualService sends or copies requests to. */
export function namedSubsets(object: KubeObject): readonly string[] {
  const destinations = routesOf(object).flatMap(({ route = [], mirror, mirrors = [] }) => [...route.map(({ destination }) => destination), mirror, ...mirrors.map(({ destination }) => destination)])
  return [...new Set(destinations.flatMap((destination) => destination?.subset ?? []))].sort()
}

/** The subsets that a DestinationRule defines. */
export const subsetsOf = ({ spec }: KubeObject): readonly string[] =>
  ((spec as { subsets?: readonly { name: string }[] }).subsets ?? []).map(({ name }) => name)

/** How many pods a Deployment asks for. */
export const sizeOf = ({ spec }: KubeObject): number => (spec as { replicas?: number }).replicas ?? 1

/** What a Canary asks for, with every default; undefined where that cannot be read. */
export function settingsIn(object: KubeObject): Settings | undefined {
  const parsed = parseCanary(object)
  return parsed.ok ? settingsOf(parsed.canary.spec, DEFAULTS) : undefined
}

/** The status of a Canary. */
export const statusIn = (object: KubeObject | undefined): CanaryStatus | undefined => object?.['status'] as CanaryStatus | undefined

/** Somebody asked for less than all steps. */
export function isSkipped(object: KubeObject): boolean {
  const { rollout } = statusIn(object) ?? {}
  return (rollout?.skips?.length ?? 0) > 0 || rollout?.analysisSkipped !== undefined || (object['spec'] as { skipAnalysis?: boolean }).skipAnalysis === true
}

/** One object for all of its life. */
export const idOf = ({ resource, object }: Pick<StoreEvent, 'resource' | 'object'>): string => `${resource} ${object.metadata.uid ?? ''}`

/** The version that a Deployment's pods are labelled with. */
export const versionOf = ({ spec }: KubeObject): string | undefined =>
  (spec as { template?: { metadata?: { labels?: Record<string, string> } } }).template?.metadata?.labels?.['version']

/** A Deployment of what users call, not of who calls. */
export const isServing = ({ metadata }: KubeObject): boolean => metadata.labels?.['app'] !== 'caller'

/** What a version runs, by its template; what a target's revision runs is its name, as long as it is as it was made. */
export function contentOf({ metadata, spec }: KubeObject): string {
  const { template } = spec as { template: unknown }
  const [made, ...ignored] = metadata.annotations?.['serin.dev/made']?.split(' ') ?? []
  return made === templateHash(template, ignored) ? (metadata.labels?.['serin.dev/revision'] ?? '') : templateHash(template)
}

/** "deployments/web-v2": what a request writes. */
export function writtenName(path: string, body: string): string {
  const [, plural = '', name] = /\/namespaces\/[^/]+\/([^/?]+)(?:\/([^/?]+))?/.exec(path) ?? []
  return `${plural}/${name ?? (JSON.parse(body === '' ? '{}' : body) as { metadata?: { name?: string } }).metadata?.name ?? ''}`
}
