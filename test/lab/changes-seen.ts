import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'

/** One state of an object, and when the watch told of it: milliseconds since the epoch. */
export type Change = { readonly at: number; readonly type: string; readonly object: KubeObject }

/** Takes down every state of a kind's objects in one namespace, as the API server tells it. */
export class ChangesSeen {
  readonly all: Change[] = []
  readonly #known = new Set<string>()

  /** `kind`: "group/version". */
  async watch(transport: Transport, { kind, namespace, plural }: { readonly kind: string; readonly namespace: string; readonly plural: string }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const answer = await transport({ method: 'GET', path: `/apis/${kind}/namespaces/${namespace}/${plural}?watch=1`, timeoutMs: 10_000, signal })
        for await (const line of answer.lines()) if (line !== '') this.#note(JSON.parse(line) as Omit<Change, 'at'>)
      } catch {
        await systemClock.sleep(100)
      }
    }
  }

  /** States of one object since then, the one that stood then first. */
  of(name: string, from = 0): readonly Change[] {
    const its = this.all.filter(({ object }) => object.metadata.name === name)
    const later = its.findIndex(({ at }) => at > from)
    return later < 0 ? its.slice(-1) : its.slice(Math.max(0, later - 1))
  }

  /** The same, but only where its spec had changed, without the first. */
  writes(name: string, from: number): readonly Change[] {
    const generation = ({ object }: Change) => object.metadata.generation
    return this.of(name, from).filter((change, index, its) => index > 0 && generation(change) !== generation(its[index - 1] ?? change))
  }

  /** A watch that begins anew tells of what it has told already. */
  #note({ type, object }: Omit<Change, 'at'>): void {
    const key = `${type === 'DELETED' ? type : ''} ${object.metadata.uid ?? ''} ${object.metadata.resourceVersion ?? ''}`
    if (this.#known.has(key)) return
    this.#known.add(key)
    this.all.push({ at: Date.now(), type, object })
  }
}
