import { afterEach, describe, expect, it } from 'vitest'
import { faulty, version } from '../fixtures.ts'
import type { Harness, Process } from '../harness.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { acting, asks, told } from './acting.ts'

let harness: Harness
afterEach(() => harness.stop())

const BOTH = { steps: [{ name: 'few', weight: 20, for: '1s', approval: 'Required' }, { name: 'half', weight: 50, for: '1s', approval: 'Required' }] }
const QUICK = { steps: [{ name: 'few', weight: 20, for: '1s' }, { name: 'half', weight: 50, for: '1s' }] }
const SLOW = { steps: [{ name: 'few', weight: 20, for: '10m' }, { name: 'half', weight: 50, for: '10m' }] }

type Story = { readonly kind: string; readonly spec: Readonly<Record<string, unknown>>; readonly release: () => ReturnType<typeof version>; readonly from: () => boolean; readonly reason: string; readonly end: () => unknown }

const status = () => harness.status()

/** What is asked without naming a step must never reach a second one. */
const STORIES: readonly Story[] = [
  { kind: 'Approve', spec: BOTH, release: () => version('v2'), from: () => status().rollout?.waitingFor === 'Approval', reason: 'Approved', end: () => expect(status()).toMatchObject({ weight: '50%', rollout: { waitingFor: 'Approval' } }) },
  { kind: 'Skip', spec: SLOW, release: () => version('v2'), from: () => status().step === '1/2', reason: 'StepSkipped', end: () => expect(status()).toMatchObject({ weight: '50%', rollout: { waitingFor: 'Bake' } }) },
  { kind: 'Promote', spec: SLOW, release: () => version('v2'), from: () => status().step === '1/2', reason: 'StepsSkipped', end: () => expect(status()).toMatchObject({ phase: 'Idle', stableRevision: 'v2' }) },
  { kind: 'Pause', spec: QUICK, release: () => version('v2'), from: () => status().step === '1/2', reason: 'Paused', end: () => expect(status()).toMatchObject({ weight: '20%', rollout: { waitingFor: 'Person' } }) },
  { kind: 'Abort', spec: SLOW, release: () => version('v2'), from: () => status().step === '1/2', reason: 'Aborted', end: () => expect(status()).toMatchObject({ phase: 'Failed', failed: { reason: 'Aborted' } }) },
  { kind: 'Retry', spec: QUICK, release: () => faulty('v2'), from: () => status().phase === 'Failed', reason: 'Retried', end: () => expect(status()).toMatchObject({ phase: 'Failed', history: [{ result: 'RolledBack' }, { result: 'RolledBack' }] }) },
]

/** Where the process dies: before or after the first write, or the answer, that follows what was asked. */
const DEATHS = ['before the effect', 'after the effect', 'before the answer', 'after the answer'] as const

const isAnswer = (path: string): boolean => path.includes('/canaryactions/')

/** An operator that dies once at that moment, and is followed by another. */
function mortal(death: (typeof DEATHS)[number], armed: () => boolean): void {
  let process: Process | undefined
  let dead = false
  const die = () => {
    dead = true
    process?.kill()
    void harness.clock.sleep(100).then(() => harness.startOperator())
  }
  const through = (transport: Transport): Transport => async (request) => {
    const writes = request.method !== 'GET' && !request.path.includes('/events')
    const due = !dead && armed() && writes && isAnswer(request.path) === death.endsWith('answer')
    if (due && death.startsWith('before')) die()
    const answer = await transport(request)
    if (due && death.startsWith('after')) die()
    return answer
  }
  process = harness.startOperator({ through })
}

/** From a world in which it fits, until everything has had its time. */
async function asksOnce({ kind, spec, release, from }: Story, operators: (armed: () => boolean) => void): Promise<string> {
  harness = await acting(spec)
  harness.kill()
  let armed = false
  operators(() => armed)
  await harness.apply(release())
  await harness.until(from, 60_000)
  if (kind === 'Promote') harness.oracle.mayJump = true
  armed = true
  const name = await asks(harness, kind)
  await harness.clock.advance(15_000)
  expect(harness.oracle.violations).toEqual([])
  expect(harness.meshMade()).toEqual([])
  return harness.result(name)
}

describe.each(DEATHS)('an operator that dies %s', (death) => {
  it.each(STORIES.map((story) => [story.kind, story] as const))('is followed by one that does what was asked once: %s', async (_kind, story) => {
    expect(await asksOnce(story, (armed) => mortal(death, armed))).toMatch(/^Accepted: /)
    story.end()
  })
})

describe('two operators that both believe to lead', () => {
  it.each(STORIES.map((story) => [story.kind, story] as const))('do what was asked once: %s', async (_kind, story) => {
    const answers = () => harness.sandbox.cluster.requests.filter(({ method, path, status: code }) => method === 'PATCH' && isAnswer(path) && code < 300)
    expect(await asksOnce(story, () => [1, 2].forEach(() => harness.startOperator()))).toMatch(/^Accepted: /)
    expect(answers()).toHaveLength(1)
    expect(told(harness, story.reason).length).toBeGreaterThan(0)
    story.end()
  })
})
