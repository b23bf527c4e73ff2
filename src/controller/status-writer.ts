import type { Canary, CanaryStatus } from '../api/canary.ts'
import { MINOR_MS, statusChange } from '../canary/status-change.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import { idOf } from './writes.ts'
import type { OwnWrites } from './own-writes.ts'
import { prunedAs } from './prune.ts'

export type StatusWriterDeps = { readonly client: KubernetesClient; readonly clock: Clock; readonly writes: OwnWrites }

/** Writes status through its subresource, guarded by what was read, and only where it says something new. */
export class StatusWriter {
  readonly #deps: StatusWriterDeps
  readonly #last = new Map<string, { readonly status: CanaryStatus; readonly atMs: number }>()

  constructor(deps: StatusWriterDeps) {
    this.#deps = deps
  }

  /** Returns after how many milliseconds a change that was put off should be looked at again; undefined when none was. */
  async write(canary: Canary, status: CanaryStatus, signal: AbortSignal): Promise<number | undefined> {
    const { clock, client, writes } = this.#deps
    const { metadata } = canary
    const key = `${metadata.namespace}/${metadata.name}`
    const next = stampedWith(status, metadata.generation)
    const change = statusChange(canary.status, next)
    if (change === 'none') return undefined
    const last = this.#last.get(key)
    const restMs = (last?.atMs ?? -Infinity) + MINOR_MS - clock.monotonic()
    // Another leader has seen other evidence: without this, each would correct the other without end.
    const isSaidAgain = () => last !== undefined && statusChange(last.status, next) !== 'major'
    if (restMs > 0 && (change === 'minor' || isSaidAgain())) return restMs
    const body = { metadata: { uid: metadata.uid, resourceVersion: metadata.resourceVersion }, status: mergeable(canary.status, next) }
    const written = await client.mergePatch(resources.canaries, key, body, { subresource: 'status', signal })
    writes.wrote(idOf(resources.canaries, key), prunedAs(resources.canaries, written), clock.monotonic())
    this.#last.set(key, { status: next, atMs: clock.monotonic() })
    return undefined
  }

  forget(key: string): void {
    this.#last.delete(key)
  }
}

function stampedWith(status: CanaryStatus, generation: number | undefined): CanaryStatus {
  if (generation === undefined) return status
  return { ...status, observedGeneration: generation, conditions: status.conditions.map((condition) => ({ ...condition, observedGeneration: generation })) }
}

/** In a merge patch what is gone must be named with null, at every depth that may lose members. */
function mergeable(before: unknown, after: unknown): unknown {
  if (!isRecord(before) || !isRecord(after)) return after
  const gone = Object.keys(before).filter((key) => after[key] === undefined).map((key) => [key, null] as const)
  const kept = Object.entries(after).filter(([, value]) => value !== undefined).map(([key, value]) => [key, mergeable(before[key], value)] as const)
  return Object.fromEntries([...gone, ...kept])
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
