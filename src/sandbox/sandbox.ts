import type { Clock } from '../runtime/clock.ts'
import { createCluster, type Cluster } from './cluster.ts'
import { createMesh, type Mesh } from './mesh.ts'
import { createPrometheusApi, type PrometheusApi } from './metrics/prometheus-api.ts'
import { createTsdb } from './metrics/tsdb.ts'
import type { ClusterReader, KubeObject } from './objects.ts'
import { createPodRuntime, type PodMode } from './pod-runtime.ts'

export type SandboxOptions = {
  readonly clock: Clock
  readonly seed: number
  /** Pods as servers on loopback ports, or as functions for tests in virtual time. */
  readonly mode: PodMode
  /** From a pod's creation to its first answer, milliseconds; default 300. */
  readonly podStartMs?: number
  /** Between two scrapes of Prometheus, milliseconds; default 1 s. */
  readonly scrapeMs?: number
  /** Told, in a sentence, of every object that asks for what the mesh does not do. */
  readonly onUnsupported?: (sentence: string, object: KubeObject) => void
}

/** A cluster, its mesh and a Prometheus that scrapes it, in this process. */
export type Sandbox = {
  readonly cluster: Cluster
  readonly mesh: Mesh
  readonly prometheus: PrometheusApi
  /** Scrapes until the signal aborts; then every pod and watch ends. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Puts the stand-ins together: the mesh follows the cluster, the cluster's pods run behind the mesh. */
export function createSandbox({ clock, seed, mode, podStartMs, scrapeMs, onUnsupported }: SandboxOptions): Sandbox {
  const parts: { mesh?: Mesh; pods?: ReturnType<typeof createPodRuntime> } = {}
  const pods = () => {
    if (parts.pods === undefined) throw new Error('a pod was started before the mesh was there')
    return parts.pods
  }
  const cluster = createCluster({ clock, seed, runtime: { start: (pod) => pods().start(pod), stop: (pod) => pods().stop(pod) } })
  const reader: ClusterReader = cluster.reader
  const mesh = createMesh({ clock, seed, cluster: reader, ...(onUnsupported === undefined ? {} : { onUnsupported }) })
  parts.pods = createPodRuntime({ clock, mesh, mode, ...(podStartMs === undefined ? {} : { startMs: podStartMs }) })
  const tsdb = createTsdb({ clock, targets: mesh.targets, ...(scrapeMs === undefined ? {} : { intervalMs: scrapeMs }) })
  return {
    cluster,
    mesh,
    prometheus: createPrometheusApi({ clock, tsdb }),
    run: async (signal) => {
      await tsdb.run(signal)
      pods().stopAll()
      mesh.stop()
      cluster.close()
    },
  }
}
