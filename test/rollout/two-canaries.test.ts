import { afterEach, describe, expect, it } from 'vitest'
import { canary, faulty, service, target, targetCanary, version, virtualService } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { ledgerOf } from '../oracle/objects.ts'
import { adopted, adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const STEPS = { steps: [{ weight: 20, for: '5m' }] }
/** Another Canary for the Service and the versions of service-c. */
const second = (spec = {}, name = 'younger') => canary({ versions: { selector: { matchLabels: { app: 'service-c' } } }, service: { name: 'service-c' }, ...STEPS, ...spec }, name)
const route = () => harness.object('virtualservices.networking.istio.io', 'service-c')
const owner = () => (ledgerOf(route()) as unknown as { canary: string }).canary
const stalled = (name: string) => harness.condition('Stalled', name)
const at = (step: string, name: string) => harness.until(() => harness.status(name).step === step, 60_000)

/** service-c, adopted a second before the younger one comes. */
async function contested(spec: Readonly<Record<string, unknown>> = STEPS): Promise<void> {
  harness = await adopted({ objects: [virtualService()], spec })
  await harness.clock.advance(1500)
  await harness.apply(second())
  await harness.clock.advance(3000)
}

describe('two Canaries for one Service', () => {
  it('are one that manages it, and a younger one that is refused by name and writes nothing', async () => {
    await contested()
    expect(stalled('younger')).toMatch(/^True AlreadyManaged: Canary istioinaction\/service-c is older and has Service istioinaction\/service-c/)
    expect(stalled('service-c')).toMatch(/^False/)
    await harness.apply(version('v2'))
    await at('1/1', 'service-c')
    await harness.clock.advance(20_000)
    expect(harness.status('younger')).toMatchObject({ phase: 'Initializing', routes: [] })
    expect(owner()).toBe('istioinaction/service-c')
    expect(harness.events().filter((event) => event.startsWith('Warning AlreadyManaged'))).toHaveLength(1)
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(60_000)
    expect(harness.sandbox.cluster.requests.filter(({ path, method }) => method !== 'GET' && path.includes('younger'))).toEqual([])
  })

  it('hand over by themselves in the middle of a rollout once the older is gone', async () => {
    await contested({ onDelete: 'Orphan', steps: [{ weight: 20, for: '5m' }, { weight: 50, for: '5m' }] })
    await harness.apply(version('v2'))
    await at('1/2', 'service-c')
    await harness.delete(canary())
    await harness.until(() => harness.status('younger').stableRevision === 'v1', 5000)
    expect(stalled('younger')).toMatch(/^False/)
    expect(harness.status('younger')).toMatchObject({ phase: 'Progressing', canaryRevision: 'v2', weight: '20%' })
    await harness.patch(second(), { spec: { steps: [{ weight: 20, for: '2s' }] } })
    await harness.until(() => harness.status('younger').stableRevision === 'v2', 30_000)
    expect(owner()).toBe('istioinaction/younger')
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('hand over what failed too: it is not rolled out again', async () => {
    await contested({ onDelete: 'Orphan', steps: [{ weight: 20, for: '2s' }] })
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    const before = harness.oracle.exposures.length
    await harness.delete(canary())
    await harness.until(() => harness.status('younger').stableRevision === 'v1', 10_000)
    await harness.clock.advance(30_000)
    expect(harness.oracle.exposures).toHaveLength(before)
    expect(harness.status('younger').failed).toMatchObject({ revision: 'v2' })
  })

  it('are told apart by name when they were made in one second, also when the first of them had begun', async () => {
    harness = await adopted({ objects: [virtualService()], spec: STEPS })
    const { creationTimestamp } = harness.canary().metadata
    await harness.apply(second({}, 'a-name-before'))
    expect(harness.canary('a-name-before').metadata.creationTimestamp).toBe(creationTimestamp)
    await harness.until(() => harness.status('a-name-before').phase === 'Idle', 10_000)
    expect(stalled('service-c')).toMatch(/^True AlreadyManaged: Canary istioinaction\/a-name-before is older/)
    await harness.apply(version('v2'))
    await at('1/1', 'a-name-before')
    expect(owner()).toBe('istioinaction/a-name-before')
    expect(harness.meshMade()).toEqual([])
  })

  it('of which the younger has a spec that cannot be used still leave everything to the older', async () => {
    await contested()
    await harness.patch(second(), { spec: { steps: [{ weight: 50, for: '1s' }, { weight: 20, for: '1s' }] } })
    await harness.clock.advance(5000)
    expect(stalled('younger')).toMatch(/^True AlreadyManaged/)
    expect(owner()).toBe('istioinaction/service-c')
  })

  it('of which the younger is deleted leave the older alone', async () => {
    await contested()
    await harness.apply(version('v2'))
    await at('1/1', 'service-c')
    await harness.delete(second())
    await harness.clock.advance(10_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })

  it('for two Services that share a VirtualService are not rivals: what one left behind is not the other\'s', async () => {
    await contested()
    const alien = { ...JSON.parse(route().metadata.annotations?.['serin.dev/ledger'] ?? '{}') as object, canary: 'istioinaction/gone' }
    await harness.delete(second())
    await harness.patch(virtualService(), { metadata: { annotations: { 'serin.dev/ledger': JSON.stringify(alien), 'serin.dev/original': '{"default":[{"destination":{"host":"service-b"}}]}' } } })
    await harness.clock.advance(3000)
    expect(harness.condition('Degraded')).toMatch(/RouteOfAnotherCanary/)
  })
})

describe('two Canaries for one target', () => {
  const younger = (spec = {}) => ({ ...targetCanary({ targetRef: { name: 'service-c' }, ...STEPS, ...spec }), metadata: { ...targetCanary().metadata, name: 'younger' } })
  const of = (pattern: RegExp) => harness.sandbox.cluster.requests.filter(({ method, path }) => method !== 'GET' && pattern.test(path))
  const deployments = () => harness.sandbox.cluster.reader.list('deployments.apps', 'istioinaction').filter(({ metadata }) => metadata.name.startsWith('service-c')).map(({ metadata }) => [metadata.name, harness.replicas(metadata.name)])

  async function rivals(spec = {}): Promise<string> {
    harness = await adoptedTarget({ spec: { ...STEPS, ...spec } })
    await harness.clock.advance(1500)
    await harness.apply(younger())
    await harness.clock.advance(3000)
    return harness.status().stableRevision ?? ''
  }

  it('are one that releases it, and a younger one that is refused in words and writes nothing', async () => {
    const first = await rivals()
    const rest = deployments()
    expect(stalled('younger')).toBe('True AlreadyManaged: Canary istioinaction/service-c is older and has Service istioinaction/service-c, Deployment istioinaction/service-c: delete one of the two; until then this one writes nothing')
    expect(stalled('service-c')).toMatch(/^False/)
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(60_000)
    expect(of(/./)).toEqual([])
    expect(deployments()).toEqual(rest)
    await harness.apply(target('v2'))
    await at('1/1', 'service-c')
    await harness.clock.advance(20_000)
    const canaryNow = harness.status().canaryRevision ?? ''
    expect(of(/younger/)).toEqual([])
    expect(of(/deployments$/).map(({ status }) => status)).toEqual([409, 201])
    expect(Object.fromEntries(deployments())).toMatchObject({ 'service-c': 0, [`service-c-${first}`]: 2, [`service-c-${canaryNow}`]: 2 })
    expect(harness.status('younger')).toMatchObject({ phase: 'Initializing', routes: [], history: [] })
    expect(harness.events().filter((event) => event.startsWith('Warning AlreadyManaged'))).toHaveLength(1)
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it.each(['Orphan', 'Restore'])('hand over once the older is deleted with onDelete: %s, and the next release is the younger\'s', async (onDelete) => {
    const first = await rivals({ onDelete })
    await harness.delete(targetCanary())
    await harness.until(() => harness.status('younger').phase === 'Idle' && harness.status('younger').stableRevision === first && harness.replicas('service-c') === 0, 60_000)
    expect(stalled('younger')).toMatch(/^False/)
    await harness.patch(younger(), { spec: { steps: [{ weight: 20, for: '2s' }] } })
    await harness.apply(target('v2'))
    await harness.until(() => harness.status('younger').phase === 'Idle' && harness.status('younger').stableRevision !== first, 60_000)
    expect(harness.status('younger').history?.map(({ result }) => result)).toEqual(['Promoted'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('hand over in mid-rollout: weights and pods stay, and the younger brings it to its end', async () => {
    const first = await rivals({ onDelete: 'Orphan' })
    await harness.apply(target('v2'))
    await at('1/1', 'service-c')
    const second = harness.status().canaryRevision
    await harness.delete(targetCanary())
    await harness.until(() => harness.status('younger').canaryRevision === second, 10_000)
    expect(harness.status('younger')).toMatchObject({ phase: 'Progressing', stableRevision: first, weight: '20%' })
    await harness.patch(younger(), { spec: { steps: [{ weight: 20, for: '2s' }] } })
    await harness.until(() => harness.status('younger').phase === 'Idle' && harness.status('younger').stableRevision === second, 60_000)
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('through two Services are rivals all the same: both would write its size', async () => {
    harness = await adoptedTarget({ objects: [service('other', { selector: { app: 'service-c' } })] })
    await harness.clock.advance(1500)
    await harness.apply(younger({ service: { name: 'other' } }))
    await harness.until(() => stalled('younger').startsWith('True AlreadyManaged: Canary istioinaction/service-c is older'), 5000)
    expect(harness.status('younger')).toMatchObject({ phase: 'Initializing', routes: [] })
  })
})

describe('a target whose Canary was deleted with onDelete: Orphan', () => {
  it.each(['at rest', 'in mid-rollout'])('is taken over %s by a Canary of another name, with what serves', async (when) => {
    const isRolling = when === 'in mid-rollout'
    harness = await adoptedTarget({ spec: { onDelete: 'Orphan', ...(isRolling ? STEPS : {}) } })
    const first = harness.status().stableRevision ?? ''
    if (isRolling) {
      await harness.apply(target('v2'))
      await at('1/1', 'service-c')
    }
    await harness.delete(targetCanary())
    await harness.clock.advance(2000)
    await harness.apply({ ...targetCanary({ targetRef: { name: 'service-c' } }), metadata: { ...targetCanary().metadata, name: 'younger' } })
    await harness.until(() => harness.status('younger').stableRevision === first, 10_000)
    await harness.apply(target('v3'))
    await harness.until(() => harness.status('younger').phase === 'Idle' && harness.status('younger').stableRevision !== first, 60_000)
    await harness.until(() => harness.replicas(`service-c-${first}`) === 0, 60_000)
    expect(harness.sandbox.cluster.reader.list('deployments.apps', 'istioinaction').filter(({ metadata }) => metadata.name.startsWith('service-c-') && harness.replicas(metadata.name) > 0)).toHaveLength(1)
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })
})
