import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { type Fault, killAtSomeWrite, Shop } from './shop.ts'
import { type OperatorProcess, Suite } from './suite.ts'

/** `npm run test:lab` takes the short story, `npm run test:lab:full` the whole. */
const FULL = process.env['SERIN_LAB_TRAFFIC'] === 'full'
const TIMES = FULL ? { releases: 20, rollbacks: 20, ends: 10, adoptions: 5, kills: 5, busy: 2 } : { releases: 3, rollbacks: 3, ends: 3, adoptions: 1, kills: 1, busy: 1 }
const MOST_MS = 3_000_000

const METRICS = [{ name: 'error-rate', max: '2%' }, { name: 'latency', percentile: 90, max: '750ms' }]

/** Quick steps for a mesh whose istiod waits for nothing; a request takes a second at most. */
const QUICK = {
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
const DEFAULT = {
  steps: [{ name: 'few', weight: 20, for: '2s', minRequests: 30 }, { name: 'most', weight: 60, for: '2s', minRequests: 30 }],
  analysis: { interval: '1s', metrics: METRICS },
  scaleDownDelay: { previous: '1s' },
}

const suite = new Suite()
let operator: OperatorProcess
let stable = 'v1'

const restart = async () => {
  operator = await suite.startOperator()
}

const serves = (version: string) => ({ phase, stableRevision }: Partial<CanaryStatus>) => phase === 'Idle' && stableRevision === version

async function releases(shop: Shop, meanwhile: (version: string) => Promise<void> = () => Promise.resolve()): Promise<void> {
  const version = await shop.deploy('none')
  await meanwhile(version)
  await promoted(shop, version)
}

/** Fails at once where the version does. */
async function promoted(shop: Shop, version: string): Promise<void> {
  const status = await shop.until(`${version} to be promoted`, (now) => serves(version)(now) || now.failed?.revision === version, 240_000)
  expect(status.failed?.revision === version ? status.message : 'promoted').toBe('promoted')
  stable = version
}

async function rollsBack(shop: Shop, fault: Fault, meanwhile: (version: string) => Promise<void> = () => Promise.resolve()): Promise<string> {
  const version = await shop.deploy(fault)
  await meanwhile(version)
  const status = await shop.until(`${version} to have failed`, ({ phase, failed }) => phase === 'Failed' && failed?.revision === version, 240_000)
  expect(status.stableRevision).toBe(stable)
  return version
}

/** Until a version has some weight. */
const exposed = (shop: Shop, version: string) => shop.until(`${version} to have some weight`, ({ rollout, canary }) => rollout?.revision === version && canary?.weight !== undefined && !['0%', '0'].includes(canary.weight), 120_000)

/** `before`: what Envoys had counted when the shop was opened. */
async function demandPeace(shop: Shop, before: number): Promise<void> {
  process.stderr.write(shop.summary())
  expect(shop.meshMade()).toEqual([])
  expect(await countedByTheMesh(shop) - before).toBe(0)
  expect(shop.strays().map(({ version, at, ms }) => ({ version, at, ms, spans: shop.exposures.filter((span) => span.version === version) })).slice(0, 5)).toEqual([])
}

/** How long after the write that took a version from the routes users still met it. */
function sayLateness(shop: Shop, versions: readonly string[]): void {
  const late = versions.filter((version) => shop.exposures.some((exposure) => exposure.version === version)).map((version) => shop.lateness(version)).sort((a, b) => a - b)
  process.stderr.write(`  last request to a failed version, after the write that took it from the routes: ${late.map((ms) => `${ms} ms`).join(', ')}\n`)
}

/** What Envoys themselves counted as made by the mesh, for the shop's host. */
async function countedByTheMesh(shop: Shop): Promise<number> {
  const { namespace } = shop.options
  return suite.total(`sum(istio_requests_total{destination_service=~"shop.*${namespace}.*|${namespace}[.]shop[.]example",reporter="source",response_flags=~".*(NR|NC|UH|UF|UC|URX|LH|UT|NFCF|UMSDR).*"})`)
}

const shop = new Shop(suite, { namespace: 'shop', spec: QUICK, propagationMs: 500 })

describe.sequential('200 requests a second, through the gateway and through sidecars', () => {
  let before = 0

  beforeAll(async () => {
    await shop.open()
    before = await countedByTheMesh(shop)
    await restart()
  })

  afterAll(async () => {
    operator.kill('SIGTERM')
    await shop.close()
  })

  test('a Canary is declared, removed and declared again', { timeout: MOST_MS }, async () => {
    await shop.stage('adoption', async () => {
      await shop.declare()
      await shop.until('v1 to be adopted', serves('v1'))
    })
    await shop.stage(`${TIMES.adoptions} removals and adoptions`, async () => {
      for (let count = 0; count < TIMES.adoptions; count++) {
        await suite.objects.call('DELETE', '/apis/serin.dev/v1beta1/namespaces/shop/canaries/shop')
        await systemClock.sleep(1000)
        await shop.declare()
        await shop.until('stable to be adopted again', serves('v1'))
      }
    })
  })

  test('good versions are released', { timeout: MOST_MS }, () => shop.stage(`${TIMES.releases} releases`, async () => {
    for (let count = 0; count < TIMES.releases; count++) await releases(shop)
  }))

  test('bad versions are rolled back', { timeout: MOST_MS }, async () => {
    const failed: string[] = []
    await shop.stage(`${TIMES.rollbacks} rollbacks`, async () => {
      for (let count = 0; count < TIMES.rollbacks; count++) failed.push(await rollsBack(shop, count % 3 === 0 ? 'everything' : 'purchases'))
    })
    sayLateness(shop, failed)
  })

  test('rollouts end in the middle: superseded, sent back by hand, changed in flight', { timeout: MOST_MS }, () => shop.stage(`${TIMES.ends} superseded, aborted, changed`, async () => {
    for (let count = 0; count < TIMES.ends; count++) {
      const version = await shop.deploy('none')
      await exposed(shop, version)
      if (count % 3 === 0) await releases(shop)
      else if (count % 3 === 1) {
        await shop.declare(stable)
        await shop.until(`${version} to have no weight`, serves(stable))
        await shop.declare()
        // Named by nobody any more, the newest is what is wanted again.
        await releasesAgain(version)
      } else {
        await shop.retouch(version)
        await promoted(shop, version)
      }
    }
  }))

  /** A version that was sent back may be wanted again, or count as ended: either is an end. */
  async function releasesAgain(version: string): Promise<void> {
    const status = await shop.until(`${version} to be promoted, or left`, ({ phase, stableRevision }) => phase === 'Failed' || (phase === 'Idle' && stableRevision !== undefined), 240_000)
    await systemClock.sleep(1500)
    const later = await shop.until(`${version} to come to an end`, ({ phase }) => phase === 'Idle' || phase === 'Failed', 240_000)
    stable = later.stableRevision ?? status.stableRevision ?? stable
  }

  test('the operator is killed at some write', { timeout: MOST_MS }, () => shop.stage(`${TIMES.kills} releases, rollbacks with kill -9 at a write`, async () => {
    for (let count = 0; count < TIMES.kills; count++) {
      await releases(shop, async () => {
        await killAtSomeWrite(shop, operator)
        await restart()
      })
      await rollsBack(shop, 'purchases', async () => {
        await killAtSomeWrite(shop, operator)
        await restart()
      })
    }
  }))

  test('istiod is restarted in mid-rollout', { timeout: MOST_MS }, () => shop.stage('release with an istiod restart', () => releases(shop, async (version) => {
    await exposed(shop, version)
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start')
  })))

  test('Prometheus is away in mid-rollout: the release holds, and goes on', { timeout: MOST_MS }, () => shop.stage('release with a Prometheus outage of 10 s', () => releases(shop, async (version) => {
    const { rollout } = await exposed(shop, version)
    await suite.turn('/prometheus/stop')
    await systemClock.sleep(10_000)
    const held = await shop.until('the rollout', () => true)
    expect(held.rollout?.stepIndex).toBe(rollout?.stepIndex)
    await suite.turn('/prometheus/start')
  })))

  test("the mesh's VirtualService is deleted in mid-rollout, and comes back", { timeout: MOST_MS }, () => shop.stage('VirtualService deleted by hand', async () => {
    const version = await shop.deploy('none')
    await exposed(shop, version)
    const path = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/shop'
    await suite.objects.call('DELETE', path)
    const status = await shop.until('the rollout to end', ({ phase, failed }) => phase === 'Failed' && failed?.revision === version)
    expect(status.failed?.reason).toBe('RouteDeleted')
    await suite.objects.until("Serin's own route", async () => ((await suite.objects.call('GET', '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/serin-shop')).status === 200 ? true : undefined))
    const route = [{ destination: { host: 'shop.shop.svc.cluster.local' } }]
    await suite.objects.apply({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop', namespace: 'shop' }, spec: { hosts: ['shop.shop.svc.cluster.local'], http: [{ name: 'all', route }] } } as never)
    await suite.objects.until("Serin's own route to go", async () => ((await suite.objects.call('GET', '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/serin-shop')).status === 404 ? true : undefined), 60_000)
    await releases(shop)
  }))

  test('no answer was made by the mesh, and nobody met a version at another time than the routes said', async () => {
    await demandPeace(shop, before)
  })
})

describe.sequential("a busy mesh: istiod's debounce and Serin's waits as they are by default, another object changed every 70 ms", () => {
  const busy = new Shop(suite, { namespace: 'busy', spec: DEFAULT, propagationMs: 15_000 })
  const stop = new AbortController()
  let before = 0

  beforeAll(async () => {
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start?debounceMs=100')
    await busy.open()
    before = await countedByTheMesh(busy)
    await restart()
    stable = 'v1'
    void disturb()
  })

  afterAll(async () => {
    stop.abort(new Error('enough'))
    operator.kill('SIGTERM')
    await busy.close()
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start?debounceMs=0')
  })

  async function disturb(): Promise<void> {
    const other = (weight: number) => ({
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'other', namespace: 'busy-users' },
      spec: { hosts: ['other.busy-users.svc.cluster.local'], http: [{ route: [{ destination: { host: 'other' }, weight }, { destination: { host: 'another' }, weight: 100 - weight }] }] },
    })
    await suite.objects.apply(other(50) as never)
    const path = '/apis/networking.istio.io/v1/namespaces/busy-users/virtualservices/other'
    const startedMs = systemClock.monotonic()
    for (let count = 1; !stop.signal.aborted; count++) {
      void suite.objects.call('PATCH', path, other(1 + (count % 99)), 'application/merge-patch+json').catch(() => undefined)
      await systemClock.sleep(Math.max(1, startedMs + count * 70 - systemClock.monotonic()), stop.signal).catch(() => undefined)
    }
  }

  test('releases and rollbacks', { timeout: MOST_MS }, async () => {
    await busy.stage('adoption', async () => {
      await busy.declare()
      await busy.until('v1 to be adopted', serves('v1'))
    })
    const failed: string[] = []
    for (let count = 0; count < TIMES.busy; count++) {
      await busy.stage('release in a busy mesh', () => releases(busy))
      await busy.stage('rollback in a busy mesh', async () => void failed.push(await rollsBack(busy, 'purchases')))
    }
    sayLateness(busy, failed)
    await demandPeace(busy, before)
  })
})
