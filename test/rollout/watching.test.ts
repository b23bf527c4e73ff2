import { afterEach, describe, expect, it } from 'vitest'
import { version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
const history = () => harness.status().history?.map(({ revision, result, reason }) => `${revision} ${result}${reason === undefined ? '' : ` ${reason}`}`)
const patch = (spec: object) => harness.patch(harness.canary(), { spec })
const generationOf = (name: string) => harness.object('deployments.apps', name).metadata.generation

describe('observedTarget', () => {
  it('names the Deployment that the status speaks of, in the very write that says what became of it', async () => {
    harness = await adopted()
    const told: string[] = []
    harness.sandbox.cluster.reader.subscribe(({ resource, object }) => {
      const { observedTarget, conditions } = (object as { status?: Partial<ReturnType<Harness['status']>> }).status ?? {}
      const promoted = conditions?.find(({ type }) => type === 'Promoted')?.status
      const line = `${observedTarget?.revision ?? 'none'} ${promoted ?? 'none'}`
      if (resource === 'canaries.serin.dev' && told.at(-1) !== line) told.push(line)
    })
    await harness.apply(version('v2'))
    await stable('v2')
    expect(told).toEqual(['v2 Unknown', 'v2 True'])
    const { name, uid, generation } = harness.status().observedTarget ?? {}
    expect({ name, uid, generation }).toEqual({ name: 'service-c-v2', uid: harness.object('deployments.apps', 'service-c-v2').metadata.uid, generation: generationOf('service-c-v2') })
  })

  it('has the new generation as soon as a failed version was changed', async () => {
    harness = await adopted()
    await harness.apply(version('v2', { env: { ERROR_RATE: '1' } }))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await harness.apply(version('v2', { replicas: 0, env: { ERROR_RATE: '0' } }))
    const applied = generationOf('service-c-v2')
    await harness.clock.advance(100)
    expect(harness.status().observedTarget?.generation).toBeGreaterThanOrEqual(Number(applied))
    expect(harness.condition('Promoted')).toMatch(/^Unknown/)
    await stable('v2')
  })
})

describe('no version vanishes without a word', () => {
  it('of two that come at once the one that is not rolled out is recorded', async () => {
    harness = await adopted()
    harness.kill()
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(2000)
    await harness.apply(version('v3', { replicas: 0 }))
    harness.startOperator()
    await stable('v3')
    expect(history()).toEqual(['v3 Promoted', 'v2 Superseded NeverBegun'])
    expect(harness.events()).toContainEqual('Normal Superseded: v2: v3 is wanted instead, before it began')
  })

  it('nor one that waited, and was overtaken', async () => {
    harness = await adopted()
    await patch({ suspend: true })
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(2000)
    await harness.apply(version('v3', { replicas: 0 }))
    await harness.clock.advance(2000)
    await patch({ suspend: false })
    await stable('v3')
    expect(history()).toEqual(['v3 Promoted', 'v2 Superseded NeverBegun'])
  })

  it('nor one that came while another was being withdrawn', async () => {
    harness = await adopted()
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.until(() => harness.status().step === '1/2', 60_000)
    await harness.apply(version('v3', { replicas: 0 }))
    await harness.clock.advance(100)
    await harness.apply(version('v4', { replicas: 0 }))
    await stable('v4')
    expect(history()).toEqual(['v4 Promoted', 'v2 Superseded', 'v3 Superseded NeverBegun'])
    expect(harness.events().filter((event) => event.startsWith('Normal Superseded'))).toHaveLength(2)
  })

  it('nor one that was named and is no longer', async () => {
    harness = await adopted()
    await patch({ suspend: true })
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(2000)
    await patch({ versions: { desired: 'v1' } })
    await harness.clock.advance(2000)
    expect(history()).toEqual(['v2 Reverted NeverBegun'])
  })
})
