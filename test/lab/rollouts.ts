import { expect } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { Fault, Shop } from './shop.ts'
import type { OperatorProcess } from './suite.ts'

/** `npm run test:lab` takes the short story, `npm run test:lab:full` the whole. */
const FULL = process.env['SERIN_LAB_TRAFFIC'] === 'full'
export const TIMES = FULL ? { releases: 20, rollbacks: 20, ends: 10, adoptions: 5, kills: 5, busy: 2 } : { releases: 3, rollbacks: 3, ends: 3, adoptions: 1, kills: 1, busy: 1 }
export const LONG = { timeout: 3_000_000 }

const METRICS = [{ name: 'error-rate', max: '2%' }, { name: 'latency', percentile: 90, max: '750ms' }]

/** Quick steps for a mesh whose istiod waits for nothing; a request takes a second at most. */
export const QUICK = {
  traffic: { propagation: '500ms', drain: '1500ms' },
  steps: [
    { name: 'copies', mirror: { match: [{ method: { exact: 'GET' } }] }, for: '1s', minRequests: 30 },
    { name: 'few', weight: 20, for: '1s', minRequests: 30 },
    { name: 'most', weight: 60, for: '1s', minRequests: 30 },
  ],
  analysis: { interval: '1s', metrics: METRICS },
  scaleDownDelay: { previous: '1s' },
}

/** What Serin does unless told otherwise: 15 s of propagation and 30 s of drain; only the steps are shorter. */
export const DEFAULT = {
  steps: [{ name: 'few', weight: 20, for: '2s', minRequests: 30 }, { name: 'most', weight: 60, for: '2s', minRequests: 30 }],
  analysis: { interval: '1s', metrics: METRICS },
  scaleDownDelay: { previous: '1s' },
}

export const serves = (version: string) => ({ phase, stableRevision }: Partial<CanaryStatus>): boolean => phase === 'Idle' && stableRevision === version

const nothing = (): Promise<void> => Promise.resolve()

/** What happens to a shop's versions, and what users may not have noticed. */
export class Rollouts {
  readonly shop: Shop
  stable = 'v1'
  #operator: OperatorProcess | undefined
  #before = { all: 0, byTheMesh: 0 }

  constructor(shop: Shop) {
    this.shop = shop
  }

  get operator(): OperatorProcess {
    if (this.#operator === undefined) throw new Error('no operator was started')
    return this.#operator
  }

  /** Users first, then the operator. */
  async open(): Promise<void> {
    await this.shop.open()
    this.#before = { all: await this.#counted(), byTheMesh: await this.#counted(MADE_BY_THE_MESH) }
    await this.startOperator()
  }

  async startOperator(): Promise<void> {
    this.#operator = await this.shop.suite.startOperator()
  }

  async close(): Promise<void> {
    this.#operator?.kill('SIGTERM')
    await this.#operator?.ended
    await this.shop.close()
  }

  async adopts(): Promise<void> {
    await this.shop.declare()
    await this.shop.until(`${this.stable} to be adopted`, serves(this.stable))
  }

  async releases(meanwhile: (version: string) => Promise<void> = nothing): Promise<void> {
    const version = await this.shop.deploy('none')
    await meanwhile(version)
    await this.promoted(version)
  }

  /** Waits for it; fails at once where the version does. */
  async promoted(version: string): Promise<void> {
    const status = await this.shop.until(`${version} to be promoted`, (now) => serves(version)(now) || now.failed?.revision === version, 240_000)
    expect(status.failed?.revision === version ? status.message : 'promoted').toBe('promoted')
    this.stable = version
  }

  async rollsBack(fault: Fault, meanwhile: (version: string) => Promise<void> = nothing): Promise<string> {
    const version = await this.shop.deploy(fault)
    await meanwhile(version)
    const status = await this.shop.until(`${version} to have failed`, ({ phase, failed }) => phase === 'Failed' && failed?.revision === version, 240_000)
    expect(status.stableRevision).toBe(this.stable)
    return version
  }

  /** Until a version has some weight. */
  exposed(version: string): Promise<Partial<CanaryStatus>> {
    return this.shop.until(`${version} to have some weight`, ({ rollout, canary }) => rollout?.revision === version && canary?.weight !== undefined && !['0%', '0'].includes(canary.weight))
  }

  /** No answer by the mesh, told by users and by Envoys' counters; no version met at another time than the routes said. */
  async demandPeace(): Promise<void> {
    const { shop } = this
    process.stderr.write(shop.summary())
    for (const { asked, answered } of shop.loads()) expect(answered).toBeGreaterThan(0.8 * asked)
    expect(shop.meshMade()).toEqual([])
    // Envoys counted most of what users sent, and nothing of it as made by themselves.
    expect(await this.#counted() - this.#before.all).toBeGreaterThan(0.8 * shop.answers().length)
    expect(await this.#counted(MADE_BY_THE_MESH) - this.#before.byTheMesh).toBe(0)
    expect(shop.strays().map(({ version, at, ms }) => ({ version, at, ms, spans: shop.routes.exposures.filter((span) => span.version === version) })).slice(0, 5)).toEqual([])
  }

  /** Says how long after the write that took a version from the routes users still met it. */
  sayLateness(versions: readonly string[]): void {
    const { shop } = this
    const late = versions.filter((version) => shop.routes.exposures.some((exposure) => exposure.version === version)).map((version) => shop.lateness(version)).sort((a, b) => a - b)
    process.stderr.write(`  last request to a failed version, after the write that took it from the routes: ${late.map((ms) => `${ms} ms`).join(', ')}\n`)
  }

  /** What the callers' Envoys counted for the shop's host. */
  #counted(matcher = ''): Promise<number> {
    const { suite, options: { namespace } } = this.shop
    return suite.total(`sum(istio_requests_total{destination_service=~"shop.*${namespace}.*|${namespace}[.]shop[.]example",reporter="source"${matcher}})`)
  }
}

const MADE_BY_THE_MESH = ',response_flags=~".*(NR|NC|UH|UF|UC|URX|LH|UT|NFCF|UMSDR).*"'
