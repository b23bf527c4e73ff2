import type { ApiRequest } from '../../src/sandbox/requests.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'

/** What the operator asks the API server for. */
export type RequestKind = 'live read' | 'VirtualService' | 'DestinationRule' | 'Deployment' | 'status' | 'event' | 'list' | 'watch' | 'CRD'

export type Request = { readonly atMs: number; readonly kind: RequestKind; readonly canary: string }

/** A change of one Canary's objects, as the API server stored it. */
export type Fact =
  | { readonly kind: 'deployed' | 'subset'; readonly atMs: number; readonly version: string }
  /** Share of the newest version that is routed to, percent; 0 when stable takes everything. */
  | { readonly kind: 'route'; readonly atMs: number; readonly version: string; readonly weight: number }
  | { readonly kind: 'phase'; readonly atMs: number; readonly phase: string }

/** Everything that happened, with the time at which the API server received or stored it (monotonic milliseconds). */
export class Journal {
  readonly requests: Request[] = []
  readonly #facts = new Map<string, Fact[]>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Takes note of a request of the operator's; of others not. */
  asked(request: ApiRequest): void {
    if (request.headers['user-agent'] === 'serin') this.requests.push({ atMs: this.#now(), ...classified(request) })
  }

  stored({ type, resource, object }: StoreEvent): void {
    const atMs = this.#now()
    if (type === 'ADDED' && resource === 'deployments.apps') this.#note(object, { kind: 'deployed', atMs, version: object.metadata.labels?.['app'] === undefined ? '' : versionIn(object.metadata.name) })
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

  #note({ metadata }: KubeObject, fact: Fact): void {
    const canary = canaryIn(metadata.name)
    const known = this.#facts.get(canary)
    if (known === undefined) this.#facts.set(canary, [fact])
    else known.push(fact)
  }

  #subsets(object: KubeObject, atMs: number): void {
    const { subsets = [] } = object['spec'] as { readonly subsets?: readonly { readonly name: string }[] }
    const known = this.factsOf(canaryIn(object.metadata.name)).flatMap((fact) => (fact.kind === 'subset' ? [fact.version] : []))
    for (const { name } of subsets) if (!known.includes(versionIn(name))) this.#note(object, { kind: 'subset', atMs, version: versionIn(name) })
  }

  #route(object: KubeObject, atMs: number): void {
    const { http } = object['spec'] as { readonly http: readonly { readonly route: readonly Destination[] }[] }
    const route = http.at(-1)?.route ?? []
    const newest = route.toSorted((a, b) => (versionIn(a.destination.subset ?? '') < versionIn(b.destination.subset ?? '') ? 1 : -1))[0]
    const [weight, version] = [route.length === 1 ? 0 : (newest?.weight ?? 0), versionIn(newest?.destination.subset ?? '')]
    const before = this.factsOf(object.metadata.name).findLast((fact) => fact.kind === 'route')
    if (before?.weight !== weight || before.version !== version) this.#note(object, { kind: 'route', atMs, version, weight })
  }

  #phase(object: KubeObject, atMs: number): void {
    const { phase = '' } = (object['status'] ?? {}) as { readonly phase?: string }
    if (phase !== '' && phase !== this.phaseOf(object.metadata.name)) this.#note(object, { kind: 'phase', atMs, phase })
  }
}

type Destination = { readonly destination: { readonly subset?: string }; readonly weight?: number }

const PATTERNS: readonly (readonly [RequestKind, RegExp])[] = [
  ['watch', /[?&]watch=1/],
  ['CRD', /\/customresourcedefinitions\//],
  ['list', /[?&]limit=/],
  ['live read', /^GET /],
  ['status', /\/status$/],
  ['event', /\/events/],
  ['VirtualService', /\/virtualservices/],
  ['DestinationRule', /\/destinationrules/],
  ['Deployment', /\/deployments/],
]

function classified({ method, path, body }: ApiRequest): Pick<Request, 'kind' | 'canary'> {
  const line = `${method} ${path}`
  const kind = PATTERNS.find(([, pattern]) => pattern.test(line))?.[0]
  if (kind === undefined) throw new Error(`what is ${line}?`)
  return { kind, canary: canaryIn(kind === 'event' ? body : path) }
}

/** Every object of a Canary's carries its name, "web-7". */
const canaryIn = (text: string): string => /web-\d+/.exec(text)?.[0] ?? ''

const versionIn = (text: string): string => /v\d+$/.exec(text)?.[0] ?? ''
