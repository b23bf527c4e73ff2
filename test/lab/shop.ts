import { randomInt } from 'node:crypto'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { LoadAnswer } from './lab-info.ts'
import { END_ANNOTATION } from './pod.ts'
import { RoutesSeen } from './routes-seen.ts'
import { type OperatorProcess, type RunningLoad, type Suite, tally } from './suite.ts'

const HOST = 'shop.example'
/** Versions that are kept, whatever becomes of them. */
const LATEST = 4
/** What the watch of the routes may be behind istiod's on a busy machine. */
const WATCH_LAG_MS = 250
const object = (value: object): KubeObject => value as KubeObject

/** How a version fails its users. */
export const FAULTS = {
  none: {},
  everything: { ERROR_RATE: '1' },
  purchases: { ERROR_RATE: '1', ERROR_METHODS: 'POST' },
} satisfies Readonly<Record<string, Readonly<Record<string, string>>>>

export type Fault = keyof typeof FAULTS

export type ShopOptions = {
  readonly namespace: string
  /** Part of the Canary's spec, beside what it rolls out. */
  readonly spec: object
  /** Longest that a change takes to reach every proxy, milliseconds. */
  readonly propagationMs: number
  /** 200 unless said. */
  readonly rps?: number
}

/**
 * One service that 200 users a second use, half through the gateway and half through sidecars, a twentieth of them for a
 * second each, and whose pods end abruptly. Nobody may meet a version at a time when no route named it.
 */
export class Shop {
  readonly suite: Suite
  readonly options: ShopOptions
  readonly stages: { readonly name: string; readonly from: number; until: number }[] = []
  #loads: readonly RunningLoad[] = []
  #versions = 0
  readonly #ended = new AbortController()
  readonly routes = new RoutesSeen('shop-edge', () => Array.from({ length: this.#versions }, (_, index) => `v${index + 1}`))

  constructor(suite: Suite, options: ShopOptions) {
    this.suite = suite
    this.options = options
  }

  get key(): string {
    return `${this.options.namespace}/shop`
  }

  /** Namespace, Service, routes, the first version, users. */
  async open(): Promise<void> {
    const { namespace } = this.options
    const callers = `${namespace}-users`
    const { objects } = this.suite
    const workload = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: callers }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } }
    const route = [{ destination: { host: `shop.${namespace}.svc.cluster.local` } }]
    await objects.apply(...[namespace, callers].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
    await objects.apply(...[
      workload,
      { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace }, spec: { mtls: { mode: 'STRICT' } } },
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop', namespace }, spec: { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } },
      { apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: { name: 'edge', namespace }, spec: { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [`${namespace}.${HOST}`] }] } },
      { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop-edge', namespace }, spec: { hosts: [`${namespace}.${HOST}`], gateways: ['edge'], http: [{ route }] } },
      { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop', namespace }, spec: { hosts: [`shop.${namespace}.svc.cluster.local`], http: [{ name: 'all', route }] } },
    ].map(object))
    const first = await this.deploy('none')
    await Promise.all([objects.ready(namespace, `shop-${first}`), objects.ready(callers, 'users')])
    void this.routes.watch(this.suite.transport, namespace, this.#ended.signal)
    await this.#startLoads(callers)
  }

  async #startLoads(callers: string): Promise<void> {
    const { suite, options: { namespace } } = this
    const user = (await suite.objects.podAddress(callers, 'app=users')) ?? ''
    const gateway = (await suite.objects.podAddress('istio-system', 'istio=ingressgateway')) ?? ''
    const [outside, inside] = [`http://${gateway}:8080`, `http://shop.${namespace}`]
    const headers = { host: `${namespace}.${HOST}` }
    const ms = 7_200_000
    const rps = (share: number) => share * (this.options.rps ?? 200)
    this.#rates = [0.425, 0.05, 0.025, 0.425, 0.05, 0.025].map(rps)
    this.#loads = [
      suite.startLoad({ url: `${outside}/`, headers, rps: rps(0.425), ms }),
      suite.startLoad({ url: `${outside}/`, headers, method: 'POST', rps: rps(0.05), ms }),
      suite.startLoad({ url: `${outside}/?sleep=1000`, headers, rps: rps(0.025), ms }),
      suite.startLoad({ url: `${inside}/`, rps: rps(0.425), ms }, user),
      suite.startLoad({ url: `${inside}/`, method: 'POST', rps: rps(0.05), ms }, user),
      suite.startLoad({ url: `${inside}/?sleep=1000`, rps: rps(0.025), ms }, user),
    ]
    await suite.objects.until('the first users to be served', async () => (this.#loads.every(({ answers }) => answers.some(({ status }) => status === 200)) ? true : undefined))
      .catch((cause: unknown) => {
        throw new Error(JSON.stringify(this.#loads.map(({ answers }) => tally(answers))), { cause })
      })
    // What came before the routes did is not what this is about; Prometheus has seen it two scrapes later.
    this.#opened = Date.now()
    await systemClock.sleep(2500)
  }

  #opened = 0
  #rates: readonly number[] = []

  /** Of each load: requests that were to be sent by now, and answers. */
  loads(): readonly { readonly asked: number; readonly answered: number }[] {
    const seconds = (Date.now() - this.#opened) / 1000
    return this.#loads.map(({ answers }, index) => ({ asked: (this.#rates[index] ?? 0) * seconds, answered: answers.filter(({ at }) => at >= this.#opened).length }))
  }

  /** Applies the next version; returns its name. */
  async deploy(fault: Fault): Promise<string> {
    await this.#tidy()
    const version = `v${++this.#versions}`
    await this.suite.objects.apply(this.#deployment(version, fault))
    return version
  }

  /** Versions that will not come back go, as a Canary remembers 32 of them: those without pods, but for the latest. */
  async #tidy(): Promise<void> {
    const { namespace } = this.options
    const past = Array.from({ length: Math.max(0, this.#versions - LATEST) }, (_, index) => `shop-v${index + 1}`)
    const all = await this.suite.objects.list(`apps/v1/namespaces/${namespace}/deployments`)
    const idle = all?.filter(({ metadata, spec }) => past.includes(metadata.name) && (spec as { replicas: number }).replicas === 0) ?? []
    for (const { metadata } of idle) await this.suite.objects.call('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/${metadata.name}`)
  }

  /** Changes the template of a version in place. */
  retouch(version: string): Promise<void> {
    return this.suite.objects.apply(this.#deployment(version, 'none', { note: String(randomInt(1e9)) }))
  }

  #deployment(version: string, fault: Fault, annotations: Readonly<Record<string, string>> = {}): KubeObject {
    const labels = { app: 'shop', version }
    const env = Object.entries({ NAME: `shop ${version}`, ...FAULTS[fault] }).map(([name, value]) => ({ name, value }))
    return object({
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: `shop-${version}`, namespace: this.options.namespace, labels },
      spec: {
        replicas: 1, selector: { matchLabels: labels },
        template: { metadata: { labels, annotations: { [END_ANNOTATION]: 'abrupt', ...annotations } }, spec: { containers: [{ name: 'shop', image: 'fake-service', ports: [{ containerPort: 8080 }], env }] } },
      },
    })
  }

  /** The Canary, with `desired` where one is named. */
  async declare(desired?: string): Promise<void> {
    const { namespace, spec } = this.options
    await this.suite.objects.apply(object({
      apiVersion: 'serin.dev/v1beta1', kind: 'Canary', metadata: { name: 'shop', namespace },
      // A merge patch: null takes a field away.
      spec: { ...spec, versions: { selector: { matchLabels: { app: 'shop' } }, desired: desired ?? null }, service: { name: 'shop' } },
    }))
  }

  until(what: string, holds: (status: Partial<CanaryStatus>) => boolean, timeoutMs = 120_000): Promise<Partial<CanaryStatus>> {
    return this.suite.untilStatus(this.key, what, holds, timeoutMs)
  }

  /** Users so far, of one stage or of all. */
  answers(stage?: { readonly from: number; readonly until: number }): readonly LoadAnswer[] {
    const all = this.#loads.flatMap(({ answers }) => answers).filter(({ at }) => at >= this.#opened)
    return stage === undefined ? all : all.filter(({ at }) => at >= stage.from && at < stage.until)
  }

  /** A named part of the story, for the summary. */
  async stage(name: string, play: () => Promise<void>): Promise<void> {
    const from = Date.now()
    try {
      await play()
    } finally {
      const stage = { name, from, until: Date.now() }
      this.stages.push(stage)
      process.stderr.write(`${this.#row(stage)}\n`)
    }
  }

  /** Answers that no app of ours made: the mesh's own, and none at all. */
  meshMade(): readonly LoadAnswer[] {
    return this.answers().filter(({ version }) => version === '')
  }

  /** Answers by a version at a time when no route had named it, one propagation before included. */
  strays(): readonly LoadAnswer[] {
    const { propagationMs } = this.options
    const within = (at: number, ms: number, { from, until }: { from: number; until: number | undefined }) => at + ms >= from - WATCH_LAG_MS && at <= (until ?? Infinity) + propagationMs
    return this.answers().filter(({ version, at, ms }) => version !== '' && ![...this.routes.exposures.filter((exposure) => exposure.version === version), ...this.routes.uncovered].some((span) => within(at, ms, span)))
  }

  /** Time since the routes named the version last, and until its last answer was asked for: milliseconds, or 0. */
  lateness(version: string): number {
    const last = this.routes.exposures.findLast((exposure) => exposure.version === version && exposure.until !== undefined)
    return last?.until === undefined ? 0 : Math.max(0, ...this.answers().filter((answer) => answer.version === version && answer.at > (last.from)).map(({ at }) => at - (last.until ?? at)))
  }

  summary(): string {
    return `${this.stages.map((stage) => this.#row(stage)).join('\n')}\n  made by the mesh: ${JSON.stringify(tally(this.meshMade()))}\n`
  }

  #row(stage: { readonly name: string; readonly from: number; readonly until: number }): string {
    const answers = this.answers(stage)
    const mesh = answers.filter(({ version }) => version === '').length
    const failed = answers.filter(({ version, status }) => version !== '' && status !== 200).length
    return `  ${stage.name.padEnd(58)} ${((stage.until - stage.from) / 1000).toFixed(0).padStart(4)} s ${String(answers.length).padStart(7)} requests ${String(failed).padStart(4)} failed by the app ${String(mesh).padStart(4)} by the mesh`
  }

  async close(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()))
    this.#ended.abort(new Error('the shop closes'))
    const { namespace } = this.options
    await this.suite.objects.discard(namespace, `${namespace}-users`)
  }
}

/** Kills an operator after one of the writes it makes next, as the API server sees them; tells after how many. */
export async function killAtSomeWrite({ suite: { objects }, options: { namespace } }: Shop, operator: OperatorProcess, most = 8): Promise<number> {
  const at = 1 + randomInt(most)
  const kinds = ['networking.istio.io/v1/namespaces/$/virtualservices', 'networking.istio.io/v1/namespaces/$/destinationrules', 'apps/v1/namespaces/$/deployments', 'serin.dev/v1beta1/namespaces/$/canaries']
  const states = async () => (await Promise.all(kinds.map((kind) => objects.list(kind.replace('$', namespace))))).flat()
    .map((item) => JSON.stringify([item?.metadata.uid, item?.metadata.generation, item?.metadata.annotations, (item?.['status'] as { phase?: string } | undefined)?.phase]))
  let [seen, writes] = [new Set(await states()), 0]
  await objects.until(`write ${at} of a rollout`, async () => {
    const next = await states()
    writes += next.filter((one) => !seen.has(one)).length
    seen = new Set(next)
    return writes >= at ? true : undefined
  }, 60_000)
  operator.kill('SIGKILL')
  await operator.ended
  return at
}
