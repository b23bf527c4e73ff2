import { createCluster, type Cluster } from './cluster.ts'
import { Mesh, type MeshOptions } from './mesh.ts'
import { createPrometheusApi, type PrometheusApi } from './metrics/prometheus-api.ts'
import type { PodRuntime } from './objects.ts'
import { createPodRuntime, type PodMode } from './pod-runtime.ts'

export type SandboxOptions = Pick<MeshOptions, 'clock' | 'seed' | 'scrapeMs' | 'onUnsupported'> & {
  /** Pods as servers on loopback ports, or as functions for tests in virtual time. */
  readonly mode: PodMode
  /** From a pod's creation to its first answer, milliseconds; default 300. */
  readonly podStartMs?: number
}

/** A cluster, its mesh and a Prometheus that scrapes it, in this process. */
export type Sandbox = {
  readonly cluster: Cluster
  readonly mesh: Mesh
  readonly prometheus: PrometheusApi
  /** Resolves once the signal has aborted and every pod and watch has ended. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Puts the stand-ins together: the mesh follows the cluster, the cluster's pods run behind the mesh. */
export function createSandbox({ mode, podStartMs, ...options }: SandboxOptions): Sandbox {
  const { clock, seed } = options
  const runtime: PodRuntime = { start: (pod) => pods.start(pod), stop: (pod) => pods.stop(pod) }
  const cluster = createCluster({ clock, seed, runtime })
  const mesh = new Mesh({ ...options, cluster: cluster.reader })
  const pods = createPodRuntime({ clock, mesh, mode, startMs: podStartMs })
  return {
    cluster,
    mesh,
    prometheus: createPrometheusApi(clock, (atMs) => mesh.samples(atMs)),
    run: async (signal) => {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      pods.stopAll()
      mesh.stop()
      cluster.close()
    },
  }
}
