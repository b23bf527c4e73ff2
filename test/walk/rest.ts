import type { Cluster } from './cluster.ts'
import { reachOf, standing, type Objects } from './objects.ts'

const AT_REST = ['Idle', 'Failed', 'Waiting', 'Initializing']
const HISTORY = 1

/** What makes no sense, now that nothing moves any more; undefined where all does. */
export function unrest(cluster: Cluster): string | undefined {
  const { objects } = cluster
  const { phase = 'none', message = '' } = objects.canary.value?.status ?? {}
  if (!AT_REST.includes(phase)) return `rests in ${phase}: ${message}`
  if (phase === 'Initializing' || phase === 'Waiting') return undefined
  return inRoutes(cluster) ?? (cluster.style.source === 'target' ? inTarget(cluster) : undefined) ?? inPreview(cluster)
}

function inRoutes({ objects, truth }: Cluster): string | undefined {
  if (truth === undefined || objects.canary.value?.status?.stableRevision !== truth.stable) return 'status and routes disagree about stable'
  const reached = standing(objects).flatMap(({ lists }) => reachOf(lists))
  if (reached.some((revision) => revision !== truth.stable)) return `at rest ${reached.join()} are reached, stable is ${truth.stable}`
  const left = Object.keys(truth.open).filter((revision) => revision !== truth.stable)
  if (left.length > 0) return `at rest ${left.join()} are still open`
  return objects.own.value !== undefined && objects.user.value !== undefined ? 'at rest our own route stands beside the user’s' : undefined
}

function inPreview({ objects, style, truth }: Cluster): string | undefined {
  return style.preview && objects.preview.value !== truth?.stable ? `at rest the Service for tests leads to ${String(objects.preview.value)}` : undefined
}

function inTarget(cluster: Cluster): string | undefined {
  const { objects, truth } = cluster
  const target = objects.target.value
  if (target === undefined) return undefined
  if (target.replicas > 0) return `at rest the target has ${target.replicas} pods`
  const wanted = target.template === truth?.stable
  if (wanted && Object.keys(truth.failed).length > 0) return 'at rest the target says what serves, and a failure is remembered'
  const stable = objects.deployments[truth?.stable ?? '']?.value
  if (stable === undefined) return wanted ? 'at rest stable has no Deployment' : undefined
  if (stable.replicas !== objects.canary.value?.replicas) return `at rest stable has ${stable.replicas} pods, and ${String(objects.canary.value?.replicas)} are wanted`
  if (wanted && stable.restarts !== target.restarts) return 'at rest a restart of the target has not reached its pods'
  return leftOver(objects, truth?.stable ?? '')
}

function leftOver({ deployments, canary, target }: Objects, stable: string): string | undefined {
  const others = Object.entries(deployments).filter(([revision, { value }]) => value !== undefined && revision !== stable)
  const running = others.find(([, { value }]) => value !== undefined && value.stamp !== undefined && value.replicas > 0)
  if (running !== undefined) return `at rest ${running[0]} still has pods`
  const kept = [target.value?.template, canary.value?.status?.previous?.revision]
  const past = others.filter(([revision, { value }]) => value?.replicas === 0 && !kept.includes(revision))
  return past.length > HISTORY ? `at rest ${past.map(([revision]) => revision).join()} are kept` : undefined
}
