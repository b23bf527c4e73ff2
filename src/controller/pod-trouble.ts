import { jsonOf, listOf, textOf, type Json } from '../istio/json.ts'
import type { KubeObject } from '../runtime/object.ts'

/** Why a pod is not ready, in its own words: what the scheduler or the kubelet says; undefined where they say nothing. */
export function troubleOfPod(pod: KubeObject): string | undefined {
  const status = jsonOf(pod['status'])
  const unscheduled = listOf(status['conditions']).find(({ type, status: is }) => type === 'PodScheduled' && is === 'False')
  if (unscheduled !== undefined) return said(unscheduled)
  // An init container that has ended well is ready; the first that is not holds up the rest.
  const containers = [...listOf(status['initContainerStatuses']), ...listOf(status['containerStatuses'])]
  const waiting = containers.filter(({ ready }) => ready !== true)
  // A sidecar often waits for nothing but the app: whoever has ended or cannot begin comes first.
  const worst = waiting.find((container) => said(jsonOf(jsonOf(container['state'])['waiting'])) !== undefined || hasEnded(container)) ?? waiting[0]
  const trouble = worst && troubleOfContainer(worst)
  return trouble && `container ${textOf(worst['name']) ?? ''} ${trouble}`
}

/** Why a Deployment has too few pods, and why those it has are not ready: each reason once. */
export function troubleOfWorkload(deployment: KubeObject, pods: readonly KubeObject[]): string | undefined {
  const failure = listOf(jsonOf(deployment['status'])['conditions']).find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  const reasons = [said(failure), ...pods.map((pod) => textOf(pod['trouble']))].filter((reason) => reason !== undefined)
  return reasons.length === 0 ? undefined : [...new Set(reasons)].slice(0, MOST_REASONS).join('; ')
}

/** A hundred pods have a hundred words for the same: enough to know where to look. */
const MOST_REASONS = 2

function troubleOfContainer({ state, lastState, restartCount, started }: Json): string | undefined {
  const { waiting, terminated } = jsonOf(state)
  const last = jsonOf(terminated ?? jsonOf(lastState)['terminated'])
  const exit = last['exitCode'] === undefined ? '' : `; last exit ${Number(last['exitCode'])}`
  const why = said(jsonOf(waiting))
  if (why !== undefined) return `${why}${exit}`
  if (waiting !== undefined) return undefined
  if (terminated !== undefined) return `has ended: ${textOf(last['reason']) ?? ''}${exit}`
  const probe = started === false ? 'has not started: its startup probe has not passed' : 'runs, but its readiness probe has not passed'
  const restarts = Number(restartCount ?? 0)
  return restarts > 0 ? `${probe}, after ${restarts} restarts${exit}` : probe
}

const hasEnded = ({ state }: Json): boolean => jsonOf(state)['terminated'] !== undefined

/** "Reason: message", without the names of the pod and its container, which are another in every pod. */
function said(source: Json | undefined): string | undefined {
  const [reason, message] = [textOf(source?.['reason']), textOf(source?.['message'])]
  // Being made is no trouble, only young.
  if (reason === undefined || reason === 'ContainerCreating' || reason === 'PodInitializing') return undefined
  return message === undefined ? reason : `${reason}: ${message.replace(/\bcontainer=\S+ pod=\S+/, 'container').slice(0, MOST_LETTERS)}`
}

/** A scheduler names every node; a tombstone has room for 256 letters. */
const MOST_LETTERS = 160
