import { isTargetAction, type Action } from '../canary/decision.ts'
import { workload } from '../canary/facts.ts'
import { ownName } from '../istio/destination-rules.ts'
import { labelsOf } from '../istio/json.ts'
import type { MeshInput } from '../istio/mesh-input.ts'
import { delegateRoute, ownRoute, routePatch } from '../istio/route-write.ts'
import { ruleWrite } from '../istio/rule-write.ts'
import type { JsonPatchOperation } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'
import type { NewObject } from '../runtime/object.ts'
import { makeCopies } from './config-copies.ts'
import type { Observation } from './observe.ts'
import { movePreview } from './preview-service.ts'
import { prunedAs } from './prune.ts'
import { FLOOR, STAMP } from './stamps.ts'
import { commitRestore } from './commit-restore.ts'
import { commitTarget } from './commit-target.ts'
import { allOf, create, idOf, patched, removed, type CommitDeps } from './writes.ts'

/**
 * Carries out one action: guarded by uid and resourceVersion, so that it happens to what was looked at or not at all.
 * Returns how many objects were written. Throws the first refusal once every write of the action is answered.
 */
export async function commit(deps: CommitDeps, observation: Observation, action: Action, signal: AbortSignal): Promise<number> {
  if (isTargetAction(action)) return commitTarget(deps, observation, action, signal)
  switch (action.kind) {
    case 'none':
    case 'status':
      return 0
    case 'routes':
      return commitRoutes(deps, observation, action, signal)
    case 'remove-own-route':
      return removeOwnRoute(deps, observation, signal)
    case 'rule':
      return commitRule(deps, observation, action.subsets, signal)
    case 'preview':
      return commitPreview(deps, observation, action, signal)
    case 'restore-routes':
    case 'remove-rule':
    case 'finalizer':
      return commitRestore(deps, observation, action, signal)
    case 'workload':
      return commitWorkload(deps, observation, action, signal)
    default:
      return action satisfies never
  }
}

/** Every VirtualService at once: a rollback does not queue behind the first of them. */
async function commitRoutes(deps: CommitDeps, { input }: Observation, action: Extract<Action, { kind: 'routes' }>, signal: AbortSignal): Promise<number> {
  const patches = action.writes.flatMap(({ namespace, name, write }) => {
    const patch = routePatch(input, { namespace, name }, write)
    return patch === undefined ? [] : [patched(deps, resources.virtualServices, { key: `${namespace}/${name}`, operations: patch, signal })]
  })
  const created = action.own === undefined ? [] : [ownAgain(deps, input, ownRoute(input, action.own), signal)]
  const delegates = action.delegate === undefined ? [] : [create(deps, resources.virtualServices, delegateRoute(input, action.delegate), signal)]
  return allOf([...patches, ...created, ...delegates])
}

/** Our own VirtualService is made, or, where somebody made it leave the host, written back whole. */
async function ownAgain(deps: CommitDeps, input: MeshInput, wanted: NewObject, signal: AbortSignal): Promise<void> {
  const { name, annotations } = wanted.metadata
  const standing = input.virtualServices.find(({ metadata }) => metadata.namespace === input.canary.namespace && metadata.name === name)
  if (standing === undefined) return create(deps, resources.virtualServices, wanted, signal)
  const operations: readonly JsonPatchOperation[] = [
    { op: 'replace', path: '/metadata/resourceVersion', value: standing.metadata.resourceVersion },
    { op: 'replace', path: '/metadata/uid', value: standing.metadata.uid },
    { op: 'add', path: '/metadata/annotations', value: { ...standing.metadata.annotations, ...labelsOf(annotations) } },
    { op: 'replace', path: '/spec', value: wanted['spec'] },
  ]
  return patched(deps, resources.virtualServices, { key: `${input.canary.namespace}/${name}`, operations, signal })
}

async function commitRule(deps: CommitDeps, { input }: Observation, subsets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<number> {
  const write = ruleWrite(input, subsets)
  if (write === undefined) return 0
  const key = `${input.canary.namespace}/${ownName(input)}`
  await (write.kind === 'create'
    ? create(deps, resources.destinationRules, write.object, signal)
    : patched(deps, resources.destinationRules, { key, operations: write.patch, signal }))
  return 1
}

const floorText = (floor: Extract<Action, { kind: 'workload' }>['floor']) => (floor === null || floor === undefined ? floor : `${floor.replicas} ${floor.rollout}`)

async function commitWorkload(deps: CommitDeps, { world, snapshot }: Observation, action: Extract<Action, { kind: 'workload' }>, signal: AbortSignal): Promise<number> {
  const name = workload(world.workloads, action.revision)?.name
  const object = snapshot.deployments.find(({ metadata }) => metadata.name === name)
  if (object === undefined) throw new Error(`no Deployment of ${action.revision} to write`)
  const { uid, resourceVersion, namespace = '', annotations = {}, hasAnnotations } = object.metadata
  if ((action.replicas ?? 0) > 0) await makeCopies(deps, object, action.revision === world.status?.stableRevision, signal)
  const notes = [[STAMP, action.stamp], [FLOOR, floorText(action.floor)]] as const
  const wanted = notes.filter(([key, value]) => (value === null ? annotations[key] !== undefined : value !== undefined && annotations[key] !== value))
  const operations: readonly JsonPatchOperation[] = [
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'replace', path: '/metadata/uid', value: uid },
    ...(hasAnnotations === true || wanted.length === 0 ? [] : [{ op: 'add', path: '/metadata/annotations', value: {} } as const]),
    ...wanted.map(([key, value]): JsonPatchOperation => {
      const path = `/metadata/annotations/${key.replace('/', '~1')}`
      return value === null ? { op: 'remove', path } : { op: 'add', path, value }
    }),
    ...(action.replicas === undefined ? [] : [{ op: 'replace', path: '/spec/replicas', value: action.replicas } as const]),
  ]
  await patched(deps, resources.deployments, { key: `${namespace}/${object.metadata.name}`, operations, signal })
  return 1
}

async function commitPreview(deps: CommitDeps, observation: Observation, action: Extract<Action, { kind: 'preview' }>, signal: AbortSignal): Promise<number> {
  const { input, snapshot } = observation
  const id = idOf(resources.services, `${input.canary.namespace}/${action.name}`)
  const standing = snapshot.previewServices.find(({ metadata }) => metadata.name === action.name)
  const answered = await movePreview(deps, observation, action, signal)
  if (answered === undefined) deps.writes.deleted(id, standing?.metadata.uid ?? '')
  else deps.writes.wrote(id, prunedAs(resources.services, answered), deps.clock.monotonic())
  return 1
}

async function removeOwnRoute(deps: CommitDeps, { input, world }: Observation, signal: AbortSignal): Promise<number> {
  const own = world.mesh.routes.find((route) => route.own)
  if (own === undefined) return 0
  const { uid, resourceVersion, record: { name } } = own
  return allOf([removed(deps, resources.virtualServices, { metadata: { namespace: input.canary.namespace, name, uid, resourceVersion } }, signal)])
}
