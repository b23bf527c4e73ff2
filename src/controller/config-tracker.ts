import { mostConfig } from '../api/status.ts'
import type { Settings } from '../api/settings.ts'
import type { ConfigReference } from '../canary/config-references.ts'
import { configId, MISSING, type TrackedConfig } from '../canary/tracked-config.ts'
import type { Refusal } from '../canary/world.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { Clock } from '../runtime/clock.ts'
import { runController, type Outcome } from '../runtime/controller.ts'
import { asError } from '../runtime/failure.ts'
import type { Log } from '../runtime/log.ts'
import { keyOf, type KubeObject } from '../runtime/object.ts'
import { WorkQueue } from '../runtime/work-queue.ts'
import { configResource, contentOf, isBehind, isDoubted, itemOf, partsOf, type Content } from './config-content.ts'
import { configAbsent, configRefusals } from './config-refusals.ts'
import type { Stores } from './sources.ts'
import { TRACK } from './stamps.ts'

export type ConfigTrackerOptions = {
  readonly client: KubernetesClient
  readonly stores: Pick<Stores, 'configMaps' | 'secrets'>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  /** Secrets are watched, and may be read. */
  readonly trackSecrets: boolean
  readonly wake: (canary: string) => void
}

/** What is known of a target's configuration. */
export type TargetConfig = {
  /** Undefined until every content is known. */
  readonly config: TrackedConfig | undefined
  /** What forbids a release. */
  readonly refusals: readonly Refusal[]
  /** What forbids that a revision's first pods are started: they could not. */
  readonly absent: readonly Refusal[]
}

/** What is applied together is looked at together. */
const SETTLE_MS = 1000
const CONCURRENCY = 4
const NOTHING: TargetConfig = { config: {}, refusals: [], absent: [] }

/**
 * Hashes of the ConfigMaps and Secrets that targets are configured with. The watches tell of metadata alone; a content is
 * read when its version moved, hashed and forgotten. What differs from what a status recorded counts only if it was read
 * after that: a watch that is behind must not take for a change what another leader saw pass.
 */
export class ConfigTracker {
  readonly #options: ConfigTrackerOptions
  readonly #queue: WorkQueue
  readonly #contents = new Map<string, Content>()
  readonly #failures = new Map<string, string>()
  readonly #asked = new Map<string, Set<string>>()
  readonly #followers = new Map<string, Set<string>>()
  readonly #items = new Map<string, readonly string[]>()
  readonly #turns = new Map<string, number>()

  constructor(options: ConfigTrackerOptions) {
    this.#options = options
    this.#queue = new WorkQueue({ clock: options.clock, random: options.random, maxMs: 15_000 })
  }

  /** Reads what is to be read until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    await runController({ name: 'config', queue: this.#queue, concurrency: CONCURRENCY, reconcile: (item, within) => this.#read(item, within), log, clock, signal, abort: signal })
  }

  /** How often something that this Canary tracks has changed or been read. */
  turns(canary: string): number {
    return this.#turns.get(canary) ?? 0
  }

  /** What a target is configured with, beside what its status recorded last. What is not known yet is read, and the Canary woken. */
  configOf(canary: string, target: KubeObject, { source }: Settings, known: TrackedConfig = {}): TargetConfig {
    const mode = source.kind === 'target' ? source.trackConfig : 'None'
    if (mode === 'None') {
      this.forget(canary)
      return NOTHING
    }
    const { namespace = '' } = target.metadata
    const named = (target['config'] as readonly ConfigReference[]).filter(({ kind }) => kind === 'ConfigMap' || (mode === 'All' && this.#options.trackSecrets))
    // An annotation may have any of them tracked.
    this.#follow(canary, named.map((reference) => itemOf(reference, namespace)))
    const references = named.filter((reference) => this.#isTracked(reference, namespace, known))
    const failing = references.find((reference) => this.#failures.has(itemOf(reference, namespace)))
    const refusals = configRefusals({
      withoutSecrets: mode === 'All' && !this.#options.trackSecrets,
      count: references.length,
      failing: failing && { id: configId(failing), why: this.#failures.get(itemOf(failing, namespace)) ?? '' },
    })
    if (references.length > mostConfig) return { config: undefined, refusals, absent: [] }
    const looks = references.map((reference) => ({ reference, id: configId(reference), hash: this.#hashOf(itemOf(reference, namespace), known[configId(reference)]) }))
    if (looks.some(({ hash }) => hash === undefined)) return { config: undefined, refusals, absent: [] }
    const lost = looks.filter(({ hash, reference, id }) => hash === MISSING && !isContent(reference) && (known[id] ?? MISSING) === MISSING)
    return {
      config: Object.fromEntries(looks.map(({ hash = MISSING, reference, id }) => [id, hash === MISSING && !isContent(reference) ? (known[id] ?? hash) : hash])),
      refusals,
      absent: lost.map(({ id }) => configAbsent(id, target.metadata.name)),
    }
  }

  /** Reads one object and wakes whoever is configured with it. */
  async #read(item: string, signal: AbortSignal): Promise<Outcome> {
    if (!this.#followers.has(item)) return { kind: 'done' }
    const { kind, key } = partsOf(item)
    const asked = [...(this.#asked.get(item) ?? [])]
    this.#asked.delete(item)
    const seen = this.#cached(item)?.metadata.resourceVersion
    try {
      const object = await this.#options.client.get(configResource(kind), key, signal)
      this.#failures.delete(item)
      this.#learn(item, object, { seen, asked })
    } catch (thrown) {
      const { message } = asError(thrown)
      const isSaid = this.#failures.get(item) === message
      this.#failures.set(item, message)
      if (!isSaid) this.#wake(item)
      throw thrown
    }
    this.#wake(item)
    return { kind: 'done' }
  }

  /** Somebody else has read it. */
  learnt(kind: string, key: string, object: KubeObject | undefined): void {
    const item = `${kind} ${key}`
    const before = this.#contents.get(item)?.hash
    if (!this.#followers.has(item)) return
    this.#learn(item, object, { seen: this.#cached(item)?.metadata.resourceVersion, asked: [] })
    if (this.#contents.get(item)?.hash !== before) this.#wake(item)
  }

  /** Whether the watch has told of an object of this name and owner. */
  stands(kind: string, key: string, owner: string): boolean {
    // Nobody here can tell, or make one.
    if (kind === 'Secret' && !this.#options.trackSecrets) return true
    return this.#cached(`${kind} ${key}`)?.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true
  }

  /** Wakes Canaries when what they track changes; returns the way to stop that. */
  watch(): () => void {
    const { configMaps, secrets } = this.#options.stores
    const told = (kind: string) => (next: KubeObject | undefined, previous: KubeObject | undefined) => {
      const object = next ?? previous
      if (object === undefined) return
      const item = `${kind} ${keyOf(object)}`
      const content = this.#contents.get(item)
      if (next === undefined && content !== undefined) this.#contents.set(item, { ...content, isGone: true })
      this.#wake(item)
    }
    const stops = [configMaps.onChange(told('ConfigMap')), secrets.onChange(told('Secret'))]
    return () => stops.forEach((stop) => stop())
  }

  /** Nothing of it is tracked any more. */
  forget(canary: string): void {
    this.#follow(canary, [])
    this.#items.delete(canary)
    this.#turns.delete(canary)
  }

  #isTracked(reference: ConfigReference, namespace: string, known: TrackedConfig): boolean {
    const item = itemOf(reference, namespace)
    const cached = this.#cached(item)
    const track = cached === undefined ? this.#contents.get(item)?.track : cached.metadata.annotations?.[TRACK]
    // Of one that is gone nobody can say what it was annotated with: it counts as it did.
    return track !== 'false' && (reference.unseen || track === 'true' || (cached === undefined && known[configId(reference)] !== undefined))
  }

  /** Undefined while it must be read first. */
  #hashOf(item: string, recorded: string | undefined): string | undefined {
    const content = this.#contents.get(item)
    if (content === undefined || isDoubted(content, recorded)) {
      this.#ask(item, recorded)
      // One that failed is read again in its own time.
      if (!this.#failures.has(item)) this.#queue.add(item)
      return undefined
    }
    if (!isBehind(content, this.#cached(item)?.metadata.resourceVersion)) return content.hash
    this.#ask(item, recorded)
    if (!this.#failures.has(item)) this.#queue.addAfter(item, SETTLE_MS)
    return undefined
  }

  #ask(item: string, recorded: string | undefined): void {
    const asked = this.#asked.get(item) ?? new Set()
    if (recorded !== undefined) asked.add(recorded)
    this.#asked.set(item, asked)
  }

  #learn(item: string, object: KubeObject | undefined, { seen, asked }: { readonly seen: string | undefined; readonly asked: readonly string[] }): void {
    const before = this.#contents.get(item)
    const content = contentOf(object, { seen, since: new Set(asked) })
    this.#contents.set(item, before?.hash === content.hash ? { ...content, since: new Set([...asked, ...before.since]) } : content)
  }

  #cached(item: string): KubeObject | undefined {
    const { kind, key } = partsOf(item)
    const { configMaps, secrets } = this.#options.stores
    return (kind === 'Secret' ? secrets : configMaps).get(key)
  }

  #wake(item: string): void {
    for (const canary of this.#followers.get(item) ?? []) {
      this.#turns.set(canary, this.turns(canary) + 1)
      this.#options.wake(canary)
    }
  }

  #follow(canary: string, items: readonly string[]): void {
    for (const item of this.#items.get(canary) ?? []) {
      if (!items.includes(item)) this.#followers.get(item)?.delete(canary)
      if (this.#followers.get(item)?.size === 0) [this.#followers, this.#contents, this.#failures, this.#asked].forEach((kept) => kept.delete(item))
    }
    this.#items.set(canary, items)
    for (const item of items) this.#followers.set(item, (this.#followers.get(item) ?? new Set()).add(canary))
  }
}

/** That it is missing is what pods see: of anything else that is gone, pods keep what they have, and nobody asked for a release. */
const isContent = ({ optional, unseen }: ConfigReference): boolean => optional && unseen
