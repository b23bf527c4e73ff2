import { afterEach, describe, expect, it } from 'vitest'
import { caller, canary, namespace, version } from '../fixtures.ts'
import { crd, Harness, manifests } from '../harness.ts'
import { ledgerOf } from '../oracle/objects.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const desire = (desired: string | null) => harness.patch(canary(), { spec: { versions: { desired } } })
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)

/** v1 has served, v2 is stable, and nothing of v1 stands any more. */
async function promoted(spec: object = {}): Promise<void> {
  harness = await adopted({ spec: { ...spec } })
  await harness.apply(version('v2', { replicas: 2 }))
  await stable('v2')
  await harness.until(() => harness.status().previous === undefined && harness.replicas('service-c-v1') === 0, 20_000)
}

const FORWARD = ['v2 0', 'v2 1', 'v2 2']
const safe = () => {
  expect(harness.oracle.violations).toEqual([])
  expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
}

describe('a version that was stable within rollbackWindow', () => {
  it('goes back out in one step without analysis, once its pods and its subset stand', async () => {
    await promoted()
    await desire('v1')
    await harness.until(() => harness.oracle.exposed(OWN)?.revision === 'v1', 10_000, 50)
    expect(harness.oracle.exposed(OWN)?.weight).toBe(100)
    expect(harness.pods('v1')).toHaveLength(2)
    await stable('v1')
    expect(harness.oracle.exposures).toEqual([...FORWARD, 'v1 2'])
    expect(harness.status().history?.map(({ revision, result }) => `${revision} ${result}`)).toEqual(['v1 Promoted', 'v2 Promoted'])
    expect(harness.events()).toContainEqual(expect.stringContaining('going back to v1, which served within rollbackWindow'))
    safe()
  })

  it('may go to and fro', async () => {
    await promoted()
    for (const revision of ['v1', 'v2']) {
      await desire(revision)
      await stable(revision)
      await harness.until(() => harness.status().previous === undefined, 20_000)
    }
    expect(harness.oracle.exposures).toEqual([...FORWARD, 'v1 2', 'v2 2'])
    safe()
  })

  it('is known by the routes: a status that was lost, and a Canary made anew, change nothing', async () => {
    await promoted({ onDelete: 'Orphan' })
    await harness.delete(canary())
    await harness.clock.advance(2000)
    await harness.apply(canary())
    await stable('v2')
    await desire('v1')
    await stable('v1')
    expect(harness.oracle.exposures).toEqual([...FORWARD, 'v1 2'])
    safe()
  })

  it('is superseded on its way like any other', async () => {
    await promoted()
    await desire('v1')
    await harness.clock.advance(100)
    expect(harness.status().rollout?.revision).toBe('v1')
    await desire('v2')
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(FORWARD)
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v1', result: 'Reverted' })
    expect(harness.replicas('service-c-v1')).toBe(0)
    safe()
  })

  it.each<[string, object, () => Promise<void>]>([
    ['served longer ago', { rollbackWindow: '30s' }, () => harness.clock.advance(40_000)],
    ['has another template now', {}, () => harness.apply(version('v1', { replicas: 0, env: { MESSAGE: 'changed' } }))],
    ['may not, since the window is 0s', { rollbackWindow: '0s' }, () => Promise.resolve()],
  ])('goes through every step where it %s', async (_why, spec, meanwhile) => {
    await promoted(spec)
    await meanwhile()
    await desire('v1')
    await stable('v1')
    expect(harness.oracle.exposures).toEqual([...FORWARD, 'v1 0', 'v1 1', 'v1 2'])
    safe()
  })

  it('is remembered with its template and the end of its service, in the write that ended it', async () => {
    await promoted()
    const { served, promotions } = ledgerOf(harness.object('virtualservices.networking.istio.io', OWN)) ?? {}
    expect(promotions).toBe(1)
    expect(Object.keys(served ?? {})).toEqual(['v1'])
    expect(served?.['v1']?.hash).toBe(harness.status().seen?.find(({ revision }) => revision === 'v1')?.hash)
  })
})

describe('the example', () => {
  it('releases v2, and goes back to v1 in one step', async () => {
    harness = new Harness()
    const example = (...names: readonly string[]) => names.flatMap((name) => manifests(`examples/rollback-window/${name}.yaml`))
    const phase = (revision: string) => harness.until(() => harness.status('web').phase === 'Idle' && harness.status('web').stableRevision === revision && harness.status('web').previous === undefined, 60_000)
    await harness.apply(crd(), namespace(), caller(), ...example('web', 'web-v1'))
    await harness.clock.advance(1000)
    harness.users(20, { host: 'web', from: harness.insider })
    harness.startOperator()
    await harness.apply(...example('canary'))
    await phase('v1')
    await harness.apply(...example('web-v2'))
    await phase('v2')
    const [written] = example('canary')
    if (written === undefined) throw new Error('no canary.yaml')
    await harness.patch(written, { spec: { versions: { desired: 'v1' } } })
    await phase('v1')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 1', 'v2 2', 'v1 2'])
    safe()
  })
})
