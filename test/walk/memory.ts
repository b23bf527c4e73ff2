import type { Cluster } from './cluster.ts'
import { P, standing, type Objects } from './objects.ts'

/** What is remembered of what happened, to judge what follows. */
export class Memory {
  readonly #cluster: Cluster
  /** Stable's size when each rollout was opened. */
  readonly floors = new Map<string, number>()
  /** As what the Canary stood when somebody last asked for another try of each revision. */
  readonly #forgiven = new Map<string, number>()
  /** As what somebody last wrote each route. */
  readonly #written = { user: -1, gate: -1 }
  /** When each rollout got its first tombstone. */
  readonly buried = new Map<string, number>()
  /** Templates that failed, and nobody has asked for another try of, as "revision/hash". */
  readonly failed = new Set<string>()
  /** Revisions that somebody asked to promote: they may jump. */
  readonly promoted = new Set<string>()
  /** What stood in the target's template, and since when; newest last. */
  readonly #said: { readonly at: number; readonly template: string | undefined }[] = []
  /** Revisions whose pods somebody took or broke, and when they were whole again. */
  readonly #hurt = new Map<string, { readonly at: number; readonly whole: number | undefined }>()
  /** Until when what others wrote into the routes, or made of the rule, may still be on its way. */
  readonly #excusedUntil = { rule: -1, routes: -1 }
  #isRuleBroken = false
  #wasForeign = true

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.said()
  }

  /** Whether others have broken what proxies see of the rule: until Serin has mended it, and that has spread. */
  get ruleExcused(): boolean {
    return this.#isRuleBroken || this.#cluster.now < this.#excusedUntil.rule
  }

  /** The same, of routes and rule: a route in somebody else's words is in nobody's but theirs. */
  get excused(): boolean {
    return this.ruleExcused || this.#isForeign() || this.#cluster.now < this.#excusedUntil.routes
  }

  breakRule(): void {
    this.#isRuleBroken = true
  }

  mendRule(): void {
    if (this.#isRuleBroken) this.#excusedUntil.rule = this.#cluster.now + 2 * P
    this.#isRuleBroken = false
  }

  /** Somebody wrote, made or deleted a route. */
  routeChanged(name: 'user' | 'gate'): void {
    this.#written[name] = this.#cluster.objects[name].rv
  }

  /** Whether somebody has written a route since: what stood in these objects was no longer so. */
  isBehindUsers({ user, gate }: Objects): boolean {
    return user.rv < this.#written.user || gate.rv < this.#written.gate
  }

  #isForeign(): boolean {
    const { objects } = this.#cluster
    return (objects.user.value ?? objects.own.value) === undefined || standing(objects).some(({ lists, ledger }) => lists.kind !== 'rendered' || ledger === undefined)
  }

  /** Its pods go, or come back, by no doing of Serin's. */
  hurt(revision: string): void {
    this.#hurt.set(revision, { at: this.#cluster.now, whole: undefined })
  }

  /** Whether what became of the pods of `revision` is somebody else's doing: a rollback to it waits for nothing (protocol section 5). */
  isHurt(revision: string): boolean {
    const hurt = this.#hurt.get(revision)
    return hurt !== undefined && (hurt.whole === undefined || this.#cluster.now < hurt.whole + 2 * P)
  }

  /** Whether somebody touched the pods of `revision` after `at`. */
  wasHurtSince(revision: string, at: number): boolean {
    return (this.#hurt.get(revision)?.at ?? -Infinity) >= at
  }

  /** Looked at after every event: what is foreign now, and who is whole again. */
  look(): void {
    const isForeign = this.#isForeign()
    if (isForeign || this.#wasForeign) this.#excusedUntil.routes = this.#cluster.now + 2 * P
    this.#wasForeign = isForeign
    for (const [revision, { at, whole }] of this.#hurt) {
      const deployment = this.#cluster.objects.deployments[revision]?.value
      const isWhole = deployment !== undefined && deployment.ready && deployment.started > 0 && deployment.started === deployment.replicas
      if (isWhole && whole === undefined) this.#hurt.set(revision, { at, whole: this.#cluster.now })
    }
  }

  /** The target's template as it stands from now on. */
  said(): void {
    this.#said.push({ at: this.#cluster.now, template: this.#cluster.objects.target.value?.template })
  }

  /** Whether the target said `template` at any moment since `at`. */
  hasSaid(template: string, at: number): boolean {
    return this.#said.some((one, index) => one.template === template && (this.#said[index + 1]?.at ?? Infinity) >= at)
  }

  bury(name: string): void {
    if (this.buried.has(name)) return
    this.buried.set(name, this.#cluster.now)
    this.#cluster.note(`${name} is buried`)
  }

  /** Whether somebody asked for another try after what stood in these objects. */
  wasForgivenSince(revision: string, { canary }: Objects): boolean {
    return canary.rv < (this.#forgiven.get(revision) ?? -1)
  }

  /** Somebody asks for another try of whatever of `revision` failed, or will turn out to. */
  forgive(revision: string): void {
    this.#forgiven.set(revision, this.#cluster.objects.canary.rv)
    for (const known of this.failed) if (known.startsWith(`${revision}/`)) this.failed.delete(known)
  }
}
