import type { KubernetesClient } from '../kubernetes/client.ts'
import { isConflict, isNotFound, isNotServed } from '../kubernetes/errors.ts'
import { resources } from '../kubernetes/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import { statusOf } from '../runtime/failure.ts'
import { jsonOf } from '../istio/json.ts'
import type { Log } from '../runtime/log.ts'
import { keyOf, splitKey, type KubeObject } from '../runtime/object.ts'
import { FINALIZER, finalizerPatch, isGoing } from './leaving.ts'

const LOOK_MS = 500
/** The operator's last writes, and the lease given back. */
const STOP_MS = 60_000

type Port = Pick<KubernetesClient, 'get' | 'list' | 'mergePatch'>

/**
 * Takes Serin's finalizer off every Canary: without an operator nobody would, and no Canary, no namespace of one and not
 * the CRD could be deleted. Nothing else of them changes. Returns how many had it.
 */
export async function releaseCanaries(client: Port, namespaces: readonly string[], signal: AbortSignal): Promise<number> {
  const queries = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }))
  const lists = queries.map((query) => unlessGone(client.list(resources.canaries, query, signal)))
  // One that is refused holds no other: its namespace may have gone, with our rights.
  const listed = await Promise.allSettled(lists)
  const held = listed.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])).filter(isHeld)
  const released = await Promise.allSettled(held.map((canary) => release(client, canary, signal)))
  const refused = [...listed, ...released].find((each) => each.status === 'rejected')
  if (refused !== undefined) throw refused.reason
  return held.length
}

/** Without the CRD there is nobody to let go. */
async function unlessGone(list: Promise<readonly KubeObject[]>): Promise<readonly KubeObject[]> {
  try {
    return await list
  } catch (thrown) {
    if (isNotServed(thrown)) return []
    throw thrown
  }
}

const isHeld = ({ metadata }: KubeObject): boolean => metadata.finalizers?.includes(FINALIZER) === true

async function release(client: Port, canary: KubeObject, signal: AbortSignal): Promise<void> {
  const key = keyOf(canary)
  for (let standing: KubeObject | undefined = canary; standing !== undefined && isHeld(standing); standing = await client.get(resources.canaries, key, signal)) {
    try {
      return void (await client.mergePatch(resources.canaries, key, finalizerPatch(standing, false), { signal }))
    } catch (thrown) {
      if (isNotFound(thrown)) return
      if (!isConflict(thrown)) throw thrown
    }
  }
}

/** uid of the operator's own Deployment; undefined where there is none, or nobody may look. */
export async function ownDeployment(client: Port, key: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await client.get(resources.deployments, key, signal))?.metadata.uid
  } catch (thrown) {
    if (statusOf(thrown) === 403) return undefined
    throw thrown
  }
}

/** Whether the Deployment that this process was started by goes, or its namespace: it is not only stopped, or replaced by a newer one. */
export async function isUninstalled(client: Port, key: string, uid: string, signal: AbortSignal): Promise<boolean> {
  const [isLeaving, isEmptied] = await Promise.all([isGoing(client.get(resources.deployments, key, signal)), isGoing(client.get(resources.namespaces, splitKey(key).namespace ?? '', signal))])
  if (isLeaving || isEmptied) return true
  const standing = await ownDeployment(client, key, signal)
  return standing !== undefined && standing !== uid
}

export type Uninstall = {
  /** "namespace/name" of the operator's Deployment, and of its lease. */
  readonly deployment: string
  readonly lease: string
  readonly namespaces: readonly string[]
}

/** Before the operator is deleted: it is stopped first, for a running one would set its finalizers again. */
export async function uninstall(client: Port, { deployment, lease, namespaces }: Uninstall, { clock, log, signal }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal }): Promise<void> {
  const standing = await client.get(resources.deployments, deployment, signal)
  const { uid, resourceVersion } = standing?.metadata ?? {}
  if (standing !== undefined) await client.mergePatch(resources.deployments, deployment, { metadata: { uid, resourceVersion }, spec: { replicas: 0 } }, { signal })
  await stopped(client, lease, { clock, signal })
  const released = await releaseCanaries(client, namespaces, signal)
  log.info({ released }, 'no Canary waits for Serin when it is deleted')
}

/** Resolves once nobody holds the lease: given back, or not renewed for as long as it is good for. */
async function stopped(client: Port, lease: string, { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }): Promise<void> {
  const startedAt = clock.monotonic()
  let seen = { renewTime: '', at: startedAt }
  for (let held = await holding(client, lease, signal); held !== undefined; held = await holding(client, lease, signal)) {
    const now = clock.monotonic()
    if (held.renewTime !== seen.renewTime) seen = { renewTime: held.renewTime, at: now }
    if (now - seen.at > held.durationMs) return
    if (now - startedAt > STOP_MS) throw new Error(`the operator still holds the lease ${lease} after ${STOP_MS / 1000} s`)
    await clock.sleep(LOOK_MS, signal)
  }
}

async function holding(client: Port, lease: string, signal: AbortSignal): Promise<{ readonly renewTime: string; readonly durationMs: number } | undefined> {
  const { holderIdentity, renewTime, leaseDurationSeconds } = jsonOf((await client.get(resources.leases, lease, signal))?.['spec'])
  if (typeof holderIdentity !== 'string' || holderIdentity === '') return undefined
  return { renewTime: String(renewTime), durationMs: Number(leaseDurationSeconds ?? STOP_MS / 1000) * 1000 }
}
