import { afterEach, describe, expect, it } from 'vitest'
import { at, listAt } from '../../src/sandbox/json.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { faulty, service, target, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted, adoptedTarget, type AdoptedOptions } from './adopted.ts'

let harness: Harness
afterEach(() => {
  expect(harness.oracle.violations).toEqual([])
  harness.stop()
})

const OWN = 'serin-service-c'
const TESTER = { 'x-tester': 'yes' }
const PREVIEW = { match: [{ headers: { 'x-tester': { exact: 'yes' } } }] }
const previewed = ({ spec, ...options }: AdoptedOptions = {}) => adopted({ ...options, spec: { preview: PREVIEW, ...spec } })
const step = (wanted: string) => harness.until(() => harness.status().step === wanted, 60_000)
const idle = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
const text = () => JSON.stringify(harness.object('virtualservices.networking.istio.io', OWN)['spec'])

/** Who answers now. */
async function met(headers: Readonly<Record<string, string>> = {}, host = 'service-c'): Promise<string> {
  const workload = harness.insider()
  if (workload === undefined) throw new Error('nobody calls')
  const answer = await harness.sandbox.mesh.request(workload, { method: 'GET', host, path: '/', headers })
  return answer.headers['x-version'] ?? String(answer.status)
}

describe('preview.match', () => {
  it('reaches the canary from its first ready pod on, before any step can begin, and in every step', async () => {
    // Four pods are needed before users may all be sent there, and only one of them becomes ready for now.
    harness = await previewed({ replicas: 4, spec: { steps: [{ weight: 100, for: '2s' }] } })
    await harness.apply(version('v2', { replicas: 4 }))
    const pods = await podsOf('v2', 4)
    for (const pod of pods.slice(1)) harness.sandbox.cluster.setPodReady(pod.metadata.namespace ?? '', pod.metadata.name, false)
    await harness.until(() => text().includes('x-tester'), 10_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', step: '0/1', weight: '0%' })
    expect(harness.events()).toContainEqual('Normal PreviewOpened: v2 can be reached by spec.preview.match')
    await harness.clock.advance(3000)
    expect([await met(TESTER), await met()]).toEqual(['v2', 'v1'])
    expect(harness.status()).toMatchObject({ step: '0/1', rollout: { waitingFor: 'Pods' } })
    expect(harness.condition('Degraded')).toMatch(/^False/)
    for (const pod of pods.slice(1)) harness.sandbox.cluster.setPodReady(pod.metadata.namespace ?? '', pod.metadata.name, true)
    await step('1/1')
    await idle('v2')
    expect(text()).not.toContain('x-tester')
    expect(harness.oracle.exposures).toEqual(['v2 -1', 'v2 0', 'v2 1'])
    expect(harness.meshMade()).toEqual([])
  })

  it('leads nowhere in a step that wants no pod yet', async () => {
    harness = await adoptedTarget({ spec: { preview: PREVIEW, steps: [{ replicas: 0, for: '5s' }, { weight: 50, for: '2s' }] } })
    await harness.apply(target('v2'))
    await step('1/2')
    await harness.clock.advance(2000)
    expect(text()).not.toContain('x-tester')
    expect(await met(TESTER)).toBe(harness.status().stableRevision)
    await step('2/2')
    await harness.clock.advance(500)
    expect(await met(TESTER)).toBe(harness.status().canaryRevision)
    expect(harness.meshMade()).toEqual([])
  })

  it('goes in the one write of a rollback', async () => {
    harness = await previewed()
    await harness.apply(faulty('v2'))
    await step('1/2')
    expect(text()).toContain('x-tester')
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(text()).not.toContain('x-tester')
    await harness.clock.advance(500)
    expect(await met(TESTER)).toBe('v1')
    expect(harness.oracle.exposures).toEqual(['v2 0'])
  })

  it('leads to stable while the canary has no ready pod, which fails nothing', async () => {
    harness = await previewed({ replicas: 2, spec: { steps: [{ weight: 100, for: '2s' }], progressDeadline: '10m' } })
    await harness.apply(version('v2', { replicas: 2 }))
    const [first, second] = await podsOf('v2', 2)
    if (first === undefined || second === undefined) throw new Error('no pods')
    const set = (pod: typeof first, ready: boolean) => harness.sandbox.cluster.setPodReady(pod.metadata.namespace ?? '', pod.metadata.name, ready)
    set(second, false)
    await harness.until(() => text().includes('x-tester'), 10_000)
    set(first, false)
    await harness.until(() => !text().includes('x-tester'), 5000)
    expect(harness.status().phase).toBe('Progressing')
    expect(harness.events()).toContainEqual(expect.stringContaining('Normal PreviewClosed'))
    set(first, true)
    await harness.until(() => text().includes('x-tester'), 10_000)
    set(second, true)
    await idle('v2')
  })

  it('follows an edit in mid-rollout', async () => {
    harness = await previewed({ spec: { steps: [{ weight: 20, for: '6s' }] } })
    await harness.apply(version('v2'))
    await step('1/1')
    await harness.patch(harness.canary(), { spec: { preview: { match: [{ cookies: { beta: { exact: 'on' } } }] } } })
    await harness.clock.advance(1000)
    const answers = await Promise.all(Array.from({ length: 10 }, () => met({ cookie: 'a=b; beta=on' })))
    expect(new Set(answers)).toEqual(new Set(['v2']))
    expect(text()).not.toContain('x-tester')
    await idle('v2')
  })

  it('that is superseded ends with its rollout', async () => {
    harness = await previewed({ spec: { steps: [{ for: '1h' }] } })
    await harness.apply(version('v2'))
    await step('1/1')
    expect(await settled(TESTER)).toBe('v2')
    await harness.apply(version('v3'))
    await harness.until(() => harness.status().canaryRevision === 'v3' && harness.status().step === '1/1', 60_000)
    expect(await settled(TESTER)).toBe('v3')
    expect(harness.replicas('service-c-v2')).toBe(0)
  })
})

describe('preview.service', () => {
  const NAME = 'service-c-canary'
  const led = () => (harness.find('services', NAME)?.['spec'] as { selector?: Record<string, string> } | undefined)?.selector?.['version']
  const shown = (spec: Record<string, unknown> = {}, options: AdoptedOptions = {}) => adopted({ ...options, spec: { preview: { service: NAME }, ...spec } })

  it('is a Service that leads to the canary while it is rolled out, else to stable, and goes with its Canary', async () => {
    harness = await shown({ steps: [{ for: '3s' }, { weight: 50, for: '2s' }] })
    await harness.until(() => led() === 'v1', 5000)
    expect(harness.object('services', NAME)).toMatchObject({
      metadata: { ownerReferences: [{ kind: 'Canary', name: 'service-c', controller: true }], labels: { 'app.kubernetes.io/managed-by': 'serin' } },
      spec: { selector: { app: 'service-c', version: 'v1' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    })
    await harness.apply(version('v2'))
    await harness.until(() => led() === 'v2', 10_000)
    expect(harness.status()).toMatchObject({ step: '0/2' })
    expect(await settled({}, NAME)).toBe('v2')
    expect(await met()).toBe('v1')
    await idle('v2')
    expect(led()).toBe('v2')
    expect(harness.condition('Degraded')).toMatch(/^False/)
    await harness.delete(harness.canary())
    await harness.clock.advance(500)
    expect(harness.find('services', NAME)).toBeUndefined()
  })

  it('leads back to stable when the canary fails', async () => {
    harness = await shown()
    await harness.apply(faulty('v2'))
    await harness.until(() => led() === 'v2', 10_000)
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(led()).toBe('v1')
  })

  it('is no business of the gates: load on it neither passes a step nor fails one where users are judged', async () => {
    harness = await shown({ steps: [{ weight: 20, for: '2s' }], analysis: { interval: '1s', minRequests: 100_000, failureThreshold: 1, metrics: [{ name: 'error-rate', max: '1%' }] } })
    // Only a PUT fails, and users of service-c send none.
    await harness.apply(version('v2', { env: { ERROR_RATE: '1', ERROR_CODE: '500', ERROR_METHODS: 'PUT' } }))
    await step('1/1')
    const tester = harness.insider()
    if (tester === undefined) throw new Error('nobody calls')
    const test = () => harness.sandbox.mesh.request(tester, { method: 'PUT', host: NAME, path: '/', headers: {} })
    expect((await test()).status).toBe(500)
    for (let second = 0; second < 30; second++) {
      await Promise.all(Array.from({ length: 20 }, test))
      await harness.clock.advance(200)
    }
    expect(harness.status()).toMatchObject({ phase: 'Progressing', step: '1/1', checks: [{ value: '0%' }] })
    expect(harness.status().checks?.[0]?.requests).toBeLessThan(60)
  })

  it('is not taken for a way past the routes into a dark canary', async () => {
    harness = await shown({ steps: [{ weight: 100, for: '1s' }] }, { replicas: 2 })
    await harness.apply(version('v2', { replicas: 2 }))
    const [, second] = await podsOf('v2', 2)
    harness.sandbox.cluster.setPodReady(second?.metadata.namespace ?? '', second?.metadata.name ?? '', false)
    await harness.until(() => led() === 'v2', 5000)
    for (let second = 0; second < 10; second++) {
      expect(await settled({}, NAME)).toBe('v2')
    }
    expect(harness.status().step).toBe('0/1')
    expect(harness.condition('Degraded')).toMatch(/^False/)
  })

  it('is refused by name where somebody has a Service of that name, which stays as it is', async () => {
    harness = await adopted({ objects: [service(NAME)] })
    await harness.patch(harness.canary(), { spec: { preview: { service: NAME } } })
    await harness.apply(version('v2'))
    await harness.clock.advance(2000)
    expect(harness.condition('Stalled')).toBe(`True PreviewServiceTaken: Service istioinaction/${NAME} exists already and is not Serin's: write a name in spec.preview.service that no Service has`)
    expect(harness.object('services', NAME)['spec']).toMatchObject({ selector: { app: NAME } })
    await harness.delete(service(NAME))
    await idle('v2')
    expect(led()).toBe('v2')
  })

  it('is made again where somebody deletes or edits it, moves with its name, and goes with its field', async () => {
    harness = await shown()
    await harness.until(() => led() === 'v1', 5000)
    await harness.delete(harness.object('services', NAME))
    await harness.until(() => led() === 'v1', 5000)
    await harness.patch(harness.object('services', NAME), { spec: { selector: { version: null } } })
    await harness.until(() => led() === 'v1', 5000)
    await harness.patch(harness.canary(), { spec: { preview: { service: 'other' } } })
    await harness.until(() => harness.find('services', NAME) === undefined && harness.find('services', 'other') !== undefined, 5000)
    await harness.patch(harness.canary(), { spec: { preview: null } })
    await harness.until(() => harness.find('services', 'other') === undefined, 5000)
  })
})

async function settled(headers: Readonly<Record<string, string>>, host?: string): Promise<string> {
  await harness.clock.advance(500)
  return met(headers, host)
}

/** The pods of a version, once so many are ready for the first time. */
async function podsOf(label: string, count: number) {
  const isReady = (pod: KubeObject) => listAt(pod, 'status', 'conditions').some((condition) => at(condition, 'type') === 'Ready' && at(condition, 'status') === 'True')
  await harness.until(() => harness.pods(label).filter(isReady).length === count, 10_000, 10)
  return harness.pods(label)
}
