import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'

/** What the operator asks the API server for. */
export type RequestKind = 'live read' | 'VirtualService' | 'DestinationRule' | 'Deployment' | 'status' | 'event' | 'list' | 'watch' | 'CRD'

/** As the API server names what is asked of it: get, list, watch, create, patch, update, delete. */
export type Verb = string

export type Request = { readonly atMs: number; readonly kind: RequestKind; readonly verb: Verb; readonly canary: string }

/** A request as it came in: its path with the query, and what else may name the object. */
export type Asked = { readonly userAgent: string; readonly verb: Verb; readonly path: string; readonly name: string }

/** A change of one Canary's objects, as the API server stored it. */
export type Fact =
  | { readonly kind: 'deployed' | 'ready' | 'subset'; readonly atMs: number; readonly version: string }
  /** Share of the newest version that is routed to, percent; 0 when stable takes everything. */
  | { readonly kind: 'route'; readonly atMs: number; readonly version: string; readonly weight: number }
  | { readonly kind: 'phase'; readonly atMs: number; readonly phase: string }

/** Everything that happened, with the time at which the API server received or stored it (this process's monotonic milliseconds). */
export class Journal {
  readonly requests: Request[] = []
  readonly #facts = new Map<string, Fact[]>()

  /** Takes note of a request of the operator's; of others not. */
  asked(request: Asked, atMs: number): void {
    if (request.userAgent === 'serin') this.requests.push({ atMs, ...classified(request) })
  }

  /** A Deployment was stored. */
  deployed(name: string, atMs: number): void {
    this.#note(name, { kind: 'deployed', atMs, version: versionIn(name) })
  }

  /** A pod of a Deployment's was marked ready. */
  ready(pod: string, atMs: number): void {
    const [deployment = ''] = /^web-\d+-v\d+/.exec(pod) ?? []
    this.#note(pod, { kind: 'ready', atMs, version: versionIn(deployment) })
  }

  /** An object of one of the kinds that tell what users meet was stored. */
  stored({ type, resource, object }: StoreEvent, atMs: number): void {
    if (resource === 'destinationrules.networking.istio.io' && type !== 'DELETED') this.#subsets(object, atMs)
    if (resource === 'virtualservices.networking.istio.io' && type === 'MODIFIED') this.#route(object, atMs)
    if (resource === 'canaries.serin.dev') this.#phase(object, atMs)
  }

  factsOf(canary: string): readonly Fact[] {
    return this.#facts.get(canary) ?? []
  }

  phaseOf(canary: string): string | undefined {
    return this.factsOf(canary).findLast((fact) => fact.kind === 'phase')?.phase
  }

  #note(name: string, fact: Fact): void {
    const canary = canaryIn(name)
    const known = this.#facts.get(canary)
    if (known === undefined) this.#facts.set(canary, [fact])
    else known.push(fact)
  }

  #subsets(object: KubeObject, atMs: number): void {
    const { subsets = [] } = object['spec'] as { readonly subsets?: readonly { readonly name: string }[] }
    const known = this.factsOf(canaryIn(object.metadata.name)).flatMap((fact) => (fact.kind === 'subset' ? [fact.version] : []))
    for (const { name } of subsets) if (!known.includes(versionIn(name))) this.#note(object.metadata.name, { kind: 'subset', atMs, version: versionIn(name) })
  }

  #route(object: KubeObject, atMs: number): void {
    const { http } = object['spec'] as { readonly http: readonly { readonly route: readonly Destination[] }[] }
    const route = http.at(-1)?.route ?? []
    const newest = route.toSorted((a, b) => (versionIn(a.destination.subset ?? '') < versionIn(b.destination.subset ?? '') ? 1 : -1))[0]
    const [weight, version] = [route.length === 1 ? 0 : (newest?.weight ?? 0), versionIn(newest?.destination.subset ?? '')]
    const before = this.factsOf(object.metadata.name).findLast((fact) => fact.kind === 'route')
    if (before?.weight !== weight || before.version !== version) this.#note(object.metadata.name, { kind: 'route', atMs, version, weight })
  }

  #phase(object: KubeObject, atMs: number): void {
    const { phase = '' } = (object['status'] ?? {}) as { readonly phase?: string }
    if (phase !== '' && phase !== this.phaseOf(object.metadata.name)) this.#note(object.metadata.name, { kind: 'phase', atMs, phase })
  }
}

type Destination = { readonly destination: { readonly subset?: string }; readonly weight?: number }

const PATTERNS: readonly (readonly [RequestKind, RegExp])[] = [
  ['watch', /^watch /],
  ['CRD', /\/customresourcedefinitions\//],
  ['list', /^list /],
  ['live read', /^get /],
  ['status', /\/status$/],
  ['event', /\/events/],
  ['VirtualService', /\/virtualservices/],
  ['DestinationRule', /\/destinationrules/],
  ['Deployment', /\/deployments/],
]

function classified({ verb, path, name }: Asked): Omit<Request, 'atMs'> {
  const line = `${verb} ${path}`
  const kind = PATTERNS.find(([, pattern]) => pattern.test(line))?.[0]
  if (kind === undefined) throw new Error(`what is ${line}?`)
  return { kind, verb, canary: canaryIn(`${path} ${name}`) }
}

/** Every object of a Canary's carries its name, "web-7". */
const canaryIn = (text: string): string => /web-\d+/.exec(text)?.[0] ?? ''

const versionIn = (text: string): string => /v\d+$/.exec(text)?.[0] ?? ''
