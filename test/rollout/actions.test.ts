import { afterEach, describe, expect, it } from 'vitest'
import { action, canary, faulty, version } from '../fixtures.ts'
import { actionCrd, crd, Harness } from '../harness.ts'
import { acting, asked, asks, told } from './acting.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const DAY = 86_400_000
const at = (step: string) => harness.until(() => harness.status().step === step, 120_000)
const phase = (wanted: string) => harness.until(() => harness.status().phase === wanted, 60_000)
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 120_000)
const patch = (spec: object) => harness.patch(canary(), { spec })

function nothingBroke(): void {
  expect(harness.oracle.violations).toEqual([])
  expect(harness.meshMade()).toEqual([])
}

const SLOW = { steps: [{ name: 'few', weight: 20, for: '10m' }, { name: 'half', weight: 50, for: '10m' }] }

/** v2 at its first step, which lasts. */
async function midRollout(release = version('v2'), spec: Readonly<Record<string, unknown>> = SLOW): Promise<void> {
  harness = await acting(spec)
  await harness.apply(release)
  await at('1/2')
}

describe('Skip', () => {
  it('ends the present step and no other', async () => {
    await midRollout()
    expect(await asked(harness, 'Skip', { step: 'few' })).toBe('Accepted: skipped')
    await at('2/2')
    await harness.clock.advance(60_000)
    expect(harness.status().weight).toBe('50%')
    expect(harness.status().rollout?.skips).toMatchObject([{ step: 'few', by: 'ada' }])
    expect(told(harness, 'StepSkipped')).toEqual(['v2: step few skipped by ada'])
    expect(await asked(harness, 'Skip')).toBe('Accepted: skipped')
    await stable('v2')
    nothingBroke()
  })
})

describe('Promote', () => {
  it('skips all that is left, waits for pods and propagation, and says who did it', async () => {
    await midRollout()
    harness.oracle.mayJump = true
    expect(await asked(harness, 'Promote', { reason: 'hotfix' })).toBe('Accepted: all remaining steps are skipped')
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 2'])
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'Promoted', reason: 'StepsSkipped', by: 'ada' })
    expect(told(harness, 'StepsSkipped')).toEqual(['ada: hotfix; all remaining steps of v2 are skipped'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
    nothingBroke()
  })

  it('of a dark version goes to all at once, when its pods are ready', async () => {
    harness = await acting(SLOW)
    harness.oracle.mayJump = true
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.until(() => harness.status().canaryRevision === 'v2', 10_000, 10)
    expect(await asked(harness, 'Promote')).toMatch(/^Accepted/)
    expect(harness.oracle.exposures).toEqual([])
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(['v2 2'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
    nothingBroke()
  })

  it('does not pass a failing check', async () => {
    harness = await acting({ ...SLOW, traffic: { propagation: '5s', drain: '5s' } })
    await harness.apply(version('v2'))
    await at('1/2')
    harness.oracle.mayJump = true
    await harness.clock.advance(8000)
    await asked(harness, 'Promote')
    await phase('Promoting')
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 20_000, 50)
    expect(harness.status().stableRevision).toBe('v1')
  })
})

describe('Pause', () => {
  it('holds the step, and Resume lets it go on', async () => {
    await midRollout(version('v2'), {})
    expect(await asked(harness, 'Pause', { reason: 'lunch' })).toBe('Accepted: paused by ada')
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%', paused: { by: 'ada' }, rollout: { waitingFor: 'Person' } })
    expect(harness.status().message).toMatch(/^paused by ada since/)
    expect(harness.condition('Reconciling')).toMatch(/^False/)
    harness.kill()
    harness.startOperator()
    await harness.clock.advance(30_000)
    expect(harness.status().weight).toBe('20%')
    expect(await asked(harness, 'Skip')).toBe('Refused: paused by ada: resume it first')
    expect(await asked(harness, 'Promote')).toBe('Refused: paused by ada: resume it first')
    expect(await asked(harness, 'Resume', { requester: 'grace' })).toBe('Accepted: not paused')
    expect(harness.status().paused).toBeUndefined()
    await stable('v2')
    expect([...told(harness, 'Paused'), ...told(harness, 'Resumed')]).toEqual(['paused by ada: lunch', 'resumed by grace'])
    nothingBroke()
  })

  it('does not hold a rollback', async () => {
    await midRollout(version('v2'), SLOW)
    await asked(harness, 'Pause')
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.oracle.exposed(OWN) === undefined, 10_000, 50)
  })

  it('lets nothing begin, and says so', async () => {
    harness = await acting()
    expect(await asked(harness, 'Pause')).toBe('Accepted: paused by ada')
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.clock.advance(30_000)
    expect(harness.status()).toMatchObject({ phase: 'Waiting', stableRevision: 'v1' })
    expect(harness.status().message).toMatch(/^paused by ada/)
    await asked(harness, 'Resume')
    await stable('v2')
  })

  it('while promoting keeps both versions as they are', async () => {
    harness = await acting({ traffic: { propagation: '3s', drain: '3s' } })
    await harness.apply(version('v2'))
    await phase('Promoting')
    await asked(harness, 'Pause')
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Promoting', stableRevision: 'v1', weight: '100%' })
    await asked(harness, 'Resume')
    await stable('v2')
    nothingBroke()
  })

  it('does not hold the way back to the previous stable while it still stands', async () => {
    harness = await acting({ scaleDownDelay: { previous: '5m' } })
    await harness.apply(version('v2'))
    await stable('v2')
    await harness.clock.advance(5000)
    await asked(harness, 'Pause')
    await patch({ versions: { desired: 'v1' } })
    await stable('v1')
    nothingBroke()
  })
})

describe('Abort', () => {
  it('sends everybody to stable within one pass, in one write, and is a failure with its reason', async () => {
    await midRollout()
    harness.sandbox.cluster.forgetRequests()
    const name = await asks(harness, 'Abort', { reason: 'dashboard is red' })
    await harness.clock.advance(10)
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    const [first] = harness.sandbox.cluster.requests.filter(({ method, path }) => method !== 'POST' && !path.includes('watch'))
    expect(first).toMatchObject({ method: 'PATCH', path: expect.stringContaining('/virtualservices/') as string })
    await phase('Failed')
    expect(harness.result(name)).toBe('Accepted: aborted')
    expect(harness.status()).toMatchObject({ stableRevision: 'v1', failed: { revision: 'v2', reason: 'Aborted', message: 'aborted by ada: dashboard is red' } })
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'Aborted', reason: 'Aborted', by: 'ada' })
    expect(told(harness, 'Aborted')).toEqual(['v2 rolled back: aborted by ada: dashboard is red'])
    expect(harness.condition('Promoted')).toMatch(/^False Aborted/)
    await harness.clock.advance(60_000)
    expect(harness.oracle.exposures).toEqual(['v2 0'])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
    nothingBroke()
  })

  it('of a dark version buries it before anybody met it', async () => {
    harness = await acting(SLOW)
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.until(() => harness.status().canaryRevision === 'v2', 10_000, 10)
    expect(await asked(harness, 'Abort')).toBe('Accepted: aborted')
    await phase('Failed')
    expect(harness.oracle.exposures).toEqual([])
    expect(harness.replicas('service-c-v2')).toBe(0)
  })

  it('while promoting still goes back', async () => {
    harness = await acting({ traffic: { propagation: '3s', drain: '3s' } })
    await harness.apply(version('v2'))
    await phase('Promoting')
    expect(await asked(harness, 'Abort')).toBe('Accepted: aborted')
    await phase('Failed')
    expect(harness.status().stableRevision).toBe('v1')
    nothingBroke()
  })

  it.each([['at a step', true], ['in the dark', false]])('is heard while paused and while suspended, %s', async (_where, exposed) => {
    harness = await acting(SLOW)
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.until(() => harness.status().step === (exposed ? '1/2' : '0/2') && harness.status().canaryRevision === 'v2', 20_000, 10)
    await asked(harness, 'Pause')
    await patch({ suspend: true })
    expect(await asked(harness, 'Abort')).toBe('Accepted: aborted')
    expect(harness.oracle.exposed(OWN)).toBeUndefined()
    expect(harness.status().failed).toMatchObject({ revision: 'v2', reason: 'Aborted' })
  })

  it('overtakes what was asked before', async () => {
    await midRollout()
    harness.sandbox.cluster.faults.pauseWatches()
    await asks(harness, 'Promote')
    const abort = await asks(harness, 'Abort')
    harness.sandbox.cluster.faults.resumeWatches()
    await phase('Failed')
    expect(harness.result(abort)).toBe('Accepted: aborted')
    expect(harness.oracle.exposures).toEqual(['v2 0'])
  })
})

describe('Retry', () => {
  it('starts a failed version at its first step, once', async () => {
    harness = await acting()
    await harness.apply(faulty('v2'))
    await phase('Failed')
    expect(await asked(harness, 'Retry')).toBe('Accepted: it starts anew')
    await phase('Progressing')
    expect(harness.status().failed).toBeUndefined()
    await phase('Failed')
    await harness.clock.advance(60_000)
    expect(harness.oracle.exposures).toEqual(['v2 0'])
    expect(harness.status().history?.map(({ result }) => result)).toEqual(['RolledBack', 'RolledBack'])
    expect(told(harness, 'Retried')).toEqual(['v2 is tried again from its first step, for ada'])
    nothingBroke()
  })

  it('of what was aborted ends in promotion when it is good', async () => {
    await midRollout(version('v2'), {})
    await asked(harness, 'Abort')
    await phase('Failed')
    expect(await asked(harness, 'Retry')).toBe('Accepted: it starts anew')
    await stable('v2')
    expect(harness.status().history?.map(({ result }) => result)).toEqual(['Promoted', 'Aborted'])
    nothingBroke()
  })
})

describe('what does not fit is refused in words', () => {
  it('while nothing is rolled out', async () => {
    harness = await acting()
    for (const kind of ['Approve', 'Skip', 'Promote', 'Abort']) expect(await asked(harness, kind, { revision: 'v1' })).toBe('Refused: v1 is not on its way through the steps: the Canary is Idle')
    expect(await asked(harness, 'Retry', { revision: 'v1' })).toBe('Refused: v1 cannot be retried while the Canary is Idle')
    expect(await asked(harness, 'Abort')).toBe('Refused: names v2, the current revision is v1')
    expect(await asked(harness, 'Pause', { revision: 'v2' })).toBe('Refused: names v2, the current revision is v1')
    expect(harness.status().paused).toBeUndefined()
  })

  it('in a rollout', async () => {
    await midRollout()
    expect(await asked(harness, 'Retry')).toBe('Refused: v2 cannot be retried while the Canary is Progressing')
    expect(await asked(harness, 'Approve')).toBe('Refused: step few needs no approval')
    expect(await asked(harness, 'Skip', { step: 'half' })).toBe('Refused: names step half, the present one is few')
    for (const kind of ['Approve', 'Skip', 'Promote', 'Abort', 'Retry']) expect(await asked(harness, kind, { revision: 'v1' })).toBe('Refused: names v1, the current revision is v2')
    expect(harness.status()).toMatchObject({ step: '1/2', weight: '20%' })
  })

  it('in the dark', async () => {
    harness = await acting(SLOW)
    await harness.apply(version('v2', { replicas: 0 }))
    await harness.until(() => harness.status().canaryRevision === 'v2', 10_000, 10)
    await asked(harness, 'Pause')
    expect(await asked(harness, 'Approve')).toBe('Refused: no step of v2 has begun')
    await asked(harness, 'Resume')
    await at('1/2')
  })

  it('while promoting, rolling back and after a failure', async () => {
    harness = await acting({ traffic: { propagation: '3s', drain: '3s' }, scaleDownDelay: { failed: '20s' } })
    await harness.apply(version('v2'))
    await phase('Promoting')
    for (const kind of ['Approve', 'Skip', 'Promote']) expect(await asked(harness, kind)).toBe('Refused: v2 is not on its way through the steps: the Canary is Promoting')
    await asked(harness, 'Abort')
    await phase('RollingBack')
    for (const kind of ['Approve', 'Skip', 'Promote', 'Abort']) expect(await asked(harness, kind)).toBe('Refused: v2 is not on its way through the steps: the Canary is RollingBack')
    expect(await asked(harness, 'Retry')).toBe('Refused: v2 cannot be retried while the Canary is RollingBack')
    await phase('Failed')
    for (const kind of ['Approve', 'Skip', 'Promote', 'Abort']) expect(await asked(harness, kind)).toBe('Refused: v2 is not on its way through the steps: the Canary is Failed')
  })

  it('where there is no such Canary', async () => {
    harness = await acting()
    expect(await asked(harness, 'Pause', { canaryRef: { name: 'nobody' } })).toBe('Refused: there is no Canary nobody')
  })
})

describe('an action', () => {
  it('that cannot be acted on in time expires, and does nothing later', async () => {
    await midRollout()
    await patch({ suspend: true })
    const [skip, pause] = [await asks(harness, 'Skip', { expiresAfter: '60s' }), await asks(harness, 'Pause')]
    await harness.clock.advance(50_000)
    expect([harness.result(skip), harness.result(pause)]).toEqual(['', ''])
    await harness.clock.advance(15_000)
    expect(harness.result(skip)).toBe('Expired: it could not be acted on within expiresAfter')
    await patch({ suspend: false })
    await harness.until(() => harness.result(pause) !== '', 10_000)
    expect(harness.result(pause)).toBe('Accepted: paused by ada')
    expect(harness.status().weight).toBe('20%')
  })

  it('that is older than its time when the operator comes is not acted on', async () => {
    await midRollout()
    harness.kill()
    const abort = await asks(harness, 'Abort', { expiresAfter: '30s' })
    await harness.clock.advance(40_000)
    harness.startOperator()
    await harness.until(() => harness.result(abort) !== '', 20_000)
    expect(harness.result(abort)).toMatch(/^Expired/)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
  })

  it('is deleted a week after its answer, and no sooner', async () => {
    harness = new Harness()
    await harness.apply(crd(), actionCrd(), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istioinaction' } })
    harness.startOperator()
    await harness.apply(action('Pause'))
    await harness.until(() => harness.result('pause') !== '', 30_000)
    const find = () => harness.find('canaryactions.serin.dev', 'pause')
    await harness.clock.advance(7 * DAY - 60_000)
    expect(find()).toBeDefined()
    await harness.clock.advance(2 * 60_000)
    expect(find()).toBeUndefined()
  })

  it('is heard on a cluster where its kind was installed after the operator had started', async () => {
    harness = await adopted({ spec: SLOW })
    await harness.apply(version('v2'))
    await at('1/2')
    await harness.apply(actionCrd())
    const abort = await asks(harness, 'Abort')
    await harness.until(() => harness.result(abort) !== '', 310_000)
    expect(harness.result(abort)).toBe('Accepted: aborted')
  })

  it('of several in one moment is met in their order', async () => {
    await midRollout()
    harness.sandbox.cluster.faults.pauseWatches()
    const names = [await asks(harness, 'Pause'), await asks(harness, 'Resume'), await asks(harness, 'Pause', { requester: 'grace' })]
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.until(() => names.every((name) => harness.result(name) !== ''), 30_000)
    expect(names.map((name) => harness.result(name))).toEqual(['Accepted: paused by ada', 'Accepted: not paused', 'Accepted: paused by grace'])
    expect(harness.status().paused).toMatchObject({ by: 'grace' })
  })
})
