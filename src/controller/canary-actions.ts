import { parseCanaryAction, type CanaryActionSpec } from '../api/canary-action.ts'
import { parseDuration } from '../api/duration.ts'
import type { Problem } from '../api/parse.ts'
import { instant } from '../canary/instant.ts'
import type { Answer } from '../canary/requests.ts'
import type { ActionFacts } from '../canary/world.ts'
import { jsonOf, textOf } from '../istio/json.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { isConflict, isInvalid, isNotFound } from '../kubernetes/errors.ts'
import { resources } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { idOf } from './writes.ts'
import type { OwnWrites } from './own-writes.ts'
import { prunedAs } from './prune.ts'

const KEPT_MS = 7 * 86_400_000

/** "namespace/name" of the Canary that an action speaks to. */
export const canaryOf = ({ metadata, spec }: KubeObject): string => `${metadata.namespace ?? ''}/${textOf(jsonOf(jsonOf(spec)['canaryRef'])['name']) ?? ''}`

/** The actions that have no result yet and can be read, oldest first. */
export function actionsAsked(objects: readonly KubeObject[]): readonly ActionFacts[] {
  const asked = objects.filter(isOpen).sort((a, b) => createdAt(a) - createdAt(b) || Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
  return asked.flatMap((object) => {
    const parsed = parseCanaryAction(object)
    return parsed.ok ? [factsOf(object, parsed.spec)] : []
  })
}

const isOpen = ({ status }: KubeObject): boolean => jsonOf(status)['result'] === undefined

const createdAt = ({ metadata }: KubeObject): number => Date.parse(metadata.creationTimestamp ?? '') || 0

const factsOf = (object: KubeObject, { action, revision, step, reason, requester, expiresAfter }: CanaryActionSpec): ActionFacts =>
  ({ uid: object.metadata.uid, action, revision, step, reason, by: requester, expiresAt: createdAt(object) + parseDuration(expiresAfter) })

export type SettleDeps = { readonly client: KubernetesClient; readonly clock: Clock; readonly writes: OwnWrites }

/** The actions that speak to one Canary, and what is known of it: undefined where there is none. */
export type Desk = { readonly key: string; readonly actions: readonly KubeObject[]; readonly canary: KubeObject | undefined }

/**
 * Writes the answers into the actions, and deletes those that were answered a week ago. An answer is final, so it is
 * given only on the Canary that stands now, read live. Returns after how many milliseconds to look again.
 */
export async function settle(deps: SettleDeps, { key, actions, canary }: Desk, answers: readonly Answer[], signal: AbortSignal): Promise<number | undefined> {
  const told = [...answers, ...actions.filter(isOpen).flatMap(unreadable)]
  const open = actions.flatMap((object) => told.filter(({ uid }) => isOpen(object) && uid === object.metadata.uid).map((answer) => ({ object, answer })))
  if (open.length > 0) {
    const live = await deps.client.get(resources.canaries, key, signal)
    const known = canary && deps.writes.newest(idOf(resources.canaries, key), canary, deps.clock.monotonic())
    if (live?.metadata.resourceVersion !== known?.metadata.resourceVersion) return LOOK_MS
    for (const { object, answer } of open) await unlessGone(answered(deps, object, answer, signal))
  }
  return sweep(deps, actions, signal)
}

/** The Canary is not as the cache has it. */
const LOOK_MS = 250

/** What nobody can act on: made under an older CRD, or another one's. */
function unreadable(object: KubeObject): readonly Answer[] {
  const parsed = parseCanaryAction(object)
  return parsed.ok ? [] : [{ uid: object.metadata.uid, result: 'Refused', message: parsed.problems.map(textOfProblem).join('; ').slice(0, 1024) }]
}

const textOfProblem = ({ path, message }: Problem): string => `${path}: ${message}`

/** The same answer to all that is asked: there is nobody to speak to. */
export const refuseAll = (actions: readonly KubeObject[], message: string): readonly Answer[] =>
  actions.filter(isOpen).map(({ metadata }) => ({ uid: metadata.uid, result: 'Refused', message }))

async function answered({ client, clock, writes }: SettleDeps, object: KubeObject, { result, message }: Answer, signal: AbortSignal): Promise<void> {
  const { uid, resourceVersion } = object.metadata
  const body = { metadata: { uid, resourceVersion }, status: { result, message, at: instant(clock.now()) } }
  const written = await client.mergePatch(resources.canaryActions, keyOf(object), body, { subresource: 'status', signal })
  writes.wrote(idOf(resources.canaryActions, keyOf(object)), prunedAs(resources.canaryActions, written), clock.monotonic())
}

async function sweep({ client, clock, writes }: SettleDeps, actions: readonly KubeObject[], signal: AbortSignal): Promise<number | undefined> {
  const left: number[] = []
  for (const object of actions) {
    const at = textOf(jsonOf(object['status'])['at'])
    if (at === undefined) continue
    const ms = Date.parse(at) + KEPT_MS - clock.now()
    if (ms > 0) {
      left.push(ms)
      continue
    }
    const { uid, resourceVersion } = object.metadata
    await unlessGone(client.delete(resources.canaryActions, keyOf(object), { uid, resourceVersion }, signal).then(() => writes.deleted(idOf(resources.canaryActions, keyOf(object)), uid)))
  }
  return left.length === 0 ? undefined : Math.min(...left)
}

/** Somebody else was first, or deleted it: the watch tells. */
async function unlessGone(write: Promise<void>): Promise<void> {
  try {
    await write
  } catch (thrown) {
    if (!isConflict(thrown) && !isInvalid(thrown) && !isNotFound(thrown)) throw thrown
  }
}
