import { at, fieldsAt, isFields, listAt, textAt, type Fields } from './json.ts'
import type { ControllerParts } from './garbage.ts'
import type { KubeObject, PodRuntime } from './objects.ts'
import type { Change } from './store.ts'

/** Whether a pod's Ready condition is True and it is not on its way out. */
export const isReady = (pod: KubeObject): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  listAt(pod, 'status', 'conditions').some((condition) => at(condition, 'type') === 'Ready' && at(condition, 'status') === 'True')

/** A status condition, with its transition time kept where the status stays the same. */
export const condition = (known: readonly unknown[], wanted: Fields, now: string): Fields => {
  const before = known.filter(isFields).find(({ type }) => type === wanted['type'])
  const lastTransitionTime = before?.['status'] === wanted['status'] ? before?.['lastTransitionTime'] : now
  return { ...wanted, lastTransitionTime }
}

/** The kubelet: starts pods by the runtime, reports them ready, and lets go of them when they have stopped. */
export class Pods {
  readonly #parts: ControllerParts
  readonly #runtime: PodRuntime
  readonly #now: () => string

  constructor(parts: ControllerParts, runtime: PodRuntime, now: () => string) {
    this.#parts = parts
    this.#runtime = runtime
    this.#now = now
    parts.store.subscribe((change) => this.#seen(change))
  }

  /** Sets the Ready condition of a running pod; throws where there is none of that name. */
  setReady(namespace: string, name: string, ready: boolean): void {
    const pod = this.#parts.store.get('pods', namespace, name)
    if (pod === undefined) throw new Error(`no pod ${namespace}/${name}`)
    this.#report(pod, { ...fieldsAt(pod, 'status'), ...this.#running(pod, textAt(pod, 'status', 'podIP'), ready) })
  }

  #seen({ resource, type, object, previous }: Change): void {
    if (resource !== 'pods') return
    const { turns } = this.#parts
    const { uid = '', deletionTimestamp } = object.metadata
    if (type === 'ADDED') turns.ask(`start ${uid}`, () => void this.#start(object))
    else if (deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined)
      turns.ask(`stop ${uid}`, () => void this.#stop(object))
  }

  async #start(pod: KubeObject): Promise<void> {
    const status = await this.#runtime.start(pod).then(
      ({ ip }) => this.#running(pod, ip, true),
      (error: unknown) => this.#waiting(pod, String(error)),
    )
    const current = this.#parts.store.byUid(pod.metadata.uid ?? '')?.object
    if (current !== undefined && current.metadata.deletionTimestamp === undefined)
      this.#report(current, { ...fieldsAt(current, 'status'), ...status })
  }

  async #stop(pod: KubeObject): Promise<void> {
    const { store, writes } = this.#parts
    // A pod that cannot be stopped is as gone as one that was.
    await this.#runtime.stop(pod).catch(() => undefined)
    const current = store.byUid(pod.metadata.uid ?? '')?.object
    if (current === undefined) return
    writes.commit('pods', current, { ...current, metadata: { ...current.metadata, deletionGracePeriodSeconds: 0 } })
  }

  #report(pod: KubeObject, status: Fields): void {
    this.#parts.writes.commit('pods', pod, { ...pod, status })
  }

  #running(pod: KubeObject, ip: string, ready: boolean): Fields {
    const now = this.#now()
    const status = {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      hostIP: '127.0.0.1',
      startTime: textAt(pod, 'status', 'startTime') || now,
    }
    return { ...status, ...this.#containers(pod, ready, { running: { startedAt: status.startTime } }) }
  }

  #waiting(pod: KubeObject, message: string): Fields {
    return this.#containers(pod, false, { waiting: { reason: 'CrashLoopBackOff', message } })
  }

  #containers(pod: KubeObject, ready: boolean, state: Fields): Fields {
    const known = listAt(pod, 'status', 'conditions')
    const now = this.#now()
    const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) =>
      condition(known, { type, status: ready || type === 'PodScheduled' || type === 'Initialized' ? 'True' : 'False' }, now),
    )
    const containerStatuses = listAt(pod, 'spec', 'containers').map((container) => {
      const [name, image] = [textAt(container, 'name'), textAt(container, 'image')]
      return { name, image, imageID: image, ready, started: ready, restartCount: 0, state }
    })
    return { conditions, containerStatuses }
  }
}
