import { subsetName } from '../../src/istio/subset-name.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'

/** Milliseconds since the epoch; `until` is undefined while it lasts. */
export type Span = { readonly from: number; until: number | undefined }

/** While routes named a version: from the first write that names it to the last that does. */
export type Exposure = Span & { readonly version: string }

const EVERY_POD = ''

/** Takes down, as the API server tells it, which versions the routes of a namespace name, and when nothing covers the host. */
export class RoutesSeen {
  readonly exposures: Exposure[] = []
  /** Times in which no VirtualService covered the host for the mesh: every pod is reached then. */
  readonly uncovered: Span[] = []
  readonly #routes = new Map<string, ReadonlySet<string>>()
  readonly #edge: string
  readonly #versions: () => readonly string[]

  /** `edge`: the VirtualService that is the gateway's alone. */
  constructor(edge: string, versions: () => readonly string[]) {
    this.#edge = edge
    this.#versions = versions
  }

  async watch(transport: Transport, namespace: string, signal: AbortSignal): Promise<void> {
    const path = `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices?watch=1`
    while (!signal.aborted) {
      try {
        const answer = await transport({ method: 'GET', path, timeoutMs: 10_000, signal })
        for await (const line of answer.lines()) if (line !== '') this.#changed(JSON.parse(line) as { type: string; object: KubeObject })
      } catch {
        await systemClock.sleep(100)
      }
    }
  }

  #changed({ type, object: { metadata, spec } }: { type: string; object: KubeObject }): void {
    if (type === 'DELETED') this.#routes.delete(metadata.name)
    else this.#routes.set(metadata.name, subsetsOf(spec))
    const now = Date.now()
    const inMesh = [...this.#routes.keys()].filter((name) => name !== this.#edge)
    const all = new Set([...this.#routes.values()].flatMap((subsets) => [...subsets]))
    // A route without a subset, and no VirtualService at all, lead to every pod.
    noteSpan(this.uncovered, {}, inMesh.length === 0 || all.has(EVERY_POD), now)
    for (const version of this.#versions()) {
      const its = this.exposures.filter((exposure) => exposure.version === version)
      const known = its.length
      noteSpan(its, { version }, all.has(subsetName(version)), now)
      this.exposures.push(...its.slice(known))
    }
  }
}

/** Begins a span, or ends the one that is open. */
function noteSpan<T extends object>(spans: (T & Span)[], about: T, is: boolean, now: number): void {
  const last = spans.at(-1)
  const open = last !== undefined && last.until === undefined
  if (is && !open) spans.push({ ...about, from: now, until: undefined })
  if (!is && open) last.until = now
}

/** The subsets that answer users: a mirror's answers are thrown away. */
function subsetsOf(spec: unknown): ReadonlySet<string> {
  const { http = [] } = spec as { http?: readonly { route?: readonly { destination: { subset?: string } }[] }[] }
  return new Set(http.flatMap(({ route = [] }) => route.map(({ destination }) => destination.subset ?? EVERY_POD)))
}
