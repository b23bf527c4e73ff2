import type { CanaryStatus } from '../../src/api/canary.ts'
import type { Settings } from '../../src/api/settings.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import type { Capacity } from './capacity.ts'
import { ledgerOf, settingsIn } from './objects.ts'
import * as laws from './pass-laws.ts'
import type { Scene } from './scene.ts'

/** What the operator that takes something back has done since Prometheus answered, and when it was last held up. */
type Bearing = { readonly sent: readonly string[] | undefined; readonly slowMs: number }

/** That a rollback waits for nothing, and that nobody is told of it before it is written (S9). */
export class Rollbacks {
  readonly #scene: Scene
  readonly #capacity: Capacity
  /** Rollout → when somebody sent the write that takes it back first; and the VirtualServices that it was sent for. */
  readonly #withdrawn = new Map<string, laws.Withdrawal>()
  readonly #sent = new Set<string>()
  #last: string | undefined

  constructor(scene: Scene, capacity: Capacity) {
    this.#scene = scene
    this.#capacity = capacity
  }

  /** An operator sends the write that takes a failed revision out of a route. */
  withdraws(before: KubeObject, after: KubeObject, { sent, slowMs }: Bearing): readonly string[] {
    const [from, to] = [ledgerOf(before), ledgerOf(after)]
    const { revision = '' } = from?.exposure ?? {}
    const rollout = from?.open[revision]?.rollout ?? ''
    this.#sent.add(`${rollout} ${before.metadata.name}`)
    if (this.#withdrawn.has(rollout)) return []
    const freeSinceMs = Math.max(slowMs, this.#wayBackSince(from?.stable ?? ''))
    this.#withdrawn.set(rollout, { atMs: this.#scene.now, freeSinceMs })
    this.#last = rollout
    return this.#isVerdict(to?.failed[revision]?.reason) && sent !== undefined && freeSinceMs < this.#scene.now ? laws.notFirst(revision, sent) : []
  }

  /** An operator has written this status. */
  told(status: CanaryStatus): readonly string[] {
    const settings = this.#settings
    if (settings === undefined || settings.clock.kind !== 'interval') return []
    const { everyMs } = settings.clock
    const metrics = status.rollout?.analysisSkipped === undefined ? settings.analysis.metrics : []
    const exposed = this.#exposed.filter(({ wayBackMs }) => this.#scene.now - wayBackMs > everyMs).map(({ revision }) => revision)
    const looks = laws.failedLooks(status.checks, metrics).map(({ time, ...look }) => ({ ...look, atMs: this.#scene.monotonicOf(time) }))
    const last = this.#withdrawn.get(this.#last ?? '')
    return [...laws.toldFirst(status, looks, exposed), ...(last === undefined ? [] : laws.late(looks, last, everyMs))]
  }

  /** An operator has posted this event. */
  announced(event: KubeObject): readonly string[] {
    const { reason, message: note = '' } = event as { readonly reason?: string; readonly message?: string }
    const told = this.#exposed.find(({ revision }) => note.startsWith(`${revision} rolled back`))
    return told === undefined || this.#settings === undefined || !['RolledBack', 'Aborted'].includes(reason ?? '') ? [] : [`S9: event ${reason ?? ''} tells of ${told.revision} before its route is written`]
  }

  /** What a route still gives something to, and nobody has sent the write that takes it back. */
  get #exposed(): readonly { readonly revision: string; readonly wayBackMs: number }[] {
    const routes = this.#scene.reader.list('virtualservices.networking.istio.io').flatMap((object) => {
      const ledger = ledgerOf(object)
      return ledger === undefined ? [] : [{ name: object.metadata.name, ledger }]
    })
    return routes.flatMap(({ name, ledger: { exposure, open, stable } }) => {
      const { revision = '', step = -1 } = exposure ?? {}
      const rollout = open[revision]?.rollout ?? ''
      // What others did to one route ends the rollout in that one first.
      const isEnded = routes.some(({ ledger: { failed } }) => failed[revision]?.rollout === rollout && !this.#isVerdict(failed[revision].reason))
      return step < 0 || isEnded || this.#sent.has(`${rollout} ${name}`) ? [] : [{ revision, wayBackMs: this.#wayBackSince(stable) }]
    })
  }

  /** A gate said so. */
  #isVerdict(reason: string | undefined): boolean {
    return this.#settings?.analysis.metrics.some(({ name }) => reasonOf(name) === reason) === true
  }

  #wayBackSince(stable: string): number {
    return this.#capacity.readySince(stable) ?? Infinity
  }

  /** Of the one Canary: versions of several are known by the same names. */
  get #settings(): Settings | undefined {
    const [canary, ...others] = this.#scene.canaries
    return canary === undefined || others.length > 0 ? undefined : settingsIn(canary)
  }
}

/** "error-rate" → "ErrorRate". */
const reasonOf = (metric: string): string => metric.replace(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase())
