import { condition, type ControllerParts } from './controllers.ts'
import { fieldsAt, listAt, textAt, type Fields } from './json.ts'
import type { KubeObject, PodRuntime } from './objects.ts'
import { withEnvironment } from './pod-environment.ts'
import { isUnconfigured, troubleOf, unconfigured, type Trouble } from './pod-troubles.ts'

type SetReady = (namespace: string, name: string, ready: boolean) => void

/**
 * The kubelet: starts pods by the runtime, reports them ready, and lets go of them when they have stopped. Returns the way
 * to set the Ready condition of a running pod, which throws where there is none of that name.
 */
export const runKubelet = ({ store, writes, turns }: ControllerParts, runtime: PodRuntime): SetReady => {
  const report = (pod: KubeObject, status: Fields): void =>
    void writes.commit('pods', pod, { ...pod, status: { ...fieldsAt(pod, 'status'), ...status } })
  const start = async (pod: KubeObject): Promise<void> => {
    const whole = withEnvironment(pod, (resource, name) => store.get(resource, pod.metadata.namespace ?? '', name))
    const trouble = troubleOf(pod) ?? ('lack' in whole ? unconfigured(String(whole.lack)) : undefined)
    const status = trouble !== undefined ? stuck(pod, trouble, writes.now()) : await runtime.start(whole as KubeObject).then(
      ({ ip, ready = true }) => running(pod, ip, ready, writes.now()),
      (error: unknown) => waiting(pod, String(error), writes.now()),
    )
    const current = store.byUid(pod.metadata.uid ?? '')?.object
    if (current !== undefined && current.metadata.deletionTimestamp === undefined) report(current, status)
  }
  const stop = async (pod: KubeObject): Promise<void> => {
    // A pod that cannot be stopped is as gone as one that was.
    await runtime.stop(pod).catch(() => undefined)
    const current = store.byUid(pod.metadata.uid ?? '')?.object
    if (current === undefined) return
    writes.commit('pods', current, { ...current, metadata: { ...current.metadata, deletionGracePeriodSeconds: 0 } })
  }
  store.subscribe(({ type, object, previous }) => {
    const { uid = '', deletionTimestamp } = object.metadata
    if (type === 'ADDED') turns.ask(`start ${uid}`, () => void start(object))
    else if (deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined)
      turns.ask(`stop ${uid}`, () => void stop(object))
  }, 'pods')
  for (const resource of ['configmaps', 'secrets'])
    store.subscribe(({ object: { metadata } }) => {
      const unmade = store.list('pods', metadata.namespace).filter((pod) => pod.metadata.deletionTimestamp === undefined && isUnconfigured(pod))
      for (const pod of unmade) turns.ask(`start ${pod.metadata.uid ?? ''}`, () => void start(pod))
    }, resource)
  return (namespace, name, ready) => {
    const pod = store.get('pods', namespace, name)
    if (pod === undefined) throw new Error(`no pod ${namespace}/${name}`)
    report(pod, running(pod, textAt(pod, 'status', 'podIP'), ready, writes.now()))
  }
}

const running = (pod: KubeObject, ip: string, ready: boolean, now: string): Fields => {
  const startTime = textAt(pod, 'status', 'startTime') || now
  const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], hostIP: '127.0.0.1', startTime }
  return { ...status, ...containers(pod, ready, { state: { running: { startedAt: startTime } } }, now) }
}

const waiting = (pod: KubeObject, message: string, now: string): Fields =>
  containers(pod, false, { state: { waiting: { reason: 'CrashLoopBackOff', message } } }, now)

const stuck = (pod: KubeObject, trouble: Trouble, now: string): Fields => {
  if ('container' in trouble) return containers(pod, false, trouble.container, now)
  const refused = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: trouble.unschedulable }
  return { conditions: [condition(listAt(pod, 'status', 'conditions'), refused, now)] }
}

const containers = (pod: KubeObject, ready: boolean, states: Fields, now: string): Fields => {
  const known = listAt(pod, 'status', 'conditions')
  const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) =>
    condition(known, { type, status: ready || !type.endsWith('Ready') ? 'True' : 'False' }, now),
  )
  const containerStatuses = listAt(pod, 'spec', 'containers').map((container) => {
    const [name, image] = [textAt(container, 'name'), textAt(container, 'image')]
    return { name, image, imageID: image, ready, started: ready || 'running' in fieldsAt(states, 'state'), restartCount: 0, ...states }
  })
  return { conditions, containerStatuses }
}
