import { hashOfTargetsPods } from '../../src/canary/targets-pods.ts'
import { isOlder } from '../../src/controller/own-writes.ts'
import type { Transport, TransportRequest, TransportResponse } from '../../src/runtime/transport.ts'
import { questionOf, verdictOf, type Question, type Verdict } from './answers.ts'
import { ledgerOf } from './objects.ts'
import * as laws from './pass-laws.ts'
import { carriedBy, isLook, isServing, placeOf, writeOf, type Act, type Place, type Write } from './requests.ts'
import type { Rollbacks } from './rollbacks.ts'
import type { Routes } from './routes.ts'
import type { Scene } from './scene.ts'

type Surroundings = { readonly scene: Scene; readonly routes: Routes; readonly rollbacks: Rollbacks }

/** What an answer of the server may be, and still be one: the object, none, or nobody's business (of what is of the cluster). */
const isAnswer = (path: string, status: number): boolean => status === 200 || status === 404 || (status === 403 && /\/(namespaces|customresourcedefinitions)\/[^/]+$/.test(path))

/** Slower than this, and what waits for the answer may come late, milliseconds. */
const SLOW_MS = 250

/** Posted, or read, beside the passes: none of these may hold a rollback up. */
const APART = /\/(events|configmaps|secrets)(\/|$)/

/** Hears what one operator asks and is told, and holds what it sends against that (S9, S11, S15). */
export class Witness {
  readonly #surroundings: Surroundings
  /** Path → its newest read in this pass. */
  readonly #reads = new Map<string, laws.Read>()
  /** uid → the newest version that the server told of. */
  readonly #versions = new Map<string, string>()
  /** uid of what it wrote itself. */
  readonly #written = new Set<string>()
  readonly #answers = new Map<Question, { readonly askedMs: number; readonly verdict: Verdict }>()
  /** Since Prometheus answered last; undefined while something else was under way then. */
  #sent: string[] | undefined
  #pending = 0
  /** When the last slow request ended. */
  #slowMs: number

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#slowMs = surroundings.scene.now
  }

  /** Between an operator and the API server. */
  kubernetes(transport: Transport): Transport {
    return async (request) => {
      const { method, path } = request
      if (path.includes('/leases') || (method === 'GET' && !isLook(request))) return transport(request)
      this.#judge(request)
      const askedMs = this.#now
      const isWaitedFor = !APART.test(path)
      if (isWaitedFor) this.#pending++
      try {
        const response = await transport(request)
        this.#answered(request, askedMs, response.status)
        return heard(response, (text) => this.#told(request, response.status, text))
      } catch (thrown) {
        this.#answered(request, askedMs, 0)
        throw thrown
      } finally {
        if (isWaitedFor) this.#pending--
        if (isWaitedFor && this.#now - askedMs > SLOW_MS) this.#slowMs = this.#now
      }
    }
  }

  /** Between an operator and Prometheus. */
  prometheus(transport: Transport): Transport {
    return async (request) => {
      const question = questionOf(request.path, request.body)
      const askedMs = this.#now
      const tell = (verdict: Verdict) => {
        if (question !== undefined) this.#answers.set(question, { askedMs, verdict })
        this.#sent = this.#pending > 0 ? undefined : []
      }
      try {
        const response = await transport(request)
        return heard(response, (text) => tell(verdictOf(response.status, text)))
      } catch (thrown) {
        tell('error')
        throw thrown
      }
    }
  }

  get #now(): number {
    return this.#surroundings.scene.now
  }

  /** What is read is unknown until the whole answer is in; a write that was taken ends the pass. */
  #answered({ method, path }: TransportRequest, askedMs: number, status: number): void {
    if (method === 'GET') this.#reads.set(path, { askedMs, atMs: this.#now, isAnswered: false })
    else if (status >= 200 && status < 300 && isServing(placeOf(path)?.plural)) this.#reads.clear()
  }

  #told({ method, path }: TransportRequest, status: number, text: string): void {
    const read = this.#reads.get(path)
    if (method === 'GET' && read !== undefined) this.#reads.set(path, { ...read, isAnswered: isAnswer(path, status) })
    const { uid, resourceVersion } = status < 300 ? carriedBy(parsed(text)) : {}
    if (uid !== undefined && method !== 'GET') this.#written.add(uid)
    if (uid !== undefined && resourceVersion !== undefined && !isOlder(resourceVersion, this.#versions.get(uid) ?? '0')) this.#versions.set(uid, resourceVersion)
  }

  #judge(request: TransportRequest): void {
    const { method, path, body = '{}' } = request
    const { scene } = this.#surroundings
    const place = placeOf(path)
    const what = `${method} ${place?.plural ?? path}/${place?.name ?? ''}`
    const write = method === 'GET' ? undefined : writeOf(request, scene.reader)
    if (write !== undefined) this.#judgeWrite(what, write)
    if (method === 'PATCH' || method === 'DELETE') this.#broken(laws.outdated(what, carriedBy(JSON.parse(body)), this.#versions))
    if (place !== undefined) this.#sent?.push(what)
  }

  #judgeWrite(what: string, write: Write): void {
    const { scene, routes, rollbacks } = this.#surroundings
    const { place, before, after } = write
    // What reached another VirtualService already may reach this one.
    const acts = write.acts.filter((act) => act !== 'raise' || !routes.stands(after))
    this.#broken(laws.unseen(acts, this.#readsFor(place), this.#now))
    // A copy of a configuration is made by asking for it: that it stands is the server's answer.
    if (acts.includes('creation') && isServing(place.plural)) this.#broken(laws.madeTwice(what, before?.metadata.uid, this.#written))
    if (scene.canaries.length > 1 || before === undefined) return
    if (isServing(place.plural)) this.#broken(laws.unasked(acts.filter((act) => restsOnLive(act, write, scene)), this.#reads, this.#now))
    if (after === undefined) return
    const raise = acts.includes('raise') ? routes.demandOf(before, after) : undefined
    if (raise !== undefined) this.#broken(laws.blind(raise.revision, this.#answers, raise, raise.sinceMs))
    if (acts.includes('withdrawal')) this.#broken(rollbacks.withdraws(before, after, { sent: this.#sent, slowMs: this.#slowMs }))
  }

  /** What pods are configured with is read apart from the passes; what a copy is made of, in them. */
  #readsFor({ plural }: Place): ReadonlyMap<string, laws.Read> {
    const isConfig = (text: string) => /configmaps|secrets/.test(text)
    return new Map([...this.#reads].filter(([path]) => isConfig(plural) || !isConfig(path)))
  }

  #broken(violations: readonly string[]): void {
    for (const what of violations) this.#surroundings.scene.broken(what)
  }
}

/** What a deletion of the Canary puts back waits for no more once users are where they are to be. */
function restsOnLive(act: Act, { place, before }: Write, { canaries: [canary] }: Scene): boolean {
  const isLeaving = canary?.metadata.deletionTimestamp !== undefined
  if (act === 'deletion') return place.plural === 'deployments' || !isLeaving
  if (act === 'promotion') return !isLeaving || hashOfTargetsPods((before && ledgerOf(before)?.stable) ?? '') === undefined
  return act === 'raise' || act === 'scale-down' || act === 'removal of a subset'
}

/** The same response, whose whole text somebody else hears as it is read. */
const heard = (response: TransportResponse, hear: (text: string) => void): TransportResponse => ({
  status: response.status,
  headers: response.headers,
  lines: () => response.lines(),
  text: async () => {
    const text = await response.text()
    hear(text)
    return text
  },
})

/** An empty object where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
