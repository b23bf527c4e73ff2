import type { Action } from '../canary/decision.ts'
import { ownName } from '../istio/destination-rules.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { resources, type Resource } from '../kubernetes/resource.ts'
import type { KubeObject } from '../runtime/object.ts'
import type { Observation } from './observe.ts'
import type { Snapshot } from './snapshot.ts'
import { pruneDeployment, pruneManagedFields } from './prune.ts'

/** Whether an action may only be made on what was read live just before. */
export const restsOnLive = (action: Action): boolean => action.kind !== 'none' && action.live

/**
 * The snapshot with what the action rests on read anew: stable's and the canary's Deployment and the rule; the managed
 * VirtualServices too where the action does not write them, and so is not fenced by them.
 */
export async function readLive(client: KubernetesClient, { world, input, snapshot }: Observation, action: Action, signal: AbortSignal): Promise<Snapshot> {
  const { namespace } = input.canary
  const wanted = new Set([...world.mesh.routes.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger.stable])), world.status?.rollout?.revision, action.kind === 'workload' || action.kind === 'delete' ? action.revision : undefined, action.kind === 'routes' ? action.reads : undefined])
  // Where a cache is behind, any of them may be what it is behind on.
  const made = world.workloads.filter(({ revision }) => action.kind === 'none' || wanted.has(revision)).map(({ name }) => name)
  const names = world.target !== undefined && restsOnTarget(action) ? [...made, world.target.name] : made
  const [deployments, destinationRules, routed] = await Promise.all([
    reread(client, resources.deployments, { namespace, names, prune: pruneDeployment, objects: snapshot.deployments }, signal),
    reread(client, resources.destinationRules, { namespace, names: [ownName(input)], prune: pruneManagedFields, objects: snapshot.destinationRules }, signal),
    action.kind === 'routes' ? snapshot : readRoutes(client, { world, input, snapshot }, signal),
  ])
  return { ...routed, deployments, destinationRules }
}

/** A cache that is behind, taking the target's pods, and forgetting a failure because the target says so; a raise is undone by the next pass where the target changed. */
const restsOnTarget = (action: Action): boolean =>
  action.kind === 'none' || action.kind === 'target' || action.kind === 'refill' || (action.kind === 'routes' && action.writes.every(({ write }) => !write.lists))

/** The snapshot with the managed VirtualServices read anew: what a refused write of them is decided on again. */
export async function readRoutes(client: KubernetesClient, { world, input, snapshot }: Observation, signal: AbortSignal): Promise<Snapshot> {
  const { namespace } = input.canary
  const names = [...new Set([...world.mesh.routes.map(({ record }) => record.name), ownName(input)])]
  const known = names.filter((name) => snapshot.virtualServices.some(({ metadata }) => metadata.namespace === namespace && metadata.name === name))
  return { ...snapshot, virtualServices: await reread(client, resources.virtualServices, { namespace, names: known, prune: pruneManagedFields, objects: snapshot.virtualServices }, signal) }
}

type Wanted = {
  readonly namespace: string
  readonly names: readonly string[]
  readonly prune: (object: KubeObject) => KubeObject
  readonly objects: readonly KubeObject[]
}

async function reread(client: KubernetesClient, resource: Resource, { namespace, names, prune, objects }: Wanted, signal: AbortSignal): Promise<readonly KubeObject[]> {
  const read = await Promise.all(names.map((name) => client.get(resource, `${namespace}/${name}`, signal)))
  const kept = objects.filter(({ metadata }) => !(metadata.namespace === namespace && names.includes(metadata.name)))
  return [...kept, ...read.flatMap((object) => (object === undefined ? [] : [prune(object)]))]
}
