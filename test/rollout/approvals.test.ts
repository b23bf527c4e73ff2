import { afterEach, describe, expect, it } from 'vitest'
import { action, canary, faulty, version } from '../fixtures.ts'
import { actionCrd, Harness, type ProcessOptions } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const OWN = 'serin-service-c'
const SECOND = 1000
const DAY = 86_400_000
const at = (step: string) => harness.until(() => harness.status().step === step, 120_000)
const failed = () => harness.until(() => harness.status().phase === 'Failed', 60_000)
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 120_000)
const phase = (wanted: string) => harness.until(() => harness.status().phase === wanted, 60_000)
const exposed = () => harness.oracle.exposed(OWN)
const said = (reason: string) => harness.events().filter((event) => event.includes(` ${reason}: `))
const waitingFor = (what: string) => harness.until(() => harness.status().rollout?.waitingFor === what, 60_000)

/** v1 serves, and CanaryActions are served. */
const start = (spec: object = {}, operator: ProcessOptions = {}) => adopted({ spec: { ...spec }, objects: [actionCrd()], operator })

/** Asks, and waits for what becomes of it. */
async function ask(kind: string, spec = {}, name = `${kind.toLowerCase()}-${Math.round(harness.clock.monotonic())}`): Promise<string> {
  await harness.apply(action(kind, spec, name))
  await harness.until(() => harness.result(name) !== '', 30_000, 50)
  return harness.result(name)
}

function nothingBroke(): void {
  expect(harness.oracle.violations).toEqual([])
  expect(harness.meshMade()).toEqual([])
}

const APPROVED = { steps: [{ name: 'canary', weight: 20, for: '2s', approval: 'Required' }, { weight: 50, for: '2s' }] }
const SLOW = { steps: [{ name: 'canary', weight: 20, for: '10m' }, { name: 'half', weight: 50, for: '10m' }] }

describe('an approval', () => {
  it('is asked for once everything else has passed, once, with the command that gives it', async () => {
    harness = await start(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    expect(said('ApprovalRequired')).toEqual([])
    await waitingFor('Approval')
    await harness.clock.advance(60 * SECOND)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    expect(harness.status().message).toMatch(/^canary has passed and waits for approval: echo '\{.*\}' \| kubectl create -f -$/)
    expect(harness.condition('Reconciling')).toMatch(/^False/)
    expect(said('ApprovalRequired')).toHaveLength(1)
    expect(await ask('Approve', { step: 'canary' })).toBe('Accepted: approved')
    await stable('v2')
    expect(said('Approved')).toEqual(['Normal Approved: v2: step canary approved by ada'])
    nothingBroke()
  })
})
