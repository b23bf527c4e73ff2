import { at, fieldsAt, listAt, textAt, type Fields } from './json.ts'
import type { KubeObject } from './objects.ts'

/** Why a pod never runs, as its spec says: the condition that has not come, or what its containers are in. */
export type Trouble = { readonly unschedulable: string } | { readonly container: Fields }

/**
 * What keeps a pod from running: a nodeSelector, since there are no nodes; an image from a host under .invalid
 * (RFC 2606), which nobody can pull; the command `false`, which ends with 1 at once. Undefined where nothing does.
 */
export function troubleOf(pod: KubeObject): Trouble | undefined {
  if (Object.keys(fieldsAt(pod, 'spec', 'nodeSelector')).length > 0)
    return { unschedulable: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." }
  const [container] = listAt(pod, 'spec', 'containers')
  const image = textAt(container, 'image')
  if (/^[^/]+\.invalid\//.test(image)) return { container: waiting('ImagePullBackOff', `Back-off pulling image "${image}"`) }
  if (listAt(container, 'command')[0] !== 'false') return undefined
  const { name, namespace = '', uid = '' } = pod.metadata
  const backOff = `back-off 10s restarting failed container=${textAt(container, 'name')} pod=${name}_${namespace}(${uid})`
  return { container: { ...waiting('CrashLoopBackOff', backOff), lastState: { terminated: { exitCode: 1, reason: 'Error' } }, restartCount: 1 } }
}

const UNCONFIGURED = 'CreateContainerConfigError'

/** What the containers take their configuration from is not there; the kubelet tries again. */
export const unconfigured = (lack: string): Trouble => ({ container: waiting(UNCONFIGURED, lack) })

/** Whether that is what keeps a pod from running. */
export const isUnconfigured = (pod: KubeObject): boolean =>
  listAt(pod, 'status', 'containerStatuses').some((status) => textAt(status, 'state', 'waiting', 'reason') === UNCONFIGURED)

const waiting = (reason: string, message: string): Fields => ({ state: { waiting: { reason, message } } })

/** Pods that the namespace's ResourceQuotas leave room for, and the first that leaves none for one more. */
export function roomFor(quotas: readonly KubeObject[], pods: number): { readonly pods: number; readonly refusal: string } {
  const limits = quotas.filter((quota) => at(quota, 'spec', 'hard', 'pods') !== undefined)
    .map((quota) => ({ name: quota.metadata.name, hard: Number(at(quota, 'spec', 'hard', 'pods')) }))
    .toSorted((a, b) => a.hard - b.hard)
  const [tightest] = limits
  if (tightest === undefined) return { pods: Infinity, refusal: '' }
  const { name, hard } = tightest
  const room = Math.max(0, hard - pods)
  return { pods: room, refusal: `exceeded quota: ${name}, requested: pods=1, used: pods=${Math.max(pods, hard)}, limited: pods=${hard}` }
}
