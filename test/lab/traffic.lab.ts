import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { LONG, QUICK, Rollouts, serves, TIMES } from './rollouts.ts'
import { killAtSomeWrite, Shop } from './shop.ts'
import { Suite } from './suite.ts'

const suite = new Suite()
const shop = new Shop(suite, { namespace: 'shop', spec: QUICK, propagationMs: 500 })
const rollouts = new Rollouts(shop)

describe.sequential('200 requests a second, through the gateway and through sidecars', () => {
  beforeAll(() => rollouts.open())
  afterAll(() => rollouts.close())

  test('a Canary is declared, removed and declared again', LONG, async () => {
    await shop.stage('adoption', () => rollouts.adopts())
    await shop.stage(`${TIMES.adoptions} removals and adoptions`, async () => {
      for (let count = 0; count < TIMES.adoptions; count++) {
        const path = '/apis/serin.dev/v1beta1/namespaces/shop/canaries/shop'
        await suite.objects.call('DELETE', path)
        await suite.objects.until('the Canary to be gone', async () => ((await suite.objects.call('GET', path)).status === 404 ? true : undefined), 60_000)
        await systemClock.sleep(1000)
        await rollouts.adopts()
      }
    })
  })

  test('good versions are released', LONG, () => shop.stage(`${TIMES.releases} releases`, async () => {
    for (let count = 0; count < TIMES.releases; count++) await rollouts.releases()
  }))

  test('bad versions are rolled back', LONG, async () => {
    const failed: string[] = []
    await shop.stage(`${TIMES.rollbacks} rollbacks`, async () => {
      for (let count = 0; count < TIMES.rollbacks; count++) failed.push(await rollouts.rollsBack(count % 3 === 0 ? 'everything' : 'purchases'))
    })
    rollouts.sayLateness(failed)
  })

  test('rollouts end in the middle: superseded, sent back by hand, changed in flight', LONG, () => shop.stage(`${TIMES.ends} superseded, aborted, changed`, async () => {
    for (let count = 0; count < TIMES.ends; count++) {
      const version = await shop.deploy('none')
      await rollouts.exposed(version)
      if (count % 3 === 0) {
        await rollouts.releases()
        const { history } = await shop.until('the releases that ended', () => true)
        expect(history?.find(({ revision }) => revision === version)?.result).toBe('Superseded')
      } else if (count % 3 === 1) {
        await shop.declare(rollouts.stable)
        await shop.until(`${version} to have no weight`, serves(rollouts.stable))
        await shop.declare()
        // With nothing named the newest is what is wanted again.
        await rollouts.promoted(version)
      } else {
        await shop.retouch(version)
        await rollouts.promoted(version)
      }
    }
  }))

  test('the operator is killed at some write', LONG, () => shop.stage(`${TIMES.kills} releases, rollbacks with kill -9 at a write`, async () => {
    for (let count = 0; count < TIMES.kills; count++) {
      await rollouts.releases(async () => {
        await killAtSomeWrite(shop, rollouts.operator)
        await rollouts.startOperator()
      })
      await rollouts.rollsBack('purchases', async () => {
        await killAtSomeWrite(shop, rollouts.operator)
        await rollouts.startOperator()
      })
    }
  }))

  test('istiod is restarted in mid-rollout', LONG, () => shop.stage('release with an istiod restart', () => rollouts.releases(async (version) => {
    await rollouts.exposed(version)
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start')
  })))

  test('Prometheus is away in mid-rollout: the release holds, and goes on', LONG, () => shop.stage('release with a Prometheus outage of 10 s', () => rollouts.releases(async (version) => {
    const { rollout } = await rollouts.exposed(version)
    await suite.turn('/prometheus/stop')
    await systemClock.sleep(10_000)
    const held = await shop.until('the rollout', () => true)
    expect(held.rollout?.stepIndex).toBe(rollout?.stepIndex)
    await suite.turn('/prometheus/start')
  })))

  test("the mesh's VirtualService is deleted in mid-rollout, and comes back", LONG, () => shop.stage('VirtualService deleted by hand', async () => {
    const version = await shop.deploy('none')
    await rollouts.exposed(version)
    const path = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/shop'
    await suite.objects.call('DELETE', path)
    const status = await shop.until('the rollout to end', ({ phase, failed }) => phase === 'Failed' && failed?.revision === version)
    expect(status.failed?.reason).toBe('RouteDeleted')
    await suite.objects.until("Serin's own route", async () => ((await suite.objects.call('GET', '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/serin-shop')).status === 200 ? true : undefined))
    const route = [{ destination: { host: 'shop.shop.svc.cluster.local' } }]
    await suite.objects.apply({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop', namespace: 'shop' }, spec: { hosts: ['shop.shop.svc.cluster.local'], http: [{ name: 'all', route }] } } as never)
    await suite.objects.until("Serin's own route to go", async () => ((await suite.objects.call('GET', '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/serin-shop')).status === 404 ? true : undefined), 60_000)
    await rollouts.releases()
  }))

  test('no answer was made by the mesh, and nobody met a version at another time than the routes said', async () => {
    await rollouts.demandPeace()
  })
})
