import { isDeepStrictEqual } from 'node:util'
import type { Ledger } from '../../src/canary/ledger.ts'
import { hashOfTargetsPods } from '../../src/canary/targets-pods.ts'
import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import type { Settings, Step } from '../../src/api/settings.ts'
import * as laws from '../laws.ts'
import type { Capacity } from './capacity.ts'
import type { Naming } from './naming.ts'
import { contentOf, isServing, isSkipped, ledgerOf, namedSubsets, OURS, settingsIn, versionOf } from './objects.ts'
import type { Demand } from './pass-laws.ts'
import type { Scene } from './scene.ts'

/** What the VirtualServices give to whom, step by step (S2 to S4, S6 to S8, S10, S19). */
export class Routes {
  /** Every exposure that stood, in order: "v2 0", revision and step. */
  readonly exposures: string[] = []
  /** Somebody skips all steps: the next exposure may be any. */
  mayJump = false
  readonly #scene: Scene
  readonly #naming: Naming
  readonly #capacity: Capacity
  readonly #ledgers = new Map<string, Ledger | undefined>()
  readonly #wasStable = new Set<string>()
  /** Rollout, plan and step → since when it stands. */
  readonly #stepSince = new Map<string, number>()

  constructor(scene: Scene, naming: Naming, capacity: Capacity) {
    this.#scene = scene
    this.#naming = naming
    this.#capacity = capacity
  }

  /** What a VirtualService gives to the canary now, by its ledger. */
  exposed(name: string): Ledger['exposure'] {
    return [...this.#ledgers].find(([key]) => key.startsWith(`${name} `))?.[1]?.exposure
  }

  /** What must be known before a raise from the step that stands; undefined where nothing must. */
  demandOf(before: KubeObject, after: KubeObject): (Demand & { readonly revision: string; readonly sinceMs: number }) | undefined {
    const [from, to] = [ledgerOf(before), ledgerOf(after)?.exposure]
    const { step: present, plan = '' } = from?.exposure ?? {}
    const [canary] = this.#scene.canaries
    const settings = canary && settingsIn(canary)
    const step = present === undefined ? undefined : settings?.steps[present]
    const sinceMs = this.#stepSince.get(keyOf(from, plan, present ?? -1))
    if (canary === undefined || settings === undefined || step === undefined || to === undefined || sinceMs === undefined) return undefined
    if (this.mayJump || isSkipped(canary) || this.#wasStable.has(to.revision) || hasNoPods(settings, step)) return undefined
    return { revision: to.revision, sinceMs, ...demandOf(settings, step) }
  }

  /** Some VirtualService gives as much as this one would. */
  stands(object: KubeObject | undefined): boolean {
    const wanted = object && ledgerOf(object)?.exposure
    const exposures = [...this.#ledgers.values()].flatMap((ledger) => ledger?.exposure ?? [])
    return wanted !== undefined && exposures.some(({ revision, plan, step }) => revision === wanted.revision && plan === wanted.plan && step >= wanted.step)
  }

  /** `before` is the object as it stood before this change. */
  changed(event: StoreEvent, before: KubeObject | undefined): void {
    const { type, object } = event
    const { name, uid = '' } = object.metadata
    const key = `${name} ${uid}`
    const [from, to] = [this.#ledgers.get(key), type === 'DELETED' ? undefined : ledgerOf(object)]
    const named = type === 'DELETED' ? [] : namedSubsets(object).filter((subset) => subset.startsWith(OURS))
    for (const subset of named) this.#named(name, subset)
    this.#naming.stands(key, type === 'DELETED' ? undefined : object)
    if (to !== undefined) this.#ledger(name, to, from)
    if (this.#scene.isOwnDoing(event)) this.#written(object, { from, to, named, isRendered: !isDeepStrictEqual(before?.['spec'], object['spec']) })
    this.#ledgers.delete(key)
    if (type !== 'DELETED') this.#ledgers.set(key, to)
    if (this.#scene.isOwnDoing(event)) this.#broken(laws.oneOwner(this.#owners()))
  }

  #broken(violations: readonly string[]): void {
    for (const what of violations) this.#scene.broken(what)
  }

  /** Whoever writes the annotation alone names nothing. */
  #written(object: KubeObject, { from, to, named, isRendered }: { readonly from: Ledger | undefined; readonly to: Ledger | undefined; readonly named: readonly string[]; readonly isRendered: boolean }): void {
    if (to !== undefined && isRendered) this.#broken([...laws.weights(object), ...laws.lone(object, to), ...laws.nothingElse(named, to), ...laws.failed(named, to)])
    if (from !== undefined && to === undefined) this.#opened(object.metadata.name)
  }

  /** Host → the Canary that its routes were written for, of those that stand. */
  #owners(): readonly { host: string; owner: string }[] {
    const standing = new Set(this.#scene.canaries.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`))
    return this.#scene.reader.list('virtualservices.networking.istio.io').flatMap((object) => {
      const owner = (ledgerOf(object) as { readonly canary?: string } | undefined)?.canary
      const { hosts = [] } = object['spec'] as { readonly hosts?: readonly string[] }
      return owner === undefined || !standing.has(owner) ? [] : hosts.map((host) => ({ host: host.includes('.') ? host : `${host}.${object.metadata.namespace ?? ''}`, owner }))
    })
  }

  /** Make before break: a subset and its pods have stood for long enough before a route names them. */
  #named(name: string, subset: string): void {
    const { now, waits: { propagationMs } } = this.#scene
    const isYoung = (since: number | undefined) => since === undefined || now - since < propagationMs
    if (isYoung(this.#naming.lastNamed(subset))) return
    if (isYoung(this.#capacity.subsetSince(subset))) this.#scene.brokenAlone(`${name} names ${subset} before it has spread`)
    if (isYoung(this.#capacity.readySince(subset.slice(OURS.length)))) this.#scene.brokenAlone(`${name} names ${subset} before its pods are known`)
  }

  /** What the user wrote may stand again once nothing has pods but what is to serve. */
  #opened(name: string): void {
    const { running } = this.#capacity
    const [first] = running
    if (running.length > 1 || (first !== undefined && this.#scene.spec?.targetRef !== undefined && !this.#scene.isTarget(first)))
      this.#scene.brokenAlone(`${name} reaches every pod while ${running.map(({ metadata }) => metadata.name).join(', ')} have some`)
  }

  #ledger(name: string, after: Ledger, before: Ledger | undefined): void {
    const { exposure: to } = after
    if (to !== undefined && `${to.revision} ${to.step}` !== this.exposures.at(-1)) this.exposures.push(`${to.revision} ${to.step}`)
    this.#bake(before?.exposure, after)
    this.#wasStable.add(after.stable)
    this.#step(name, after, before)
    if (before !== undefined && after.promotions < before.promotions) this.#scene.broken(`${name} forgot a promotion`)
    if (before !== undefined && after.stable !== before.stable) this.#promoted(name, after, before)
  }

  /** One step after the other. What reached another VirtualService already may reach this one. */
  #step(name: string, { exposure: to }: Ledger, before: Ledger | undefined): void {
    const from = before?.exposure
    const standing = [before, ...this.#ledgers.values()].flatMap((ledger) => ledger?.exposure ?? [])
    const last = Math.max(-1, ...standing.filter(({ revision, plan }) => revision === to?.revision && plan === to.plan).map(({ step }) => step))
    // Back to what was stable, and still stands, is one step.
    // So is what is left when stable's Deployment is gone; and edited steps count anew from the weight that stands.
    const counts = before !== undefined && this.#exists(before.stable) && !(from?.revision === to?.revision && from?.weight === to?.weight)
    if (to !== undefined && counts && to.step > last + 1 && !this.mayJump && !this.#wasStable.has(to.revision)) this.#scene.broken(`${name} went from step ${last} to ${to.step} of ${to.revision}`)
  }

  /** A step lasts, but for whoever skips it. */
  #bake(from: Ledger['exposure'], { exposure: to, open }: Ledger): void {
    if (to === undefined) return
    const key = (step: number) => keyOf({ open, exposure: to }, to.plan, step)
    const { now, canaries: [canary, ...others] } = this.#scene
    if (!this.#stepSince.has(key(to.step))) this.#stepSince.set(key(to.step), now)
    const since = this.#stepSince.get(key(to.step - 1))
    const step = canary === undefined || others.length > 0 ? undefined : settingsIn(canary)?.steps[to.step - 1]
    const isNext = from?.revision === to.revision && from.plan === to.plan && from.step === to.step - 1
    if (canary === undefined || step === undefined || since === undefined || !isNext || this.mayJump || isSkipped(canary)) return
    this.#broken(laws.baked(to.revision, now - since, step))
  }

  #exists(revision: string): boolean {
    return this.#scene.reader.list('deployments.apps').some((object) => versionOf(object) === revision && isServing(object))
  }

  /** S6: what was opened, and analysed, is what serves from now on. */
  #promoted(name: string, { stable }: Ledger, before: Ledger): void {
    const isLeaving = this.#scene.canaries.some(({ metadata }) => metadata.deletionTimestamp !== undefined)
    const isRestored = isLeaving && [stable, before.stable].some((revision) => hashOfTargetsPods(revision) !== undefined)
    if (before.exposure?.revision !== stable && !isRestored) this.#scene.broken(`${name} made ${stable} stable, which was not exposed`)
    const hashes = this.#scene.reader.list('deployments.apps').filter((object) => versionOf(object) === stable).map(contentOf)
    if (hashes.length > 0 && !hashes.includes(before.open[stable]?.hash ?? '')) this.#scene.broken(`S6: ${name} promotes ${stable}, whose template is not the one that was analysed`)
  }
}

/** Rollout, plan and step. */
const keyOf = (ledger: Pick<Ledger, 'open' | 'exposure'> | undefined, plan: string, step: number): string =>
  `${ledger?.open[ledger.exposure?.revision ?? '']?.rollout ?? ''} ${plan} ${step}`

/** A gate before any pod: there is nothing to ask for. */
const hasNoPods = ({ source }: Settings, { replicas }: Step): boolean => {
  const wanted = replicas ?? (source.kind === 'target' ? source.canaryReplicas : undefined)
  return wanted !== undefined && ('pods' in wanted ? wanted.pods : wanted.percent) === 0
}

function demandOf({ analysis: { metrics, noData } }: Settings, { minRequests }: Step): Demand {
  const gates = metrics.filter(({ dryRun }) => !dryRun)
  const durations = gates.some(({ kind }) => kind === 'latency')
  return {
    questions: gates.length === 0 ? [] : ['counts', 'mesh', ...(durations ? ['durations' as const] : [])],
    needsRequests: noData !== 'Pass' && gates.some((metric) => (metric.minRequests ?? minRequests) > 0),
  }
}
