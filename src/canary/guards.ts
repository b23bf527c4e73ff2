import type { RolloutStatus } from '../api/canary.ts'
import type { Step } from '../api/settings.ts'
import { admissionHold, raiseHold } from './admission.ts'
import type { Hold } from './decision.ts'
import { failureOf, isContested, isNamed, tombstoneOf, type Facts } from './facts.ts'
import { because, floorOf, noStablePod, nowBecause, podsFor, unfit } from './fit.ts'
import type { Exposure } from './ledger.ts'
import { exposureOf, isBeforeFirst, placeOf, planOf, previewExposure, reworded, stepAt, withAffinity } from './steps.ts'
import { sleepHold } from './sleep.ts'
import { abortOf, analysisSkipped, approvalHold, pausedHold, promotedBy, said, skipsAll, skipsStep } from './people.ts'
import { knownHash } from './versions.ts'
import type { Check, RouteFacts, TargetFacts } from './world.ts'

/** Why a rollout must end, in one word and in words. */
export type Failure = { readonly reason: string; readonly message: string; readonly by?: string; readonly action?: string }

/** Refusals that let nobody reach a dark pod: they forbid to begin or to raise, but are no reason to end what stands. */
const OPENS_NO_PATH = new Set([
  'ConfigNotFound', 'ConfigUnreadable', 'DuplicateRoute', 'DuplicateVersion', 'ForeignEndpoints', 'PreviewServiceTaken', 'RouteNotFound', 'ScalerOnTarget', 'SecretsNotTracked',
  'SelectorExcludesVersions', 'TooManyConfigs', 'TooManyRoutes', 'TooManyVersions', 'UnmatchableProduct',
])

/** Why the canary must be rolled back; undefined while nothing speaks against it. */
export function whyRollBack(facts: Facts): Failure | undefined {
  const tombstone = tombstoneOf(facts)
  if (tombstone !== undefined) return tombstone
  return aborted(facts) ?? failing(facts) ?? lostCanary(facts) ?? overdue(facts) ?? silent(facts)
}

function aborted(facts: Facts): Failure | undefined {
  const abort = abortOf(facts)
  return abort && { reason: 'Aborted', message: `aborted by ${said(abort)}`, by: abort.by, action: abort.uid }
}

function failing(facts: Facts): Failure | undefined {
  const { evidence, mesh } = facts.world
  // Without a pod of stable the mesh has nobody to answer for it: no fault of the version that is to replace it.
  if (evidence.broken !== undefined && !goesBackBlindly(facts)) return { reason: 'MeshBroken', message: evidence.broken }
  const check = judged(facts).find(({ verdict, dryRun, failures, failureThreshold }) => verdict === 'Fail' && !dryRun && failures >= failureThreshold)
  if (check !== undefined) return { reason: reasonOf(check.name), message: check.message }
  if (isContested(facts)) return { reason: 'RouteContested', message: 'others keep changing the managed routes: see docs/gitops.md' }
  return mesh.refusals.find(({ reason }) => !OPENS_NO_PATH.has(reason))
}

/** The checks that may decide something. */
const judged = (facts: Facts): readonly Check[] => (analysisSkipped(facts) === undefined ? facts.world.evidence.checks : [])

/** "error-rate" → "ErrorRate": condition reasons are CamelCase. */
const reasonOf = (metric: string): string => metric.replace(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase())

function lostCanary(facts: Facts): Failure | undefined {
  const { c, canary } = facts
  const isPreview = facts.exposure !== undefined && isBeforeFirst(facts.exposure)
  if (c === undefined || isPreview || isGate(facts) || !isNamed(facts, c.revision) || (canary?.ready ?? 0) > 0) return undefined
  return { reason: 'NoReadyCanary', message: because(`no pod of ${c.revision} is ready`, canary) }
}

/** Deadlines run on the wall clock from what stands in status: no restart makes them longer. */
function overdue(facts: Facts): Failure | undefined {
  const { rollout, message = '' } = facts.world.status ?? {}
  if (rollout === undefined) return undefined
  const isLate = rollout.waitingFor === 'Pods' && isPast(facts.world.now, rollout.until, 0)
  return stepOverdue(facts, rollout, message) ?? (isLate ? { reason: 'ProgressDeadline', message: nowBecause(message, facts.canary) } : undefined)
}

function stepOverdue({ world, exposure }: Facts, { stepIndex, stepName, stepStartedAt, waitingFor }: RolloutStatus, message: string): Failure | undefined {
  const deadlineMs = exposure === undefined || isBeforeFirst(exposure) ? undefined : world.settings.steps[stepIndex]?.deadlineMs
  if (deadlineMs === undefined || !isPast(world.now, stepStartedAt, deadlineMs)) return undefined
  const why = waitingFor === 'Approval' ? 'nobody approved it' : message
  return { reason: 'Deadline', message: `step ${stepName ?? stepIndex + 1} was not over by its deadline: ${why}` }
}

const isPast = (now: number, since: string | undefined, ms: number): boolean => since !== undefined && now > Date.parse(since) + ms

function silent(facts: Facts): Failure | undefined {
  const { settings, evidence } = facts.world
  const step = currentStep(facts)
  if (settings.analysis.noData !== 'Fail' || step === undefined || facts.phase !== 'Progressing' || evidence.observedMs < step.forMs) return undefined
  const check = judged(facts).find(({ verdict, dryRun }) => verdict === 'NoData' && !dryRun)
  return check && { reason: 'NoData', message: `no request reached the canary in this step: ${check.name} cannot be judged` }
}

/** The step that stands in the routes. */
export const currentStep = ({ exposure, world }: Facts): Step | undefined =>
  exposure === undefined || isBeforeFirst(exposure) ? undefined : stepAt(world.settings, exposure.step)

/** What comes after what is exposed now: the next step, or all of it. */
export function nextExposure(facts: Facts): Exposure | undefined {
  const { c, exposure, world } = facts
  if (c === undefined) return undefined
  if (facts.isPartial) return exposure
  const whole = isOneStep(facts) || skipsAll(facts)
  const next = exposureOf(world.settings, c.revision, whole ? world.settings.steps.length : (exposure?.step ?? -1) + 1)
  return withAffinity(next, exposure, { settings: world.settings, rollout: c.rollout })
}

/** The preview alone, where it can stand already and no step can. */
export function previewNow(facts: Facts): Exposure | undefined {
  const { c, exposure, world } = facts
  if (c === undefined || c.revert || exposure !== undefined) return undefined
  const wanted = previewExposure(world.settings, c.revision)
  return wanted === undefined || (wayBackHold(facts) ?? podsHold(facts, podsFor(facts, wanted))) !== undefined ? undefined : wanted
}

/** Preview or affinity were edited in mid-rollout: what stands, as it is wanted now, once it may be written. */
export function rewordedNow(facts: Facts): Exposure | undefined {
  const { c, world, isPartial } = facts
  // A write that reached only some of the routes is finished, too.
  const wanted = world.mesh.routes.map(({ ledger }) => c && ledger?.exposure && reworded(ledger.exposure, world.settings, c.rollout)).find((one) => one !== undefined)
  return isPartial || wanted === undefined || (wayBackHold(facts) ?? podsHold(facts, podsFor(facts, wanted))) !== undefined ? undefined : wanted
}

/** A way back to what users had: everything at once, and nothing is analysed. Readiness and order are never skipped. */
const isOneStep = (facts: Facts): boolean => facts.c?.revert === true || facts.c?.returning === true || goesBackBlindly(facts)

/** The steps were edited in mid-rollout: where the present weight belongs now. */
export function replanned({ exposure, world: { settings } }: Facts): Exposure | undefined {
  if (exposure === undefined || exposure.plan === planOf(settings)) return undefined
  return { ...exposure, plan: planOf(settings), step: isBeforeFirst(exposure) ? -1 : placeOf(settings, exposure.weight) }
}

/** What still stands before the next raise, or promotion; undefined when it may be made. */
export function stepHold(facts: Facts): Hold | undefined {
  const next = nextExposure(facts)
  if (facts.c === undefined || next === undefined) return { message: 'nothing is being rolled out' }
  const gate = isGate(facts) ? presentHold(facts) : undefined
  return wayBackHold(facts) ?? (goesBackBlindly(facts) ? undefined : pausedHold(facts)) ?? gate ?? podsHold(facts, podsFor(facts, next)) ?? presentHold(facts) ?? (skipsStep(facts) ? undefined : raiseHold(facts))
}

/** The step that stands is not over: its time, its gates, its approval. */
export function presentHold(facts: Facts): Hold | undefined {
  if (facts.exposure === undefined || facts.isPartial || isOneStep(facts) || skipsStep(facts)) return undefined
  return bakeHold(facts) ?? approvalHold(facts)
}

/** Nothing rises while what is wanted is unknown, routes are in other hands, or there is no stable to go back to. */
function wayBackHold(facts: Facts): Hold | undefined {
  const { world, t } = facts
  const refusal = world.mesh.refusals[0]
  if (t === undefined) return versionNotFound(facts)
  if (refusal !== undefined) return { waitingFor: 'Person', message: refusal.message, stalled: refusal.reason }
  if (world.mesh.routes.some(({ content, lost }) => lost || content !== 'ours')) return { waitingFor: 'Propagation', message: 'a managed route is not as Serin wrote it' }
  if (stableAnswers(facts) || goesBackBlindly(facts)) return undefined
  const wayOut = world.settings.source.kind === 'versions' ? `name ${String(facts.c?.revision)} in spec.versions.desired` : `promote ${String(facts.c?.revision)}`
  return { waitingFor: 'Pods', message: `${noStablePod(facts)}; mend it, or delete its Deployment and ${wayOut}` }
}

const versionNotFound = ({ world: { target, settings: { source, desired } } }: Facts): Hold =>
  target !== undefined ? configUnread(target) : source.kind === 'target' ? { message: `Deployment ${source.name} is gone: what serves goes on; apply it again, or delete the Canary`, stalled: 'TargetNotFound' } : ({ message: `no Deployment has version ${String(desired)}: apply it, or change spec.versions.desired`, stalled: 'VersionNotFound' })

/** Known in a moment. */
export const configUnread = ({ name }: Pick<TargetFacts, 'name'>): Hold => ({ message: `reading what the pods of ${name} are configured with` })

/** Stable is gone, Deployment and pods, and somebody named or promoted another version: there is nothing left to compare or protect. */
export const goesBackBlindly = (facts: Facts): boolean =>
  facts.stable === undefined && !stableAnswers(facts) && facts.c !== undefined && (facts.world.settings.desired === facts.c.revision || promotedBy(facts) !== undefined)

/** The canary is not fit, for pods or for the time things take to spread. */
export function podsHold(facts: Facts, pods: number): Hold | undefined {
  const { c, canary } = facts
  const reason = pods === 0 ? undefined : c && unfit(facts, c.revision, pods)
  if (reason === undefined) return undefined
  const waitsForPods = canary === undefined || !canary.settled || canary.ready < pods
  return { waitingFor: waitsForPods ? 'Pods' : 'Propagation', message: reason }
}

/** A step without pods: what passes it is time, or a person. */
export const isGate = (facts: Facts): boolean => facts.exposure !== undefined && podsFor(facts, facts.exposure) === 0

/** What the present step itself still waits for. */
export function bakeHold(facts: Facts): Hold | undefined {
  const { ages, evidence, settings } = facts.world
  const { propagationMs } = settings
  const step = currentStep(facts)
  if (step === undefined) return undefined
  if (isGate(facts)) return gateHold(facts, step)
  const where = `held at ${step.name}`
  if (ages.routes < propagationMs) return { waitingFor: 'Propagation', message: `${step.name}: the route is spreading` }
  if (evidence.unusual !== undefined) return { waitingFor: 'Evidence', message: `${where}: ${evidence.unusual}` }
  return evidenceHold(facts, where) ??
    (evidence.observedMs < step.forMs
      ? { waitingFor: 'Bake', message: `${step.name}: ${seconds(evidence.observedMs)} of ${seconds(step.forMs)} observed` }
      : undefined) ??
    metricHold(evidence.checks, where, settings.analysis)
}

/** There is nothing to observe yet, so the time of the wall counts. */
function gateHold({ world }: Facts, { name, forMs }: Step): Hold | undefined {
  const until = Date.parse(world.status?.rollout?.stepStartedAt ?? '') + forMs
  return world.now >= until ? undefined : { waitingFor: 'Bake', message: `${name}: a gate before any pod, ${seconds(world.now - until + forMs)} of ${seconds(forMs)} observed`, until }
}

/** Blind, or the first look has not come back yet. */
function evidenceHold({ world: { evidence, settings } }: Facts, where: string): Hold | undefined {
  const blind = evidence.checks.find((check) => check.verdict === 'Error' && !check.dryRun)
  if (blind !== undefined) return { waitingFor: 'Evidence', message: `${where}: ${blind.message}` }
  const unseen = settings.analysis.metrics.find((metric) => !evidence.checks.some((check) => check.name === metric.name))
  return unseen && { waitingFor: 'Evidence', message: `${where}: ${unseen.name} has not been asked for yet` }
}

function metricHold(checks: readonly Check[], where: string, { noData }: { readonly noData: 'Hold' | 'Pass' | 'Fail' }): Hold | undefined {
  const waiting = checks.find(({ verdict, dryRun }) => !dryRun && verdict !== 'Pass' && !(verdict === 'NoData' && noData === 'Pass'))
  return waiting && { waitingFor: 'Evidence', message: `${where}: ${waiting.message}` }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)}s`

/** Stable's floor is known and stands. */
export const belowFloor = (facts: Facts): boolean => {
  const floor = floorOf(facts)
  return floor !== undefined && facts.stable !== undefined && facts.stable.replicas < floor
}

/** What should serve is neither what is being rolled out nor what it was when it was opened. */
export const isSuperseded = (facts: Facts): boolean =>
  facts.c !== undefined && ((facts.t !== undefined && facts.t.revision !== facts.c.revision) || changedInFlight(facts))

/** The canary's template is not the one that was opened: what was analysed is not what runs. */
export const changedInFlight = ({ c, canary, seen, ledger, world }: Facts): boolean =>
  c !== undefined && canary !== undefined && c.hash !== '' && knownHash(seen, canary) !== c.hash &&
  // What Serin made it makes anew, once it is closed.
  (world.settings.source.kind === 'versions' || ledger.open[c.revision] !== undefined)

/** Stable can take everything: a rollback's only condition. */
export const stableAnswers = ({ s, world }: Facts): boolean => s !== undefined && (world.endpoints[s] ?? 0) > 0

/** The routes that need a write before anything else may happen, whoever made it so. */
export function deviating(facts: Facts): readonly RouteFacts[] {
  const rollsOut = facts.phase === 'Progressing' || facts.phase === 'Promoting'
  const leftAlone = rollsOut || facts.phase === 'RollingBack' || facts.world.settings.suspend
  return facts.world.mesh.routes.filter((route) => route.lost || isBehind(facts, route) || (route.content !== 'ours' && !(route.content === 'lower' && leftAlone)))
}

/** A promotion, or the end of a rollout, has reached the other routes and not this one. */
const isBehind = ({ c, ledger }: Facts, route: RouteFacts): boolean =>
  route.ledger !== undefined && (route.ledger.promotions !== ledger.promotions || (c === undefined && route.ledger.exposure !== undefined))

/** What keeps `t` from being rolled out now. */
export function startHold(facts: Facts): Hold | undefined {
  const { t, world } = facts
  const refusal = world.mesh.refusals[0]
  if (world.settings.suspend) return { waitingFor: 'Person', message: `suspended: ${t?.revision ?? 'nothing'} waits` }
  if (t === undefined) return versionNotFound(facts)
  if (refusal !== undefined) return { message: refusal.message, stalled: refusal.reason }
  if (isContested(facts)) return { message: 'others keep changing the managed routes', stalled: 'RouteContested' }
  if (failureOf(facts, t) !== undefined) return { message: `${t.revision} failed` }
  return pausedHold(facts) ?? sleepHold(facts) ?? admissionHold(facts, t)
}
