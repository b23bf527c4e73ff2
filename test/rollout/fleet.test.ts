import { afterEach, describe, expect, it } from 'vitest'
import type { OperatorSettings } from '../../src/operator.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { canary, namespace, service, version } from '../fixtures.ts'
import { crd, Harness } from '../harness.ts'
import { ELECTION } from '../replica.ts'

let harness: Harness
afterEach(() => harness.stop())

const APPS = ['a', 'b', 'c', 'd'] as const
const patch = (app: string, spec: object) => harness.patch(canary({}, app), { spec })
const release = (app: string, label = 'v2') => harness.apply(version(label, { app, replicas: 0 }))
const phases = () => APPS.map((app) => harness.status(app).phase)
const underWay = () => APPS.filter((app) => harness.status(app).rollout !== undefined)
const stable = (app: string, revision: string) => harness.until(() => harness.status(app).phase === 'Idle' && harness.status(app).stableRevision === revision, 300_000)
/** How many releases were ever under way at once, and in which order they began. */
function watched(): { readonly most: () => number; readonly begun: readonly string[] } {
  const [running, begun] = [new Set<string>(), [] as string[]]
  let most = 0
  harness.sandbox.cluster.reader.subscribe(({ resource, object }) => {
    if (resource !== 'canaries.serin.dev') return
    const { name } = object.metadata
    if ((object['status'] as { rollout?: object } | undefined)?.rollout === undefined) return running.delete(name)
    if (!running.has(name)) begun.push(name)
    running.add(name)
    most = Math.max(most, running.size)
  })
  return { most: () => most, begun }
}

/** Four Canaries at rest, and an operator. */
async function fleet(settings: Partial<OperatorSettings>): Promise<ReturnType<typeof watched>> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), ...APPS.flatMap((app) => [service(app), version('v1', { app })]))
  harness.startOperator({ settings })
  await harness.apply(...APPS.map((app) => canary({ steps: [{ weight: 50, for: '5s' }], analysis: { interval: '1s', metrics: [] }, scaleDownDelay: { previous: '10m' } }, app)))
  await harness.until(() => phases().every((phase) => phase === 'Idle'), 20_000)
  return watched()
}

describe('more releases than slots', () => {
  it('go out one after the other, in the order in which they were wished for', async () => {
    const { most, begun } = await fleet({ maxRollouts: 1 })
    for (const app of ['c', 'a', 'd', 'b']) {
      await release(app)
      await harness.clock.advance(100)
    }
    expect(phases()).toEqual(['Waiting', 'Waiting', 'Progressing', 'Waiting'])
    expect(harness.status('a')).toMatchObject({ message: 'waits for a free slot: 1 of 1 rollouts under way (c)', waits: [{ for: 'Slot' }] })
    expect(harness.condition('Reconciling', 'a')).toBe('True WaitingForSlot: ')
    expect(harness.events().filter((event) => event.startsWith('Normal WaitingForSlot: waits for a free slot'))).toHaveLength(3)
    await stable('b', 'v2')
    expect(begun).toEqual(['c', 'a', 'd', 'b'])
    expect(most()).toBe(1)
    expect(harness.oracle.violations).toEqual([])
  })

  it('all at once are never more under way than the limit, and none is forgotten', async () => {
    const { most } = await fleet({ maxRollouts: 2 })
    harness.sandbox.cluster.faults.pauseWatches()
    for (const app of APPS) await release(app)
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.until(() => phases().every((phase) => phase === 'Idle') && APPS.every((app) => harness.status(app).stableRevision === 'v2'), 120_000)
    expect(most()).toBe(2)
  })

  it('keep their places through a restart, and through a second operator that takes over', async () => {
    const { most, begun } = await fleet({ maxRollouts: 1, election: ELECTION })
    for (const app of ['c', 'a', 'd', 'b']) {
      await release(app)
      await harness.clock.advance(100)
    }
    harness.kill()
    harness.startOperator({ settings: { maxRollouts: 1, election: ELECTION } })
    harness.startOperator({ settings: { maxRollouts: 1, election: ELECTION } })
    await stable('b', 'v2')
    expect(begun).toEqual(['c', 'a', 'd', 'b'])
    expect(most()).toBe(1)
  })

  it('in one namespace are limited by themselves', async () => {
    const { most } = await fleet({ maxRolloutsPerNamespace: 1 })
    for (const app of APPS) await release(app)
    await harness.clock.advance(1000)
    expect(underWay()).toHaveLength(1)
    const waiting = APPS.find((app) => !underWay().includes(app)) ?? ''
    expect(harness.status(waiting).message).toBe(`waits for a free slot: 1 of 1 rollouts under way in this namespace (${underWay().join()})`)
    await harness.until(() => APPS.every((app) => harness.status(app).stableRevision === 'v2'), 180_000)
    expect(most()).toBe(1)
  })

  it('wait for no one that is deleted in its rollout, and for no one in line that wants nothing any more', async () => {
    await fleet({ maxRollouts: 1 })
    for (const app of ['a', 'b', 'c']) {
      await release(app)
      await harness.clock.advance(100)
    }
    await patch('b', { versions: { desired: 'v1' } })
    await harness.until(() => harness.status('b').phase === 'Idle', 5000)
    await harness.delete(canary({}, 'a'))
    await harness.until(() => harness.status('c').phase === 'Progressing', 5000)
  })

  it('whose window opens later keep the place of their wish', async () => {
    const { begun } = await fleet({ maxRollouts: 1 })
    const opening = Math.floor(harness.clock.now() / 60_000) + 2
    const at = new Date(opening * 60_000)
    for (const app of APPS) await patch(app, { windows: [{ kind: 'Allow', schedule: `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`, duration: '1h' }] })
    for (const app of ['d', 'b', 'c', 'a']) {
      await release(app)
      await harness.clock.advance(100)
    }
    expect(phases()).toEqual(['Waiting', 'Waiting', 'Waiting', 'Waiting'])
    await stable('a', 'v2')
    expect(begun).toEqual(['d', 'b', 'c', 'a'])
  })
})

describe('with every slot taken', () => {
  it('a rollback waits for nothing, and the way back to the stable before neither', async () => {
    await fleet({ maxRollouts: 1 })
    await release('a')
    await stable('a', 'v2')
    await patch('b', { steps: [{ weight: 50, for: '1h' }] })
    await release('b')
    await harness.until(() => harness.status('b').weight === '50%', 20_000)
    await patch('a', { versions: { desired: 'v1' } })
    await stable('a', 'v1')
    expect(harness.status('b').weight).toBe('50%')
    await harness.delete(version('v2', { app: 'b' }))
    await harness.until(() => harness.status('b').phase !== 'Progressing', 20_000)
    expect(harness.oracle.exposed('serin-b')).toBeUndefined()
  })

  it('a newer version of what is under way takes its slot over', async () => {
    const { most } = await fleet({ maxRollouts: 1 })
    await release('a')
    await harness.until(() => harness.status('a').weight === '50%', 20_000)
    await release('b')
    await release('a', 'v3')
    await stable('a', 'v3')
    await stable('b', 'v2')
    expect(most()).toBe(1)
  })
})

describe('one that failed and stays up to be looked at', () => {
  it('holds up nobody in line', async () => {
    await fleet({ maxRollouts: 1 })
    await patch('a', { scaleDownDelay: { failed: '1h' }, steps: [{ weight: 50, for: '1h' }] })
    await release('a')
    await harness.until(() => harness.status('a').weight === '50%', 20_000)
    await release('b')
    await harness.delete(version('v2', { app: 'a' }))
    await stable('b', 'v2')
    expect(harness.status('a').phase).toBe('RollingBack')
  })
})

describe('one whose status is refused by the server', () => {
  it('holds up nobody in line', async () => {
    await fleet({ maxRollouts: 1 })
    await release('a')
    await harness.until(() => harness.status('a').phase === 'Progressing', 5000)
    await release('b')
    await harness.until(() => harness.status('b').waits?.length === 1, 5000)
    await release('c')
    await harness.until(() => harness.status('c').waits?.length === 1, 5000)
    harness.kill()
    const refusing = (transport: Transport): Transport => (request) => transport({ ...request, path: request.path.replace('/canaries/b/status', '/canaries/none/status') })
    harness.startOperator({ through: refusing, settings: { maxRollouts: 1 } })
    await stable('c', 'v2')
    expect(harness.status('b').phase).toBe('Waiting')
  })
})
