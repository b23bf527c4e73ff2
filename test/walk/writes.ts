import { isTargetAction, type Action, type RouteWrite, type TargetAction } from '../../src/canary/decision.ts'
import type { Ledger } from '../../src/canary/ledger.ts'
import type { Cluster } from './cluster.ts'
import { ownPods, ROUTES, type Deployment, type Lists, type Objects, type Route } from './objects.ts'
import { podsNeeded } from './size.ts'

/** One write of one object, to land now or later. */
export type Write = {
  readonly object: string
  /** What it was computed from; -1: there was none. */
  readonly rv: number
  readonly apply: (objects: Objects) => unknown
  readonly decidedAt: number
  /** The objects that were looked at. */
  readonly seen: Objects
  readonly row: string
  readonly kind: Action['kind']
  readonly route?: RouteWrite
  /** Pods of the canary that the exposure in `route` takes. */
  readonly needs?: number
  readonly scale?: { readonly revision: string; readonly from: number; readonly to: number }
  readonly subsets?: Readonly<Record<string, string>>
  /** The revision whose Deployment goes. */
  readonly deletes?: string
  /** It takes the target's pods. */
  readonly empties?: true
  /** It puts a route back as its user wrote it, or takes the rule. */
  readonly restores?: 'route' | 'rule'
}

type Deciding = { readonly row: string; readonly seen: Objects; readonly cluster: Cluster }

/** The guarded writes that an action consists of, as src/controller/commit makes them. */
export function writesOf(action: Action, deciding: Deciding): readonly Write[] {
  const { row, seen, cluster } = deciding
  const common = { decidedAt: cluster.now, seen, row, kind: action.kind }
  if (isTargetAction(action)) return targetWrites(action, deciding).map((write) => ({ ...common, ...write }))
  switch (action.kind) {
    case 'none':
    case 'status':
      return []
    case 'preview':
      return [{ ...common, object: 'preview', rv: seen.preview.value === undefined ? -1 : seen.preview.rv, apply: () => action.revision }]
    case 'routes':
      return [
        ...action.writes.map(({ name, write }): Write => {
          const object = ROUTES[name as keyof typeof ROUTES]
          return { ...common, object, rv: seen[object].rv, route: write, needs: podsNeeded(write.ledger, seen, cluster.style), apply: (objects) => withRoute(objects[object].value, write) }
        }),
        ...(action.own === undefined ? [] : [{ ...common, object: 'own', rv: -1, route: action.own, apply: () => madeRoute(cluster.uid(), action.own as RouteWrite) }]),
      ]
    case 'remove-own-route':
      return [{ ...common, object: 'own', rv: seen.own.rv, apply: () => undefined }]
    case 'restore-routes':
      return restoredRoutes(seen).map((write) => ({ ...common, ...write }))
    case 'remove-rule':
      return [{ ...common, object: 'rule', rv: seen.rule.rv, restores: 'rule', apply: () => undefined }]
    case 'finalizer':
      return [{ ...common, object: 'canary', rv: seen.canary.rv, apply: ({ canary: { value } }) => (value?.deletedAt !== undefined && !action.present ? undefined : value && { ...value, finalizer: action.present }) }]
    case 'rule':
      return [{ ...common, object: 'rule', rv: seen.rule.value === undefined ? -1 : seen.rule.rv, subsets: action.subsets, apply: ({ rule: { value } }) => ({ uid: value?.uid ?? cluster.uid(), generation: (value?.generation ?? 0) + 1, subsets: action.subsets, conform: true }) }]
    case 'workload':
      return [{ ...common, ...workloadWrite(action, deciding) }]
    default:
      return action satisfies never
  }
}

const restoredRoutes = (seen: Objects): readonly Change[] =>
  (['user', 'own', 'gate'] as const).filter((object) => object === 'own' ? seen.own.value !== undefined : seen[object].value?.ledger !== undefined).map((object) => ({
    object,
    rv: seen[object].rv,
    restores: 'route',
    apply: (objects) => {
      const value = objects[object].value
      return object === 'own' || value === undefined ? undefined : { ...value, lists: value.original, ledger: undefined, generation: value.generation + 1 }
    },
  }))

type Change = Omit<Write, 'decidedAt' | 'seen' | 'row' | 'kind'>

function workloadWrite(action: Extract<Action, { kind: 'workload' }>, { seen }: Deciding): Change {
  const target = seen.target.value
  if (target !== undefined && action.revision === ownPods(target) && seen.deployments[action.revision] === undefined)
    return { object: 'target', rv: seen.target.rv, apply: ({ target: { value } }) => value && { ...value, stamp: action.stamp ?? undefined } }
  const from = seen.deployments[action.revision]?.value?.replicas ?? 0
  return changeOf(action.revision, seen, {
    scale: { revision: action.revision, from, to: action.replicas ?? from },
    change: (value) => ({
      ...value,
      replicas: action.replicas ?? value.replicas,
      generation: value.generation + (action.replicas === undefined || action.replicas === value.replicas ? 0 : 1),
      stamp: action.stamp === null ? undefined : (action.stamp ?? value.stamp),
      floor: action.floor === null ? undefined : (action.floor ?? value.floor),
    }),
  })
}

function changeOf(revision: string, seen: Objects, { change, ...rest }: Partial<Change> & { readonly change: (value: Deployment) => Deployment }): Change {
  return {
    object: revision,
    rv: seen.deployments[revision]?.rv ?? -1,
    ...rest,
    apply: ({ deployments }) => {
      const value = deployments[revision]?.value
      return value && change(value)
    },
  }
}

/** src/controller/commit-target: a revision is made of the target that stands there now, or not at all. */
function targetWrites(action: TargetAction, { seen, cluster }: Deciding): readonly Change[] {
  const target = cluster.objects.target.value
  switch (action.kind) {
    case 'create': {
      const { revision, replicas, stamp } = action
      if (target?.template !== revision) return []
      const made = () => cluster.deployment(revision, { replicas, started: 0, stamp, restarts: target.restarts })
      return [{ object: revision, rv: -1, scale: { revision, from: 0, to: replicas }, apply: made }]
    }
    case 'remake':
      return target?.template !== action.revision ? [] : [changeOf(action.revision, seen, { change: (value) => ({ ...value, hash: action.revision, restarts: target.restarts, generation: value.generation + 1, since: cluster.now }) })]
    case 'restart':
      return [changeOf(action.revision, seen, { change: (value) => ({ ...value, restarts: action.annotations['restarts'] ?? '', generation: value.generation + 1, since: cluster.now }) })]
    case 'delete':
      return [{ ...changeOf(action.revision, seen, { change: (value) => value }), deletes: action.revision, apply: () => undefined }]
    case 'target':
      return [{ object: 'target', rv: seen.target.rv, empties: true, apply: ({ target: { value } }) => value && { ...value, replicas: 0, takenOver: action.takenOver, generation: value.generation + 1 } }]
    case 'refill':
      return [{ object: 'target', rv: seen.target.rv, apply: ({ target: { value } }) => value && { ...value, replicas: action.replicas, stamp: action.stamp, generation: value.generation + (value.replicas === action.replicas ? 0 : 1) } }]
    case 'size':
      return [{ object: 'canary', rv: seen.canary.rv, apply: ({ canary: { value } }) => value && { ...value, replicas: action.replicas } }]
    default:
      return action satisfies never
  }
}

function withRoute(route: Route | undefined, { ledger, lists, adopt }: RouteWrite): Route | undefined {
  if (route === undefined) return undefined
  const written: Ledger = { ...ledger, uid: route.uid }
  if (!lists) return { ...route, ledger: written }
  return { ...route, generation: route.generation + 1, ledger: written, original: adopt ? route.lists : route.original, lists: { kind: 'rendered', stable: ledger.stable, exposure: ledger.exposure } }
}

const madeRoute = (uid: string, { ledger }: RouteWrite): Route => {
  const lists: Lists = { kind: 'rendered', stable: ledger.stable, exposure: ledger.exposure }
  return { uid, generation: 1, own: true, lists, original: lists, ledger: { ...ledger, uid } }
}
