import type { Step } from '../api/settings.ts'
import type { Hold } from './decision.ts'
import { because, failureOf, floorOf, isContested, isNamed, podsFor, tombstoneOf, unfit, type Facts } from './facts.ts'
import type { Exposure } from './ledger.ts'
import { exposureOf, placeOf, planOf, stepAt } from './steps.ts'
import { knownHash } from './versions.ts'
import type { Check, RouteFacts } from './world.ts'

/** Why a rollout must end, in one word and in words. */
export type Failure = { readonly reason: string; readonly message: string }

/** Refusals that let nobody reach a dark pod: they forbid to begin or to raise, but are no reason to end what stands. */
const OPENS_NO_PATH = new Set([
  'DuplicateRoute', 'DuplicateVersion', 'ForeignEndpoints', 'RouteNotFound', 'SelectorExcludesVersions', 'TooManyRoutes', 'TooManyVersions',
  'UnmatchableProduct',
])

/** Why the canary must be rolled back; undefined while nothing speaks against it. */
export function whyRollBack(facts: Facts): Failure | undefined {
  const tombstone = tombstoneOf(facts)
  if (tombstone !== undefined) return tombstone
  const { evidence, mesh } = facts.world
  // Without a pod of stable the mesh has nobody to answer for it: no fault of the version that is to replace it.
  if (evidence.broken !== undefined && !goesBackBlindly(facts)) return { reason: 'MeshBroken', message: evidence.broken }
  const failing = evidence.checks.find((check) => check.verdict === 'Fail' && !check.dryRun && check.failures >= check.failureThreshold)
  if (failing !== undefined) return { reason: reasonOf(failing.name), message: failing.message }
  if (isContested(facts)) return { reason: 'RouteContested', message: 'others keep changing the managed routes: see docs/gitops.md' }
  const refusal = mesh.refusals.find(({ reason }) => !OPENS_NO_PATH.has(reason))
  if (refusal !== undefined) return refusal
  return lostCanary(facts) ?? overdue(facts) ?? silent(facts)
}

/** "error-rate" → "ErrorRate": condition reasons are CamelCase. */
const reasonOf = (metric: string): string => metric.replace(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase())

function lostCanary(facts: Facts): Failure | undefined {
  const { c, canary } = facts
  if (c === undefined || !isNamed(facts, c.revision) || (canary?.ready ?? 0) > 0) return undefined
  return { reason: 'NoReadyCanary', message: because(`no pod of ${c.revision} is ready`, canary) }
}

/** Deadlines run on the wall clock from what stands in status: no restart makes them longer. */
function overdue({ world, exposure }: Facts): Failure | undefined {
  const { rollout, message = '' } = world.status ?? {}
  if (rollout === undefined) return undefined
  const { stepIndex, stepName, stepStartedAt, waitingFor, until } = rollout
  const { deadlineMs } = world.settings.steps[stepIndex] ?? {}
  if (exposure !== undefined && deadlineMs !== undefined && isPast(world.now, stepStartedAt, deadlineMs))
    return { reason: 'Deadline', message: `step ${stepName ?? stepIndex + 1} was not over by its deadline: ${message}` }
  return waitingFor === 'Pods' && isPast(world.now, until, 0) ? { reason: 'ProgressDeadline', message } : undefined
}

const isPast = (now: number, since: string | undefined, ms: number): boolean => since !== undefined && now > Date.parse(since) + ms

function silent(facts: Facts): Failure | undefined {
  const { settings, evidence } = facts.world
  const step = currentStep(facts)
  if (settings.analysis.noData !== 'Fail' || step === undefined || facts.phase !== 'Progressing' || evidence.observedMs < step.forMs) return undefined
  const check = evidence.checks.find(({ verdict, dryRun }) => verdict === 'NoData' && !dryRun)
  return check && { reason: 'NoData', message: `no request reached the canary in this step: ${check.name} cannot be judged` }
}

/** The step that stands in the routes. */
export const currentStep = ({ exposure, world }: Facts): Step | undefined =>
  exposure === undefined ? undefined : stepAt(world.settings, exposure.step)

/** What comes after what is exposed now: the next step, or all of it. */
export function nextExposure(facts: Facts): Exposure | undefined {
  const { c, exposure, world } = facts
  if (c === undefined) return undefined
  if (facts.isPartial) return exposure
  const whole = isOneStep(facts)
  return exposureOf(world.settings, c.revision, whole ? world.settings.steps.length : (exposure?.step ?? -1) + 1)
}

/** A way back to what users had: everything at once, and nothing is analysed. Readiness and order are never skipped. */
const isOneStep = (facts: Facts): boolean => facts.c?.revert === true || facts.c?.returning === true || goesBackBlindly(facts)

/** The steps were edited in mid-rollout: where the present weight belongs now. */
export function replanned({ exposure, world: { settings } }: Facts): Exposure | undefined {
  if (exposure === undefined || exposure.plan === planOf(settings)) return undefined
  return { ...exposure, plan: planOf(settings), step: placeOf(settings, exposure.weight) }
}

/** What still stands before the next raise, or promotion; undefined when it may be made. */
export function stepHold(facts: Facts): Hold | undefined {
  const { c, world } = facts
  const next = nextExposure(facts)
  if (c === undefined || next === undefined) return { message: 'nothing is being rolled out' }
  return wayBackHold(facts) ?? podsHold(facts, podsFor(facts, next)) ?? (facts.exposure === undefined || facts.isPartial || isOneStep(facts) ? undefined : bakeHold(facts, world.settings.propagationMs))
}

/** Nothing rises while what is wanted is unknown, routes are in other hands, or there is no stable to go back to. */
function wayBackHold(facts: Facts): Hold | undefined {
  const { world, t } = facts
  const refusal = world.mesh.refusals[0]
  if (t === undefined) return versionNotFound(facts)
  if (refusal !== undefined) return { waitingFor: 'Person', message: refusal.message, stalled: refusal.reason }
  if (world.mesh.routes.some(({ content, lost }) => lost || content !== 'ours')) return { waitingFor: 'Propagation', message: 'a managed route is not as Serin wrote it' }
  if (stableAnswers(facts) || goesBackBlindly(facts)) return undefined
  return { waitingFor: 'Pods', message: `${noStablePod(facts)}; mend it, or delete its Deployment and name ${String(facts.c?.revision)} in spec.versions.desired` }
}

const versionNotFound = ({ world }: Facts): Hold =>
  ({ message: `no Deployment has version ${String(world.settings.desired)}: apply it, or change spec.versions.desired`, stalled: 'VersionNotFound' })

/** Stable is gone, Deployment and pods, and somebody named another version: there is nothing left to compare or protect. */
export const goesBackBlindly = (facts: Facts): boolean =>
  facts.stable === undefined && !stableAnswers(facts) && facts.c !== undefined && facts.world.settings.desired === facts.c.revision

/** The canary is not fit, for pods or for the time things take to spread. */
export function podsHold(facts: Facts, pods: number): Hold | undefined {
  const { c, canary } = facts
  const reason = c && unfit(facts, c.revision, pods)
  if (reason === undefined) return undefined
  const waitsForPods = canary === undefined || !canary.settled || canary.ready < pods
  return { waitingFor: waitsForPods ? 'Pods' : 'Propagation', message: reason }
}

function bakeHold(facts: Facts, propagationMs: number): Hold | undefined {
  const { ages, evidence, settings } = facts.world
  const step = currentStep(facts)
  if (step === undefined) return undefined
  const where = `held at ${step.name}`
  if (ages.routes < propagationMs) return { waitingFor: 'Propagation', message: `${step.name}: the route is spreading` }
  if (evidence.unusual !== undefined) return { waitingFor: 'Evidence', message: `${where}: ${evidence.unusual}` }
  return evidenceHold(facts, where) ??
    (evidence.observedMs < step.forMs
      ? { waitingFor: 'Bake', message: `${step.name}: ${seconds(evidence.observedMs)} of ${seconds(step.forMs)} observed` }
      : undefined) ??
    metricHold(evidence.checks, where, settings.analysis)
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
export const changedInFlight = ({ c, canary, seen }: Facts): boolean =>
  c !== undefined && canary !== undefined && c.hash !== '' && knownHash(seen, canary) !== c.hash

/** What to say where stable cannot take anything. */
export const noStablePod = ({ s, stable }: Facts): string => because(`no pod of stable ${String(s)} is ready`, stable)

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
  return undefined
}
