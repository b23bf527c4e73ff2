import { ledgerWith, normal, outcome, podsText, waitFor, writeRoutes } from './actions.ts'
import type { Decision, Hold } from './decision.ts'
import { keepFinalizer } from './terminating.ts'
import type { Facts } from './facts.ts'
import { because, unfit } from './fit.ts'
import { configUnread } from './guards.ts'
import type { TargetFacts } from './world.ts'

type Outcome = Omit<Decision, 'row'>

/**
 * Rows 26, 27: of a target its size → stable's revision at full size → ready; then for all: stamp → rule with stable's
 * subset → propagation → every route pinned to it. Refused by name before the first write. Until the pin a changed
 * template simply is another revision to begin with.
 */
export function adopt(facts: Facts): Outcome {
  const refusal = facts.world.mesh.refusals[0]
  if (refusal !== undefined) return waitFor({ message: refusal.message, stalled: refusal.reason })
  const next = fromTarget(facts) ?? withStable(facts)
  return next.action.kind === 'none' ? next : (keepFinalizer(facts) ?? next)
}

/** The first revision of a target: as many pods as the target has, beside them. */
function fromTarget({ s, stable, world, ledger }: Facts): Outcome | undefined {
  const { target, settings: { source } } = world
  if (source.kind !== 'target') return undefined
  if (target === undefined || s === undefined) return waitFor(unknown(target, source.name))
  if (source.replicas === undefined)
    return target.replicas === 0
      ? waitFor({ message: `Deployment ${target.name} has no pods, and spec.replicas does not say how many: scale it up, or write spec.replicas`, stalled: 'TargetAtZero' })
      : outcome(`${target.name} has ${podsText(target.replicas)}`, { action: { kind: 'size', replicas: target.replicas, live: false } })
  const size = Math.max(1, source.replicas)
  if (stable === undefined)
    return outcome(`${s} is to serve`, {
      action: { kind: 'create', revision: s, replicas: size, stamp: ledger.open[s]?.rollout ?? '', live: false },
      events: [normal('Adopting', `revision ${s} of ${target.name} is made at ${podsText(size)}, beside those that serve`)],
    })
  if (stable.replicas < size) return outcome(`${stable.name} to ${podsText(size)}`, { action: { kind: 'workload', revision: s, replicas: size, live: false } })
  return stable.ready < size ? waitFor({ waitingFor: 'Pods', message: `${stable.ready} of ${podsText(size)} of ${stable.name} are ready` }) : undefined
}

const unknown = (target: TargetFacts | undefined, name: string): Hold =>
  (target === undefined ? { message: `Deployment ${name} does not exist: apply it, or correct spec.targetRef.name`, stalled: 'TargetNotFound' } : configUnread(target))

function withStable(facts: Facts): Outcome {
  const { s, stable, world, ledger } = facts
  if (s === undefined) return waitFor({ message: noStable(facts), stalled: 'NoStable' })
  if (stable === undefined) return waitFor({ message: `the routes name ${s}, but no Deployment has that version`, stalled: 'VersionNotFound' })
  const rollout = ledger.open[s]?.rollout ?? ''
  if (stable.ready === 0 || !stable.settled) return waitFor({ waitingFor: 'Pods', message: because(`waiting for the pods of ${s}`, stable) })
  if (stable.stamp !== rollout)
    return outcome(`stamp ${stable.name}`, { action: { kind: 'workload', revision: s, replicas: undefined, stamp: rollout, live: false } })
  if (world.mesh.rule.subsets[s] !== rollout || !world.mesh.rule.conform)
    return outcome(`subset for ${s}`, { action: { kind: 'rule', subsets: { ...world.mesh.rule.subsets, [s]: rollout }, live: false } })
  const reason = unfit(facts, s)
  return reason === undefined ? pin(facts, s) : waitFor({ waitingFor: 'Propagation', message: reason })
}

/** Every route at once; our own VirtualService where nobody's has the host for the mesh. */
function pin(facts: Facts, s: string): Outcome {
  const { routes, covered, delegateMissing } = facts.world.mesh
  const pinned = { ledger: ledgerWith(facts, undefined, {}), lists: true, adopt: false }
  const own = covered ? undefined : pinned
  const delegate = delegateMissing ? pinned : undefined
  const names = [...routes.map(({ record }) => record.name), ...(own === undefined ? [] : ["Serin's own VirtualService"]), ...(delegate === undefined ? [] : ['the delegate'])].join(', ')
  return outcome(`pin ${names} to ${s}`, {
    action: { ...writeRoutes(facts, undefined, {}, { live: true }), own, delegate },
    events: [normal('Adopted', `${s} is stable, and named by every route: ${names}`)],
  })
}

function noStable({ world }: Facts): string {
  const running = world.workloads.filter(({ replicas }) => replicas > 0).map(({ revision }) => revision)
  return running.length === 0
    ? 'no Deployment matches spec.versions.selector, or none has replicas: apply the version that shall serve first'
    : `no route names a version and ${running.join(', ')} all run: write the one that serves in spec.versions.desired`
}
