import type { SeenVersion } from '../api/canary.ts'
import type { Workload } from './world.ts'

const MOST_REMEMBERED = 32

/**
 * The versions in the order they were first seen or last changed, newest last: creation times never count.
 * Several at once are ordered by creation time, then name. A template hash that moves while uid and generation
 * stand still (a new API default, a new Serin) is no new version: the remembered hash stays.
 * Stable keeps its place whatever happens to its template; at adoption it stands last.
 */
export function seenVersions(
  before: readonly SeenVersion[],
  workloads: readonly Workload[],
  stable: string | undefined,
  now: string,
): readonly SeenVersion[] {
  const known = new Map(before.map((entry) => [entry.revision, entry]))
  const kept = before.map((entry) => refreshed(entry, workloads.find(isOf(entry.revision))))
  const isChanged = (entry: SeenVersion) => entry.revision !== stable && known.get(entry.revision)?.hash !== entry.hash
  const standing = kept.filter((entry) => !isChanged(entry))
  const changed = kept.filter(isChanged).map((entry) => ({ ...entry, since: now }))
  const added = workloads
    .filter((workload) => !known.has(workload.revision))
    .sort((a, b) => lastIfStable(a, b, stable) || a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1))
    .map((workload): SeenVersion => ({ ...identityOf(workload), since: now }))
  return bounded([...standing, ...changed, ...added], workloads)
}

/** Stable last: what `versions.desired` falls back to. */
export const stableLast = (seen: readonly SeenVersion[], stable: string): readonly SeenVersion[] => [
  ...seen.filter((entry) => entry.revision !== stable),
  ...seen.filter((entry) => entry.revision === stable),
]

/** The hash a version is known by. */
export const knownHash = (seen: readonly SeenVersion[], workload: Workload): string =>
  seen.find((entry) => entry.revision === workload.revision)?.hash ?? workload.hash

function refreshed(entry: SeenVersion, workload: Workload | undefined): SeenVersion {
  if (workload === undefined || (entry.uid === workload.uid && entry.generation === workload.generation)) return entry
  return { ...entry, ...identityOf(workload) }
}

const identityOf = (workload: Workload) => ({
  revision: workload.revision,
  uid: workload.uid,
  generation: workload.generation,
  hash: workload.hash,
})

const isOf = (revision: string) => (workload: Workload) => workload.revision === revision

const lastIfStable = (a: Workload, b: Workload, stable: string | undefined) =>
  Number(a.revision === stable) - Number(b.revision === stable)

/** Forgets the oldest without a Deployment. With more Deployments than that nothing is begun, and the list stands still. */
function bounded(seen: readonly SeenVersion[], workloads: readonly Workload[]): readonly SeenVersion[] {
  const surplus = seen.length - MOST_REMEMBERED
  if (surplus <= 0) return seen
  const gone = seen.filter((entry) => !workloads.some(isOf(entry.revision))).slice(0, surplus)
  return seen.filter((entry) => !gone.includes(entry)).slice(0, MOST_REMEMBERED)
}
