import { parseDuration } from '../../src/api/duration.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import { DEFAULTS } from './objects.ts'

type Spec = { readonly traffic?: { readonly propagation?: string; readonly drain?: string }; readonly targetRef?: { readonly name: string }; readonly service?: { readonly name?: string }; readonly replicas?: number }

/** What every part of the oracle sees, and where it says what is broken. */
export class Scene {
  readonly violations: string[] = []
  readonly reader: ClusterReader
  readonly #clock: Clock
  /** Objects that an operator is writing at this moment: what changes otherwise is somebody else's doing. */
  readonly #writing = new Map<string, number>()

  constructor(reader: ClusterReader, clock: Clock) {
    this.reader = reader
    this.#clock = clock
  }

  /** Monotonic milliseconds. */
  get now(): number {
    return this.#clock.monotonic()
  }

  /** The same of a time that stands in an object. */
  monotonicOf(time: string): number {
    return Date.parse(time) - this.#clock.now() + this.#clock.monotonic()
  }

  get canaries(): readonly KubeObject[] {
    return this.reader.list('canaries.serin.dev')
  }

  /** Of the first Canary. */
  get spec(): Spec | undefined {
    return this.canaries[0]?.['spec'] as Spec | undefined
  }

  /** The Service whose routes are managed; undefined before there is a Canary. */
  get service(): string | undefined {
    return this.spec?.service?.name ?? this.spec?.targetRef?.name
  }

  get waits(): { readonly propagationMs: number; readonly drainMs: number } {
    const { propagation, drain } = this.spec?.traffic ?? {}
    return {
      propagationMs: propagation === undefined ? DEFAULTS.propagationMs : parseDuration(propagation),
      drainMs: drain === undefined ? DEFAULTS.drainMs : parseDuration(drain),
    }
  }

  isTarget({ metadata }: KubeObject): boolean {
    return this.spec?.targetRef?.name === metadata.name
  }

  /** An operator writes "deployments/web-v2" until `write` has come to its end. */
  async during<T>(name: string, write: () => Promise<T>): Promise<T> {
    this.#writing.set(name, (this.#writing.get(name) ?? 0) + 1)
    try {
      return await write()
    } finally {
      this.#writing.set(name, (this.#writing.get(name) ?? 1) - 1)
    }
  }

  isOwnDoing({ object, resource }: StoreEvent): boolean {
    return (this.#writing.get(`${resource.split('.')[0] ?? ''}/${object.metadata.name}`) ?? 0) > 0
  }

  broken(what: string): void {
    this.violations.push(`${this.now} ms: ${what}`)
  }

  /** Versions are known by their label alone: what concerns pods can be told only where one Canary is. */
  brokenAlone(what: string): void {
    if (this.canaries.length <= 1) this.broken(what)
  }
}
