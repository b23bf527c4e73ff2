import { afterEach, describe, expect, it } from 'vitest'
import { version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

type Entry = { readonly destination: { readonly subset?: string }; readonly weight?: number }
const route = () => (harness.object('virtualservices.networking.istio.io', 'serin-service-c')['spec'] as { http: readonly { route: readonly Entry[] }[] }).http[0]?.route ?? []
const weights = () => route().map(({ destination: { subset }, weight }) => `${subset ?? ''} ${weight ?? 100}`).join(', ')
const pair = (stable: number, canary: number) => `serin-v1 ${stable}, serin-v2 ${canary}`

/** What the route and the status say from now on, one entry for each change. */
function chronicle(): { readonly routes: string[]; readonly steps: string[] } {
  const told = { routes: [weights()], steps: [] as string[] }
  harness.sandbox.cluster.reader.subscribe(({ resource }) => {
    if (resource === 'virtualservices.networking.istio.io' && weights() !== told.routes.at(-1)) told.routes.push(weights())
    const { step = '', weight = '', rollout } = harness.status()
    const line = `${step} ${rollout?.stepName ?? ''} ${weight}`
    if (resource === 'canaries.serin.dev' && step !== '' && line !== told.steps.at(-1)) told.steps.push(line)
  })
  return told
}

describe('upTo', () => {
  it('stands for a step at each multiple of its weight and one at its end, in the route and in the status, under its name', async () => {
    harness = await adopted({ rps: 40, spec: { steps: [{ name: 'few', weight: 5, for: '2s' }, { name: 'up', weight: 20, upTo: 70, for: '2s' }] } })
    const told = chronicle()
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 120_000)
    expect(told.routes).toEqual(['serin-v1 100', pair(95, 5), pair(80, 20), pair(60, 40), pair(40, 60), pair(30, 70), 'serin-v2 100'])
    expect(told.steps.filter((line) => !line.endsWith(' 0%'))).toEqual(['1/5 few 5%', '2/5 up 20%', '3/5 up 40%', '4/5 up 60%', '5/5 up 70%', '5/5  100%'])
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 1', 'v2 2', 'v2 3', 'v2 4', 'v2 5'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('takes its whole time at each of them', async () => {
    harness = await adopted({ rps: 40, spec: { steps: [{ weight: 10, upTo: 30, for: '6s' }] } })
    const began: number[] = []
    await harness.apply(version('v2'))
    for (const step of ['1/3', '2/3', '3/3']) {
      await harness.until(() => harness.status().step === step, 60_000)
      began.push(harness.clock.monotonic())
    }
    const [first = 0, second = 0, third = 0] = began
    expect(Math.min(second - first, third - second)).toBeGreaterThanOrEqual(6000)
  })

  it('may be followed by a step at its very end, and goes on from there to everybody', async () => {
    harness = await adopted({ rps: 40, spec: { steps: [{ weight: '0.5%', upTo: 1, for: '2s' }, { weight: 1, mirror: {}, for: '2s' }, { weight: 100, for: '2s' }], analysis: { interval: '1s', metrics: [] } } })
    const told = chronicle()
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 120_000)
    expect(told.steps.map((line) => line.split(' ').at(-1)).filter((weight) => weight !== '0%')).toEqual(['0.5%', '1%', '1%', '100%', '100%'])
    expect(told.routes.at(-1)).toBe('serin-v2 100')
  })
})
