import type { Growth } from './tally.ts'

/** How callers may write the Service, and from where: a bare name means it only inside its own namespace. */
export type HostNames = { readonly namespace: string; readonly name: string; readonly hosts: readonly string[] }

/** What the mesh answered itself for one Service, by what it means. */
export type MeshAnswers = {
  /** NC (no such subset), UH (no healthy pod), UF (pod gone): soon after a write of ours, the write is to blame. */
  readonly broken: number
  /** NR (no route) and whatever else carries a flag. */
  readonly other: number
}

const BROKEN = new Set(['NC', 'UH', 'UF'])

/** Sums what the mesh answered itself for the Service. */
export function meshAnswersFor(growth: readonly Growth[], names: HostNames): MeshAnswers {
  let broken = 0
  let other = 0
  for (const { labels, by } of growth) {
    if (!concerns(labels, names)) continue
    if ((labels['response_flags'] ?? '').split(',').some((flag) => BROKEN.has(flag))) broken += by
    else other += by
  }
  return { broken, other }
}

function concerns(labels: Readonly<Record<string, string>>, { namespace, name, hosts }: HostNames): boolean {
  const host = (labels['destination_service'] ?? '').replace(/:\d+$/, '')
  return host === name ? labels['source_workload_namespace'] === namespace : hosts.includes(host)
}

/** Whether `count` answers within `ms` are more than a usual `perSecond` explains: two standard deviations of a Poisson count. */
export function isUnusual(count: number, ms: number, perSecond: number): boolean {
  const expected = (perSecond * ms) / 1000
  return count > expected + 2 * Math.sqrt(expected)
}
