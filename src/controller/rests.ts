import type { Outcome } from '../runtime/controller.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * What stood there when nothing was to be done for a Canary, and until when that holds by itself. Woken by the echo of
 * an own write, or by a neighbour, it need not think again. Monotonic milliseconds.
 */
export class Rests {
  readonly #rests = new Map<string, { readonly seen: string; readonly untilMs: number }>()

  /** How the rest goes on; undefined when something has changed, or its time is over. */
  still(key: string, seen: string, nowMs: number): Outcome | undefined {
    const rest = this.#rests.get(key)
    const leftMs = (rest?.untilMs ?? 0) - nowMs
    if (rest?.seen === seen && leftMs > 0) return leftMs === Infinity ? { kind: 'done' } : { kind: 'requeue', afterMs: leftMs }
    this.#rests.delete(key)
    return undefined
  }

  begin(key: string, seen: string, { outcome, nowMs }: { readonly outcome: Outcome; readonly nowMs: number }): void {
    this.#rests.set(key, { seen, untilMs: outcome.kind === 'done' ? Infinity : nowMs + outcome.afterMs })
  }

  forget(key: string): void {
    this.#rests.delete(key)
  }
}

/** Every object of a snapshot with its version: equal texts, equal worlds. */
export const versionsIn = ({ canary, service, deployments, pods, virtualServices, destinationRules, httpRoutes, autoscalers, previewServices, actions, others }: Snapshot): string =>
  [canary, ...(service === undefined ? [] : [service]), ...deployments, ...pods, ...virtualServices, ...destinationRules, ...httpRoutes, ...autoscalers, ...previewServices, ...actions]
    .map(({ metadata }) => `${metadata.uid ?? ''}@${metadata.resourceVersion ?? ''}`)
    .concat(others)
    .join(' ')
