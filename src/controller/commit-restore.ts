import type { Action } from '../canary/decision.ts'
import { ownName } from '../istio/destination-rules.ts'
import { restorations } from '../istio/route-restore.ts'
import { resources } from '../kubernetes/resource.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { writeFinalizer } from './leaving.ts'
import type { Observation } from './observe.ts'
import { allOf, patched, removed, type CommitDeps } from './writes.ts'

type RestoreAction = Extract<Action, { kind: 'restore-routes' | 'remove-rule' | 'finalizer' }>

/** Carries out what a deletion puts back. Returns how many objects were written. */
export async function commitRestore(deps: CommitDeps, observation: Observation, action: RestoreAction, signal: AbortSignal): Promise<number> {
  const { input } = observation
  switch (action.kind) {
    case 'restore-routes':
      return allOf(restorations(input).map((one) => (one.kind === 'delete'
        ? removed(deps, resources.virtualServices, one.object, signal)
        : patched(deps, resources.virtualServices, { key: keyOf(one.object), operations: one.patch, signal }))))
    case 'remove-rule': {
      const own = input.destinationRules.find(({ metadata }) => metadata.name === ownName(input) && metadata.namespace === input.canary.namespace)
      return own === undefined ? 0 : allOf([removed(deps, resources.destinationRules, own, signal)])
    }
    case 'finalizer':
      return allOf([writeFinalizer(deps, observation.snapshot.canary as unknown as KubeObject, action.present, signal)])
    default:
      return action satisfies never
  }
}
