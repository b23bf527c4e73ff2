import { Mesh } from './mesh.ts'
import { isSingle, truthOf, type Deployment, type Objects, type Single, type Target, type Versioned } from './objects.ts'
import type { Style } from './style.ts'

/** What the checks of the canary say. */
export type Verdict = 'pass' | 'fail' | 'unsure'

/** How long things take, milliseconds. */
export type Delays = { readonly spread: () => number; readonly start: () => number }

type Due = { readonly at: number; readonly act: () => void }

const MOST_TRACED = 80

/** The API server, pods that start, the mesh, and time. */
export class Cluster {
  readonly style: Style
  readonly mesh: Mesh
  readonly trace: string[] = []
  readonly counts: Record<string, number> = {}
  now = 0
  objects: Objects
  verdict: Verdict = 'pass'
  #rv = 100
  #uids = 0
  #due: Due[] = []
  readonly #delays: Delays

  constructor(style: Style, delays: Delays) {
    this.style = style
    this.#delays = delays
    this.objects = this.#initial()
    this.mesh = new Mesh(this.objects, delays.spread)
  }

  /** What the ledgers say. */
  get truth() {
    return truthOf(this.objects)
  }

  uid(): string {
    return `uid-${++this.#uids}`
  }

  put<T extends Single>(name: T, value: Objects[T]['value']): void
  put(name: string, value: unknown): void
  put(name: string, value: unknown): void {
    if (name === 'target') this.#putTarget(value as Target | undefined)
    else if (isSingle(name)) this.objects = { ...this.objects, [name]: this.#versioned(value) }
    else this.#putDeployment(name, value as Deployment | undefined)
    this.mesh.push(this.objects, this.now)
  }

  /** A Deployment with all of its pods, or none of them yet. */
  deployment(hash: string, over: Partial<Deployment> = {}): Deployment {
    return { uid: this.uid(), generation: 1, hash, restarts: '', replicas: 2, started: 2, ready: true, orphaned: false, since: this.now, stamp: undefined, floor: undefined, createdAt: this.now, ...over }
  }

  later(ms: number, act: () => void): void {
    this.#due.push({ at: this.now + ms, act })
  }

  /** Time passes, from event to event; `each` is asked after every one. */
  advance(ms: number, each: () => void): void {
    const end = this.now + ms
    for (;;) {
      this.now = Math.max(this.now, Math.min(end, this.mesh.nextAt, ...this.#due.map(({ at }) => at)))
      this.mesh.deliver(this.now)
      const due = this.#due.filter(({ at }) => at <= this.now)
      this.#due = this.#due.filter(({ at }) => at > this.now)
      for (const { act } of due) act()
      each()
      if (this.now >= end) return
    }
  }

  note(text: string): void {
    this.trace.push(`${Math.round(this.now / 1000)}s ${text}`)
    if (this.trace.length > MOST_TRACED) this.trace.shift()
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  #putDeployment(revision: string, value: Deployment | undefined): void {
    const kept: Deployment | undefined = value && { ...value, started: Math.min(value.started, value.replicas) }
    const before = this.objects.deployments[revision]?.value
    const changed = kept !== undefined && before?.uid === kept.uid && before.started !== kept.started
    const next: Deployment | undefined = changed ? { ...kept, since: this.now } : kept
    this.objects = { ...this.objects, deployments: { ...this.objects.deployments, [revision]: this.#versioned(next) } }
    if (kept !== undefined && kept.started < kept.replicas && (before?.uid !== kept.uid || before.replicas !== kept.replicas)) this.later(this.#delays.start(), () => this.#start(revision, kept.uid))
  }

  #putTarget(value: Target | undefined): void {
    const kept: Target | undefined = value && { ...value, started: Math.min(value.started, value.replicas) }
    const before = this.objects.target.value
    const next: Target | undefined = kept !== undefined && before?.started !== kept.started ? { ...kept, since: this.now } : kept
    this.objects = { ...this.objects, target: this.#versioned(next) }
    if (next !== undefined && next.started < next.replicas && before?.replicas !== next.replicas) this.later(this.#delays.start(), () => this.#startTarget(next.uid))
  }

  #startTarget(uid: string): void {
    const { value } = this.objects.target
    if (value !== undefined && value.uid === uid && value.started < value.replicas) this.put('target', { ...value, started: value.replicas })
  }

  /** Its status says so: another version of the object. */
  #start(revision: string, uid: string): void {
    const value = this.objects.deployments[revision]?.value
    if (value === undefined || value.uid !== uid || value.started === value.replicas) return
    this.put(revision, { ...value, started: value.replicas, since: this.now })
  }

  #initial(): Objects {
    const route = () => this.#versioned({ uid: this.uid(), generation: 1, own: false, lists: { kind: 'open' }, original: { kind: 'open' }, ledger: undefined } as const)
    const none = { rv: 0, value: undefined }
    const isTarget = this.style.source === 'target'
    return {
      user: route(),
      own: none,
      gate: this.style.gate ? route() : none,
      rule: none,
      canary: this.#versioned({ status: undefined, desired: undefined, suspend: false, approval: this.style.approval, replicas: undefined, finalizer: false, deletedAt: undefined }),
      actions: this.#versioned([]),
      target: isTarget ? this.#versioned({ uid: this.uid(), generation: 1, template: 'a', restarts: '', replicas: 2, takenOver: undefined, started: 2, since: 0, stamp: undefined }) : none,
      preview: none,
      deployments: isTarget ? {} : { v1: this.#versioned(this.deployment('a')) },
    }
  }

  #versioned<T>(value: T | undefined): Versioned<T> {
    return { rv: ++this.#rv, value }
  }
}
