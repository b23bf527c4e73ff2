import { afterEach, expect, it } from 'vitest'
import { caller, namespace } from '../fixtures.ts'
import { crd, Harness, manifests } from '../harness.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const status = () => harness.status('web')
const idle = () => status().phase === 'Idle' && harness.replicas('web') === 0
const results = () => status().history?.map(({ result }) => result)

it('the example of configuration releases what pods cannot see change, takes back what breaks them, and nothing else', async () => {
  harness = new Harness()
  await harness.apply(crd(), namespace(), caller(), ...manifests('examples/config/web.yaml'))
  await harness.clock.advance(1000)
  harness.users(20, { host: 'web', from: harness.insider })
  harness.startOperator()
  await harness.apply(...manifests('examples/config/canary.yaml'))
  await harness.until(idle, 60_000)
  const first = status().stableRevision ?? ''
  const change = (name: string, data: object) => harness.patch(harness.object('configmaps', name), { data })
  await change('web-flags', { 'flags.txt': 'dark-mode=on' })
  await change('web-team', { TEAM: 'checkout' })
  await harness.clock.advance(30_000)
  expect(status()).toMatchObject({ phase: 'Idle', stableRevision: first, history: [] })

  await change('web-rules', { 'rules.txt': 'allow some' })
  await harness.until(() => idle() && status().stableRevision !== first, 120_000)
  const second = status().stableRevision ?? ''
  expect(harness.object('configmaps', `web-rules-web-${second}`)['data']).toEqual({ 'rules.txt': 'allow some' })
  expect(harness.object('configmaps', `web-rules-web-${first}`)['data']).toEqual({ 'rules.txt': 'allow all' })

  await change('web', { ERROR_RATE: '1' })
  await harness.until(() => status().phase === 'Failed', 120_000)
  expect(status().stableRevision).toBe(second)
  await change('web', { ERROR_RATE: '0' })
  await harness.until(idle, 10_000)
  expect(results()).toEqual(['RolledBack', 'Promoted'])
  expect(harness.meshMade()).toEqual([])
})
