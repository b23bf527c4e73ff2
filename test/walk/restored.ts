import { EVERY_POD } from '../../src/canary/world.ts'
import type { Cluster } from './cluster.ts'
import type { Memory } from './memory.ts'
import { destinationOf, everBy } from './mesh.ts'
import { D, ownPods, reachOf, type Objects } from './objects.ts'
import type { Write } from './writes.ts'

/** What is to serve once Serin has gone: the target's own pods, or stable. */
function keeperOf({ style, objects, truth }: Cluster): string | undefined {
  const target = objects.target.value
  return style.source === 'versions' ? truth?.stable : target && ownPods(target)
}

/** Why a route may not be as its user wrote it yet, or the rule not go; undefined where nobody is hurt. */
export function restoredTooEarly(write: Write, cluster: Cluster, memory: Memory): string | undefined {
  if (write.restores === 'rule') return ruleInUse(cluster)
  const route = cluster.objects[write.object as 'user' | 'own' | 'gate'].value
  // Deleted, our own leaves the host to whoever has it; a route of nobody's reaches every pod.
  const reached = route === undefined || route.own ? [EVERY_POD] : reachOf(route.original)
  return reached.includes(EVERY_POD) && !isOverdue(cluster) ? strangers(cluster, memory) : undefined
}

/** Past progressDeadline what is left beside those who serve stays, rather than that the Canary never goes. */
export const isOverdue = ({ now, objects }: Cluster): boolean => now > (objects.canary.value?.deletedAt ?? Infinity) + 600_000

function strangers(cluster: Cluster, memory: Memory): string | undefined {
  const keeper = keeperOf(cluster)
  for (const { endpoints } of cluster.mesh.proxies) {
    // Somebody deleted the target: nothing of Serin's brings it back.
    if (keeper === undefined || memory.isHurt(keeper)) return undefined
    if (endpoints.now[keeper] === undefined) return `a route is opened while a proxy knows no pod of ${keeper}`
    const other = Object.keys(endpoints.now).find((revision) => revision !== keeper && cluster.objects.deployments[revision]?.value?.stamp !== undefined && !memory.isHurt(revision))
    if (other !== undefined) return `a route is opened while a proxy knows pods of ${other}`
  }
  return undefined
}

function ruleInUse({ mesh, now, objects }: Cluster): string | undefined {
  for (const proxy of mesh.proxies)
    for (const revision of Object.keys(objects.rule.value?.subsets ?? {})) {
      const names = [proxy.routes.now, ...proxy.routes.coming.map(({ value }) => value)].flat().map(destinationOf)
      if (names.some((name) => name.bySubset && name.revision === revision)) return `the rule goes while a proxy names the subset of ${revision}`
      if (!everBy(proxy, revision) && now < (proxy.left.get(revision) ?? -Infinity) + D) return `the rule goes while requests of a proxy to ${revision} still run`
    }
  return undefined
}

/** The Canary is gone: either everything is as it was, or what serves is still named and there. What others broke is not asked. */
export function unrestored({ objects, mesh, style }: Cluster, memory: Memory): string | undefined {
  for (const { routes, subsets, endpoints } of mesh.proxies)
    for (const { revision, bySubset } of routes.now.filter((name) => name !== EVERY_POD).map(destinationOf)) {
      if (bySubset && !subsets.now.includes(revision) && !memory.ruleExcused) return `left behind: a route to ${revision}, which has no subset`
      if (bySubset && endpoints.now[revision] === undefined && !memory.isHurt(revision)) return `left behind: a route to ${revision}, which has no pods`
    }
  return memory.isRestored && style.source === 'target' ? leftPods(objects, memory) : undefined
}

function leftPods({ deployments, target }: Objects, memory: Memory): string | undefined {
  if (target.value === undefined) return undefined
  if (target.value.started === 0 && !memory.isHurt(ownPods(target.value))) return 'everything is as it was, and the target has no pods'
  const left = Object.entries(deployments).find(([, { value }]) => value?.stamp !== undefined)
  return left && `everything is as it was, and ${left[0]} is left`
}
