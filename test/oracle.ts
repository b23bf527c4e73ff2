import type { Ledger } from '../src/canary/ledger.ts'
import type { Clock } from '../src/runtime/clock.ts'
import type { Transport } from '../src/runtime/transport.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../src/sandbox/objects.ts'
import * as laws from './laws.ts'
import { Capacity } from './oracle/capacity.ts'
import { Naming } from './oracle/naming.ts'
import { idOf, OURS, statusIn, writtenName } from './oracle/objects.ts'
import { recalled } from './oracle/pass-laws.ts'
import { Rollbacks } from './oracle/rollbacks.ts'
import { Routes } from './oracle/routes.ts'
import { Scene } from './oracle/scene.ts'
import { Witness } from './oracle/witness.ts'

/** Watches every change of the cluster, as it happens, for what Serin must never do; it knows nothing of how Serin decides. */
export class Oracle {
  /** Something holds requests up: the status of an act may come long after it. */
  delayed = false
  readonly #scene: Scene
  readonly #routes: Routes
  readonly #rollbacks: Rollbacks
  /** Namespaces that had a Canary. */
  readonly #homes = new Set<string>()
  readonly #before = new Map<string, KubeObject>()
  /** When an operator wrote anything that serves last: a status of that moment tells of the act, not of a wait. */
  #actedAt = -1

  constructor(reader: ClusterReader, clock: Clock) {
    this.#scene = new Scene(reader, clock)
    const naming = new Naming(this.#scene)
    const capacity = new Capacity(this.#scene, naming)
    this.#routes = new Routes(this.#scene, naming, capacity)
    this.#rollbacks = new Rollbacks(this.#scene, capacity)
    const rules: Readonly<Record<string, (event: StoreEvent, before: KubeObject | undefined) => void>> = {
      'virtualservices.networking.istio.io': (event, before) => this.#routes.changed(event, before),
      'destinationrules.networking.istio.io': (event) => capacity.rule(event),
      'deployments.apps': (event) => capacity.deployment(event),
      'canaries.serin.dev': (event, before) => this.#status(event, before),
      events: ({ object }) => this.#broken(this.#rollbacks.announced(object)),
    }
    reader.subscribe((event) => {
      const rule = rules[event.resource]
      if (rule === undefined) return
      const before = this.#before.get(idOf(event))
      rule(event, before)
      this.#object(event, before)
      this.#before.set(idOf(event), event.object)
    })
  }

  get violations(): readonly string[] {
    return this.#scene.violations
  }

  /** Every exposure that stood, in order: "v2 0", revision and step. */
  get exposures(): readonly string[] {
    return this.#routes.exposures
  }

  /** Somebody skips all steps: the next exposure may be any. */
  set mayJump(may: boolean) {
    this.#routes.mayJump = may
  }

  /** What a VirtualService gives to the canary now, by its ledger. */
  exposed(name: string): Ledger['exposure'] {
    return this.#routes.exposed(name)
  }

  /** Hears what one more operator asks and is told. */
  witness(): Witness {
    return new Witness({ scene: this.#scene, routes: this.#routes, rollbacks: this.#rollbacks })
  }

  /** The way of an operator's requests to the server: what it writes is its own doing. */
  watched(transport: Transport): Transport {
    return async (request) => {
      const { method, path, body = '' } = request
      if (method === 'GET') return transport(request)
      for (const { metadata } of this.#scene.canaries) this.#homes.add(metadata.namespace ?? '')
      this.#broken([...laws.guarded(method, path, body), ...laws.atHome(method, path, this.#homes)])
      if (/virtualservices|destinationrules|deployments/.test(path)) this.#actedAt = this.#scene.now
      return this.#scene.during(writtenName(path, body), () => transport(request))
    }
  }

  /** What an operator's write of one object must leave as it was. */
  #object(event: StoreEvent, before: KubeObject | undefined): void {
    const { type, resource, object } = event
    if (type === 'DELETED' || !this.#scene.isOwnDoing(event)) return
    const isTheirRoute = resource.startsWith('virtualservices') && !object.metadata.name.startsWith(OURS)
    this.#broken([...laws.owned(object), ...(isTheirRoute && before !== undefined ? laws.untouched(before, object) : [])])
  }

  /** Somebody who takes status away takes its memory along. */
  #status(event: StoreEvent, before: KubeObject | undefined): void {
    const status = statusIn(event.object)
    if (event.type === 'DELETED' || status === undefined || !this.#scene.isOwnDoing(event)) return
    const isHeld = !this.delayed && this.#actedAt !== this.#scene.now
    this.#broken([...laws.told(statusIn(before), status), ...recalled(statusIn(before), status), ...this.#rollbacks.told(status), ...laws.honest(status), ...(isHeld ? laws.answers(status) : [])])
  }

  #broken(violations: readonly string[]): void {
    for (const what of violations) this.#scene.broken(what)
  }
}
