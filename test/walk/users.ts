import type { Cluster } from './cluster.ts'
import type { Memory } from './memory.ts'
import { ownPods, type Asked, type Deployment, type Lists, type Route, type Target, type Wishes } from './objects.ts'

/** What people, Git and machines do to the objects around the operator; each move is noted, and remembered where it excuses something. */
export class Users {
  readonly #cluster: Cluster
  readonly #memory: Memory

  constructor(cluster: Cluster, memory: Memory) {
    this.#cluster = cluster
    this.#memory = memory
  }

  /** A version's Deployment with another pod template, or a first one. A failed version is tried anew when its template changes; back to the failed one is a change as well. */
  template(revision: string, hash: string): void {
    this.#note(`template ${hash} in ${revision}`)
    this.#memory.failed.delete(`${revision}/${hash}`)
    const deployment = this.#deployment(revision)
    this.#cluster.put(revision, deployment === undefined ? this.#cluster.deployment(hash) : { ...deployment, hash, orphaned: false, generation: deployment.generation + 1 })
  }

  /** Somebody edits what Serin made. */
  tamper(revision: string): void {
    this.#edit(revision, (deployment) => ({ ...deployment, hash: 'edited', generation: deployment.generation + 1, since: this.#cluster.now }))
  }

  /** `kubectl scale` of a revision. */
  scale(revision: string, replicas: number): void {
    this.#memory.hurt(revision)
    this.#edit(revision, (deployment) => ({ ...deployment, replicas, generation: deployment.generation + 1 }))
  }

  remove(revision: string): void {
    if (this.#deployment(revision) === undefined) return
    this.#note(`delete the Deployment of ${revision}`)
    this.#memory.hurt(revision)
    this.#cluster.put(revision, undefined)
  }

  /** `kubectl delete --cascade=orphan`: its pods stay, and nobody makes them anew. */
  prune(revision: string): void {
    this.#edit(revision, (deployment) => ({ ...deployment, orphaned: true }))
  }

  /** Its pods pass their probes, or no longer do. */
  probes(revision: string, ready: boolean): void {
    this.#memory.hurt(revision)
    this.#edit(revision, (deployment) => ({ ...deployment, ready, since: this.#cluster.now }))
  }

  /** The target is applied, with another template, another size, a restart; or anew, where it was deleted. */
  target(change: Partial<Pick<Target, 'template' | 'replicas' | 'restarts'>>): void {
    const { value } = this.#cluster.objects.target
    this.#note(`target ${JSON.stringify(change)}`)
    const before = value ?? { uid: this.#cluster.uid(), generation: 0, template: 'a', restarts: '', replicas: 2, takenOver: undefined, started: 0, since: this.#cluster.now, stamp: undefined }
    // Its pods are replaced by those of the new template, one for one.
    if (before.started > 0) this.#memory.hurt(ownPods(before)).hurt(ownPods({ ...before, ...change }))
    this.#cluster.put('target', { ...before, ...change, generation: before.generation + 1 })
    this.#memory.said()
  }

  removeTarget(): void {
    const { value } = this.#cluster.objects.target
    this.#note('delete the target')
    if (value !== undefined) this.#memory.hurt(ownPods(value))
    this.#cluster.put('target', undefined)
    this.#memory.said()
  }

  /** A field of the Canary. Naming a version in `desired` is a retry of it. */
  wish(change: Partial<Wishes>): void {
    const { value } = this.#cluster.objects.canary
    if (value === undefined) return
    this.#note(`canary ${JSON.stringify(change)}`)
    this.#cluster.put('canary', { ...value, ...change })
    if (change.desired !== undefined) this.#memory.forgive(change.desired)
  }

  /** `kubectl delete canary`: it goes once nobody's finalizer holds it. */
  deleteCanary(): void {
    const { value } = this.#cluster.objects.canary
    if (value === undefined || value.deletedAt !== undefined) return
    this.#note('delete the Canary')
    this.#cluster.put('canary', value.finalizer ? { ...value, deletedAt: this.#cluster.now } : undefined)
  }

  /** A CanaryAction. */
  ask(action: Asked['action'], revision: string | undefined): void {
    if (action === 'Promote' && revision !== undefined) this.#memory.promoted.add(revision)
    if (action === 'Retry' && revision !== undefined) this.#memory.forgive(revision)
    const asked: Asked = { uid: this.#cluster.uid(), action, revision, step: undefined, reason: undefined, by: 'ada', expiresAt: this.#cluster.now + 120_000 }
    this.#note(`${action} ${revision ?? ''}`)
    this.#cluster.put('actions', [...(this.#cluster.objects.actions.value ?? []), asked].slice(-20))
  }

  /** The managed lists of a VirtualService, as somebody wants them: what they expose until the next pass has spread is no doing of Serin's. */
  edit(name: 'user' | 'gate', lists: Lists): void {
    const route = this.#cluster.objects[name].value
    if (route !== undefined) this.#route(name, { ...route, lists, generation: route.generation + 1 })
  }

  /** Git puts back what it knows. */
  sync(name: 'user' | 'gate'): void {
    const route = this.#cluster.objects[name].value
    if (route !== undefined) this.#route(name, { ...route, lists: route.original, generation: route.generation + 1 })
  }

  /** The annotation goes, with the lists as they are. */
  strip(name: 'user' | 'gate'): void {
    const route = this.#cluster.objects[name].value
    if (route !== undefined) this.#route(name, { ...route, ledger: undefined })
  }

  uncover(name: 'user' | 'gate'): void {
    this.#route(name, undefined)
  }

  /** A VirtualService made anew; with the annotation of the one before where it was copied. */
  cover(name: 'user' | 'gate', copied: boolean): void {
    const open = { kind: 'open' } as const
    this.#route(name, { uid: this.#cluster.uid(), generation: 1, own: false, lists: open, original: open, ledger: copied ? this.#cluster.objects[name].value?.ledger : undefined })
  }

  removeRule(): void {
    this.#memory.breakRule()
    this.#note('delete the rule')
    this.#cluster.put('rule', undefined)
  }

  tamperRule(): void {
    const { value } = this.#cluster.objects.rule
    this.#memory.breakRule()
    this.#note('edit the rule')
    this.#cluster.put('rule', value && { ...value, conform: false, generation: value.generation + 1 })
  }

  #route(name: 'user' | 'gate', value: Route | undefined): void {
    this.#note(`VirtualService ${name} ${value === undefined ? 'deleted' : JSON.stringify(value.lists)}`)
    this.#cluster.put(name, value)
    this.#memory.routeChanged(name)
  }

  #edit(revision: string, change: (deployment: Deployment) => Deployment): void {
    const deployment = this.#deployment(revision)
    if (deployment === undefined) return
    this.#cluster.put(revision, change(deployment))
    this.#note(`Deployment ${revision} ${JSON.stringify({ ...this.#deployment(revision), uid: undefined })}`)
  }

  #deployment(revision: string): Deployment | undefined {
    return this.#cluster.objects.deployments[revision]?.value
  }

  #note(what: string): void {
    this.#cluster.note(`  somebody: ${what}`)
  }
}
