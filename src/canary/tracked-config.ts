import type { CanaryStatus } from '../api/canary.ts'
import type { ConfigReference } from './config-references.ts'
import { sha256 } from './sha256.ts'

/** What a target's pods are configured with, as far as it is tracked: "ConfigMap app" → the hash of its content. */
export type TrackedConfig = Readonly<Record<string, string>>

/** In the place of a hash: the object does not exist. */
export const MISSING = 'missing'

/** How an object is called in a `TrackedConfig`, and in words. */
export const configId = ({ kind, name }: Pick<ConfigReference, 'kind' | 'name'>): string => `${kind} ${name}`

/**
 * The objects whose content is another than it was. One that was not tracked before, or no longer is, has not changed:
 * nobody asks for a release by tracking it.
 */
export const movedConfig = (before: TrackedConfig = {}, after: TrackedConfig = {}): readonly string[] =>
  Object.keys(after).filter((id) => before[id] !== undefined && before[id] !== after[id])

type Observed = NonNullable<CanaryStatus['observedTarget']>

/** Whether a target's pod template is the one that status speaks of: its very generation, or the same template in a later one. */
export const isObserved = (known: Observed | undefined, target: Pick<Observed, 'uid' | 'generation' | 'hash'>): known is Observed =>
  known !== undefined && known.uid === target.uid && (known.generation === target.generation || (known.hash !== undefined && known.hash === target.hash))

const MOST_LETTERS = 253
const HASH_LETTERS = 10

/** The name of a Deployment's own copy of an object: `<object>-<Deployment>`, cut and told apart by a hash where that is too long for a name. */
export function copyName(object: string, deployment: string): string {
  const name = `${object}-${deployment}`
  if (name.length <= MOST_LETTERS) return name
  return `${name.slice(0, MOST_LETTERS - HASH_LETTERS - 1).replace(/[-.]+$/, '')}-${sha256(name).slice(0, HASH_LETTERS)}`
}
