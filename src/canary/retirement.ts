import { normal, openWithout, outcome, subsetsWithout, waitFor, writeLedgers } from './actions.ts'
import type { Decision } from './decision.ts'
import { workload, type Facts } from './facts.ts'
import { busy } from './fit.ts'

type Outcome = Omit<Decision, 'row'>

/**
 * Takes one revision out of service, a write at a time, each judged from the objects alone:
 *
 *     close (nobody may name it) → pods to 0 → its subset away → undefined: nothing is left to do
 *
 * The caller has made sure that it is idle. What a route of the user's names keeps its pods.
 */
export function retire(facts: Facts, revision: string): Outcome | undefined {
  return close(facts, revision) ?? toZero(facts, revision) ?? withoutSubset(facts, revision)
}

/** The same, once it is idle; until then why not. */
export function retireIdle(facts: Facts, revision: string): Outcome | undefined {
  const reason = busy(facts, revision)
  return reason === undefined ? retire(facts, revision) : waitFor({ waitingFor: 'Propagation', message: reason })
}

/** Every revision that is open, has a subset, or has pods that a rollout started: stable among them. */
export function inService({ ledger, world: { mesh, workloads } }: Pick<Facts, 'ledger' | 'world'>): readonly string[] {
  const stamped = workloads.filter(({ stamp, replicas }) => stamp !== undefined && replicas > 0).map(({ revision }) => revision)
  return [...Object.keys(ledger.open), ...Object.keys(mesh.rule.subsets), ...stamped]
}

function close(facts: Facts, revision: string): Outcome | undefined {
  if (facts.ledger.open[revision] === undefined) return undefined
  return outcome(`close ${revision}`, { action: writeLedgers(facts, { open: openWithout(facts, revision) }) })
}

function toZero(facts: Facts, revision: string): Outcome | undefined {
  const deployment = workload(facts.world.workloads, revision)
  if (deployment === undefined || deployment.replicas === 0 || facts.world.mesh.namedByUser.includes(revision)) return undefined
  return outcome(`scale ${deployment.name} to 0`, {
    action: { kind: 'workload', revision, replicas: 0, stamp: null, live: true },
    events: [normal('ScaledDown', `${deployment.name} scaled to 0`)],
  })
}

function withoutSubset(facts: Facts, revision: string): Outcome | undefined {
  const { rule, namedByUser } = facts.world.mesh
  // Whatever the user's route names is left whole; once it does not, the leftovers go (row 24).
  if (rule.subsets[revision] === undefined || namedByUser.includes(revision)) return undefined
  return outcome(`remove the subset of ${revision}`, {
    action: { kind: 'rule', subsets: subsetsWithout(facts, revision), live: true },
  })
}
