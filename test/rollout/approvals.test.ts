import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { canary, faulty, target, version } from '../fixtures.ts'
import { actionCrd, type Harness, manifests, Harness as Stage } from '../harness.ts'
import { acting, asked, told } from './acting.ts'
import { adoptedTarget } from './adopted.ts'

let harness: Harness
afterEach(() => harness.stop())

const at = (step: string) => harness.until(() => harness.status().step === step, 120_000)
const stable = (revision: string) => harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 120_000)
const waitingFor = (what: string) => harness.until(() => harness.status().rollout?.waitingFor === what, 60_000)
const patch = (spec: object) => harness.patch(canary(), { spec })

function nothingBroke(): void {
  expect(harness.oracle.violations).toEqual([])
  expect(harness.meshMade()).toEqual([])
}

const APPROVED = { steps: [{ name: 'few', weight: 20, for: '2s', approval: 'Required' }, { name: 'half', weight: 50, for: '2s' }] }

describe('an approval', () => {
  it('is asked for once everything else has passed, once, with the command that gives it', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    expect(told(harness, 'ApprovalRequired')).toEqual([])
    await waitingFor('Approval')
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ phase: 'Progressing', weight: '20%' })
    const [, manifest = '', end = ''] = /^few has passed and waits for approval: echo '(.*)' \| (kubectl create -f -)$/.exec(harness.status().message ?? '') ?? []
    expect(end).toBe('kubectl create -f -')
    expect(JSON.parse(manifest.replace(/'\$\(kubectl auth whoami [^)]*\)'/, 'ada'))).toMatchObject({
      kind: 'CanaryAction', metadata: { generateName: 'service-c-', namespace: 'istioinaction' },
      spec: { canaryRef: { name: 'service-c' }, action: 'Approve', revision: 'v2', step: 'few', requester: 'ada' },
    })
    expect(harness.condition('Reconciling')).toMatch(/^False/)
    expect(told(harness, 'ApprovalRequired')).toHaveLength(1)
    expect(await asked(harness, 'Approve', { step: 'few', reason: 'green' })).toBe('Accepted: approved')
    await at('2/2')
    expect(harness.status().rollout?.approvals).toMatchObject([{ step: 'few', by: 'ada' }])
    await stable('v2')
    expect(told(harness, 'Approved')).toEqual(['v2: step few approved by ada: green'])
    expect(told(harness, 'ApprovalRequired')).toHaveLength(1)
    nothingBroke()
  })

  it('that is given before it is asked for waits for nothing but the step', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    expect(await asked(harness, 'Approve')).toBe('Accepted: approved')
    expect(harness.status().step).toBe('1/2')
    await stable('v2')
    expect(told(harness, 'ApprovalRequired')).toEqual([])
    nothingBroke()
  })

  it('counts for its step alone, though upTo gives its name to several', async () => {
    harness = await acting({ steps: [{ name: 'up', weight: 20, upTo: 40, for: '2s', approval: 'Required' }] })
    await harness.apply(version('v2'))
    await waitingFor('Approval')
    expect(await asked(harness, 'Approve', { step: 'up' })).toBe('Accepted: approved')
    await harness.until(() => harness.status().weight === '40%')
    await waitingFor('Approval')
    await harness.clock.advance(10_000)
    expect(harness.status().weight).toBe('40%')
    expect(harness.status().rollout?.asked).toMatch(/^1#/)
    await asked(harness, 'Approve')
    await stable('v2')
  })

  it('is asked for again after the steps were edited', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    await asked(harness, 'Approve')
    await patch({ steps: [{ name: 'few', weight: 20, for: '3s', approval: 'Required' }, { weight: 60, for: '2s' }] })
    await waitingFor('Approval')
    await harness.clock.advance(10_000)
    expect(harness.status().weight).toBe('20%')
    await asked(harness, 'Approve')
    await stable('v2')
  })

  it('is asked for again by the version that supersedes', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    await asked(harness, 'Approve')
    await harness.apply(version('v3', { replicas: 0 }))
    await harness.until(() => harness.status().canaryRevision === 'v3' && harness.status().rollout?.waitingFor === 'Approval', 60_000)
    expect(harness.status().rollout?.approvals).toBeUndefined()
    expect(await asked(harness, 'Approve')).toBe('Refused: names v2, the current revision is v3')
    expect(await asked(harness, 'Approve', { revision: 'v3' })).toBe('Accepted: approved')
    await stable('v3')
  })

  it('is remembered over a restart', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await at('1/2')
    await asked(harness, 'Approve')
    harness.kill()
    harness.startOperator()
    await stable('v2')
    expect(told(harness, 'ApprovalRequired')).toEqual([])
    nothingBroke()
  })

  it('that nobody gives by the deadline rolls back', async () => {
    harness = await acting({ steps: [{ name: 'few', weight: 20, for: '2s', approval: 'Required', deadline: '60s' }] })
    await harness.apply(version('v2'))
    await waitingFor('Approval')
    const { stepStartedAt = '', until = '' } = harness.status().rollout ?? {}
    expect(Date.parse(until) - Date.parse(stepStartedAt)).toBe(60_000)
    await harness.until(() => harness.status().phase === 'Failed', 120_000)
    expect(harness.status().failed).toMatchObject({ reason: 'Deadline', message: 'step few was not over by its deadline: nobody approved it' })
    nothingBroke()
  })

  it('does not stand above a check that fails', async () => {
    harness = await acting(APPROVED)
    await harness.apply(version('v2'))
    await waitingFor('Approval')
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.oracle.exposed('serin-service-c') === undefined, 10_000, 50)
  })
})

describe('analysis', () => {
  it('is skipped for every release where the spec says so: all in one step, readiness and order as ever', async () => {
    harness = await acting({ skipAnalysis: true })
    harness.oracle.mayJump = true
    await harness.apply(faulty('v2'))
    await harness.until(() => harness.status().phase === 'Promoting', 30_000)
    expect(harness.status().rollout?.analysisSkipped).toBe('spec.skipAnalysis')
    expect(harness.status().message).toContain('skipped: spec.skipAnalysis')
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(['v2 2'])
    expect(harness.status().history?.[0]).toMatchObject({ revision: 'v2', result: 'Promoted', reason: 'AnalysisSkipped', message: 'steps and gates were skipped: spec.skipAnalysis' })
    expect(told(harness, 'AnalysisSkipped')).toEqual(['v2: steps and gates were skipped: spec.skipAnalysis'])
    nothingBroke()
  })

  const annotated = (label: string) => {
    const deployment = version(label) as unknown as { spec: { template: { metadata: { annotations?: object } } } }
    deployment.spec.template.metadata.annotations = { 'serin.dev/skip-analysis': 'true' }
    return deployment as unknown as ReturnType<typeof version>
  }

  it('is skipped for one version whose pod template says so, and for no other', async () => {
    harness = await acting()
    harness.oracle.mayJump = true
    await harness.apply(annotated('v2'))
    await stable('v2')
    harness.oracle.mayJump = false
    expect(harness.oracle.exposures).toEqual(['v2 2'])
    expect(harness.status().history?.[0]).toMatchObject({ reason: 'AnalysisSkipped', message: 'steps and gates were skipped: annotation serin.dev/skip-analysis' })
    await harness.apply(version('v3'))
    await stable('v3')
    expect(harness.oracle.exposures).toEqual(['v2 2', 'v3 0', 'v3 1', 'v3 2'])
    nothingBroke()
  })

  it('is skipped from where the rollout stands when the annotation comes in its middle, which makes no new version', async () => {
    harness = await acting({ steps: [{ weight: 20, for: '10m' }, { weight: 50, for: '10m' }] })
    await harness.apply(version('v2'))
    await at('1/2')
    harness.oracle.mayJump = true
    await harness.apply(annotated('v2'))
    await stable('v2')
    expect(harness.oracle.exposures).toEqual(['v2 0', 'v2 2'])
    expect(harness.status().history).toHaveLength(1)
    nothingBroke()
  })
})

describe('the annotation that skips analysis, of a target', () => {
  const saying = (image: string, skipped: string | null): KubeObject => {
    const { spec, ...rest } = target(image) as KubeObject & { spec: { template: { metadata: object } } }
    return { ...rest, spec: { ...spec, template: { ...spec.template, metadata: { ...spec.template.metadata, annotations: { 'serin.dev/skip-analysis': skipped } } } } }
  }
  const now = () => harness.status().stableRevision ?? ''
  const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && now() !== before, 60_000)
  const slow = { weight: 20, for: '1h' }

  it.each([['from the beginning', [slow]], ['before a gate has passed', [{ replicas: 0, for: '1h' }, slow]]])('counts %s', async (_, steps) => {
    harness = await adoptedTarget({ spec: { steps } })
    harness.oracle.mayJump = true
    const first = now()
    await harness.apply(saying('v2', 'true'))
    await promotedFrom(first)
    nothingBroke()
  })

  it('counts when it comes in mid-rollout, and for the release that it was written for alone', async () => {
    harness = await adoptedTarget({ spec: { steps: [slow], rollbackWindow: '0s' } })
    harness.oracle.mayJump = true
    const first = now()
    await harness.apply(target('v2'))
    await at('1/1')
    await harness.apply(saying('v2', 'true'))
    await promotedFrom(first)
    await harness.until(() => harness.status().previous === undefined, 60_000)
    const second = now()
    await harness.apply(saying('v1', 'true'))
    await promotedFrom(second)
    await harness.until(() => harness.status().previous === undefined, 60_000)
    // The very revision that was released without analysis, with nothing said of it any more.
    await harness.apply(saying('v2', null))
    await at('1/1')
    await harness.clock.advance(60_000)
    expect(harness.status()).toMatchObject({ stableRevision: first, weight: '20%' })
    nothingBroke()
  })
})

describe('examples/approval', () => {
  it('waits at a twentieth of the users until somebody approves, then goes on by itself', async () => {
    const example = (name: string) => manifests(`examples/approval/${name}.yaml`)
    harness = new Stage()
    await harness.apply(actionCrd(), ...manifests('crds/serin.dev_canaries.yaml'), ...example('namespace'), ...example('service-c-v1'), ...example('canary'))
    harness.startOperator()
    await harness.apply(...manifests('examples/happy-istio/service-a.yaml'))
    await stable('v1')
    harness.users(30, { host: 'service-c', from: () => harness.workload('service-a') })
    await harness.apply(...example('service-c-v2'))
    await harness.until(() => harness.status().rollout?.waitingFor === 'Approval', 300_000)
    await harness.clock.advance(600_000)
    expect(harness.status()).toMatchObject({ step: '1/2', weight: '5%' })
    const [approve] = example('approve')
    if (approve === undefined) throw new Error('no action')
    await harness.apply({ ...approve, metadata: { ...approve.metadata, name: 'service-c-x' } })
    await harness.until(() => harness.status().stableRevision === 'v2', 300_000)
    expect(harness.result('service-c-x')).toBe('Accepted: approved')
    nothingBroke()
  })
})
