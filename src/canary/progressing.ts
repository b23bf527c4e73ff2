import { ended, normal, openWithout, outcome, podsText, raise, rolloutFrom, start, waitFor, writeLedgers, writeRoutes } from './actions.ts'
import type { Decision } from './decision.ts'
import { failureOf, isNamed, type Candidate, type Facts, type Target } from './facts.ts'
import { busy, floorOf, podsFor } from './fit.ts'
import { belowFloor, changedInFlight, goesBackBlindly, isGate, isSuperseded, nextExposure, presentHold, replanned, rewordedNow, stableAnswers, startHold, stepHold, whyRollBack } from './guards.ts'
import { ask } from './heeding.ts'

type Outcome = Omit<Decision, 'row'>

/** Row 12: a version that is neither stable nor failed is rolled out. */
export function begin(facts: Facts): Outcome | undefined {
  return facts.t === undefined || startHold(facts) !== undefined ? undefined : start(facts, facts.t)
}

/** Row 12, the other half: why it does not begin. */
export function waitToBegin(facts: Facts): Outcome | undefined {
  const hold = startHold(facts)
  return hold && waitFor(hold)
}

/** Row 13: superseded or called back while users meet it: stable takes everything, no tombstone. */
export function supersededWhileNamed(facts: Facts): Outcome | undefined {
  const { c, t, s } = facts
  if (c === undefined || !isSuperseded(facts) || !isNamed(facts, c.revision) || !stableAnswers(facts)) return undefined
  return backToStable(facts, c, t?.revision === s ? `${s ?? ''} is wanted again` : `superseded by ${t?.revision ?? ''}`)
}

/** Row 13 at any time, suspended and promoting too: a template that was changed in flight is not what was analysed. */
export function changedWhileNamed(facts: Facts): Outcome | undefined {
  const { c } = facts
  if (c === undefined || !changedInFlight(facts) || !isNamed(facts, c.revision) || !stableAnswers(facts)) return undefined
  return backToStable(facts, c, 'its template was changed in flight: it starts anew')
}

function backToStable(facts: Facts, c: Candidate, why: string): Outcome {
  return outcome(why, { action: writeRoutes(facts, undefined, {}), events: [normal('RouteToStable', `${c.revision}: ${why}`)] })
}

/** Row 14: the same once nobody meets it: its capacity goes, then what is wanted now is looked at. */
export function supersededWhileDark(facts: Facts): Outcome | undefined {
  const { c, t, world } = facts
  if (c === undefined || !isSuperseded(facts)) return undefined
  const reason = busy(facts, c.revision)
  if (reason !== undefined && !world.mesh.namedByUser.includes(c.revision)) return waitFor({ waitingFor: 'Propagation', message: reason })
  const wanted = t ?? { revision: c.revision, hash: '' }
  return withdraw(facts, c, wanted) ?? succeed(facts, c, wanted)
}

/** A revert leaves the previous stable as it found it; another template of one Deployment keeps its pods. */
function withdraw(facts: Facts, c: Candidate, t: Target): Outcome | undefined {
  if (c.revert) return undefined
  return close(facts, c) ?? (t.revision === c.revision ? undefined : toZero(facts, c))
}

function succeed(facts: Facts, c: Candidate, t: Target): Outcome {
  if (t.revision === facts.s) return conclude(facts, 'Reverted')
  // It keeps its slot; where windows are closed, the new one waits without a rollout.
  if (failureOf(facts, t) !== undefined || facts.world.closed !== undefined) return conclude(facts, 'Superseded')
  return outcome(`${t.revision} supersedes ${c.revision}`, {
    action: { kind: 'status', live: false },
    change: { ...ended(facts, 'Superseded'), rollout: rolloutFrom(facts, t), stepStarted: true },
    events: [normal('Superseded', `${c.revision} superseded by ${t.revision}, which starts dark`)],
  })
}

const conclude = (facts: Facts, result: 'Reverted' | 'Superseded'): Outcome =>
  outcome(`rollout of ${facts.c?.revision ?? ''} ended: ${result}`, {
    action: { kind: 'status', live: false },
    change: ended(facts, result),
    events: [normal(result, `${facts.c?.revision ?? ''} ended without failure: ${facts.t?.revision ?? ''} is wanted`)],
  })

const close = (facts: Facts, c: Candidate): Outcome | undefined =>
  facts.ledger.open[c.revision] === undefined
    ? undefined
    : outcome(`close ${c.revision}`, { action: writeLedgers(facts, { open: openWithout(facts, c.revision) }) })

function toZero({ canary, world }: Facts, c: Candidate): Outcome | undefined {
  if (canary === undefined || canary.replicas === 0 || world.mesh.namedByUser.includes(c.revision)) return undefined
  return outcome(`scale ${canary.name} to 0`, {
    action: { kind: 'workload', revision: c.revision, replicas: 0, stamp: null, live: true },
    events: [normal('ScaledDown', `${canary.name} scaled to 0`)],
  })
}

/** Row 15: stable's size is stamped on it before it counts as the floor: an older decision to shrink it meets a 409. */
export function keepFloor(facts: Facts): Outcome | undefined {
  const { c, stable, s } = facts
  if (c === undefined || floorOf(facts) !== undefined) return undefined
  if (goesBackBlindly(facts)) return undefined
  if (stable === undefined || s === undefined) {
    const wayOut = facts.world.settings.source.kind === 'versions' ? 'apply it again, or name another version in spec.versions.desired' : `set the template of the target back to what it ran, or promote ${c.revision}`
    return waitFor({ waitingFor: 'Pods', message: `the Deployment of stable ${String(s)} is gone: ${wayOut}` })
  }
  const floor = { rollout: c.rollout, replicas: stable.replicas }
  return outcome(`stable's floor is ${floor.replicas}`, { action: { kind: 'workload', revision: s, replicas: undefined, floor, live: false } })
}

/** Row 15, as long as the rollout lasts: stable is never smaller than when it began. */
export function raiseToFloor(facts: Facts): Outcome | undefined {
  const floor = floorOf(facts)
  if (floor === undefined || facts.s === undefined || !belowFloor(facts)) return undefined
  return contestedSize(facts, facts.s, facts.stable?.name ?? '') ?? outcome(`stable is below its floor of ${floor}`, {
    action: { kind: 'workload', revision: facts.s, replicas: floor, live: false },
    events: [normal('StableRestored', `stable ${facts.s} is back at ${podsText(floor)}: it is never smaller than when the rollout began`)],
  })
}

/** Row 16: opened in the VirtualServices, then made as big as the next exposure needs; never while an open route may still stand. */
export function openAndSize(facts: Facts): Outcome | undefined {
  const { c, ledger } = facts
  const next = nextExposure(facts)
  if (c === undefined || next === undefined || mayNotGrow(facts)) return undefined
  const isOpen = ledger.open[c.revision]?.rollout === c.rollout
  const pods = podsFor(facts, next)
  if (isOpen && isSized(facts, pods)) return undefined
  return absentConfig(facts) ?? (isOpen ? undefined : anew(facts, c)) ?? opened(facts, c, { isOpen, pods })
}

function opened(facts: Facts, c: Candidate, { isOpen, pods }: { readonly isOpen: boolean; readonly pods: number }): Outcome {
  const { world } = facts
  if (world.ages.routes < world.settings.propagationMs) return waitFor({ waitingFor: 'Propagation', message: 'the last change of the routes is spreading' })
  return remake(facts, c) ?? (isOpen ? capacity(facts, c, pods) : open(facts, c))
}

/** What its pods need is missing: none is started that could not run. */
function absentConfig({ canary, world: { mesh } }: Facts): Outcome | undefined {
  const absent = (canary?.replicas ?? 0) > 0 ? undefined : mesh.refusals.find(({ reason }) => reason === 'ConfigNotFound')
  return absent && waitFor({ message: absent.message, stalled: absent.reason })
}

const open = (facts: Facts, c: Candidate): Outcome => outcome(`open ${c.revision}`, { action: writeLedgers(facts, opening(facts, c)) })

/** Closed since: without another stamp a scale-down that was decided then could land once it is named again. */
const anew = (facts: Facts, c: Candidate): Outcome | undefined =>
  (facts.canary?.stamp === c.rollout ? start(facts, c, ended(facts, 'Superseded', { reason: 'BegunAnew', message: 'it was taken out of the routes, and begins anew' })) : undefined)

const mayNotGrow = (facts: Facts): boolean => noWayOn(facts) || isGateShut(facts)

/** A gate before any pod: what comes after it must not be made while it is shut. */
const isGateShut = (facts: Facts): boolean => isGate(facts) && presentHold(facts) !== undefined

const isSized = ({ canary, world }: Facts, pods: number): boolean =>
  canary === undefined ? world.settings.source.kind === 'versions' || pods === 0 : canary.replicas >= pods

/** What Serin made is as it made it, before anybody may meet it. */
function remake({ canary, world }: Facts, c: Candidate): Outcome | undefined {
  if (world.settings.source.kind === 'versions' || canary === undefined || canary.hash === c.revision) return undefined
  return outcome(`${canary.name} was edited`, {
    action: { kind: 'remake', revision: c.revision, live: false },
    events: [normal('RevisionRemade', `${canary.name} was edited: it gets the target's pod template again`)],
  })
}

const capacity = (facts: Facts, c: Candidate, pods: number): Outcome =>
  facts.canary === undefined ? make(c, pods) : grow(facts, c, facts.canary.name, pods)

const make = (c: Candidate, pods: number): Outcome =>
  outcome(`${c.revision} is made with ${podsText(pods)}`, {
    action: { kind: 'create', revision: c.revision, replicas: pods, stamp: c.rollout, live: false },
    events: [normal('RevisionMade', `revision ${c.revision} is made with ${podsText(pods)}; nobody reaches it yet`)],
  })

/** Row 16 for what stands already: whoever shrank it, the canary is as big as its exposure needs, suspended too. */
export function keepSize(facts: Facts): Outcome | undefined {
  const { c, canary, exposure, world } = facts
  if (c === undefined || canary === undefined || exposure === undefined || world.ages.routes < world.settings.propagationMs) return undefined
  const pods = podsFor(facts, exposure)
  return canary.replicas >= pods ? undefined : grow(facts, c, canary.name, pods)
}

const MOST_GROWTHS = 3

/** Somebody else keeps setting the size: pods that come and go in front of users are worse than waiting. */
const contestedSize = ({ world }: Facts, revision: string, name: string): Outcome | undefined =>
  (world.growths[revision] ?? 0) < MOST_GROWTHS
    ? undefined
    : waitFor({ waitingFor: 'Pods', message: `somebody else keeps setting the replicas of ${name}: leave them to Serin while it is rolled out`, stalled: 'ReplicasContested' })

/** An autoscaler of its own knows better, once it has any pods: without, it does nothing. */
function ownScaler({ canary, world: { autoscaled = [] } }: Facts, name: string, pods: number): Outcome | undefined {
  if (canary === undefined || canary.replicas === 0 || !autoscaled.includes(name)) return undefined
  return waitFor({ waitingFor: 'Pods', message: `the autoscaler of ${name} has it at ${podsText(canary.replicas)}, and ${podsText(pods)} are needed: where it does not get there by itself, raise its minReplicas` })
}

const grow = (facts: Facts, c: Candidate, name: string, pods: number): Outcome =>
  ownScaler(facts, name, pods) ?? contestedSize(facts, c.revision, name) ?? outcome(`${name} needs ${podsText(pods)}`, {
    action: { kind: 'workload', revision: c.revision, replicas: pods, stamp: c.rollout, live: false },
    events: [normal('ScaledUp', `${name} scaled to ${pods} before it takes more`)],
  })

/** Opened anew, an earlier failure of it is forgotten: somebody changed it or named it again. */
function opening({ ledger }: Facts, c: Candidate) {
  const { [c.revision]: _retried, ...failed } = ledger.failed
  return { open: { ...ledger.open, [c.revision]: { rollout: c.rollout, hash: c.hash } }, failed }
}

/** Row 17: stamped, then given its subset, long before any route may name it. */
export function stampAndSubset(facts: Facts): Outcome | undefined {
  const { c, canary, world } = facts
  const { rule } = world.mesh
  if (c === undefined || canary === undefined || !canary.settled || canary.ready === 0) return undefined
  if (canary.stamp !== c.rollout)
    return outcome(`stamp ${canary.name}`, { action: { kind: 'workload', revision: c.revision, replicas: undefined, stamp: c.rollout, live: false } })
  if (rule.subsets[c.revision] === c.rollout) return undefined
  return outcome(`subset for ${c.revision}`, {
    action: { kind: 'rule', subsets: { ...rule.subsets, [c.revision]: c.rollout }, live: false },
    events: [normal('Dark', `${c.revision} is ready and has a subset; nobody reaches it yet`)],
  })
}

/** Row 18: fit, and the step is over: one more. An edit of the steps keeps the weight and lets it bake once more. */
export function raiseStep(facts: Facts): Outcome | undefined {
  const moved = replanned(facts)
  if (moved !== undefined)
    return outcome('the steps were edited: the present weight must pass once more', {
      action: writeLedgers(facts, {}, (route) => (route.ledger?.exposure === undefined ? undefined : moved)),
      change: { stepStarted: true },
      events: [normal('StepsEdited', 'the steps were edited: the present weight is kept and must pass once more')],
    })
  const edited = rewordedNow(facts)
  if (edited !== undefined)
    return outcome('preview or session affinity were edited', {
      action: writeRoutes(facts, edited, {}, { live: true }),
      events: [normal('ExposureEdited', `${edited.revision}: preview or session affinity were edited, and stand as they are now`)],
    })
  const next = nextExposure(facts)
  return next === undefined || noWayOn(facts) || stepHold(facts) !== undefined ? undefined : raise(facts, next)
}

/** Row 19: what it waits for. */
export function holdStep(facts: Facts): Outcome {
  const failure = whyRollBack(facts)
  if (failure !== undefined) return waitFor({ message: `${failure.message}; but stable has no ready pod: there is no way back`, waitingFor: 'Pods' })
  const pods = facts.canary === undefined && !isGate(facts) ? ({ waitingFor: 'Pods', message: `the Deployment of ${facts.c?.revision ?? ''} is gone` } as const) : undefined
  const hold = pods ?? stepHold(facts) ?? { message: 'ready for the next step' }
  return hold.waitingFor === 'Approval' ? ask(facts, hold) : waitFor(hold)
}

/** It fails, and there is no stable to go back to: nothing rises. */
const noWayOn = (facts: Facts): boolean => whyRollBack(facts) !== undefined
