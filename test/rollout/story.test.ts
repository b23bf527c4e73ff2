import { afterEach, describe, expect, it } from 'vitest'
import { crd, happyIstio, Harness } from '../harness.ts'

let harness: Harness
afterEach(() => harness.stop())

describe('the story', () => {
  it('rolls two faulty versions back and promotes a good one', async () => {
    harness = new Harness()
    await harness.apply(crd(), ...happyIstio('namespace', 'service-a', 'service-b', 'service-c-v1', 'gateway'))
    await harness.clock.advance(1000)
    harness.startOperator()
    void harness.load(100)
    await harness.apply(...happyIstio('canary'))
    await harness.until(() => harness.canary().status?.phase === 'Idle', 20_000)
    await harness.apply(...happyIstio('service-c-v2'))
    await harness.until(() => harness.canary().status?.phase === 'Failed', 60_000)
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
    await harness.apply(...happyIstio('service-c-v3'))
    await harness.until(() => harness.canary().status?.failed?.revision === 'v3' && harness.canary().status?.phase === 'Failed', 60_000)
    await harness.apply(...happyIstio('service-c-v4'))
    await harness.until(() => harness.canary().status?.stableRevision === 'v4' && harness.canary().status?.previous === undefined, 60_000)
    console.log(harness.events().join('\n'))
    console.log(JSON.stringify(harness.canary().status, null, 1), harness.clock.monotonic())
  })
})
