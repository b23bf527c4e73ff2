import { canaryActionCrd } from '../api/canary-action-crd.ts'
import { canaryCrd } from '../api/crd.ts'
import { resources } from '../kubernetes/resource.ts'
import type { NewObject } from '../runtime/object.ts'
import type { Load } from '../sandbox/load.ts'
import type { ClusterReader, KubeObject } from '../sandbox/objects.ts'
import { isReady } from '../sandbox/route-pods.ts'
import { CANARY, Chronicle } from './chronicle.ts'
import { apply, happyIstio, moved, NAMESPACE } from './manifests.ts'
import { countsOf, type Counts, type Fate, minus, type Outcome, sum } from './outcome.ts'
import type { Stage } from './stage.ts'

/** What the story is made of, for people. */
export const ACTS = [
  { title: 'One version serves', tells: 'Serin adopts v1 and pins every route to it; beside it, v2 without Serin.' },
  { title: 'A release that fails every request', tells: 'v2 starts dark and gets copies of GET requests, whose answers nobody sees.' },
  { title: 'A failure that copies cannot show', tells: 'v3 answers GET and fails POST. Only GET is copied: a few users have to tell.' },
  { title: 'A good release', tells: 'v4 passes every gate. The pods that were analysed become the pods that serve.' },
] as const

const BARE = 'without-serin'
const HOST = 'shop.example'
const BARE_HOST = 'bare.example'
const BASE = ['service-a', 'service-b', 'service-c-v1'] as const
const RPS = 100
const CURTAIN_MS = 1_000

/** A story under way, as far as it has come. */
export class Story {
  readonly chronicle: Chronicle
  /** The present act, from 1, or 0 where none is played; and what users got in those that have ended. */
  act = 0
  readonly ended: Counts[] = []
  users: Load | undefined
  bare: Load | undefined
  readonly #stage: Stage
  readonly #signal: AbortSignal

  constructor(stage: Stage, signal: AbortSignal) {
    this.#stage = stage
    this.#signal = signal
    this.chronicle = new Chronicle(stage.sandbox.cluster.reader, stage.clock.now)
  }

  /** Plays all four acts; rejects where one does not come to its end. */
  async play(): Promise<Outcome> {
    this.act = 1
    const [bare] = await Promise.all([this.#failWithoutSerin(), this.adopt()])
    await this.#end()
    await this.#release('v2')
    await this.#end()
    await this.#release('v3')
    await this.#end()
    const analysed = await this.#release('v4')
    await this.#end()
    return this.#outcome(bare, analysed)
  }

  /** Takes down what users got in the act, and leaves its last picture for a moment. */
  async #end(): Promise<void> {
    this.ended.push(minus(this.#users(), sum(this.ended)))
    await this.#stage.sleep(CURTAIN_MS)
    if (this.act < ACTS.length) this.act += 1
  }

  /** Act 1: users, services and v1; then the operator, and the Canary. */
  async adopt(): Promise<void> {
    const [stage, chronicle] = [this.#stage, this.chronicle]
    await this.#apply([canaryCrd() as NewObject, canaryActionCrd() as NewObject, ...happyIstio('namespace', ...BASE, 'gateway')], 'service-a, service-b and service-c-v1')
    await this.#reachable(NAMESPACE, HOST, 3)
    this.users = stage.startLoad(HOST, RPS, this.#signal)
    stage.startOperator(chronicle.follow)
    await this.#apply(happyIstio('canary'), 'the Canary of service-c')
    await stage.until('the Canary to adopt v1', () => chronicle.status?.phase === 'Idle')
  }

  /** Applies a version and follows it to its end; returns the uids of the pods that were analysed. */
  async #release(version: string): Promise<readonly string[]> {
    const [stage, chronicle] = [this.#stage, this.chronicle]
    await this.#apply(happyIstio(`service-c-${version}`), `service-c-${version}`)
    await stage.until(`${version} to be analysed`, () => chronicle.reached(version) >= 0)
    const analysed = this.#pods(version).map(({ metadata }) => metadata.uid ?? '')
    await stage.until(`the end of ${version}`, () => this.#isOver(version), 90_000)
    return analysed
  }

  #isOver(version: string): boolean {
    const { status } = this.chronicle
    if (status?.phase === 'Failed') return status.failed?.revision === version
    return status?.phase === 'Idle' && status.stableRevision === version && status.previous === undefined && this.#pods('v1').length === 0
  }

  /** The same manifests and the same faulty release, with neither a Canary nor a VirtualService for service-c. */
  async #failWithoutSerin(): Promise<Counts> {
    const names = ['namespace', ...BASE, 'service-c-v2', 'gateway']
    await apply(this.#stage.client, moved(happyIstio(...names), BARE, BARE_HOST), this.#signal)
    await this.#reachable(BARE, BARE_HOST, 4)
    const stop = new AbortController()
    const load = (this.bare = this.#stage.startLoad(BARE_HOST, RPS / 4, stop.signal))
    await this.#stage.until('traffic without Serin', () => countsOf(load.total()).answered >= 100)
    stop.abort()
    await this.#stage.until('the last answers without Serin', () => countsOf(load.total()).answered === load.total().sent)
    await this.#stage.client.delete(resources.namespaces, BARE, {}, this.#signal)
    await this.#stage.until(`namespace ${BARE} to go`, () => this.#stage.sandbox.cluster.reader.get('namespaces', '', BARE) === undefined)
    return countsOf(load.total())
  }

  /** Every pod is ready, and a request through the gateway gets an answer: routes spread a moment later than pods. */
  async #reachable(namespace: string, host: string, pods: number): Promise<void> {
    const { sandbox } = this.#stage
    await this.#stage.until(`${pods} pods in ${namespace}`, () => sandbox.cluster.reader.list('pods', namespace).filter(isReady).length >= pods)
    const answers = () => sandbox.mesh.decide(sandbox.mesh.gateway(), { method: 'GET', host, path: '/', headers: {} }).destination !== undefined
    await this.#stage.until(`a route to ${host}`, answers)
  }

  async #apply(objects: readonly NewObject[], what: string): Promise<void> {
    await apply(this.#stage.client, objects, this.#signal)
    this.chronicle.tell('Applied', what)
  }

  #pods(version: string): readonly KubeObject[] {
    return podsOf(this.#stage.sandbox.cluster.reader).filter(({ metadata }) => metadata.labels?.['version'] === version)
  }

  #users(): Counts {
    return this.users === undefined ? { answered: 0, failed: 0 } : countsOf(this.users.total())
  }

  #outcome(bare: Counts, analysed: readonly string[]): Outcome {
    const { sandbox, operatorRequests } = this.#stage
    const serving = this.#pods('v4')
    const metV2 = sandbox.mesh.tally(SERVICE).filter(({ version }) => version === 'v2').map(({ requests }) => requests)
    return {
      bare,
      users: this.#users(),
      acts: this.ended,
      fates: { v2: this.#fate('v2'), v3: this.#fate('v3'), v4: this.#fate('v4') },
      metV2: metV2[0] ?? 0,
      stable: this.chronicle.status?.stableRevision,
      oldPods: this.#pods('v1').length,
      analysed,
      serving: serving.map(({ metadata }) => metadata.uid ?? ''),
      podName: serving[0]?.metadata.name ?? '',
      operatorRequests,
      elapsedMs: this.chronicle.elapsedMs,
    }
  }

  #fate(revision: string): Fate {
    const { status, settings } = this.chronicle
    const { result = 'nothing', reason = '', message = '' } = status?.history.find((each) => each.revision === revision) ?? {}
    const { name = 'dark', weight = 0 } = settings?.steps[this.chronicle.reached(revision)] ?? {}
    return { revision, result, reason, message, step: name, weight }
  }
}

/** The pods of every version. */
export const podsOf = (reader: ClusterReader): readonly KubeObject[] =>
  reader.list('pods', NAMESPACE).filter(({ metadata }) => metadata.labels?.['app'] === CANARY)

/** The full name of the Service that is released. */
export const SERVICE = `${CANARY}.${NAMESPACE}.svc.cluster.local`
