import type { HistoryEntry, SeenVersion } from '../api/canary.ts'
import type { Facts } from './facts.ts'
import { instant } from './instant.ts'

/**
 * Versions that were to be released and never will be, since another one is wanted before they began: of several that
 * came at once all but one, and whatever waited when a newer one came. Into the history, so that no version vanishes
 * without a word.
 */
export function unbegun(facts: Facts): readonly HistoryEntry[] {
  const { t, s, c, world, ledger, seen } = facts
  const { seen: known, stableRevision, observedTarget, history = [] } = world.status ?? {}
  if (t === undefined || known === undefined || stableRevision === undefined) return []
  // A target's revision is named after what it runs.
  const hashOf = (revision: string) => (world.target === undefined ? seen.find((entry) => entry.revision === revision)?.hash : revision)
  const hasFailed = (revision: string) => ledger.failed[revision] !== undefined && ledger.failed[revision]?.hash === hashOf(revision)
  const isTold = (revision: string) => history.some((entry) => entry.revision === revision && entry.startedAt === undefined)
  const isOver = (revision: string) => [t.revision, s, c?.revision].includes(revision) || hasFailed(revision) || isTold(revision)
  const awaited = observedTarget === undefined ? [] : [observedTarget.revision]
  const dropped = [...awaited, ...beside(facts, known)].filter((revision) => !isOver(revision))
  return [...new Set(dropped)].map((revision) => ({
    revision,
    result: t.revision === s ? 'Reverted' : 'Superseded',
    reason: 'NeverBegun',
    message: `${t.revision} is wanted instead, before it began`,
    endedAt: instant(world.now),
  }))
}

/** What was first seen together with the one that is wanted now. */
function beside({ t, seen }: Facts, known: readonly SeenVersion[]): readonly string[] {
  const fresh = seen.filter((entry) => known.find(({ revision }) => revision === entry.revision)?.hash !== entry.hash).map(({ revision }) => revision)
  return fresh.includes(t?.revision ?? '') ? fresh : []
}
