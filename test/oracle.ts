import { isDeepStrictEqual } from 'node:util'
import type { CanaryStatus } from '../src/api/canary.ts'
import { parseDuration } from '../src/api/duration.ts'
import { parseCanary } from '../src/api/parse.ts'
import { settingsOf } from '../src/api/settings.ts'
import type { Ledger } from '../src/canary/ledger.ts'
import { hashOfTargetsPods, targetsPods } from '../src/canary/targets-pods.ts'
import { templateHash } from '../src/canary/template-hash.ts'
import type { Clock } from '../src/runtime/clock.ts'
import type { Transport } from '../src/runtime/transport.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../src/sandbox/objects.ts'
import * as laws from './laws.ts'

type Destination = { readonly subset?: string }
type Route = {
  readonly route?: readonly { readonly destination?: Destination }[]
  readonly mirror?: Destination
  readonly mirrors?: readonly { readonly destination?: Destination }[]
}
type Spec = { traffic?: { propagation?: string; drain?: string }; targetRef?: { name: string }; replicas?: number }
type Waits = { readonly propagationMs: number; readonly drainMs: number }

const OURS = 'serin-'
const DEFAULTS: Waits = { propagationMs: 15_000, drainMs: 30_000 }

/** Watches every change of the cluster, as it happens, for what Serin must never do; it knows nothing of how Serin decides. */
export class Oracle {
  readonly violations: string[] = []
  /** Every exposure that stood, in order: "v2 0", revision and step. */
  readonly exposures: string[] = []
  /** Somebody skips all steps: the next exposure may be any. */
  mayJump = false
  /** Something holds requests up: the status of an act may come long after it. */
  delayed = false
  readonly #reader: ClusterReader
  readonly #clock: Clock
  readonly #ledgers = new Map<string, Ledger | undefined>()
  /** VirtualService → the subsets it names; subset → when any of them named it last. */
  readonly #naming = new Map<string, readonly string[]>()
  readonly #namedAt = new Map<string, number>()
  /** Subset → since when it stands; version → since when it has ready pods; Deployment → its size. */
  readonly #subsetSince = new Map<string, number>()
  /** Subset → the rule that it stands in. */
  readonly #ruleOf = new Map<string, string>()
  readonly #readySince = new Map<string, number>()
  readonly #sizes = new Map<string, number>()
  readonly #wasStable = new Set<string>()
  /** Namespaces that had a Canary. */
  readonly #homes = new Set<string>()
  /** Rollout, plan and step → since when it stands. */
  readonly #stepSince = new Map<string, number>()
  /** VirtualService → whether one of its routes reaches every pod of the Service; and until when any did. */
  readonly #open = new Map<string, boolean>()
  #openUntil = -Infinity
  /** Objects that an operator is writing at this moment: what changes otherwise is somebody else's doing. */
  readonly #writing = new Map<string, number>()
  readonly #before = new Map<string, KubeObject>()
  /** When an operator wrote anything that serves last: a status of that moment tells of the act, not of a wait. */
  #actedAt = -1

  constructor(reader: ClusterReader, clock: Clock) {
    this.#reader = reader
    this.#clock = clock
    const rules: Readonly<Record<string, (event: StoreEvent) => void>> = {
      'virtualservices.networking.istio.io': (event) => this.#route(event),
      'destinationrules.networking.istio.io': (event) => this.#rule(event),
      'deployments.apps': (event) => this.#deployment(event),
      'canaries.serin.dev': (event) => this.#status(event),
    }
    reader.subscribe((event) => {
      if (rules[event.resource] === undefined) return
      rules[event.resource]?.(event)
      this.#object(event)
    })
  }

  /** The way of an operator's requests to the server: what it writes is its own doing. */
  watched(transport: Transport): Transport {
    return async (request) => {
      const { method, path, body = '' } = request
      if (method === 'GET') return transport(request)
      for (const { metadata } of this.#reader.list('canaries.serin.dev')) this.#homes.add(metadata.namespace ?? '')
      for (const what of [...laws.guarded(method, path, body), ...laws.atHome(method, path, this.#homes)]) this.#broken(what)
      if (/virtualservices|destinationrules|deployments/.test(path)) this.#actedAt = this.#clock.monotonic()
      const name = writtenName(path, body)
      this.#writing.set(name, (this.#writing.get(name) ?? 0) + 1)
      try {
        return await transport(request)
      } finally {
        this.#writing.set(name, (this.#writing.get(name) ?? 1) - 1)
      }
    }
  }

  #isOwnDoing({ object, resource }: StoreEvent): boolean {
    return (this.#writing.get(`${resource.split('.')[0] ?? ''}/${object.metadata.name}`) ?? 0) > 0
  }

  /** What an operator's write of one object must leave as it was. */
  #object(event: StoreEvent): void {
    const { type, resource, object } = event
    const id = idOf(event)
    const before = this.#before.get(id)
    if (type !== 'DELETED' && this.#isOwnDoing(event)) {
      const broken = [...laws.owned(object), ...(resource.startsWith('virtualservices') && !object.metadata.name.startsWith(OURS) && before !== undefined ? laws.untouched(before, object) : [])]
      broken.forEach((what) => this.#broken(what))
    }
    this.#before.set(id, object)
  }

  /** Somebody who takes status away takes its memory along. */
  #status(event: StoreEvent): void {
    const statusIn = (object: KubeObject | undefined) => object?.['status'] as CanaryStatus | undefined
    const status = statusIn(event.object)
    if (event.type === 'DELETED' || status === undefined || !this.#isOwnDoing(event)) return
    const before = statusIn(this.#before.get(idOf(event)))
    const isHeld = !this.delayed && this.#actedAt !== this.#clock.monotonic()
    for (const what of [...laws.told(before, status), ...laws.honest(status), ...(isHeld ? laws.answers(status) : [])]) this.#broken(what)
  }

  /** What a VirtualService gives to the canary now, by its ledger. */
  exposed(name: string): Ledger['exposure'] {
    return [...this.#ledgers].find(([key]) => key.startsWith(`${name} `))?.[1]?.exposure
  }

  #route(event: StoreEvent): void {
    const { type, object } = event
    const key = `${object.metadata.name} ${object.metadata.uid ?? ''}`
    const before = this.#ledgers.get(key)
    const after = type === 'DELETED' ? undefined : ledgerOf(object)
    const named = type === 'DELETED' ? [] : namedSubsets(object).filter((subset) => subset.startsWith(OURS))
    if (this.#isOpen) this.#openUntil = this.#clock.monotonic()
    if (type === 'DELETED') this.#open.delete(key)
    else this.#open.set(key, namesNoSubset(object))
    this.#name(object.metadata.name, key, named)
    if (after !== undefined) this.#ledger(object.metadata.name, after, before)
    // Whoever writes the annotation alone names nothing.
    const isRendered = this.#isOwnDoing(event) && !isDeepStrictEqual(this.#before.get(idOf(event))?.['spec'], object['spec'])
    if (after !== undefined && isRendered)
      for (const what of [...laws.weights(object), ...laws.lone(object, after), ...laws.nothingElse(named, after), ...laws.failed(named, after)]) this.#broken(what)
    if (before !== undefined && after === undefined && this.#isOwnDoing(event)) this.#opened(object.metadata.name)
    this.#ledgers.delete(key)
    if (type !== 'DELETED') this.#ledgers.set(key, after)
    if (this.#isOwnDoing(event)) laws.oneOwner(this.#owners()).forEach((what) => this.#broken(what))
  }

  /** Host → the Canary that its routes were written for, of those that stand. */
  #owners(): readonly { host: string; owner: string }[] {
    const standing = new Set(this.#reader.list('canaries.serin.dev').map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`))
    return this.#reader.list('virtualservices.networking.istio.io').flatMap((object) => {
      const owner = (ledgerOf(object) as { readonly canary?: string } | undefined)?.canary
      const { hosts = [] } = object['spec'] as { readonly hosts?: readonly string[] }
      return owner === undefined || !standing.has(owner) ? [] : hosts.map((host) => ({ host: host.includes('.') ? host : `${host}.${object.metadata.namespace ?? ''}`, owner }))
    })
  }

  /** The host has no VirtualService, or one that names no subset. */
  get #isOpen(): boolean {
    return this.#open.size === 0 || [...this.#open.values()].includes(true)
  }

  /** Make before break: a subset and its pods have stood for long enough before a route names them. */
  #name(name: string, key: string, named: readonly string[]): void {
    const now = this.#clock.monotonic()
    const { propagationMs } = this.#waits()
    for (const subset of named) {
      if (now - this.#lastNamed(subset) < propagationMs) continue
      const revision = subset.slice(OURS.length)
      if (now - (this.#subsetSince.get(subset) ?? Infinity) < propagationMs || !this.#subsetSince.has(subset)) this.#brokenAlone(`${name} names ${subset} before it has spread`)
      if (now - (this.#readySince.get(revision) ?? Infinity) < propagationMs || !this.#readySince.has(revision)) this.#brokenAlone(`${name} names ${subset} before its pods are known`)
    }
    for (const subset of this.#naming.get(key) ?? []) this.#namedAt.set(subset, now)
    this.#naming.set(key, named)
  }

  /** When any route named it last: now, while one does; never, where none did. */
  #lastNamed(subset: string): number {
    const isNamed = [...this.#naming.values()].some((subsets) => subsets.includes(subset))
    return isNamed ? this.#clock.monotonic() : (this.#namedAt.get(subset) ?? -Infinity)
  }

  #ledger(name: string, after: Ledger, before: Ledger | undefined): void {
    const [from, to] = [before?.exposure, after.exposure]
    if (to !== undefined && `${to.revision} ${to.step}` !== this.exposures.at(-1)) this.exposures.push(`${to.revision} ${to.step}`)
    this.#bake(from, after)
    // What reached another VirtualService already may reach this one.
    const standing = [before, ...this.#ledgers.values()].flatMap((ledger) => ledger?.exposure ?? [])
    const last = Math.max(-1, ...standing.filter(({ revision, plan }) => revision === to?.revision && plan === to.plan).map(({ step }) => step))
    this.#wasStable.add(after.stable)
    // Back to what was stable, and still stands, is one step.
    // So is what is left when stable's Deployment is gone; and edited steps count anew from the weight that stands.
    const counts = before !== undefined && this.#exists(before.stable) && !(from?.revision === to?.revision && from?.weight === to?.weight)
    if (to !== undefined && counts && to.step > last + 1 && !this.mayJump && !this.#wasStable.has(to.revision)) this.#broken(`${name} went from step ${last} to ${to.step} of ${to.revision}`)
    if (before !== undefined && after.promotions < before.promotions) this.#broken(`${name} forgot a promotion`)
    const isLeaving = this.#reader.list('canaries.serin.dev').some(({ metadata }) => metadata.deletionTimestamp !== undefined)
    if (before !== undefined && after.stable !== before.stable && from?.revision !== after.stable && !(isLeaving && [after.stable, before.stable].some((revision) => hashOfTargetsPods(revision) !== undefined))) this.#broken(`${name} made ${after.stable} stable, which was not exposed`)
    if (before !== undefined && after.stable !== before.stable) this.#promoted(name, after.stable, before)
  }

  /** A step lasts, but for whoever skips it. */
  #bake(from: Ledger['exposure'], { exposure: to, open }: Ledger): void {
    if (to === undefined) return
    const key = (step: number) => `${open[to.revision]?.rollout ?? ''} ${to.plan} ${step}`
    const now = this.#clock.monotonic()
    if (!this.#stepSince.has(key(to.step))) this.#stepSince.set(key(to.step), now)
    const since = this.#stepSince.get(key(to.step - 1))
    const [canary, ...others] = this.#reader.list('canaries.serin.dev')
    const step = canary === undefined || others.length > 0 ? undefined : stepsOf(canary)[to.step - 1]
    const isNext = from?.revision === to.revision && from.plan === to.plan && from.step === to.step - 1
    if (canary === undefined || step === undefined || since === undefined || !isNext || this.mayJump || isSkipped(canary)) return
    laws.baked(to.revision, now - since, step).forEach((what) => this.#broken(what))
  }

  #exists(revision: string): boolean {
    return this.#reader.list('deployments.apps').some((object) => versionOf(object) === revision && object.metadata.labels?.['app'] !== 'caller')
  }

  /** S6: what was opened, and analysed, is what serves from now on. */
  #promoted(name: string, stable: string, { open }: Ledger): void {
    const hashes = this.#reader.list('deployments.apps').filter((object) => versionOf(object) === stable).map(contentOf)
    if (hashes.length > 0 && !hashes.includes(open[stable]?.hash ?? '')) this.#broken(`S6: ${name} promotes ${stable}, whose template is not the one that was analysed`)
  }

  #rule(event: StoreEvent): void {
    const { type, object } = event
    const rule = object.metadata.name
    if (!rule.startsWith(OURS)) return
    const subsets = type === 'DELETED' ? [] : (object['spec'] as { subsets?: readonly { name: string }[] }).subsets ?? []
    const standing = new Set(subsets.map(({ name }) => name))
    for (const subset of standing) {
      if (!this.#subsetSince.has(subset)) this.#subsetSince.set(subset, this.#clock.monotonic())
      this.#ruleOf.set(subset, rule)
    }
    for (const subset of this.#subsetSince.keys()) {
      if (standing.has(subset) || this.#ruleOf.get(subset) !== rule) continue
      this.#subsetSince.delete(subset)
      if (this.#isOwnDoing(event)) this.#taken(subset, `subset ${subset} is gone`)
    }
  }

  #deployment(event: StoreEvent): void {
    const { type, object } = event
    const { spec, status } = object as { spec?: { replicas?: number; template?: { metadata?: { labels?: Record<string, string> } } }; status?: { readyReplicas?: number } }
    const labels = spec?.template?.metadata?.labels ?? {}
    const revision = this.#isTarget(object) ? this.#ownPods(object) : (labels['serin.dev/revision'] ?? labels['version'] ?? '')
    const size = type === 'DELETED' ? 0 : (spec?.replicas ?? 1)
    const before = this.#sizes.get(object.metadata.name)
    this.#sizes.set(object.metadata.name, size)
    if (object.metadata.labels?.['app'] === 'caller') return
    if (type === 'DELETED' || (status?.readyReplicas ?? 0) === 0) this.#readySince.delete(revision)
    else if (!this.#readySince.has(revision)) this.#readySince.set(revision, this.#clock.monotonic())
    if (before === undefined || size >= before || !this.#isOwnDoing(event)) return
    const what = `${object.metadata.name} shrank from ${before} to ${size}`
    if (this.#isTarget(object)) this.#emptied(what)
    else if (!this.#isWished(revision, size)) this.#taken(OURS + revision, what)
  }

  /** The name that a target's own pods go by. */
  #ownPods({ metadata: { name } }: KubeObject): string {
    const pod = this.#reader.list('pods').find(({ metadata: { labels = {}, ownerReferences = [] } }) => ownerReferences[0]?.name === `${name}-${labels['pod-template-hash'] ?? ''}`)
    return targetsPods(pod?.metadata.labels?.['pod-template-hash'] ?? '')
  }

  /** What the user wrote may stand again once nothing has pods but what is to serve. */
  #opened(name: string): void {
    const running = this.#reader.list('deployments.apps').filter((object) => object.metadata.labels?.['app'] !== 'caller' && (this.#sizes.get(object.metadata.name) ?? 0) > 0)
    const [first] = running
    if (running.length > 1 || (first !== undefined && this.#spec()?.targetRef !== undefined && !this.#isTarget(first))) this.#brokenAlone(`${name} reaches every pod while ${running.map(({ metadata }) => metadata.name).join(', ')} have some`)
  }

  #isTarget({ metadata }: KubeObject): boolean {
    return this.#spec()?.targetRef?.name === metadata.name
  }

  /** A scaler's doing: stable at rest follows it, pods in front of users or not. */
  #isWished(revision: string, size: number): boolean {
    const ledgers = [...this.#ledgers.values()]
    return this.#spec()?.replicas === size && ledgers.every((ledger) => ledger?.stable === revision && ledger.exposure === undefined)
  }

  /** The target's own pods belong to no subset. */
  #emptied(what: string): void {
    const { propagationMs, drainMs } = this.#waits()
    if (this.#isOpen || this.#clock.monotonic() - this.#openUntil < propagationMs + drainMs) this.#broken(`${what} while a route may still reach all pods`)
  }

  /** Traffic away before capacity: nothing has named it for long enough. */
  #taken(subset: string, what: string): void {
    const { propagationMs, drainMs } = this.#waits()
    if (this.#clock.monotonic() - this.#lastNamed(subset) < propagationMs + drainMs) this.#brokenAlone(`${what} while requests may still be under way to it`)
  }

  #waits(): Waits {
    const { propagation, drain } = this.#spec()?.traffic ?? {}
    return {
      propagationMs: propagation === undefined ? DEFAULTS.propagationMs : parseDuration(propagation),
      drainMs: drain === undefined ? DEFAULTS.drainMs : parseDuration(drain),
    }
  }

  #spec(): Spec | undefined {
    return this.#reader.list('canaries.serin.dev')[0]?.['spec'] as Spec | undefined
  }

  /** Versions are known by their label alone: what concerns pods can be told only where one Canary is. */
  #brokenAlone(what: string): void {
    if (this.#reader.list('canaries.serin.dev').length <= 1) this.#broken(what)
  }

  #broken(what: string): void {
    this.violations.push(`${this.#clock.monotonic()} ms: ${what}`)
  }
}

/** The steps that a Canary asks for. */
function stepsOf(object: KubeObject): readonly { readonly name: string; readonly forMs: number }[] {
  const parsed = parseCanary(object)
  return parsed.ok ? settingsOf(parsed.canary.spec, DEFAULTS).steps : []
}

/** Somebody asked for less than all steps. */
function isSkipped(object: KubeObject): boolean {
  const { rollout } = (object['status'] ?? {}) as Partial<CanaryStatus>
  return (rollout?.skips?.length ?? 0) > 0 || rollout?.analysisSkipped !== undefined || (object['spec'] as { skipAnalysis?: boolean }).skipAnalysis === true
}

const idOf = ({ resource, object }: StoreEvent): string => `${resource} ${object.metadata.uid ?? ''}`

const versionOf = ({ spec }: KubeObject): string | undefined =>
  (spec as { template?: { metadata?: { labels?: Record<string, string> } } }).template?.metadata?.labels?.['version']

/** "deployments/web-v2": what a request writes. */
function writtenName(path: string, body: string): string {
  const [, plural = '', name] = /\/namespaces\/[^/]+\/([^/?]+)(?:\/([^/?]+))?/.exec(path) ?? []
  return `${plural}/${name ?? (JSON.parse(body === '' ? '{}' : body) as { metadata?: { name?: string } }).metadata?.name ?? ''}`
}

/** What a version runs, by its template; what a target's revision runs is its name, as long as it is as it was made. */
function contentOf({ metadata, spec }: KubeObject): string {
  const { template } = spec as { template: unknown }
  const [made, ...ignored] = metadata.annotations?.['serin.dev/made']?.split(' ') ?? []
  return made === templateHash(template, ignored) ? (metadata.labels?.['serin.dev/revision'] ?? '') : templateHash(template)
}

/** What stands in the annotation. */
export const ledgerOf = ({ metadata }: KubeObject): Ledger | undefined => {
  const text = metadata.annotations?.['serin.dev/ledger']
  return text === undefined ? undefined : (JSON.parse(text) as Ledger)
}

/** Whether some route of it, or one that names nothing at all, reaches every pod. */
const namesNoSubset = (object: KubeObject): boolean =>
  ((object['spec'] as { http?: readonly Route[] }).http ?? []).some(({ route = [] }) => route.some(({ destination }) => destination?.subset === undefined))

/** Every subset that a VirtualService sends or copies requests to. */
export function namedSubsets(object: KubeObject): readonly string[] {
  const routes = (object['spec'] as { http?: readonly Route[] }).http ?? []
  const destinations = routes.flatMap(({ route = [], mirror, mirrors = [] }) => [...route.map(({ destination }) => destination), mirror, ...mirrors.map(({ destination }) => destination)])
  return [...new Set(destinations.flatMap((destination) => destination?.subset ?? []))].sort()
}
