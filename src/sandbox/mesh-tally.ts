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
export class MeshTally {
  readonly #services = new Map<string, Map<string, VersionTally>>()

  /** Counts an answer, or (`mirrored`) the answer to a copy. */
  count(service: string, to: Pick<VersionTally, 'version' | 'workload'>, status: number, mirrored = false): void {
    const { version, workload } = to
    const versions = this.#services.get(service) ?? new Map<string, VersionTally>()
    this.#services.set(service, versions)
    const key = `${workload} ${version}`
    const known = versions.get(key) ?? { version, workload, requests: 0, errors: 0, mirrored: 0, mirroredErrors: 0 }
    const [total, errors] = mirrored ? (['mirrored', 'mirroredErrors'] as const) : (['requests', 'errors'] as const)
    versions.set(key, { ...known, [total]: known[total] + 1, [errors]: known[errors] + (status >= 500 ? 1 : 0) })
  }

  /** By the Service's full name, in order of appearance; "unknown" is what no pod answered. */
  of(service: string): readonly VersionTally[] {
    return [...(this.#services.get(service)?.values() ?? [])]
  }
}
