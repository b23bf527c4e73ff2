import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { canaryCrd } from '../src/api/crd.ts'
import type { CanaryStatus } from '../src/api/canary.ts'
import { createOperator, type Operator, type OperatorSettings } from '../src/operator.ts'
import { createLog } from '../src/runtime/log.ts'
import { seededRandom } from '../src/runtime/random.ts'
import type { Transport } from '../src/runtime/transport.ts'
import { VirtualClock } from '../src/runtime/virtual-clock.ts'
import type { KubeObject } from '../src/sandbox/objects.ts'
import { createSandbox, type Sandbox } from '../src/sandbox/sandbox.ts'

export const NAMESPACE = 'istioinaction'

const SETTINGS: OperatorSettings = {
  namespace: undefined,
  concurrency: 8,
  propagationMs: 15_000,
  requestTimeoutMs: 5_000,
  queryTimeoutMs: 5_000,
  rootNamespace: 'istio-system',
  clusterDomain: 'cluster.local',
  healthPort: undefined,
  instance: 'serin-0',
}

/** A whole cluster, mesh, load and operator in virtual time, without a socket. */
export class Harness {
  readonly clock = new VirtualClock()
  readonly sandbox: Sandbox
  readonly #stop = new AbortController()
  readonly #log = createLog({ level: process.env['SERIN_TEST_LOG'] === '1' ? 'info' : 'silent' })
  #operatorStop = new AbortController()
  #incarnation = 0
  readonly answers: { at: number; status: number }[] = []

  constructor(seed = 1) {
    this.sandbox = createSandbox({ clock: this.clock, seed, mode: 'function' })
    void this.sandbox.run(this.#stop.signal)
  }

  /** Starts an operator; `through` may stand between it and the API server. */
  startOperator(through: (transport: Transport) => Transport = (transport) => transport): Operator {
    this.#operatorStop = new AbortController()
    const operator = createOperator({
      kubernetes: through(this.sandbox.cluster.transport),
      prometheus: this.sandbox.prometheus.transport,
      clock: this.clock,
      random: seededRandom(`operator ${++this.#incarnation}`),
      log: this.#log,
      settings: SETTINGS,
    })
    void operator.run(this.#operatorStop.signal)
    return operator
  }

  stopOperator(): void {
    this.#operatorStop.abort(new Error('stopped by the test'))
  }

  stop(): void {
    this.stopOperator()
    this.#stop.abort(new Error('the test is over'))
  }

  /** `rps` requests a second through the gateway, a tenth of them POST, until the harness stops. */
  async load(rps: number): Promise<void> {
    for (let order = 0; !this.#stop.signal.aborted; order++) {
      const method = order % 10 === 9 ? 'POST' : 'GET'
      void this.sandbox.mesh.request(this.sandbox.mesh.gateway(), { method, host: 'shop.example', path: '/', headers: {} })
        .then(({ status }) => this.answers.push({ at: this.clock.monotonic(), status }))
      await this.clock.sleep(1000 / rps, this.#stop.signal).catch(() => undefined)
    }
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

  canary(name = 'service-c'): KubeObject & { status?: CanaryStatus } {
    const found = this.sandbox.cluster.reader.get('canaries.serin.dev', NAMESPACE, name)
    if (found === undefined) throw new Error(`no Canary ${name}`)
    return found
  }

  object(resource: string, name: string): KubeObject {
    const found = this.sandbox.cluster.reader.get(resource, NAMESPACE, name)
    if (found === undefined) throw new Error(`no ${resource} ${name}`)
    return found
  }

  events(): readonly string[] {
    return this.sandbox.cluster.reader.list('events', NAMESPACE)
      .filter((event) => (event['involvedObject'] as { kind?: string } | undefined)?.kind === 'Canary')
      .map((event) => `${String(event['reason'])}: ${String(event['message'] ?? event['note'])}`)
  }

  /** Lets time pass until `done`, in steps of `stepMs`; throws when that takes longer than `mostMs`. */
  async until(done: () => boolean, mostMs = 600_000, stepMs = 250): Promise<void> {
    for (let waited = 0; !done(); waited += stepMs) {
      if (waited > mostMs) throw new Error(`not reached within ${mostMs} ms; Canary: ${JSON.stringify(this.sandbox.cluster.reader.list('canaries.serin.dev').map(({ status }) => status), null, 1)}`)
      await this.clock.advance(stepMs)
    }
  }
}

const PLURALS: Readonly<Record<string, string>> = { AuthorizationPolicy: 'authorizationpolicies', Canary: 'canaries', Gateway: 'gateways' }

function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`
  const clusterScoped = kind === 'Namespace' || kind === 'CustomResourceDefinition'
  return `${root}${clusterScoped ? '' : `/namespaces/${metadata.namespace ?? NAMESPACE}`}/${plural}/${metadata.name}`
}

export const crd = (): KubeObject => canaryCrd() as KubeObject

/** The objects of a YAML file or of every file of a folder, relative to the repository. */
export function manifests(path: string): readonly KubeObject[] {
  const url = new URL(`../${path}`, import.meta.url)
  const files = path.endsWith('/') ? readdirSync(url).sort().map((name) => new URL(name, url)) : [url]
  return files.flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJSON() as KubeObject | null)).filter((object) => object !== null)
}

export const happyIstio = (...names: readonly string[]): readonly KubeObject[] => names.flatMap((name) => manifests(`examples/happy-istio/${name}.yaml`))

/** The manifests that stand beside the repository, as data; undefined where they do not. */
export const SHARED = existsSync(new URL('../../shared/happy-istio/', import.meta.url)) ? '../shared/happy-istio' : undefined
