import type { Canary, CanaryStatus, CheckStatus } from '../api/canary.ts'
import { type Settings, settingsOf } from '../api/settings.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../sandbox/objects.ts'
import { NAMESPACE } from './manifests.ts'

/** Something that happened, for the stream of events; an apply of ours, or an Event of the operator's. */
export type Moment = {
  /** Milliseconds since the story began. */
  readonly atMs: number
  readonly reason: string
  readonly note: string
  readonly warns: boolean
}

/** The name of the story's Canary and of its Service. */
export const CANARY = 'service-c'

const DEFAULTS = { propagationMs: 15_000 }

/** Follows the Canary and its Events from now on, and remembers what objects forget: how far each version came. */
export class Chronicle {
  readonly #reader: ClusterReader
  readonly #now: () => number
  readonly #startedMs: number
  readonly #moments: Moment[] = []
  readonly #reached = new Map<string, number>()
  readonly #verdicts = new Map<string, CheckStatus>()
  #live: CanaryStatus | undefined

  constructor(reader: ClusterReader, now: () => number) {
    this.#reader = reader
    this.#now = now
    this.#startedMs = now()
    reader.subscribe((event) => this.#seen(event))
  }

  get elapsedMs(): number {
    return this.#now() - this.#startedMs
  }

  get moments(): readonly Moment[] {
    return this.#moments
  }

  /** What the operator sees in the Canary now, which its status tells every ten seconds. */
  get live(): CanaryStatus | undefined {
    return this.#live ?? this.status
  }

  /** To be told by the operator. */
  readonly follow = (_canary: unknown, status: CanaryStatus | undefined): void => {
    this.#live = status
    this.#note(status)
  }

  /** The Canary's status, once there is one. */
  get status(): CanaryStatus | undefined {
    return this.#canary()?.status
  }

  /** What its spec asks for; undefined before it is applied. */
  get settings(): Settings | undefined {
    const canary = this.#canary()
    return canary && settingsOf(canary.spec, DEFAULTS)
  }

  /** The last step that a version began, from 0; -1 where it stayed dark. */
  reached(revision: string): number {
    return this.#reached.get(revision) ?? -1
  }

  /** What the checks of the present step say; between steps and afterwards, what each gate decided last. */
  get checks(): readonly CheckStatus[] {
    return this.live?.phase === 'Progressing' ? this.live.checks : [...this.#verdicts.values()]
  }

  /** Writes down what the story itself does. */
  tell(reason: string, note: string): void {
    this.#moments.push({ atMs: this.elapsedMs, reason, note, warns: false })
  }

  #canary(): Canary | undefined {
    return this.#reader.get('canaries.serin.dev', NAMESPACE, CANARY) as Canary | undefined
  }

  #seen({ type, resource, object }: StoreEvent): void {
    if (type === 'ADDED' && resource === 'events' && isAboutCanary(object)) this.#moments.push(this.#momentOf(object))
    if (resource === 'canaries.serin.dev') this.#note((object as unknown as Canary).status)
  }

  /** Once it is rolled back, status says step 0 again. */
  #note(status: CanaryStatus | undefined): void {
    if (status?.rollout === undefined || status.phase === 'RollingBack') return
    for (const check of status.checks) if (isDecided(check)) this.#verdicts.set(check.name, check)
    this.#reached.set(status.rollout.revision, Number.parseInt(status.step ?? '0', 10) - 1)
  }

  #momentOf(event: KubeObject): Moment {
    const atMs = Math.max(0, Date.parse(String(event['eventTime'])) - this.#startedMs)
    return { atMs, reason: String(event['reason']), note: String(event['message'] ?? event['note']), warns: event['type'] === 'Warning' }
  }
}

/** A step that needs no requests passes without a value. */
const isDecided = ({ verdict, value }: CheckStatus): boolean => value !== undefined && (verdict === 'Pass' || verdict === 'Fail')

function isAboutCanary(event: KubeObject): boolean {
  const { kind } = (event['involvedObject'] ?? event['regarding'] ?? {}) as { readonly kind?: string }
  return kind === 'Canary'
}
