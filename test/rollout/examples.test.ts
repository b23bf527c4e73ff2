import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, faulty, namespace, service, version } from '../fixtures.ts'
import { actionCrd, crd, Harness, manifests } from '../harness.ts'
import { told } from './acting.ts'
import { Browsers } from './browsers.ts'

let harness: Harness
let quiet: () => void
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const MINUTE = 60_000
const at = (step: string, name = 'service-c') => harness.until(() => harness.status(name).step === step, 10 * MINUTE)
const phase = (wanted: string, name = 'service-c') => harness.until(() => harness.status(name).phase === wanted, 10 * MINUTE)
const stable = (revision: string, name = 'service-c') => harness.until(() => harness.status(name).phase === 'Idle' && harness.status(name).stableRevision === revision, 10 * MINUTE)
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const httpOf = (name: string) => (harness.object('virtualservices.networking.istio.io', name)['spec'] as { http: readonly Record<string, unknown>[] }).http

/** service-c at v1 with a Canary of an example, under load. */
async function example(canary: string, ...more: readonly KubeObject[]): Promise<void> {
  harness = new Harness()
  await harness.apply(crd(), actionCrd(), namespace(), service(), caller(), version('v1'), ...more)
  await harness.clock.advance(1000)
  quiet = harness.users(50, { host: 'service-c', from: harness.insider })
  harness.startOperator()
  await harness.apply(...manifests(`examples/${canary}.yaml`))
}

describe('examples/strict', () => {
  it('raises in tenths, judges on the tenth of a minute, and promotes what is slow, for that is only shown', async () => {
    await example('strict/canary')
    await stable('v1')
    await harness.apply(version('v2', { env: { TIMING_50_PERCENTILE: '300ms' } }))
    const weights: string[] = []
    const seconds = new Set<number>()
    const verdicts = new Set<string>()
    await harness.until(() => {
      const { weight = '', checks = [] } = harness.status()
      if (weight !== weights.at(-1)) weights.push(weight)
      checks.forEach(({ name, verdict, dryRun = false, bound, time }) => {
        verdicts.add(`${name} ${bound ?? ''} ${verdict}${dryRun ? ' dry' : ''}`)
        seconds.add(new Date(time ?? '').getUTCSeconds() % 10)
      })
      return harness.status().stableRevision === 'v2'
    }, 10 * MINUTE)
    expect(weights).toEqual(['0%', '10%', '20%', '30%', '40%', '75%', '100%', '0%'])
    expect([...seconds]).toEqual([0])
    expect(verdicts).toEqual(new Set(['errors 1% Pass', 'grpc-errors 0.5% Pass', 'latency 100ms Fail dry']))
    expect(failures()).toEqual([])
  })

  it('takes answers of 404 for errors, after the initial delay and at the first check, and keeps what failed for an hour', async () => {
    await example('strict/canary')
    await stable('v1')
    await harness.apply(faulty('v2', { env: { ERROR_CODE: '404' } }))
    await at('1/5')
    const began = Date.parse(harness.status().rollout?.stepStartedAt ?? '')
    await harness.until(() => harness.status().failed !== undefined, MINUTE)
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'Errors' })
    const ended = Date.parse(harness.status().failed?.at ?? '')
    expect(ended - began).toBeGreaterThanOrEqual(10_000)
    expect(ended - began).toBeLessThanOrEqual(25_000)
    quiet()
    await harness.clock.advance(55 * MINUTE)
    expect([harness.status().phase, harness.replicas('service-c-v2')]).toEqual(['RollingBack', 1])
    await harness.clock.advance(6 * MINUTE)
    expect([harness.status().phase, harness.replicas('service-c-v2')]).toEqual(['Failed', 0])
  })

  it('gives up what nobody calls, and what is not ready within a minute', async () => {
    await example('strict/canary')
    await stable('v1')
    quiet()
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().failed?.revision === 'v2', 3 * MINUTE)
    expect(harness.status().failed).toMatchObject({ reason: 'NoData' })
    await harness.apply(version('v3', { env: { READY_CHECK_RESPONSE_SUCCESS_CODE: '500' } }))
    const began = harness.clock.monotonic()
    await harness.until(() => harness.status().failed?.revision === 'v3', 3 * MINUTE)
    expect(harness.status().failed).toMatchObject({ reason: 'ProgressDeadline' })
    expect(harness.clock.monotonic() - began).toBeGreaterThanOrEqual(MINUTE)
    expect(harness.oracle.exposures).toEqual(['v2 0'])
  })
})

describe('examples/audience', () => {
  const release = (label: string) => version(label, { app: 'shop', replicas: 2, labels: { release: label } })
  const nightly = () => version('v1', { app: 'nightly', labels: { job: 'nightly' } })
  const met = async (app: string) => {
    const workload = harness.workload(app)
    return workload && (await harness.sandbox.mesh.request(workload, { method: 'GET', host: 'shop', path: '/', headers: {} })).headers['x-version']
  }

  it('releases what is named, to staff, to batch jobs, then to some; its cookie is for the shop alone, and the route admin is left alone', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), service('shop'), caller(), nightly(), release('r1'), ...manifests('examples/audience/virtual-services.yaml'))
    await harness.clock.advance(1000)
    harness.users(20, { host: 'shop.example' })
    harness.users(20, { host: 'shop', from: () => harness.workload('nightly') })
    const [admin] = httpOf('shop-outside')
    harness.startOperator()
    await harness.apply(...manifests('examples/audience/canary.yaml'))
    await stable('r1', 'shop')
    const browsers = new Browsers(harness, 40, { host: 'shop' })
    await harness.apply(release('r2'))
    await harness.clock.advance(MINUTE)
    expect(harness.status('shop')).toMatchObject({ phase: 'Idle', stableRevision: 'r1' })
    expect(harness.oracle.exposures).toEqual([])

    await harness.patch(harness.canary('shop'), { spec: { versions: { desired: 'r2' } } })
    await at('1/3', 'shop')
    const staff = { uri: { prefix: '/shop' }, headers: { '@request.auth.claims.realm.group': { exact: 'staff' } }, withoutHeaders: { 'x-classic': { exact: 'yes' } } }
    expect(httpOf('shop-outside')).toMatchObject([{ name: 'admin' }, { name: 'serin-match-users-1', match: [staff] }, { name: 'users' }])
    expect(httpOf('shop-inside')).toHaveLength(1)
    expect(JSON.stringify(harness.sandbox.cluster.reader.list('destinationrules.networking.istio.io'))).toContain('"labels":{"release":"r2"}')
    await at('2/3', 'shop')
    await harness.clock.advance(1000)
    expect([await met('nightly'), await met('caller')]).toEqual(['r2', 'r1'])
    await at('3/3', 'shop')
    await harness.clock.advance(2500)
    expect(new Set(browsers.last())).toEqual(new Set(['r1', 'r2']))
    const cookies = browsers.seen.flat().flatMap(({ given }) => given ?? [])
    expect(cookies.length).toBeGreaterThan(0)
    for (const cookie of cookies) expect(cookie).toMatch(/^shop-release=serin-[^;]+; Max-Age=43200; Path=\/shop$/)
    expect(httpOf('shop-outside')[0]).toEqual(admin)
    await stable('r2', 'shop')
    expect(httpOf('shop-outside')[0]).toEqual(admin)
    expect(failures()).toEqual([])
  })
})

describe('examples/hotfix', () => {
  it('frozen.yaml moves nothing; canary.yaml sends the next version to everybody at once', async () => {
    await example('hotfix/frozen')
    await harness.clock.advance(MINUTE)
    expect(harness.status().phase).toBe('Suspended')
    expect(harness.find('virtualservices.networking.istio.io', 'serin-service-c')).toBeUndefined()
    harness.oracle.mayJump = true
    await harness.apply(...manifests('examples/hotfix/canary.yaml'))
    await stable('v1')
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().stableRevision === 'v2', MINUTE)
    expect(harness.oracle.exposures).toEqual(['v2 2'])
    expect(harness.status().history).toMatchObject([{ revision: 'v2', result: 'Promoted', reason: 'AnalysisSkipped', message: 'steps and gates were skipped: spec.skipAnalysis' }])
    expect(failures()).toEqual([])
  })

  it('service-c-v2.yaml goes to everybody by its annotation, and the version after it takes its steps', async () => {
    await example('hotfix/frozen')
    harness.oracle.mayJump = true
    await harness.patch(harness.canary(), { spec: { suspend: false } })
    await stable('v1')
    await harness.apply(...manifests('examples/hotfix/service-c-v2.yaml'))
    await harness.until(() => harness.status().stableRevision === 'v2', MINUTE)
    await stable('v2')
    await harness.apply(version('v3'))
    await at('1/2')
    await harness.clock.advance(10 * MINUTE)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '5%', stableRevision: 'v2' })
  })
})

describe('examples/actions', () => {
  let sent = 0
  /** As kubectl create does, which makes the name up; resolves with the answer. */
  async function create(name: string): Promise<string> {
    const [asked] = manifests(`examples/actions/${name}.yaml`)
    if (asked === undefined) throw new Error(`no ${name}`)
    const made = `service-c-${++sent}`
    await harness.apply({ ...asked, metadata: { namespace: 'istioinaction', name: made } })
    await harness.until(() => harness.result(made) !== '', MINUTE, 50)
    return harness.result(made)
  }

  it('are acted on as each of them says', async () => {
    await example('actions/canary')
    await stable('v1')
    await harness.apply(version('v2'))
    await at('1/2')
    expect(await create('abort')).toMatch(/^Accepted/)
    await phase('Failed')
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'Aborted' })
    expect(harness.answers.at(-1)?.version).toBe('v1')

    expect(await create('retry')).toMatch(/^Accepted/)
    await at('1/2')
    await harness.clock.advance(MINUTE)
    expect(await create('pause')).toMatch(/^Accepted/)
    quiet()
    await harness.clock.advance(31 * MINUTE)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', step: '1/2', paused: { by: 'kubernetes-admin' } })
    expect(await create('skip')).toBe('Refused: paused by kubernetes-admin: resume it first')
    expect(await create('resume')).toMatch(/^Accepted/)
    await at('2/2')
    harness.users(10, { host: 'service-c', from: harness.insider })

    harness.oracle.mayJump = true
    expect(await create('promote')).toMatch(/^Accepted/)
    await harness.until(() => harness.status().stableRevision === 'v2', MINUTE)
    expect(harness.status().history).toMatchObject([{ result: 'Promoted', by: 'kubernetes-admin' }, { result: 'Aborted', reason: 'Aborted', by: 'kubernetes-admin' }])
    expect(told(harness, 'StepsSkipped')).toEqual(['kubernetes-admin: hotfix; all remaining steps of v2 are skipped'])
    expect(harness.meshMade()).toEqual([])
  })

  it('skip.yaml ends the step few, and only that', async () => {
    await example('actions/canary')
    await stable('v1')
    await harness.apply(version('v2'))
    await at('1/2')
    expect(await create('skip')).toBe('Accepted: skipped')
    await at('2/2')
    expect(await create('skip')).toMatch(/^Refused: .*few/)
    expect(harness.status().weight).toBe('50%')
  })
})
