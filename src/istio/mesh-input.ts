import type { RouteRecord } from '../api/canary.ts'
import type { ObjectMeta } from '../api/object-meta.ts'
import type { Settings } from '../api/settings.ts'

/** A Kubernetes object as raw JSON. */
export type KubeObject = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Partial<ObjectMeta> & { readonly name: string }
  readonly [field: string]: unknown
}

/** Everything that is needed to judge or write the routes of one Canary's Service. */
export type MeshInput = {
  readonly canary: { readonly namespace: string; readonly name: string }
  readonly settings: Settings
  readonly service: KubeObject | undefined
  /** Every VirtualService that could concern the Service, of any namespace; more do no harm. */
  readonly virtualServices: readonly KubeObject[]
  /** Every DestinationRule that could concern the Service, of any namespace; more do no harm. */
  readonly destinationRules: readonly KubeObject[]
  /** HTTPRoutes of the Gateway API. */
  readonly httpRoutes: readonly KubeObject[]
  /** The revisions that have a Deployment, with the labels of their pod templates. */
  readonly revisions: readonly { readonly revision: string; readonly labels: Readonly<Record<string, string>> }[]
  /** The other Canaries whose ledgers are theirs, "namespace/name": what any other left behind in routes to the Service is inherited. */
  readonly others: readonly string[]
  /** What status remembers as managed. */
  readonly records: readonly RouteRecord[]
  /** The stable revision by status; only asked while no ledger is found. */
  readonly stable: string | undefined
  /** Namespace of the rules that hold for the whole mesh, "istio-system". */
  readonly rootNamespace: string
  /** Domain of the cluster's Services, "cluster.local". */
  readonly clusterDomain: string
}
