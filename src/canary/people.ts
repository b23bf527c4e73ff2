import type { CanaryActionSpec } from '../api/canary-action.ts'
import type { StepRequest } from '../api/canary.ts'
import type { Step } from '../api/settings.ts'
import type { Hold } from './decision.ts'
import type { Facts } from './facts.ts'
import { stepAt } from './steps.ts'
import type { ActionFacts } from './world.ts'

/** Annotation of a pod template: "true" skips steps and gates for that version. */
export const SKIP_ANALYSIS = 'serin.dev/skip-analysis'

/** Names what stands in the routes for what people say of it: position of the step, and hash of the steps. */
export const exposureKey = ({ exposure }: Pick<Facts, 'exposure'>): string | undefined =>
  exposure && `${exposure.step}#${exposure.plan}`

/** The step that stands in the routes; undefined while the canary is dark. */
export const presentStep = ({ exposure, world }: Pick<Facts, 'exposure' | 'world'>): Step | undefined =>
  exposure && stepAt(world.settings, exposure.step)

/** What says that steps and gates are skipped for what is being rolled out; undefined when nothing does. */
export function analysisSkipped({ world, canary, c, t }: Pick<Facts, 'world' | 'canary' | 'c' | 't'>): string | undefined {
  if (world.settings.skipAnalysis) return 'spec.skipAnalysis'
  // What a revision of the target was made with says nothing of a later release of it.
  const said = world.target !== undefined && t?.revision === c?.revision ? world.target : canary
  return c !== undefined && said?.skipAnalysis === true ? `annotation ${SKIP_ANALYSIS}` : undefined
}

/** Who skipped all steps that were left. */
export const promotedBy = ({ world, c }: Pick<Facts, 'world' | 'c'>): StepRequest | undefined =>
  c && world.status?.rollout?.skips?.find(({ exposure }) => exposure === undefined)

/** All that is left of the steps is skipped. */
export const skipsAll = (facts: Facts): boolean => promotedBy(facts) !== undefined || analysisSkipped(facts) !== undefined

/** The step that stands is skipped: neither its time, its gates nor its approval are waited for. */
export const skipsStep = (facts: Facts): boolean => skipsAll(facts) || isGranted(facts, facts.world.status?.rollout?.skips)

const isGranted = (facts: Facts, requests: readonly StepRequest[] = []): boolean => {
  const key = exposureKey(facts)
  return key !== undefined && requests.some(({ exposure }) => exposure === key)
}

/** Whether a closed window is passed: Skip and Promote pass it, and a Promote that waits for its release to begin. */
export const passesWindow = (facts: Facts): boolean =>
  (facts.c === undefined ? facts.world.actions.some(({ action, revision }) => action === 'Promote' && revision === facts.t?.revision) : skipsStep(facts))

/** Somebody paused the Canary: nothing begins, rises or is promoted. The way back to what still stands is not held. */
export function pausedHold({ world, c, t }: Facts): Hold | undefined {
  const { paused, previous } = world.status ?? {}
  if (paused === undefined || (previous !== undefined && previous.revision === (c ?? t)?.revision)) return undefined
  return { waitingFor: 'Person', message: `paused by ${paused.by} since ${paused.at}` }
}

/** The step that stands has passed, and somebody must say so. */
export function approvalHold(facts: Facts): Hold | undefined {
  const { c, world } = facts
  const step = presentStep(facts)
  const { approvals, stepStartedAt } = world.status?.rollout ?? {}
  if (c === undefined || step?.approval !== true || isGranted(facts, approvals)) return undefined
  const command = approveCommand(world.canary, { action: 'Approve', revision: c.revision, step: step.name })
  const until = step.deadlineMs === undefined || stepStartedAt === undefined ? {} : { until: Date.parse(stepStartedAt) + step.deadlineMs }
  return { waitingFor: 'Approval', message: `${step.name} has passed and waits for approval: ${command}`, ...until }
}

/** The command that asks for it: one line for a shell; the name of whoever runs it is what admission compares. */
export function approveCommand({ namespace, name }: { readonly namespace: string; readonly name: string }, spec: Pick<CanaryActionSpec, 'action' | 'revision' | 'step'>): string {
  const requester = "'$(kubectl auth whoami -o jsonpath={.status.userInfo.username})'"
  const manifest = {
    apiVersion: 'serin.dev/v1beta1',
    kind: 'CanaryAction',
    metadata: { generateName: `${name}-`, namespace },
    spec: { canaryRef: { name }, ...spec, requester },
  }
  return `echo '${JSON.stringify(manifest)}' | kubectl create -f -`
}

/** The Abort that ends what is being rolled out; undefined while nobody asks for it. */
export function abortOf({ world, c }: Pick<Facts, 'world' | 'c'>): ActionFacts | undefined {
  return c && world.actions.find(({ action, revision, expiresAt }) => action === 'Abort' && revision === c.revision && world.now < expiresAt)
}

/** "jane: the dashboard is red", or only the name. */
export const said = ({ by, reason }: Pick<ActionFacts, 'by' | 'reason'>): string => (reason === undefined || reason === '' ? by : `${by}: ${reason}`)
