import { afterEach, describe, expect, it } from 'vitest'
import { canary, caller, destination, faulty, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness } from '../harness.ts'
import { adopted, type AdoptedOptions } from './adopted.ts'
import { Browsers } from './browsers.ts'

let harness: Harness
afterEach(() => {
  expect(harness.oracle.violations).toEqual([])
  harness.stop()
})

const AFFINITY = { cookie: { name: 'shop', ttl: '1h', attributes: [{ name: 'SameSite', value: 'Lax' }] } }
const STEPS = [{ weight: 20, for: '4s' }, { weight: 50, for: '4s' }]
const sticky = (options: AdoptedOptions = {}) => adopted({
  rps: 1,
  ...options,
  spec: { traffic: { propagation: '300ms', drain: '200ms', sessionAffinity: AFFINITY }, steps: STEPS, ...options.spec },
})
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const idle = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
const text = (name = 'serin-service-c') => JSON.stringify(harness.object('virtualservices.networking.istio.io', name)['spec'])

describe('users with cookies', () => {
  it('who met the new version keep it; a raise draws only the others again; and each weight is the share of users who met it', async () => {
    harness = await sticky()
    const browsers = new Browsers(harness, 300)
    await harness.apply(version('v2', { replicas: 2 }))
    await at('1/2')
    await harness.clock.advance(2000)
    const early = browsers.last()
    expect(Math.abs(browsers.share('v2') - 0.2)).toBeLessThan(0.08)
    await harness.clock.advance(800)
    expect(browsers.last()).toEqual(early)
    await at('2/2')
    await harness.clock.advance(2000)
    const late = browsers.last()
    expect(Math.abs(browsers.share('v2') - 0.5)).toBeLessThan(0.1)
    expect(early.flatMap((met, index) => (met === 'v2' && late[index] !== 'v2' ? [index] : []))).toEqual([])
    await idle('v2')
    await harness.clock.advance(500)
    expect(browsers.share('v2')).toBe(1)
    expect(text()).not.toContain('cookie')
    expect(harness.meshMade()).toEqual([])
  })

  it('are told their version once for each draw, with the attributes that were asked for', async () => {
    harness = await sticky()
    const browsers = new Browsers(harness, 20)
    await harness.apply(version('v2', { replicas: 2 }))
    await at('2/2')
    await harness.clock.advance(3000)
    const given = browsers.seen.map((answers) => answers.flatMap(({ given }) => given ?? []))
    for (const cookies of given) for (const cookie of cookies) expect(cookie).toMatch(/^shop=serin-[0-9a-f]{10}-(canary|stable-2000|stable-5000); Max-Age=3600; Path=\/; SameSite=Lax$/)
    for (const cookies of given) {
      const values = cookies.map((cookie) => /-(canary|stable-\d+);/.exec(cookie)?.[1])
      expect(['canary', 'stable-2000 canary', 'stable-2000 stable-5000']).toContain(values.join(' '))
    }
  })

  it('are sent back at once when it fails, all of them, in one write, and nothing of it stays in the route', async () => {
    harness = await sticky()
    const browsers = new Browsers(harness, 100)
    await harness.apply(faulty('v2', { replicas: 2 }))
    await at('1/2')
    await harness.clock.advance(400)
    expect(browsers.share('v2')).toBeGreaterThan(0)
    await harness.until(() => harness.oracle.exposed('serin-service-c') === undefined, 30_000, 10)
    expect(text()).not.toContain('cookie')
    await harness.clock.advance(500)
    expect(browsers.share('v1')).toBe(1)
    expect(harness.status()).toMatchObject({ failed: { revision: 'v2', reason: 'ErrorRate' } })
    // The cookie is still there, and means nothing any more: neither now nor in the next release.
    expect(browsers.jars.some((jar) => jar.get('shop')?.endsWith('-canary'))).toBe(true)
    await harness.clock.advance(5000)
    expect(browsers.share('v1')).toBe(1)
  })

  it('keep to their version beside a match, a mirror, and a third destination of the user’s own', async () => {
    const route = [{ destination: { host: 'service-c' }, weight: 80 }, { destination: { host: 'caller' }, weight: 20 }]
    const steps = [{ weight: 30, match: [{ headers: { 'x-tester': { exact: 'yes' } } }], mirror: { match: [{ method: { exact: 'GET' } }] }, for: '4s' }]
    harness = await sticky({ objects: [service('caller'), virtualService({ http: [{ name: 'main', timeout: '3s', route }] })], spec: { steps } })
    const browsers = new Browsers(harness, 100)
    const testers = new Browsers(harness, 5, { headers: { 'x-tester': 'yes' } })
    await harness.apply(version('v2', { replicas: 2 }))
    await at('1/1')
    await harness.clock.advance(1000)
    const from = harness.clock.monotonic()
    await harness.clock.advance(2500)
    const ours = (answers: Browsers['seen'][number]) => answers.filter((answer) => answer.at > from && answer.given === undefined).map((answer) => answer.version)
    const met = browsers.seen.map(ours)
    // A third of all requests go to the user's other app, which says v1 as well.
    const mixed = met.filter((versions) => versions.includes('v2')).length
    expect(mixed).toBeGreaterThan(15)
    expect(mixed).toBeLessThan(60)
    const kept = browsers.jars.filter((jar) => jar.get('shop')?.endsWith('-canary')).length
    expect(kept).toBe(mixed)
    const tally = harness.sandbox.mesh.tally('service-c.istioinaction.svc.cluster.local').find((one) => one.version === 'v2')
    expect(tally?.mirrored).toBeGreaterThan(500)
    expect(testers.share('v1')).toBeLessThan(0.5)
    await idle('v2')
    expect(harness.object('virtualservices.networking.istio.io', 'service-c')['spec']).toMatchObject({
      http: [{ name: 'main', timeout: '3s', route: [destination('service-c', 'serin-v2', 80), destination('caller', undefined, 20)] }],
    })
  })

  it('lose nothing when somebody edits the inserted route, which is written again', async () => {
    harness = await sticky()
    new Browsers(harness, 20)
    await harness.apply(version('v2', { replicas: 2 }))
    await at('1/2')
    const before = text()
    const own = harness.object('virtualservices.networking.istio.io', 'serin-service-c')
    const { http } = own['spec'] as { http: readonly object[] }
    expect(http).toHaveLength(3)
    await harness.patch(own, { spec: { http: http.slice(1) } })
    await harness.clock.advance(500)
    expect(text()).toBe(before)
  })

  it('are asked by another cookie when its name is changed in mid-rollout', async () => {
    harness = await sticky()
    await harness.apply(version('v2', { replicas: 2 }))
    await at('1/2')
    await harness.patch(harness.canary(), { spec: { traffic: { sessionAffinity: { cookie: { name: 'other' } } } } })
    await harness.clock.advance(1000)
    expect(text()).toContain('other=')
    expect(text()).not.toContain('shop=')
    expect(harness.events()).toContainEqual(expect.stringContaining('Normal ExposureEdited'))
    await idle('v2')
  })
})

describe('session affinity', () => {
  it('is refused where the user’s route compares the Cookie header itself, with both places', async () => {
    const matching = { match: [{ headers: { cookie: { regex: '.*vip=1.*' } } }], route: [destination('service-c')] }
    harness = new Harness()
    await harness.apply(crd(), namespace(), service(), caller(), version('v1'), virtualService({ http: [matching, { name: 'main', route: [destination('service-c')] }] }))
    harness.startOperator()
    await harness.apply(canary({ traffic: { sessionAffinity: AFFINITY } }))
    await harness.clock.advance(3000)
    expect(harness.condition('Stalled')).toBe("True UnmatchableProduct: spec.traffic.sessionAffinity.cookie and VirtualService istioinaction/service-c http[0].match[0].headers.cookie cannot both stand in one match of Istio's: change one of them")
    expect(text('service-c')).not.toContain('serin')
  })
})
