import { afterEach, describe, expect, it } from 'vitest'
import { caller, namespace, service, version } from '../fixtures.ts'
import { crd, Harness, manifests } from '../harness.ts'
import { Browsers } from './browsers.ts'

let harness: Harness
afterEach(() => {
  expect(harness.oracle.violations).toEqual([])
  harness.stop()
})

const idle = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 90_000)
const step = (wanted: string) => harness.until(() => harness.status().step === wanted, 60_000)

/** The Canary of an example has adopted v1, and v2 comes. */
async function released(example: string): Promise<void> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), service(), caller(), version('v1'))
  await harness.clock.advance(1000)
  harness.users(100, { host: 'service-c', from: harness.insider })
  harness.startOperator()
  await harness.apply(...manifests(`examples/${example}/`))
  await idle('v1')
  await harness.apply(version('v2'))
}

async function met(headers: Readonly<Record<string, string>> = {}, host = 'service-c', path = '/'): Promise<string | undefined> {
  const workload = harness.insider()
  return workload && (await harness.sandbox.mesh.request(workload, { method: 'GET', host, path, headers })).headers['x-version']
}

describe('the example', () => {
  it('blue-green moves all users at once, after copies of requests', async () => {
    await released('blue-green')
    await step('1/2')
    await harness.clock.advance(1000)
    expect(await met()).toBe('v1')
    await step('2/2')
    await harness.clock.advance(1000)
    expect(await met()).toBe('v2')
    await idle('v2')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 1', 'v2 2'])
    expect(harness.meshMade()).toEqual([])
  })

  it('ab-testing gives volunteers the new version, then some others too', async () => {
    await released('ab-testing')
    await step('1/2')
    await harness.clock.advance(1000)
    expect([await met({ cookie: 'beta=on' }), await met({ 'user-agent': 'Firefox' }, 'service-c', '/?beta=1'), await met({ 'user-agent': 'Firefox' }), await met()]).toEqual(['v2', 'v2', 'v1', 'v1'])
    await step('2/2')
    expect(harness.status().weight).toBe('2.5%')
    await idle('v2')
    expect(harness.meshMade()).toEqual([])
  })

  it('sticky keeps each user on one version', async () => {
    await released('sticky')
    const browsers = new Browsers(harness, 50)
    await step('1/2')
    await harness.clock.advance(1500)
    const before = browsers.last()
    expect(new Set(before)).toEqual(new Set(['v1', 'v2']))
    await harness.clock.advance(1500)
    expect(browsers.last()).toEqual(before)
    await idle('v2')
    expect(harness.meshMade()).toEqual([])
  })

  it('preview gives tests two ways to the new version before anybody else has one', async () => {
    await released('preview')
    await step('1/2')
    await harness.clock.advance(1000)
    expect([await met({ 'x-tester': 'yes' }), await met({}, 'service-c-preview'), await met()]).toEqual(['v2', 'v2', 'v1'])
    await idle('v2')
    await harness.clock.advance(1000)
    expect(await met({}, 'service-c-preview')).toBe('v2')
    expect(harness.meshMade()).toEqual([])
  })
})
