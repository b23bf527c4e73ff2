import type { Pass } from '../../src/canary/decide.ts'
import { factsOf } from '../../src/canary/facts.ts'
import type { Ledger } from '../../src/canary/ledger.ts'
import { EVERY_POD, type World } from '../../src/canary/world.ts'
import type { Cluster } from './cluster.ts'
import { overlooked } from './duties.ts'
import type { Memory } from './memory.ts'
import { destinationOf, everBy } from './mesh.ts'
import { Broken, D, standing, truthOf, type Objects } from './objects.ts'
import { isOverdue, restoredTooEarly, unrestored } from './restored.ts'
import { unrest } from './rest.ts'
import type { Write } from './writes.ts'

type Looked = { readonly looked: Objects; readonly world: World; readonly behind: boolean }

/** Everything that is asserted: of each pass, of each write as it lands, after every event, and at rest. */
export class Judge {
  readonly #cluster: Cluster
  readonly #memory: Memory
  /** What the pass that is being made ends. */
  #doomed: string | undefined

  constructor(cluster: Cluster, memory: Memory) {
    this.#cluster = cluster
    this.#memory = memory
  }

  /** A pass has decided: with fresh caches it may not look away from what hurts users. A row that ends a rollout buries it, whatever is then written. */
  decided(pass: Pass, { looked, world, behind }: Looked): void {
    const { c } = factsOf(world)
    const ends = c !== undefined && ['2', '3', '4', '5', '5a', '6'].includes(pass.decision.row) && pass.status.phase === 'RollingBack'
    this.#doomed = ends ? `${c.revision}/${c.rollout}` : undefined
    this.#blame(behind ? undefined : overlooked(pass, looked, this.#cluster))
  }

  /** All writes of the pass have landed. */
  done(): void {
    if (this.#doomed !== undefined) this.#memory.bury(this.#doomed)
  }

  /** What no write may do. */
  landing(write: Write): void {
    const { scale, subsets, deletes, empties, restores, seen } = write
    const isBlind = this.#memory.isBehindUsers(seen)
    if (write.route !== undefined) this.#routeLands(write)
    if (subsets !== undefined) this.#memory.mendRule()
    if (scale !== undefined) this.#scaleLands(scale, isBlind || truthOf(seen) === undefined)
    // What somebody wrote since may reach anything.
    if (isBlind) return
    if (write.kind === 'finalizer' && write.row === '29' && !isOverdue(this.#cluster)) this.#memory.isRestored = true
    if (restores !== undefined) this.#blame(restoredTooEarly(write, this.#cluster, this.#memory))
    // Without pods it has served nobody for long, whoever names it.
    if (deletes !== undefined && this.#cluster.objects.deployments[deletes]?.value?.started !== 0) this.#mustBeOut(deletes, 'is deleted')
    if (empties === true) this.#mustBeOut(EVERY_POD, 'loses the target’s pods')
    if (subsets !== undefined)
      for (const revision of Object.keys(this.#cluster.objects.rule.value?.subsets ?? {})) if (subsets[revision] === undefined) this.#mustBeOut(revision, 'loses its subset')
  }

  /** After every event: no proxy has nowhere to go, unless the environment broke it just now. */
  check(): void {
    this.#memory.look()
    if (this.#memory.excused) return
    for (const { routes, subsets, endpoints } of this.#cluster.mesh.proxies)
      for (const name of routes.now) {
        if (name === EVERY_POD) this.#darkReached()
        if (name === EVERY_POD) continue
        const { revision, bySubset } = destinationOf(name)
        if (bySubset && !subsets.now.includes(revision)) throw new Broken(`a proxy routes to ${revision} and has no such subset (503 NC)`)
        if (endpoints.now[revision] === undefined && !this.#memory.isHurt(revision)) throw new Broken(`a proxy routes to ${revision} and has no endpoint for it (503 UH)`)
      }
  }

  /** Faults have ended, and nothing moves any more. */
  atRest(): void {
    this.#cluster.count(`rests ${this.#cluster.objects.canary.value?.status?.phase ?? 'none'}`)
    this.#blame(this.#cluster.objects.canary.value === undefined ? unrestored(this.#cluster, this.#memory) : unrest(this.#cluster))
  }

  /** A route to every pod reaches the dark ones, too. */
  #darkReached(): void {
    const { truth, objects } = this.#cluster
    if (truth === undefined) return
    for (const [revision, { value }] of Object.entries(objects.deployments))
      if (revision !== truth.stable && value?.stamp !== undefined && value.started > 0) throw new Broken(`a proxy sends requests to every pod, and ${revision} has some`)
  }

  #scaleLands({ revision, from, to }: NonNullable<Write['scale']>, isBlind: boolean): void {
    const { truth, objects, mesh } = this.#cluster
    const isStable = revision === truth?.stable
    if (to < from) {
      const floor = this.#floorOf(revision)
      if (floor !== undefined && to < floor) throw new Broken(`${revision} is shrunk below its floor`)
      const isWished = isStable && to > 0 && this.#cluster.style.source === 'target'
      if (!isBlind && !isWished) this.#mustBeOut(revision, 'is scaled down')
    }
    if (to > from && truth !== undefined && !isStable && !isBlind && objects.deployments[revision]?.value?.replicas !== to)
      for (const proxy of mesh.proxies) if (everBy(proxy, EVERY_POD)) throw new Broken(`${revision} grows while a proxy sends requests to every pod`)
  }

  /** Stable's size when what is being rolled out was opened. */
  #floorOf(revision: string): number | undefined {
    const { truth, objects } = this.#cluster
    const rollout = truth?.open[objects.canary.value?.status?.rollout?.revision ?? '']?.rollout
    return revision === truth?.stable && rollout !== undefined ? this.#memory.floors.get(`${revision}/${rollout}`) : undefined
  }

  #routeLands(write: Write): void {
    const { ledger, lists } = write.route ?? {}
    if (ledger === undefined) return
    this.#pointerMoves(write, ledger)
    this.#failuresForgotten(write)
    this.#remember(ledger, write.seen)
    if (lists !== true) return
    if (this.#cluster.truth?.stable !== ledger.stable) this.#pinned(ledger.stable)
    if (ledger.exposure !== undefined) this.#exposes(write)
  }

  #pointerMoves({ object, seen }: Write, { stable, promotions }: Omit<Ledger, 'uid'>): void {
    const { truth } = this.#cluster
    const decidedOn = truthOf(seen)
    // Of several ledgers the highest counter counts: a route that somebody has just made may get an older one, late.
    const isOlder = this.#isNew(object) && stable === decidedOn?.stable && promotions === decidedOn.promotions
    if (truth !== undefined && stable !== truth.stable && promotions !== truth.promotions + 1 && !isOlder) throw new Broken(`stable moves from ${truth.stable} to ${stable} without a promotion`)
  }

  /** Somebody has just made this route: no ledger in it fences what was decided before. */
  #isNew(object: string): boolean {
    return (object === 'user' || object === 'gate') && this.#cluster.objects[object].value?.ledger === undefined
  }

  /** A target's failures are forgotten where one is opened anew, or while the target says what serves. */
  #failuresForgotten({ route, row, decidedAt }: Write): void {
    const { truth, style } = this.#cluster
    if (style.source !== 'target' || truth === undefined || row !== '10t' || route === undefined) return
    if (!this.#memory.hasSaid(truth.stable, decidedAt)) throw new Broken('failures are forgotten, and the target does not say what serves')
    this.#memory.failed.clear()
  }

  #remember({ failed, open, stable }: NonNullable<Write['route']>['ledger'], seen: Objects): void {
    const { truth, objects } = this.#cluster
    for (const [revision, { rollout, hash }] of Object.entries(failed)) {
      this.#memory.bury(`${revision}/${rollout}`)
      const isNew = truth?.failed[revision]?.rollout !== rollout
      // One step back goes by an opening of long ago.
      if (isNew && open[revision] !== undefined) this.#memory.bury(`${revision}/${open[revision].rollout}`)
      if (isNew && !this.#memory.wasForgivenSince(revision, seen)) this.#memory.failed.add(`${revision}/${hash}`)
    }
    const size = objects.deployments[stable]?.value?.replicas ?? 0
    for (const [revision, { rollout }] of Object.entries(open))
      if (revision !== stable && truth?.open[revision]?.rollout !== rollout && truth?.stable === stable) this.#memory.floors.set(`${stable}/${rollout}`, size)
  }

  /** Another one is stable from now on, or the first: it alone has what every pod had. */
  #pinned(stable: string): void {
    if (this.#memory.ruleExcused || this.#memory.isHurt(stable)) return
    const { objects, truth, mesh } = this.#cluster
    const isLeaving = objects.canary.value?.deletedAt !== undefined
    for (const { subsets, endpoints } of mesh.proxies) {
      if (!subsets.now.includes(stable)) throw new Broken(`the routes are pinned to ${stable} before a proxy knows its subset`)
      const known = endpoints.now[stable] ?? 0
      if (known === 0) throw new Broken(`the routes are pinned to ${stable} before a proxy knows its endpoints`)
      const served = objects.deployments[truth?.stable ?? '']?.value?.started ?? 0
      if (isLeaving && known < Math.min(served, objects.target.value?.started ?? 0)) throw new Broken(`the routes are pinned to ${stable} while a proxy knows ${known} of its pods`)
    }
  }

  #exposes({ object, route, seen, needs = 0, decidedAt }: Write): void {
    const { objects, mesh } = this.#cluster
    const { exposure, open = {} } = route?.ledger ?? {}
    if (exposure === undefined) return
    const { revision } = exposure
    this.#mustNotHaveFailed(revision, open[revision] ?? { rollout: '', hash: '' }, decidedAt)
    const before = Math.max(-1, ...standing(this.#isNew(object) ? seen : objects).map(({ ledger }) => (ledger?.exposure?.revision === revision ? ledger.exposure.step : -1)))
    if (exposure.step > before + 1 && !this.#goesBack(exposure, open[revision]?.hash) && !isGivenUp(seen, revision)) throw new Broken(`${revision} goes from step ${before} to ${exposure.step}`)
    if (this.#memory.excused || needs === 0) return
    for (const { subsets, endpoints } of mesh.proxies) {
      if (!subsets.now.includes(revision)) throw new Broken(`${revision} is named before a proxy knows its subset`)
      const rises = exposure.step > before
      // A repair rests on caches; what rises was read live, and rests on nothing that has not stood for long enough.
      if (rises ? this.#memory.wasHurtSince(revision, decidedAt) : this.#memory.isHurt(revision)) continue
      const known = endpoints.now[revision] ?? 0
      if (known === 0) throw new Broken(`${revision} is named before a proxy knows its endpoints`)
      if (rises && known < needs) throw new Broken(`${revision} gets what ${needs} pods take while a proxy knows ${known}`)
    }
  }

  #mustNotHaveFailed(revision: string, { rollout, hash }: { readonly rollout: string; readonly hash: string }, decidedAt: number): void {
    const { buried, failed } = this.#memory
    // Decided before, a late write may still land on another VirtualService than the tombstone: the next pass takes it back.
    const buriedAt = buried.get(`${revision}/${rollout}`)
    if (buriedAt !== undefined && buriedAt < decidedAt) throw new Broken(`${revision} is exposed again by the rollout that failed`)
    if (failed.has(`${revision}/${hash}`) && buriedAt === undefined) throw new Broken(`${revision} failed with this very template, nobody asked for a retry, and it is exposed again`)
  }

  /** To what users had a while ago in one step, or because somebody said so. */
  #goesBack({ revision, weight }: { readonly revision: string; readonly weight: number }, hash: string | undefined): boolean {
    const { truth, objects } = this.#cluster
    const served = truth?.served?.[revision]
    const returns = served !== undefined && served.hash === hash
    return this.#memory.promoted.has(revision) || (weight === 100 && (returns || objects.canary.value?.status?.previous?.revision === revision))
  }

  #mustBeOut(revision: string, what: string): void {
    const { mesh, now } = this.#cluster
    for (const proxy of mesh.proxies) {
      // Where no pod of it is known an open route leads to none.
      const isOpen = everBy(proxy, EVERY_POD) && (proxy.endpoints.now[revision] ?? 0) > 0
      if (everBy(proxy, revision) || isOpen) throw new Broken(`${revision} ${what} while a proxy still sends requests there`)
      if (now < (proxy.left.get(revision) ?? -Infinity) + D) throw new Broken(`${revision} ${what} while requests of a proxy still run there`)
    }
  }

  #blame(why: string | undefined): void {
    if (why !== undefined) throw new Broken(why)
  }
}

/** Nothing of stable is left, Deployment or pods, and somebody named another one: all at once. */
function isGivenUp(seen: Objects, revision: string): boolean {
  const stable = seen.deployments[truthOf(seen)?.stable ?? '']?.value
  return seen.canary.value?.desired === revision && (stable === undefined || (stable.orphaned && (!stable.ready || stable.started === 0)))
}
