import { afterEach, expect, it } from 'vitest'
import { namespace, service, version } from '../fixtures.ts'
import { crd, Harness, manifests } from '../harness.ts'

let harness: Harness
afterEach(() => harness.stop())

const HOUR = 3_600_000
const at = () => new Date(harness.clock.now()).toISOString().slice(0, 16)

it('the example of windows waits for the end of the year and for Monday morning, and holds a later release over night', async () => {
  harness = new Harness({ scrapeMs: HOUR })
  await harness.apply(crd(), namespace(), service(), version('v1'))
  harness.startOperator()
  await harness.apply(...manifests('examples/windows/'))
  await harness.until(() => harness.status().phase === 'Idle', 120_000)
  await harness.apply(version('v2', { replicas: 0 }))
  await harness.until(() => harness.status().phase === 'Waiting', 10_000)
  expect(harness.status().message).toBe('window closed: opens Mon 2026-01-05 08:00 UTC (09:00 Europe/Berlin)')
  await harness.until(() => harness.status().phase === 'Progressing', 120 * HOUR, 600_000)
  expect(at()).toMatch(/^2026-01-05T08:/)
  await harness.until(() => harness.status().stableRevision === 'v2', HOUR, 10_000)
  await harness.until(() => at() >= '2026-01-05T15:56', 12 * HOUR, 60_000)
  await harness.apply(version('v3', { replicas: 0 }))
  await harness.until(() => harness.status().rollout?.waitingFor === 'Window', HOUR, 10_000)
  expect(harness.status()).toMatchObject({ weight: '10%', rollout: { until: '2026-01-06T08:00:00.000Z' } })
})
