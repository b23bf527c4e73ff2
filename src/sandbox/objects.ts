/** Any Kubernetes object, as JSON. */
export type KubeObject = {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  [field: string]: unknown
}

/** The part of ObjectMeta that the sandbox itself reads or writes. */
export type ObjectMeta = {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[]
  [field: string]: unknown
}

/** Plural name, a dot and the API group ("deployments.apps"); the plural alone for the core group ("pods"). */
export type ResourceName = string

export type StoreEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: ResourceName
  readonly object: KubeObject
}

/** What the mesh and the screens may see of the cluster: reads and a feed of changes, never a write. */
export type ClusterReader = {
  readonly list: (resource: ResourceName, namespace?: string) => readonly KubeObject[]
  readonly get: (resource: ResourceName, namespace: string, name: string) => KubeObject | undefined
  /** Calls back after every change, in order; returns the way to stop it. */
  readonly subscribe: (listener: (event: StoreEvent) => void) => () => void
}

/** What runs a pod's containers: real HTTP processes in the demo, plain functions in tests. */
export type PodRuntime = {
  /** Resolves once the pod runs; the cluster then marks it Ready, unless its readiness check fails. Rejects where it never will. */
  readonly start: (pod: KubeObject) => Promise<{ readonly ip: string; readonly ready?: boolean }>
  /** Ends the pod's containers. */
  readonly stop: (pod: KubeObject) => Promise<void>
}
