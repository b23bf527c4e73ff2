/** What was asked of one version, and how much of it failed (5xx or no answer). */
export type VersionTally = {
  readonly version: string
  readonly workload: string
  /** Answers users saw. */
  readonly requests: number
  readonly errors: number
  /** Copies whose answers nobody saw. */
  readonly mirrored: number
  readonly mirroredErrors: number
}

/** Running counts per Service and version, for screens. */
export type MeshTally = {
  readonly count: (
    service: string,
    to: { readonly version: string; readonly workload: string },
    outcome: { readonly status: number; readonly mirrored: boolean },
  ) => void
  /** By the Service's full name, in order of appearance; "unknown" is what no pod answered. */
  readonly of: (service: string) => readonly VersionTally[]
}

/** Empty counts. */
export function createMeshTally(): MeshTally {
  const services = new Map<string, Map<string, VersionTally>>()
  return {
    count(service, { version, workload }, { status, mirrored }) {
      const versions = services.get(service) ?? new Map<string, VersionTally>()
      services.set(service, versions)
      const key = `${workload} ${version}`
      const old = versions.get(key) ?? { version, workload, requests: 0, errors: 0, mirrored: 0, mirroredErrors: 0 }
      const error = status >= 500 ? 1 : 0
      versions.set(
        key,
        mirrored
          ? { ...old, mirrored: old.mirrored + 1, mirroredErrors: old.mirroredErrors + error }
          : { ...old, requests: old.requests + 1, errors: old.errors + error },
      )
    },
    of: (service) => [...(services.get(service)?.values() ?? [])],
  }
}
