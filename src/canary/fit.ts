import { workload, type Facts } from './facts.ts'
import type { Exposure } from './ledger.ts'
import { podsWanted } from './steps.ts'
import { EVERY_POD, type Workload } from './world.ts'

/** Why `revision` may not be named with `pods` pods: the guard `fit` of the protocol. Undefined when it is fit. */
export function unfit(facts: Facts, revision: string, pods = 1): string | undefined {
  const rollout = facts.ledger.open[revision]?.rollout
  return rollout === undefined ? `${revision} is not open` : unfitFor(facts, revision, { rollout, pods })
}

/** The same of what a write is to open under the name of `rollout`. */
export function unfitFor(facts: Facts, revision: string, { rollout, pods }: { readonly rollout: string; readonly pods: number }): string | undefined {
  const deployment = workload(facts.world.workloads, revision)
  if (deployment === undefined) return `${revision} has no Deployment`
  return unready(deployment, pods) ?? unstamped(facts, deployment, rollout) ?? unspread(facts, revision)
}

function unstamped({ world: { mesh } }: Facts, { name, revision, stamp }: Workload, rollout: string): string | undefined {
  if (stamp !== rollout) return `Deployment ${name} is not stamped for this rollout`
  return mesh.rule.subsets[revision] === rollout && mesh.rule.conform ? undefined : `the rule has no subset for ${revision} yet`
}

function unready({ revision, name, settled, ready, replicas, trouble }: Workload, pods: number): string | undefined {
  if (settled && ready >= pods) return undefined
  const wanted = Math.max(pods, replicas)
  const what = ready < wanted ? `${wanted - ready} of ${wanted} pods of ${revision} not ready` : `Deployment ${name} still replaces its pods`
  return because(what, { trouble })
}

/** With the pods' own reason, where they have one. */
export const because = (what: string, workload: Pick<Workload, 'trouble'> | undefined): string =>
  workload?.trouble === undefined ? what : `${what}: ${workload.trouble}`

/** The same of what status says, which is as old as its last write: the pods may have found words since. */
export const nowBecause = (said: string, workload: Pick<Workload, 'trouble'> | undefined): string =>
  workload?.trouble !== undefined && said.includes(workload.trouble) ? said : because(said, workload)

/** What to say where stable cannot take anything. */
export const noStablePod = ({ s, stable }: Facts): string => because(`no pod of stable ${String(s)} is ready`, stable)

function unspread({ world: { ages, settings } }: Facts, revision: string): string | undefined {
  if ((ages.subsets[revision] ?? 0) < settings.propagationMs) return `the subset of ${revision} is spreading`
  return (ages.ready[revision] ?? 0) < settings.propagationMs ? `the endpoints of ${revision} are spreading` : undefined
}

/** Why capacity of `revision` may not be taken away: the guard `idle` of the protocol. Undefined when it is idle. */
export function busy(facts: Facts, revision: string): string | undefined {
  const { ages, mesh, settings } = facts.world
  if (mesh.namedByUser.includes(revision)) return `a route of yours names ${revision}`
  if (mesh.reached.includes(revision) || mesh.reached.includes(EVERY_POD)) return `a route still reaches ${revision}`
  if (ages.routes < settings.propagationMs + settings.drainMs) return 'the last change of the routes is spreading and draining'
  return undefined
}

/** Pods an exposure needs, from stable's present size and its floor; from the floor that status remembers where stable's Deployment is gone. */
export const podsFor = (facts: Facts, exposure: Exposure): number =>
  podsWanted(facts.world.settings, exposure, Math.max(facts.stable?.replicas ?? 0, floorKnown(facts) ?? 0))

/** Stable's size when this rollout began, also once its Deployment is gone. */
export const floorKnown = (facts: Facts): number | undefined =>
  facts.stable === undefined && facts.c !== undefined ? facts.world.status?.rollout?.stableReplicas : floorOf(facts)

/** Stable's size when this rollout began, once it is known. */
export const floorOf = ({ stable, c }: Facts): number | undefined =>
  c !== undefined && stable?.floor?.rollout === c.rollout ? stable.floor.replicas : undefined
