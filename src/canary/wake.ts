import { admissionLooks } from './admission.ts'
import { contestedUntil, isContested, tombstoneOf, type Facts } from './facts.ts'
import { currentStep } from './guards.ts'
import { inService } from './retirement.ts'
import { wakesInMs } from './sleep.ts'

/** Time for what a wait measures in whole milliseconds to be over for sure. */
const MARGIN_MS = 1
/** How soon to see whether somebody else has stopped to set replicas. */
const CONTEST_LOOK_MS = 60_000

/**
 * When a guard that holds now may stop to hold by time alone, milliseconds from now; undefined when only an event can
 * change anything. Everything else wakes the Canary by itself: watches, and the checks.
 */
export function nextWake(facts: Facts): number | undefined {
  const { c, s, world } = facts
  const { ages, settings, status, now } = world
  const resting = c === undefined && facts.phase !== 'Initializing' && facts.phase !== 'Terminating' && !hasLeftovers(facts)
  const spreading = (world.leaving === undefined ? [s, c?.revision] : world.workloads.map(({ revision }) => revision)).flatMap((revision) =>
    revision === undefined ? [] : [settings.propagationMs - (ages.subsets[revision] ?? 0), settings.propagationMs - (ages.ready[revision] ?? 0)])
  const routes = [settings.propagationMs - ages.routes, settings.propagationMs + settings.drainMs - ages.routes]
  const previous = status?.previous === undefined ? [] : [Date.parse(status.previous.until) - now, ...routes]
  const waits = [...(resting ? [] : spreading), ...(!resting || hasLeave(facts) ? routes : []), ...previous, ...ends(facts)]
  const ahead = waits.filter((ms) => ms > 0)
  return ahead.length === 0 ? undefined : Math.ceil(Math.min(...ahead)) + MARGIN_MS
}

/** Our own route, or pods of the target, that go once nobody can reach them. */
const hasLeave = ({ world }: Facts): boolean => world.mesh.routes.some(({ own }) => own) || (world.target?.replicas ?? 0) > 0

/** Something other than stable is open, has a subset or pods of ours: it waits to be retired. */
const hasLeftovers = (facts: Facts): boolean => inService(facts).some((revision) => revision !== facts.s)

function ends(facts: Facts): readonly number[] {
  const { settings, status, now } = facts.world
  const { stepStartedAt, until } = status?.rollout ?? {}
  const deadlineMs = currentStep(facts)?.deadlineMs
  const tombstone = tombstoneOf(facts)
  return [
    ...(deadlineMs === undefined || stepStartedAt === undefined ? [] : [Date.parse(stepStartedAt) + deadlineMs - now]),
    ...(until === undefined ? [] : [Date.parse(until) - now]),
    ...(Object.values(facts.world.growths).some((count) => count > 1) ? [CONTEST_LOOK_MS] : []),
    ...(facts.phase === 'Waiting' ? [wakesInMs(facts)] : []),
    ...admissionLooks(facts),
    ...facts.world.actions.map(({ expiresAt }) => expiresAt - now),
    ...(isContested(facts) ? [contestedUntil(facts) - now] : []),
    ...(facts.world.leaving === undefined ? [] : [facts.world.leaving.seenAt + settings.progressDeadlineMs - now]),
    ...(tombstone === undefined ? [] : [tombstone.at + settings.failedDelayMs - now]),
  ]
}
