import type { Hold } from './decision.ts'
import { isStepBack, servedWithin, type Facts, type Target } from './facts.ts'

/** Clocks are set: an opening far ahead is looked for again within this. */
const CLOCK_LOOK_MS = 3_600_000
/** How often one that waits in line looks who is under way: it is woken when its turn comes, and need not say at once who is before it. */
const SLOT_LOOK_MS = 300_000

/** What keeps a release from beginning although it could: closed windows, then too many others under way. */
export const admissionHold = (facts: Facts, target: Target): Hold | undefined =>
  isWayBack(facts, target) ? undefined : (windowHold(facts) ?? slotHold(facts))

/** What keeps a release that has begun from its next raise. What was begun in some routes is finished in the others. */
export const raiseHold = (facts: Facts): Hold | undefined =>
  facts.isPartial || facts.c === undefined || isWayBack(facts, facts.c) ? undefined : windowHold(facts)

const windowHold = ({ world: { closed } }: Facts): Hold | undefined => closed && { waitingFor: 'Window', ...closed }

const slotHold = ({ world: { noSlot } }: Facts): Hold | undefined => (noSlot === undefined ? undefined : { message: noSlot, queued: true })

/** One step back to the stable before, or to what served a short while ago, or to what somebody names while there is no stable left: neither waits for anything of this page. */
function isWayBack({ ledger, s, stable, world }: Facts, target: Target): boolean {
  const nothingServes = stable === undefined && (s === undefined || (world.endpoints[s] ?? 0) === 0)
  return isStepBack(world.status, ledger, target) || servedWithin(ledger, target, world.settings.rollbackWindowMs, startOf(world, target)) || (nothingServes && world.settings.desired === target.revision)
}

/** Asked of a rollout's start, it stays so until its end. */
const startOf = ({ status, now }: Facts['world'], { revision }: Target): number =>
  status?.rollout?.revision === revision ? Date.parse(status.rollout.startedAt) : now

/** When an admission that is refused now is to be asked for again, milliseconds from now. */
export function admissionLooks({ phase, world: { closed, noSlot, now } }: Facts): readonly number[] {
  const isWaiting = phase === 'Waiting'
  if (!isWaiting && phase !== 'Progressing') return []
  return [
    ...(closed?.until === undefined ? [] : [Math.min(closed.until - now, CLOCK_LOOK_MS)]),
    ...(isWaiting && noSlot !== undefined ? [SLOT_LOOK_MS] : []),
  ]
}
