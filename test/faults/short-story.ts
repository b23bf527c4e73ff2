import { caller, canary, faulty, namespace, service, version } from '../fixtures.ts'
import { Harness, NAMESPACE, uncheckedCrd } from '../harness.ts'
import { ledgerOf } from '../oracle.ts'
import { Saboteur, type Plan } from './plan.ts'

/** Where everything stands once the story is over, and what was done wrong on the way. */
export type Ending = { readonly end: unknown; readonly violations: readonly string[]; readonly writes: readonly string[] }

const RPS = 20
/** Long enough for whatever was put off to be written. */
const QUIET_MS = 12_000
const MOST_MS = 120_000
/** A new process is there a moment after the old one died. */
const RESTART_MS = 300

/** One bad version, then a good one: two steps, few requests. */
export async function shortStory(plan?: Plan): Promise<Ending> {
  const harness = new Harness()
  const saboteur = new Saboteur(harness.clock, plan)
  const start = () => {
    saboteur.victim = harness.startOperator({ through: saboteur.through })
  }
  saboteur.onDeath = () => void harness.clock.sleep(RESTART_MS).then(start)
  try {
    await harness.apply(uncheckedCrd(), namespace(), service(), caller(), version('v1', { replicas: 2 }))
    await harness.clock.advance(500)
    const leave = harness.users(RPS, { host: 'service-c', from: harness.insider })
    start()
    await tell(harness)
    leave()
    const written = saboteur.writes.length
    await harness.clock.advance(QUIET_MS)
    return { end: endOf(harness), violations: wrongs(harness, saboteur.writes.slice(written)), writes: saboteur.writes }
  } finally {
    harness.stop()
  }
}

async function tell(harness: Harness): Promise<void> {
  const phase = () => harness.status().phase
  await harness.apply(canary())
  await harness.until(() => phase() === 'Idle', MOST_MS)
  await harness.apply(faulty('v2', { replicas: 0 }))
  await harness.until(() => phase() === 'Failed', MOST_MS)
  await harness.apply(version('v3', { replicas: 0 }))
  await harness.until(() => phase() === 'Idle' && harness.status().stableRevision === 'v3' && harness.status().previous === undefined, MOST_MS)
}

function wrongs(harness: Harness, late: readonly string[]): readonly string[] {
  const bySelf = harness.meshMade().map(({ at, status }) => `${at} ms: a user was answered ${status} by the mesh`)
  return [...harness.oracle.violations, ...bySelf, ...late.map((write) => `written with nothing left to do: ${write}`)]
}

/** Everything that must be the same whatever went wrong: no times, no names of rollouts. */
function endOf(harness: Harness): unknown {
  const { reader } = harness.sandbox.cluster
  const { phase, stableRevision, canaryRevision, weight, failed, seen, rollout, previous, history, conditions } = harness.status()
  return {
    status: {
      phase, stableRevision, canaryRevision, weight, rollout, previous,
      failed: failed?.revision,
      seen: seen?.map((entry) => `${entry.revision} ${entry.failed ?? ''}`),
      history: history?.map(({ revision, result, reason }) => `${revision} ${result} ${reason ?? ''}`),
      conditions: conditions?.map((condition) => `${condition.type} ${condition.status} ${condition.reason}`),
    },
    deployments: reader.list('deployments.apps', NAMESPACE).map(({ metadata, spec }) => `${metadata.name} ${(spec as { replicas: number }).replicas}`),
    rules: reader.list('destinationrules.networking.istio.io', NAMESPACE).map(({ metadata, spec }) => ({ name: metadata.name, spec })),
    routes: reader.list('virtualservices.networking.istio.io', NAMESPACE).map((object) => ({ name: object.metadata.name, spec: object['spec'], ledger: withoutTimes(object) })),
  }
}

function withoutTimes(object: Parameters<typeof ledgerOf>[0]) {
  const ledger = ledgerOf(object)
  return ledger && { stable: ledger.stable, promotions: ledger.promotions, open: Object.keys(ledger.open), failed: Object.keys(ledger.failed), exposure: ledger.exposure, undone: ledger.undone }
}
