import type { Hold } from './decision.ts'
import type { Facts } from './facts.ts'

/**
 * Scaled to 0, or only just raised from it: nobody is served yet, and what callers miss then would be laid at the door of
 * the release. Stable that cannot start is another matter: what mends it may begin.
 */
export function sleepHold(facts: Facts): Hold | undefined {
  const { t, stable, world: { settings: { source } } } = facts
  if (source.kind !== 'target' || stable === undefined || (stable.ready === 0 && stable.trouble !== undefined)) return undefined
  if (source.replicas === 0) return { message: `spec.replicas is 0: ${t?.revision ?? ''} waits until pods are wanted` }
  return stable.ready > 0 && wakesInMs(facts) <= 0 ? undefined : { message: `pods of ${stable.revision} have only just been wanted again: ${t?.revision ?? ''} waits until callers know them` }
}

/** Time until callers know the pods of a stable that had none, milliseconds; at most 0 where they do. */
export function wakesInMs({ world: { status, settings, now } }: Facts): number {
  const ready = status?.conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined) return 0
  return (ready.status === 'True' ? Date.parse(ready.lastTransitionTime) - now : 0) + settings.propagationMs
}
