import { targetsPods } from '../../src/canary/targets-pods.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import type { Naming } from './naming.ts'
import { isServing, ledgerOf, OURS, sizeOf, subsetsOf, versionOf } from './objects.ts'
import type { Scene } from './scene.ts'

/** Pods and subsets: since when they stand, and that none is taken while requests may still be under way to it (S3, S5). */
export class Capacity {
  readonly #scene: Scene
  readonly #naming: Naming
  /** Subset → since when it stands; version → since when it has ready pods; Deployment → its size. */
  readonly #subsetSince = new Map<string, number>()
  readonly #readySince = new Map<string, number>()
  readonly #sizes = new Map<string, number>()
  /** Subset → the rule that it stands in. */
  readonly #ruleOf = new Map<string, string>()

  constructor(scene: Scene, naming: Naming) {
    this.#scene = scene
    this.#naming = naming
  }

  /** Since when a subset stands; undefined while it does not. */
  subsetSince(subset: string): number | undefined {
    return this.#subsetSince.get(subset)
  }

  /** Since when a revision has had a ready pod; undefined while it has none. */
  readySince(revision: string): number | undefined {
    return this.#readySince.get(revision)
  }

  /** The Deployments that have pods, or are about to. */
  get running(): readonly KubeObject[] {
    return this.#scene.reader.list('deployments.apps').filter((object) => isServing(object) && (this.#sizes.get(object.metadata.name) ?? 0) > 0)
  }

  rule(event: StoreEvent): void {
    const { type, object } = event
    const rule = object.metadata.name
    if (!rule.startsWith(OURS)) return
    const standing = new Set(type === 'DELETED' ? [] : subsetsOf(object))
    for (const subset of standing) {
      if (!this.#subsetSince.has(subset)) this.#subsetSince.set(subset, this.#scene.now)
      this.#ruleOf.set(subset, rule)
    }
    for (const subset of this.#subsetSince.keys()) {
      if (standing.has(subset) || this.#ruleOf.get(subset) !== rule) continue
      this.#subsetSince.delete(subset)
      if (this.#scene.isOwnDoing(event)) this.#taken(subset, `subset ${subset} is gone`)
    }
  }

  deployment(event: StoreEvent): void {
    const { type, object } = event
    const size = type === 'DELETED' ? 0 : sizeOf(object)
    const before = this.#sizes.get(object.metadata.name)
    this.#sizes.set(object.metadata.name, size)
    if (!isServing(object)) return
    const revision = this.#revisionOf(object)
    const { readyReplicas = 0 } = (object['status'] ?? {}) as { readyReplicas?: number }
    if (type === 'DELETED' || readyReplicas === 0) this.#readySince.delete(revision)
    else if (!this.#readySince.has(revision)) this.#readySince.set(revision, this.#scene.now)
    if (before === undefined || size >= before || !this.#scene.isOwnDoing(event)) return
    const what = `${object.metadata.name} shrank from ${before} to ${size}`
    if (this.#scene.isTarget(object)) this.#emptied(what)
    else if (!this.#isWished(revision, size)) this.#taken(OURS + revision, what)
  }

  #revisionOf(object: KubeObject): string {
    if (this.#scene.isTarget(object)) return this.#ownPods(object)
    const { template } = object['spec'] as { template?: { metadata?: { labels?: Record<string, string> } } }
    return template?.metadata?.labels?.['serin.dev/revision'] ?? versionOf(object) ?? ''
  }

  /** The name that a target's own pods go by. */
  #ownPods({ metadata: { name } }: KubeObject): string {
    const pod = this.#scene.reader.list('pods').find(({ metadata: { labels = {}, ownerReferences = [] } }) => ownerReferences[0]?.name === `${name}-${labels['pod-template-hash'] ?? ''}`)
    return targetsPods(pod?.metadata.labels?.['pod-template-hash'] ?? '')
  }

  /** A scaler's doing: stable at rest follows it, pods in front of users or not. */
  #isWished(revision: string, size: number): boolean {
    const ledgers = this.#scene.reader.list('virtualservices.networking.istio.io').map(ledgerOf)
    return this.#scene.spec?.replicas === size && ledgers.every((ledger) => ledger?.stable === revision && ledger.exposure === undefined)
  }

  /** The target's own pods belong to no subset. */
  #emptied(what: string): void {
    const { now, waits: { propagationMs, drainMs } } = this.#scene
    if (now - this.#naming.openUntil < propagationMs + drainMs) this.#scene.broken(`${what} while a route may still reach all pods`)
  }

  /** Traffic away before capacity: nothing has named it for long enough. */
  #taken(subset: string, what: string): void {
    const { now, waits: { propagationMs, drainMs } } = this.#scene
    if (now - this.#naming.lastNamed(subset) < propagationMs + drainMs) this.#scene.brokenAlone(`${what} while requests may still be under way to it`)
  }
}
