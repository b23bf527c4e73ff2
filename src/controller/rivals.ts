import type { Canary, CanaryStatus } from '../api/canary.ts'
import { condition } from '../canary/conditions.ts'
import type { World } from '../canary/world.ts'
import { olderFirst } from '../istio/json.ts'
import type { Outcome } from '../runtime/controller.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import type { Store } from '../runtime/store.ts'
import { namespaceOf, servicesOf, targetOfCanary } from './indexes.ts'
import type { ReconcileDeps } from './reconcile.ts'

/** What a Canary takes for itself alone: nobody else may write the routes of its Service, or the size of its target. */
export const claimsOf = (canary: KubeObject): readonly string[] => [
  ...servicesOf(canary, (name, namespace) => `Service ${namespace}/${name}`),
  ...targetOfCanary(canary).map((key) => `Deployment ${key}`),
]

/** The Canaries around one, by who may write. */
export type Rivals = {
  /** The older Canary that has what this one claims; undefined where this one may write. */
  readonly elder: KubeObject | undefined
  /** Every other Canary of the namespace whose ledgers are not this one's to take over, "namespace/name". */
  readonly others: readonly string[]
}

/** Of several Canaries with one claim the oldest holds it, then the first by name, until it is gone. */
export function rivalsOf(canaries: Store, canary: KubeObject): Rivals {
  const key = keyOf(canary)
  const rivals = claimsOf(canary).flatMap((claim) => canaries.by('claim', claim)).filter((other) => keyOf(other) !== key)
  const yielding = new Set(rivals.filter((other) => olderFirst(other, canary) > 0).map(keyOf))
  const others = namespaceOf(canary).flatMap((namespace) => canaries.by('namespace', namespace)).map(keyOf)
  return {
    elder: rivals.filter((other) => olderFirst(other, canary) < 0).toSorted(olderFirst)[0],
    others: others.filter((other) => other !== key && !yielding.has(other)),
  }
}

type YieldDeps = Pick<ReconcileDeps, 'announce' | 'clock' | 'onStatus' | 'statusWriter'>

/** Nothing of a Canary that yields is written but a status that says to whom, once. */
export async function yieldTo(elder: KubeObject, canary: Canary, deps: YieldDeps, signal: AbortSignal): Promise<Outcome> {
  const message = `Canary ${keyOf(elder)} is older and has ${claimsOf(elder).join(', ')}: delete one of the two; until then this one writes nothing`
  const status = yielded(canary, message, deps.clock.now())
  const isSaid = canary.status?.conditions.some(({ type, message: said }) => type === 'Stalled' && said === message) === true
  if (!isSaid) deps.announce(canary, [{ type: 'Warning', reason: 'AlreadyManaged', note: message }])
  const laterMs = await deps.statusWriter.write(canary, status, signal)
  deps.onStatus(canary, status)
  return laterMs === undefined ? { kind: 'done' } : { kind: 'requeue', afterMs: laterMs }
}

/** Whatever it knew of routes is another's by now. */
function yielded({ status }: Canary, message: string, now: number): CanaryStatus {
  const world = { status, now } as World
  const conditions = [
    condition({ world }, 'Ready', ['False', 'AlreadyManaged', message]),
    condition({ world }, 'Reconciling', ['False', 'AlreadyManaged', '']),
    condition({ world }, 'Stalled', ['True', 'AlreadyManaged', message]),
  ]
  return { phase: 'Initializing', message, waits: [], seen: [], routes: [], checks: [], history: status?.history ?? [], conditions }
}
