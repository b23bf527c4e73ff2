import type { Action, TargetAction } from '../canary/decision.ts'
import { workload } from '../canary/facts.ts'
import { annotationsOf, templateDigest } from '../canary/template-hash.ts'
import { isObserved } from '../canary/tracked-config.ts'
import type { JsonPatchOperation } from '../kubernetes/client.ts'
import { resources } from '../kubernetes/resource.ts'
import { isAlreadyExists } from '../kubernetes/errors.ts'
import { jsonOf } from '../istio/json.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import type { Observation } from './observe.ts'
import { pruneDeployment, prunedAs } from './prune.ts'
import { configOf, madeAs, revisionDeployment, templateOf } from './revision-deployment.ts'
import { MADE, STAMP, TAKEN_OVER, TARGET } from './stamps.ts'
import { hashOfTarget, revisionOfTarget } from './workloads.ts'
import { allOf, create, idOf, patched, removed, type CommitDeps } from './writes.ts'

/** The target is not what was decided on: nothing is written, and the next look decides anew. */
export class TargetMovedError extends Error {
  override readonly name = 'TargetMovedError'
}

/** Carries out what is done to the target, its revisions' Deployments and the Canary's own size. Returns how many objects were written. */
export async function commitTarget(deps: CommitDeps, observation: Observation, action: TargetAction, signal: AbortSignal): Promise<number> {
  switch (action.kind) {
    case 'create':
      await makeRevision(deps, observation, action, signal)
      return 1
    case 'remake':
      return changeRevision(deps, observation, action.revision, { operations: await remade(deps, observation, action.revision, signal), signal })
    case 'restart':
      return changeRevision(deps, observation, action.revision, { operations: restarted(observation, action), signal })
    case 'delete':
      return removeRevision(deps, observation, action.revision, signal)
    case 'target':
      return emptyTarget(deps, observation, action.takenOver, signal)
    case 'refill':
      return refillTarget(deps, observation, action, signal)
    case 'size':
      return writeSize(deps, observation, action.replicas, signal)
    default:
      return action satisfies never
  }
}

async function makeRevision(deps: CommitDeps, observation: Observation, { revision, replicas, stamp }: Extract<Action, { kind: 'create' }>, signal: AbortSignal): Promise<void> {
  const target = await wholeTarget(deps, observation, revision, signal)
  const made = revisionDeployment(target, { canary: observation.input.canary.name, revision, config: observation.world.target?.config ?? {}, replicas, stamp, ignored: ignoredBy(observation) })
  try {
    await create(deps, resources.deployments, made, signal)
  } catch (thrown) {
    // Made before, and the cache has not heard of it; or somebody else's, which no repetition cures.
    const standing = isAlreadyExists(thrown) ? await deps.client.get(resources.deployments, keyOf(made), signal) : undefined
    if (standing !== undefined && standing.metadata.annotations?.[TARGET] !== target.metadata.name)
      throw new Error(`Deployment ${made.metadata.name} exists and is not Serin's: rename or delete it`, { cause: thrown })
    throw thrown
  }
}

/** The target as it stands now, whole: caches keep only a digest of its template. */
async function wholeTarget({ client }: CommitDeps, { world, input }: Observation, revision: string, signal: AbortSignal): Promise<KubeObject> {
  const { source } = world.settings
  if (source.kind !== 'target') throw new Error('no target to make a revision of')
  const target = await client.get(resources.deployments, `${input.canary.namespace}/${source.name}`, signal)
  const pruned = target && pruneDeployment(target)
  const stands = pruned && (revisionOfTarget(pruned, source.ignoreAnnotations, world.target?.config) === revision || isKnownAs(pruned, world, revision))
  if (target === undefined || stands !== true) throw new TargetMovedError(`Deployment ${source.name} no longer stands for revision ${revision}`)
  return target
}

/** Its hash moved, though nobody changed it: the revision keeps its name. */
function isKnownAs(target: KubeObject, { status, settings }: Observation['world'], revision: string): boolean {
  const { uid, generation = 0 } = target.metadata
  return status?.observedTarget?.revision === revision && isObserved(status.observedTarget, { uid, generation, hash: hashOfTarget(target, settings) })
}

async function remade(deps: CommitDeps, observation: Observation, revision: string, signal: AbortSignal): Promise<readonly JsonPatchOperation[]> {
  const template = templateOf(await wholeTarget(deps, observation, revision, signal), revision, configOf(deploymentOf(observation, revision)))
  return [madeOperation(madeAs(templateDigest(template), annotationsOf(template), ignoredBy(observation))), { op: 'replace', path: '/spec/template', value: template }]
}

function restarted(observation: Observation, { revision, annotations }: Extract<Action, { kind: 'restart' }>): readonly JsonPatchOperation[] {
  const { restarts = {}, hash } = workload(observation.world.workloads, revision) ?? {}
  const object = deploymentOf(observation, revision)
  const others = Object.entries(annotationsOf(jsonOf(object['spec'])['template'])).filter(([key]) => !(key in restarts))
  const value = { ...Object.fromEntries(others), ...annotations }
  // What counted when it was made may not count any more; an edit of somebody's stays one.
  const made = hash === revision ? [madeOperation(madeAs(String(object['templateDigest']), value, ignoredBy(observation)))] : []
  return [...made, { op: 'add', path: '/spec/template/metadata/annotations', value }]
}

const madeOperation = (value: string): JsonPatchOperation => ({ op: 'add', path: `/metadata/annotations/${MADE.replace('/', '~1')}`, value })

const ignoredBy = ({ world: { settings: { source } } }: Observation): readonly string[] => (source.kind === 'target' ? source.ignoreAnnotations : [])

function deploymentOf({ world, snapshot }: Observation, revision: string): KubeObject {
  const name = workload(world.workloads, revision)?.name
  const object = snapshot.deployments.find(({ metadata }) => metadata.name === name)
  if (object === undefined) throw new Error(`no Deployment of ${revision} to write`)
  return object
}

type Operations = { readonly operations: readonly JsonPatchOperation[]; readonly signal: AbortSignal }

async function changeRevision(deps: CommitDeps, observation: Observation, revision: string, { operations, signal }: Operations): Promise<number> {
  await change(deps, deploymentOf(observation, revision), { operations, signal })
  return 1
}

async function change(deps: CommitDeps, { metadata }: KubeObject, { operations, signal }: Operations): Promise<void> {
  const guards: readonly JsonPatchOperation[] = [
    { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion },
    { op: 'replace', path: '/metadata/uid', value: metadata.uid },
  ]
  await patched(deps, resources.deployments, { key: `${metadata.namespace ?? ''}/${metadata.name}`, operations: [...guards, ...operations], signal })
}

async function removeRevision(deps: CommitDeps, observation: Observation, revision: string, signal: AbortSignal): Promise<number> {
  return allOf([removed(deps, resources.deployments, deploymentOf(observation, revision), signal)])
}

const emptyTarget = (deps: CommitDeps, observation: Observation, takenOver: number, signal: AbortSignal): Promise<number> =>
  resizeTarget(deps, observation, { replicas: 0, annotations: { [TAKEN_OVER]: String(takenOver) }, signal })

const refillTarget = (deps: CommitDeps, observation: Observation, { replicas, stamp }: Extract<Action, { kind: 'refill' }>, signal: AbortSignal): Promise<number> =>
  resizeTarget(deps, observation, { replicas, annotations: { [TAKEN_OVER]: null, [STAMP]: stamp }, signal })

type Resize = { readonly replicas: number; /** null takes one away. */ readonly annotations: Readonly<Record<string, string | null>>; readonly signal: AbortSignal }

async function resizeTarget(deps: CommitDeps, { snapshot, world }: Observation, { replicas, annotations, signal }: Resize): Promise<number> {
  const object = snapshot.deployments.find(({ metadata }) => metadata.uid === world.target?.uid)
  if (object === undefined) return 0
  const operations: readonly JsonPatchOperation[] = [
    ...(object.metadata['hasAnnotations'] === true ? [] : [{ op: 'add', path: '/metadata/annotations', value: {} } as const]),
    ...Object.entries(annotations).flatMap(([key, value]): JsonPatchOperation[] => {
      const path = `/metadata/annotations/${key.replace('/', '~1')}`
      if (value !== null) return [{ op: 'add', path, value }]
      return object.metadata.annotations?.[key] === undefined ? [] : [{ op: 'remove', path }]
    }),
    { op: 'replace', path: '/spec/replicas', value: replicas },
  ]
  await change(deps, object, { operations, signal })
  return 1
}

/** Guarded by the Canary that was decided on. */
async function writeSize({ client, writes, clock }: CommitDeps, { snapshot: { canary: { metadata } } }: Observation, replicas: number, signal: AbortSignal): Promise<number> {
  const key = `${metadata.namespace}/${metadata.name}`
  const body = { metadata: { uid: metadata.uid, resourceVersion: metadata.resourceVersion }, spec: { replicas } }
  const answered = await client.mergePatch(resources.canaries, key, body, { signal })
  writes.wrote(idOf(resources.canaries, key), prunedAs(resources.canaries, answered), clock.monotonic())
  return 1
}
