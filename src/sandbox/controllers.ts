import { at, isFields, listAt, textAt, type Fields } from './json.ts'
import type { Kinds } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import type { Store } from './store.ts'
import type { Writes } from './writes.ts'

/** What every controller of the cluster works with. */
export type ControllerParts = { readonly store: Store; readonly kinds: Kinds; readonly writes: Writes; readonly turns: Turns }

/**
 * Work that controllers ask for, once per name however often it is asked for, in microtasks: asynchronous as in a real
 * cluster, yet without a timer, so that everything a write sets off is done before virtual time moves.
 */
export class Turns {
  readonly #pending = new Map<string, () => void>()

  /** Does `work` soon, unless work of that name is waiting already. */
  ask(name: string, work: () => void): void {
    if (this.#pending.size === 0) queueMicrotask(() => this.#drain())
    if (!this.#pending.has(name)) this.#pending.set(name, work)
  }

  #drain(): void {
    for (const [name, work] of this.#pending) {
      this.#pending.delete(name)
      work()
    }
  }
}

/** The uid of the controller that owns an object; empty where there is none. */
export const controllerOf = (object: KubeObject): string =>
  textAt(
    listAt(object, 'metadata', 'ownerReferences').find((reference) => at(reference, 'controller') === true),
    'uid',
  )

type OwnerReference = NonNullable<KubeObject['metadata']['ownerReferences']>[number]

/** The reference that makes an object the property of a controller. */
export const controllerReference = ({ apiVersion, kind, metadata: { name, uid = '' } }: KubeObject): OwnerReference =>
  Object.assign({ apiVersion, kind, name, uid, controller: true }, { blockOwnerDeletion: true })

/** Counts with the zeros left out, as the API server writes them. */
export const counts = (values: Readonly<Record<string, number>>): Fields =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0))

/** A status condition, with its transition time kept where the status stays the same. */
export const condition = (known: readonly unknown[], wanted: Fields, now: string): Fields => {
  const before = known.filter(isFields).find(({ type }) => type === wanted['type'])
  return { ...wanted, lastTransitionTime: before?.['status'] === wanted['status'] ? before?.['lastTransitionTime'] : now }
}
