import type { Ledger } from '../src/canary/ledger.ts'
import type { Clock } from '../src/runtime/clock.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../src/sandbox/objects.ts'

const VIRTUAL_SERVICES = 'virtualservices.networking.istio.io'

type Destination = { readonly subset?: string }
type Route = {
  readonly route?: readonly { readonly destination?: Destination; readonly weight?: number }[]
  readonly mirror?: Destination
  readonly mirrors?: readonly { readonly destination?: Destination }[]
}

/** Watches every change of the cluster, as it happens, for what must never be. */
export class Oracle {
  readonly violations: string[] = []
  /** Every exposure that stood, in order: "v2 0", revision and step. */
  readonly exposures: string[] = []
  readonly #clock: Clock
  readonly #standing = new Map<string, Ledger | undefined>()
  readonly #steps: number | undefined

  constructor(reader: ClusterReader, clock: Clock, steps?: number) {
    this.#clock = clock
    this.#steps = steps
    reader.subscribe((event) => this.#seen(event))
  }

  /** What a VirtualService gives to the canary now, by its ledger. */
  exposed(name: string): Ledger['exposure'] {
    return [...this.#standing.entries()].find(([key]) => key.startsWith(`${name} `))?.[1]?.exposure
  }

  #seen({ type, resource, object }: StoreEvent): void {
    if (resource !== VIRTUAL_SERVICES) return
    const { name, uid = '' } = object.metadata
    const key = `${name} ${uid}`
    const before = this.#standing.get(key)
    const after = type === 'DELETED' ? undefined : ledgerOf(object)
    this.#standing.delete(key)
    if (type !== 'DELETED') this.#standing.set(key, after)
    if (after === undefined) return
    this.#check(name, object, after, before)
  }

  #check(name: string, object: KubeObject, after: Ledger, before: Ledger | undefined): void {
    const exposed = namedSubsets(object)
    for (const [revision, { hash }] of Object.entries(after.failed)) {
      if (exposed.includes(`serin-${revision}`)) this.#broken(`${name} names ${revision}, which failed (${hash})`)
    }
    for (const subset of exposed) {
      const revision = subset.replace(/^serin-/, '')
      if (subset.startsWith('serin-') && after.open[revision] === undefined) this.#broken(`${name} names ${revision}, which is not open`)
    }
    const [from, to] = [before?.exposure, after.exposure]
    if (to !== undefined && `${to.revision} ${to.step}` !== this.exposures.at(-1)) this.exposures.push(`${to.revision} ${to.step}`)
    const last = from?.revision === to?.revision && from?.plan === to?.plan ? (from?.step ?? -1) : -1
    const allAtOnce = before !== undefined && to?.step === this.#steps
    if (to !== undefined && to.step > last + 1 && !allAtOnce) this.#broken(`${name} went from step ${last} to ${to.step} of ${to.revision}`)
    if (before !== undefined && after.promotions < before.promotions) this.#broken(`${name} forgot a promotion`)
    if (before !== undefined && after.stable !== before.stable && from?.revision !== after.stable) this.#broken(`${name} made ${after.stable} stable, which was not exposed`)
  }

  #broken(what: string): void {
    this.violations.push(`${this.#clock.monotonic()} ms: ${what}`)
  }
}

/** What stands in the annotation. */
export const ledgerOf = ({ metadata }: KubeObject): Ledger | undefined => {
  const text = metadata.annotations?.['serin.dev/ledger']
  return text === undefined ? undefined : (JSON.parse(text) as Ledger)
}

/** Every subset that a VirtualService sends or copies requests to. */
export function namedSubsets(object: KubeObject): readonly string[] {
  const routes = (object['spec'] as { http?: readonly Route[] }).http ?? []
  const destinations = routes.flatMap(({ route = [], mirror, mirrors = [] }) => [...route.map(({ destination }) => destination), mirror, ...mirrors.map(({ destination }) => destination)])
  return [...new Set(destinations.flatMap((destination) => destination?.subset ?? []))].sort()
}
