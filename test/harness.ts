import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { canaryActionCrd } from '../src/api/canary-action-crd.ts'
import { canaryCrd } from '../src/api/crd.ts'
import type { CanaryActionStatus } from '../src/api/canary-action.ts'
import type { CanaryStatus } from '../src/api/canary.ts'
import { defaultSettings } from '../src/config.ts'
import type { Metrics } from '../src/controller/metrics.ts'
import { createOperator, type OperatorSettings } from '../src/operator.ts'
import { createLog, type Log } from '../src/runtime/log.ts'
import { seededRandom } from '../src/runtime/random.ts'
import type { Transport } from '../src/runtime/transport.ts'
import { VirtualClock } from '../src/runtime/virtual-clock.ts'
import type { KubeObject } from '../src/sandbox/objects.ts'
import { workloadOf, type Workload } from '../src/sandbox/route-pods.ts'
import { createSandbox, type Sandbox } from '../src/sandbox/sandbox.ts'
import { Oracle } from './oracle.ts'

export const NAMESPACE = 'istioinaction'

const SETTINGS: OperatorSettings = defaultSettings('serin-0')

/** One answer that a user got. */
export type Answer = { readonly at: number; readonly status: number; readonly version: string }

/** One process of the operator. */
export type Process = {
  /** As on SIGTERM: what runs comes to its end. */
  readonly stop: () => void
  /** As on SIGKILL: nothing it sends arrives any more, and no answer comes back. */
  readonly kill: () => void
  /** When it has come to its end; rejects where the process would end with an error. */
  readonly ended: Promise<void>
  readonly metrics: Metrics
}

export type ProcessOptions = {
  /** Stands between it and the API server. */
  readonly through?: (transport: Transport) => Transport
  readonly prometheus?: (transport: Transport) => Transport
  readonly settings?: Partial<OperatorSettings>
}

type UsersOptions = {
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined: from outside, through the gateway. */
  readonly from?: () => Workload | undefined
}

const asIs = (transport: Transport): Transport => transport

/** A whole cluster, mesh, load and operator in virtual time, without a socket. */
export class Harness {
  readonly clock = new VirtualClock()
  readonly sandbox: Sandbox
  readonly oracle: Oracle
  readonly answers: Answer[] = []
  readonly #stop = new AbortController()
  readonly #log: Log
  readonly #processes = new Set<Process>()
  #incarnation = 0

  /** `log` is told of every line of every operator, whatever its level. */
  constructor({ seed = 1, log, ...options }: { readonly seed?: number; readonly scrapeMs?: number; readonly podStartMs?: number; readonly log?: (line: string) => void } = {}) {
    this.#log = log === undefined ? createLog({ level: process.env['SERIN_TEST_LOG'] === '1' ? 'info' : 'silent' }) : createLog({ level: 'trace', destination: { write: log } })
    this.sandbox = createSandbox({ clock: this.clock, seed, mode: 'function', ...options })
    this.oracle = new Oracle(this.sandbox.cluster.reader, this.clock)
    void this.sandbox.run(this.#stop.signal)
  }

  startOperator({ through = asIs, prometheus = asIs, settings = {} }: ProcessOptions = {}): Process {
    const [stop, death] = [new AbortController(), new AbortController()]
    this.oracle.delayed ||= through !== asIs
    const witness = this.oracle.witness()
    const operator = createOperator({
      kubernetes: mortal(witness.kubernetes(through(this.oracle.watched(this.sandbox.cluster.transport))), death.signal),
      prometheus: mortal(witness.prometheus(prometheus(this.sandbox.prometheus.transport)), death.signal),
      clock: this.clock,
      random: seededRandom(`operator ${++this.#incarnation}`),
      log: this.#log,
      settings: { ...SETTINGS, ...settings },
    })
    const process: Process = {
      ended: operator.run(stop.signal),
      metrics: operator.metrics,
      stop: () => stop.abort(new Error('stopped by the test')),
      kill: () => {
        death.abort(new Error('killed by the test'))
        stop.abort(new Error('killed by the test'))
      },
    }
    this.#processes.add(process)
    return process
  }

  /** Aborts when the test is over. */
  get ended(): AbortSignal {
    return this.#stop.signal
  }

  /** Every operator dies. */
  kill(): void {
    for (const process of this.#processes) process.kill()
  }

  stop(): void {
    this.kill()
    this.#stop.abort(new Error('the test is over'))
    if (this.oracle.violations.length > 0) throw new Error(`what must never happen:\n${this.oracle.violations.join('\n')}`)
  }

  /** `rps` requests a second, a tenth of them POST, until the harness stops or the returned function is called. */
  users(rps: number, { host = 'shop.example', headers = {}, from }: UsersOptions = {}): () => void {
    const done = new AbortController()
    this.#stop.signal.addEventListener('abort', () => done.abort(), { once: true })
    void this.#load({ rps, host, headers, from }, done.signal)
    return () => done.abort()
  }

  async #load({ rps, host, headers, from }: Required<Pick<UsersOptions, 'host' | 'headers'>> & { rps: number; from: UsersOptions['from'] }, signal: AbortSignal): Promise<void> {
    const { mesh } = this.sandbox
    for (let order = 0; !signal.aborted; order++) {
      const workload = from === undefined ? mesh.gateway() : from()
      const method = order % 10 === 9 ? 'POST' : 'GET'
      if (workload !== undefined)
        void mesh.request(workload, { method, host, path: '/', headers })
          .then((answer) => this.answers.push({ at: this.clock.monotonic(), status: answer.status, version: answer.headers['x-version'] ?? 'none' }))
      await this.clock.sleep(1000 / rps, signal).catch(() => undefined)
    }
  }

  /** A pod of the Deployment `caller`, once it runs. */
  readonly insider = (): Workload | undefined => this.workload('caller')

  /** A pod of the app, once it runs. */
  workload(app: string): Workload | undefined {
    const pod = this.sandbox.cluster.reader.list('pods', NAMESPACE).find(({ metadata }) => metadata.labels?.['app'] === app)
    return pod === undefined || (pod['status'] as { podIP?: string } | undefined)?.podIP === undefined ? undefined : workloadOf(pod)
  }

  readonly call = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, type = 'application/json') => {
    const answer = await this.sandbox.cluster.transport({ method, path, timeoutMs: 5000, headers: { 'content-type': type }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: answer.status, body: JSON.parse(await answer.text()) as KubeObject }
  }

  /** What kubectl apply does to objects without history: create, or merge what is written over what is there. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const path = pathOf(object)
      const made = await this.call('POST', path.slice(0, path.lastIndexOf('/')), object)
      const answer = made.status === 409 ? await this.call('PATCH', path, object, 'application/merge-patch+json') : made
      if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`)
    }
  }

  /** A merge patch of what stands; throws where the server refuses. */
  async patch(object: KubeObject, patch: object): Promise<void> {
    const answer = await this.call('PATCH', pathOf(object), patch, 'application/merge-patch+json')
    if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`)
  }

  async delete(object: KubeObject): Promise<void> {
    const answer = await this.call('DELETE', pathOf(object))
    if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`)
  }

  /** The result and message of a CanaryAction: "Accepted: approved"; empty while it has none. */
  result(name: string): string {
    const { result, message } = (this.object('canaryactions.serin.dev', name)['status'] ?? {}) as CanaryActionStatus
    return result === undefined ? '' : `${result}: ${message ?? ''}`
  }

  canary(name = 'service-c'): KubeObject & { status?: CanaryStatus } {
    return this.object('canaries.serin.dev', name)
  }

  /** Its status, or one that says nothing. */
  status(name = 'service-c'): Partial<CanaryStatus> {
    return this.canary(name).status ?? {}
  }

  /** A condition in one line: "True NoStable: …". */
  condition(type: string, name = 'service-c'): string {
    const found = this.status(name).conditions?.find((condition) => condition.type === type)
    return found === undefined ? '' : `${found.status} ${found.reason}: ${found.message}`
  }

  object(resource: string, name: string): KubeObject {
    const found = this.find(resource, name)
    if (found === undefined) throw new Error(`no ${resource} ${name}`)
    return found
  }

  find(resource: string, name: string): KubeObject | undefined {
    return this.sandbox.cluster.reader.get(resource, NAMESPACE, name)
  }

  /** The pods of one version that are not on their way out. */
  pods(label: string, app = 'service-c'): readonly KubeObject[] {
    return this.sandbox.cluster.reader.list('pods', NAMESPACE)
      .filter(({ metadata }) => metadata.labels?.['app'] === app && metadata.labels['version'] === label && metadata.deletionTimestamp === undefined)
  }

  /** Desired pods of a Deployment. */
  replicas(name: string): number {
    return Number((this.object('deployments.apps', name)['spec'] as { replicas?: number }).replicas)
  }

  events(): readonly string[] {
    return this.sandbox.cluster.reader.list('events', NAMESPACE)
      .filter((event) => (event['involvedObject'] as { kind?: string } | undefined)?.kind === 'Canary')
      .map((event) => `${String(event['type'])} ${String(event['reason'])}: ${String(event['message'] ?? event['note'])}`)
  }

  /** Answers of the mesh itself: no app of ours says 404 or 503. */
  meshMade(): readonly Answer[] {
    return this.answers.filter(({ status }) => status === 404 || status === 503 || status === 0)
  }

  /** Lets time pass until `done`, in steps of `stepMs`; throws when that takes longer than `mostMs`. */
  async until(done: () => boolean, mostMs = 600_000, stepMs = 250): Promise<void> {
    for (let waited = 0; !done(); waited += stepMs) {
      if (waited > mostMs) throw new Error(`not reached within ${mostMs} ms: ${String(done)}; Canary: ${JSON.stringify(this.sandbox.cluster.reader.list('canaries.serin.dev').map(({ status }) => status), null, 1)}\n${this.events().join('\n')}`)
      await this.clock.advance(stepMs)
    }
  }
}

/** A transport that ends with its process: requests under way are never answered. */
function mortal(transport: Transport, death: AbortSignal): Transport {
  const waiting = new Set<(reason: Error) => void>()
  death.addEventListener('abort', () => waiting.forEach((reject) => reject(death.reason as Error)), { once: true })
  return (request) => new Promise((resolve, reject) => {
    if (death.aborted) return reject(death.reason as Error)
    waiting.add(reject)
    transport(request).then(resolve, reject).finally(() => waiting.delete(reject))
  })
}

const PLURALS: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'authorizationpolicies', Canary: 'canaries', Gateway: 'gateways', PeerAuthentication: 'peerauthentications',
}

export function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`
  const clusterScoped = kind === 'Namespace' || kind === 'CustomResourceDefinition'
  return `${root}${clusterScoped ? '' : `/namespaces/${metadata.namespace ?? NAMESPACE}`}/${plural}/${metadata.name}`
}

const CRD = canaryCrd() as KubeObject

export const crd = (): KubeObject => structuredClone(CRD)

export const actionCrd = (): KubeObject => structuredClone(canaryActionCrd() as KubeObject)

/** The same without its schema, for the many runs that would spend their time on compiling it. */
export function uncheckedCrd(): KubeObject {
  const whole = crd()
  const spec = whole['spec'] as { versions: readonly object[] }
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  return { ...whole, spec: { ...spec, versions: spec.versions.map((version) => ({ ...version, schema: { openAPIV3Schema } })) } }
}

/** The objects of a YAML file or of every file of a folder, relative to the repository. */
export function manifests(path: string): readonly KubeObject[] {
  const url = new URL(`../${path}`, import.meta.url)
  const files = path.endsWith('/') ? readdirSync(url).sort().map((name) => new URL(name, url)) : [url]
  return files.flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJSON() as KubeObject | null)).filter((object) => object !== null)
}

export const happyIstio = (...names: readonly string[]): readonly KubeObject[] => names.flatMap((name) => manifests(`examples/happy-istio/${name}.yaml`))

/** The manifests that stand beside the repository, as data; undefined where they do not. */
export const SHARED = existsSync(new URL('../../shared/happy-istio/', import.meta.url)) ? '../shared/happy-istio' : undefined
