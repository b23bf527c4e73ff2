import { afterEach, describe, expect, it } from 'vitest'
import { canary, faulty, version } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted, type AdoptedOptions } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const MINUTE = 60_000
const now = () => harness.clock.now()
const timeOf = (at: number) => new Date(at).toISOString().slice(11, 16)
const minuteOf = (at: number) => Math.floor(at / MINUTE)
/** A window that begins `after` minutes from now, by the clock of the test. */
const inMinutes = (after: number, duration: string, kind = 'Allow') => {
  const at = new Date(now() + after * MINUTE)
  return { kind, schedule: `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`, duration }
}
const opensAt = (after: number) => (minuteOf(now()) + after) * MINUTE
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 300_000)
const patch = (spec: object) => harness.patch(canary(), { spec })
const waiting = () => harness.until(() => harness.status().phase === 'Waiting', 10_000)
/** No load: its requests would be most of the test's time. */
const quiet = (options: AdoptedOptions = {}) => adopted({ rps: 1, ...options, spec: { analysis: { interval: '1s', metrics: [] }, ...options.spec } })

describe('a release outside its windows', () => {
  it('waits for the opening, says when that is, asks nothing of the API server meanwhile, and begins by itself', async () => {
    harness = await quiet()
    const opening = opensAt(10)
    await patch({ windows: [{ ...inMinutes(10, '1h'), timeZone: 'UTC' }] })
    await harness.apply(version('v2', { replicas: 0 }))
    await waiting()
    expect(harness.status().message).toMatch(new RegExp(`^window closed: opens \\w{3} \\d{4}-\\d\\d-\\d\\d ${timeOf(opening)} UTC$`))
    expect(harness.status().waits).toEqual([{ for: 'Window', since: expect.any(String) as string, until: new Date(opening).toISOString() }])
    expect(harness.condition('Reconciling')).toBe('False Waiting: ')
    expect(harness.condition('Promoted')).toMatch(/^Unknown/)
    await harness.clock.advance(15_000)
    expect(harness.events().filter((event) => event.startsWith('Normal WindowClosed: window closed: opens '))).toHaveLength(1)
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(opening - 1000 - now())
    expect(harness.sandbox.cluster.requests.filter(({ path }) => !/watch=1|httproutes|horizontalpodautoscalers|canaryactions|customresourcedefinitions/.test(path))).toEqual([])
    expect(harness.replicas('service-c-v2')).toBe(0)
    await harness.clock.advance(2000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', waits: [] })
    await stable('v2')
  })

  it('begins at once when the windows are taken away', async () => {
    harness = await quiet({ spec: { windows: [{ kind: 'Deny', schedule: '0 0 * * *', duration: '25h' }] } })
    await harness.apply(version('v2', { replicas: 0 }))
    await waiting()
    expect(harness.status().message).toMatch(/^window closed: it does not open before /)
    await patch({ windows: null })
    await stable('v2')
  })

  it('whose template is set back to stable waits for nothing', async () => {
    harness = await quiet({ spec: { windows: [{ kind: 'Deny', schedule: '0 0 * * *', duration: '25h' }] } })
    await harness.apply(version('v2', { replicas: 0 }))
    await waiting()
    await patch({ versions: { desired: 'v1' } })
    await stable('v1')
    expect(harness.status().waits).toEqual([])
  })
})

describe('a rollout in which the window closes', () => {
  const steps = [{ weight: 20, for: '20s' }, { weight: 50, for: '20s' }]
  /** In step 1, with a window that closes before the step is over and opens again after two minutes. */
  const closedAtStep = async (options: AdoptedOptions = {}): Promise<number> => {
    harness = await adopted({ ...options, spec: { steps, ...options.spec } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/2', 30_000)
    const opening = opensAt(3)
    await patch({ windows: [inMinutes(3, '1h')] })
    await harness.until(() => harness.status().rollout?.waitingFor === 'Window', 60_000)
    return opening
  }

  it('holds at its step, with until, not Reconciling, and goes on by itself', async () => {
    const opening = await closedAtStep()
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%', rollout: { waitingFor: 'Window', until: new Date(opening).toISOString() }, waits: [{ for: 'Window', until: new Date(opening).toISOString() }] })
    expect(harness.status().message).toContain(`${timeOf(opening)} UTC`)
    expect(harness.condition('Reconciling')).toBe('False Progressing: ')
    await harness.clock.advance(opening - 2000 - now())
    expect(harness.status().weight).toBe('20%')
    await harness.until(() => harness.status().weight === '50%', 5000)
    expect(harness.condition('Reconciling')).toMatch(/^True/)
    await stable('v2')
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('is rolled back all the same', async () => {
    await closedAtStep()
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 10_000)
    expect(harness.oracle.violations).toEqual([])
  })

  it('is ended at once when stable is wanted again', async () => {
    await closedAtStep()
    await patch({ versions: { desired: 'v1' } })
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    await stable('v1')
  })

  it('is superseded at once, but the new version waits for the opening', async () => {
    const opening = await closedAtStep()
    await harness.apply(version('v3', { replicas: 0 }))
    await waiting()
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    expect([harness.replicas('service-c-v2'), harness.replicas('service-c-v3')]).toEqual([0, 0])
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'Superseded' })
    expect(now()).toBeLessThan(opening)
    await stable('v3')
    expect(harness.oracle.violations).toEqual([])
  })

  it('is not promoted either: that is the last raise', async () => {
    harness = await quiet({ spec: { steps: [{ weight: 50, for: '20s' }] } })
    await harness.apply(version('v2'))
    await harness.until(() => harness.status().step === '1/1', 30_000)
    await patch({ windows: [inMinutes(0, '2m', 'Deny')] })
    await harness.until(() => harness.status().rollout?.waitingFor === 'Window', 60_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '50%' })
    await stable('v2')
  })

  it('restarted in between waits on for the same opening', async () => {
    const opening = await closedAtStep()
    harness.kill()
    harness.startOperator()
    await harness.clock.advance(opening - 2000 - now())
    expect(harness.status().weight).toBe('20%')
    await harness.until(() => harness.status().weight === '50%', 5000)
  })
})

describe('the way back to the stable before', () => {
  it('is one step, whatever the windows say', async () => {
    harness = await quiet({ spec: { scaleDownDelay: { previous: '1h' } } })
    await harness.apply(version('v2'))
    await stable('v2')
    await patch({ windows: [inMinutes(-60, '12h', 'Deny')], versions: { desired: 'v1' } })
    await stable('v1')
    expect(harness.oracle.violations).toEqual([])
  })
})

describe('windows that cannot be used', () => {
  it('stall the Canary, which says where and what to write, and start nothing', async () => {
    harness = await quiet()
    await patch({ windows: [{ kind: 'Allow', schedule: '0 9 31 2 *', duration: '1h' }, { kind: 'Allow', schedule: '0 9 * * *', duration: '1h', timeZone: 'Europe/Bonn' }] })
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(15_000)
    expect(harness.condition('Stalled')).toMatch(/^True InvalidSpec: spec\.windows\[0\]\.schedule: "0 9 31 2 \*" .*; spec\.windows\[1\]\.timeZone: "Europe\/Bonn" is no time zone/)
    expect(harness.replicas('service-c-v2')).toBe(0)
    await patch({ windows: null })
    await stable('v2')
  })
})
