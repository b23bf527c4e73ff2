import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { DEFAULT, LONG, Rollouts, TIMES } from './rollouts.ts'
import { Shop } from './shop.ts'
import { Suite } from './suite.ts'

describe.sequential("a busy mesh: istiod's debounce and Serin's waits as they are by default, another object changed every 70 ms", () => {
  const suite = new Suite()
  const busy = new Shop(suite, { namespace: 'busy', spec: DEFAULT, propagationMs: 15_000 })
  const rollouts = new Rollouts(busy)
  const stop = new AbortController()

  beforeAll(async () => {
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start?debounceMs=100')
    await rollouts.open()
    void disturb()
  })

  afterAll(async () => {
    stop.abort(new Error('enough'))
    await rollouts.close()
    await suite.turn('/istiod/stop?signal=SIGTERM')
    await suite.turn('/istiod/start?debounceMs=0')
  })

  let changes = 0

  async function disturb(): Promise<void> {
    const other = (weight: number) => ({
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'other', namespace: 'busy-users' },
      spec: { hosts: ['other.busy-users.svc.cluster.local'], http: [{ route: [{ destination: { host: 'other' }, weight }, { destination: { host: 'another' }, weight: 100 - weight }] }] },
    })
    await suite.objects.apply(other(50) as never)
    const path = '/apis/networking.istio.io/v1/namespaces/busy-users/virtualservices/other'
    const startedMs = systemClock.monotonic()
    for (let count = 1; !stop.signal.aborted; count++) {
      void suite.objects.call('PATCH', path, other(1 + (count % 99)), 'application/merge-patch+json').then(({ status }) => (changes += Number(status === 200)), () => undefined)
      await systemClock.sleep(Math.max(1, startedMs + count * 70 - systemClock.monotonic()), stop.signal).catch(() => undefined)
    }
  }

  test('releases and rollbacks', LONG, async () => {
    await busy.stage('adoption', () => rollouts.adopts())
    const failed: string[] = []
    for (let count = 0; count < TIMES.busy; count++) {
      await busy.stage('release in a busy mesh', () => rollouts.releases())
      await busy.stage('rollback in a busy mesh', async () => void failed.push(await rollouts.rollsBack('purchases')))
    }
    rollouts.sayLateness(failed)
    // It was busy: changes came as often as they should, and istiod put most of them off.
    expect(changes).toBeGreaterThan((0.8 * (Date.now() - busy.stages[0]!.from)) / 70)
    const meanDebounce = await suite.total('sum(pilot_debounce_time_sum) / sum(pilot_debounce_time_count)')
    process.stderr.write(`  ${changes} changes of another object; istiod waited ${meanDebounce.toFixed(1)} s on average before it told anybody\n`)
    expect(meanDebounce).toBeGreaterThan(0.5)
    await rollouts.demandPeace()
  })
})
