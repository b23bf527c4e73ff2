import { ledgerWith, normal, outcome, waitFor, writeRoutes } from './actions.ts'
import type { Decision } from './decision.ts'
import { because, unfit, type Facts } from './facts.ts'

type Outcome = Omit<Decision, 'row'>

/** Row 27 for `versions`: stamp → rule with stable's subset → propagation → every route pinned to it. Refused by name before the first write. */
export function adopt(facts: Facts): Outcome {
  const { s, stable, world, ledger } = facts
  const refusal = world.mesh.refusals[0]
  if (refusal !== undefined) return waitFor({ message: refusal.message, stalled: refusal.reason })
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
  const { routes, covered } = facts.world.mesh
  const own = covered ? undefined : { ledger: ledgerWith(facts, undefined, {}), lists: true, adopt: false }
  const names = [...routes.map(({ record }) => record.name), ...(own === undefined ? [] : ["Serin's own VirtualService"])].join(', ')
  return outcome(`pin ${names} to ${s}`, {
    action: { ...writeRoutes(facts, undefined, {}, { live: true }), own },
    events: [normal('Adopted', `${s} is stable, and named by every route: ${names}`)],
  })
}

function noStable({ world }: Facts): string {
  const running = world.workloads.filter(({ replicas }) => replicas > 0).map(({ revision }) => revision)
  return running.length === 0
    ? 'no Deployment matches spec.versions.selector, or none has replicas: apply the version that shall serve first'
    : `no route names a version and ${running.join(', ')} all run: write the one that serves in spec.versions.desired`
}
