import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubernetesClient } from '../../src/kubernetes/client.ts'
import { resources } from '../../src/kubernetes/resource.ts'
import { asError } from '../../src/runtime/failure.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { Reflector } from '../../src/runtime/reflector.ts'
import { createStore, type Store } from '../../src/runtime/store.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { HostsFile } from './hosts-file.ts'
import { Addresses, CONTROL_PLANE } from './network.ts'
import { hasSidecar, isGateway, isTask, labelsOf, type Pod, workloadOf } from './pod.ts'
import { PodRun, type PodSurroundings, type State } from './pod-run.ts'

const NODE = 'lab'

export type NodeOptions = {
  readonly transport: Transport
  readonly client: KubernetesClient
  readonly log: Log
  readonly surroundings: Omit<PodSurroundings, 'hosts' | 'rootCertificate' | 'token' | 'listConfig'>
  /** `status`: pods are marked ready and nothing runs, for fleets. */
  readonly pods: 'processes' | 'status'
}

/**
 * Scheduler and kubelet in one: binds every pod to the one node, runs it as processes, tells its status, and ends it
 * when it is deleted. What follows from that (endpoints, rollouts) is the real controllers'.
 */
export class LabNode {
  readonly #options: NodeOptions
  readonly #runs = new Map<string, PodRun>()
  readonly #addresses = new Addresses()
  readonly #hosts = new Map<string, HostsFile>()
  readonly #services: Store
  readonly #reflectors: readonly Reflector[]
  readonly #root: () => Promise<string>
  readonly targets: string
  #ended = false

  constructor(options: NodeOptions) {
    this.#options = options
    const { client, log, surroundings } = options
    this.targets = join(surroundings.directory, 'targets.json')
    writeFileSync(this.targets, '[]')
    const watched = (resource: (typeof resources)['pods']) => {
      const { store, writer } = createStore({ log })
      return { store, reflector: new Reflector({ name: resource.plural, listWatch: client.listWatch(resource), writer, prune: (object: KubeObject) => object, clock: systemClock, log, random: Math.random }) }
    }
    const [pods, services] = [watched(resources.pods), watched(resources.services)]
    this.#services = services.store
    this.#reflectors = [pods.reflector, services.reflector]
    pods.store.onChange((next, previous) => this.#podChanged(next as Pod | undefined, previous as Pod | undefined))
    services.store.onChange(() => this.#writeHosts())
    this.#root = once(() => this.#rootCertificate())
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#abandon(), { once: true })
    await this.#send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } })
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)))
  }

  /** Kills the app of a pod; throws where none runs. */
  crash(namespace: string, name: string): void {
    const run = [...this.#runs.values()].find(({ key }) => key === `${namespace}/${name}`)
    if (run === undefined) throw new Error(`no pod ${namespace}/${name} runs`)
    run.crash()
  }

  #abandon(): void {
    this.#ended = true
    for (const run of this.#runs.values()) run.abandon()
  }

  #podChanged(pod: Pod | undefined, previous: Pod | undefined): void {
    const uid = (pod ?? previous)?.metadata.uid ?? ''
    const run = this.#runs.get(uid)
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) {
      this.#runs.delete(uid)
      const gone = pod ?? previous
      if (gone !== undefined && (run !== undefined || pod !== undefined)) void this.#end(gone, run).catch((thrown: unknown) => this.#complain(gone, thrown))
    } else if (run === undefined && (pod.spec.nodeName ?? NODE) === NODE) void this.#start(pod, uid).catch((thrown: unknown) => this.#complain(pod, thrown))
  }

  #complain({ metadata }: KubeObject, thrown: unknown): void {
    // One that was deleted meanwhile has nothing to complain of.
    if (this.#ended || !this.#runs.has(metadata.uid)) return
    this.#options.log.error({ err: asError(thrown), pod: `${metadata.namespace ?? ''}/${metadata.name}` }, 'pod')
  }

  async #start(pod: Pod, uid: string): Promise<void> {
    const { metadata } = pod
    const network = this.#addresses.next()
    const run = new PodRun(this.#surroundings(), pod, network, (state) => void this.#tell(pod, run, state).catch((thrown: unknown) => this.#complain(pod, thrown)))
    this.#runs.set(uid, run)
    const path = podPath(pod)
    await this.#send('POST', `${path}/binding`, { apiVersion: 'v1', kind: 'Binding', metadata: { name: metadata.name }, target: { apiVersion: 'v1', kind: 'Node', name: NODE } })
    if (this.#options.pods === 'processes') {
      if (hasSidecar(pod) || isGateway(pod)) await this.#send('PATCH', path, { metadata: { labels: injected(pod) } })
      this.#writeTargets()
      // Before it can have ended.
      if (isTask(pod)) await this.#tell(pod, run, 'NotReady')
      await run.start()
    }
    if (!isTask(pod)) await this.#tell(pod, run, 'Ready')
  }

  async #end(pod: Pod, run: PodRun | undefined): Promise<void> {
    if (this.#options.pods === 'processes') await run?.stop()
    this.#writeTargets()
    const { uid } = pod.metadata
    await this.#send('DELETE', podPath(pod), { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid } })
  }

  async #tell(pod: Pod, run: PodRun, state: State): Promise<void> {
    if (this.#runs.get(pod.metadata.uid ?? '') !== run) return
    const now = new Date().toISOString()
    const ready = state === 'Ready'
    const isOver = state === 'Succeeded' || state === 'Failed'
    const condition = (type: string, is: boolean) => ({ type, status: is ? 'True' : 'False', lastTransitionTime: now })
    const status = {
      phase: isOver ? state : 'Running', hostIP: CONTROL_PLANE, podIP: run.address, podIPs: [{ ip: run.address }], startTime: now,
      conditions: [condition('Initialized', true), condition('PodScheduled', true), condition('ContainersReady', ready), condition('Ready', ready)],
      containerStatuses: pod.spec.containers.map(({ name, image }) => ({ name, image, imageID: image, restartCount: 0, ready, started: ready, state: isOver ? { terminated: { exitCode: state === 'Failed' ? 1 : 0, finishedAt: now } } : ready || isTask(pod) ? { running: { startedAt: now } } : { waiting: { reason: 'CrashLoopBackOff' } } })),
    }
    await this.#send('PATCH', `${podPath(pod)}/status`, { status }, 'application/strategic-merge-patch+json')
  }

  #surroundings(): PodSurroundings {
    return {
      ...this.#options.surroundings,
      hosts: (namespace) => this.#hostsFile(namespace),
      rootCertificate: this.#root,
      token: (pod, audience) => this.#token(pod, audience),
      listConfig: async (namespace, resource) => ((await this.#send('GET', `/api/v1/namespaces/${namespace}/${resource}`)) as { items: readonly KubeObject[] }).items,
    }
  }

  /** Waits for the service account: its controller makes `default` a moment after the namespace. */
  async #token({ metadata, spec }: Pod, audience?: string): Promise<string> {
    const path = `/api/v1/namespaces/${metadata.namespace ?? ''}/serviceaccounts/${spec.serviceAccountName ?? 'default'}/token`
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 43_200, ...(audience === undefined ? {} : { audiences: [audience] }) } }
    const answer = await this.#patiently(() => this.#send('POST', path, request))
    return (answer as { status: { token: string } }).status.token
  }

  async #rootCertificate(): Promise<string> {
    const map = await this.#patiently(() => this.#send('GET', '/api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert'))
    return (map as { data: Record<string, string> }).data['root-cert.pem'] ?? ''
  }

  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    for (let left = 200; ; left--) {
      try {
        return await attempt()
      } catch (thrown) {
        if (left === 0) throw thrown
        await systemClock.sleep(50)
      }
    }
  }

  #hostsFile(namespace: string): string {
    const directory = join(this.#options.surroundings.directory, 'hosts')
    mkdirSync(directory, { recursive: true })
    const file = this.#hosts.get(namespace) ?? new HostsFile(join(directory, namespace), this.#hostsLines(namespace))
    this.#hosts.set(namespace, file)
    return file.path
  }

  #writeHosts(): void {
    for (const [namespace, file] of this.#hosts) file.update(this.#hostsLines(namespace))
  }

  #hostsLines(namespace: string): readonly string[] {
    const lines = this.#services.list().flatMap(({ metadata: { name, namespace: its = '' }, ...service }) => {
      const { clusterIP } = (service as { spec?: { clusterIP?: string } }).spec ?? {}
      const full = `${name}.${its}`
      return clusterIP === undefined || clusterIP === 'None' ? [] : [`${clusterIP} ${its === namespace ? `${name} ` : ''}${full} ${full}.svc ${full}.svc.cluster.local`]
    })
    return ['127.0.0.1 localhost', ...lines]
  }

  #writeTargets(): void {
    const groups = [...this.#runs.values()].flatMap(({ scrape, key }) => (scrape === undefined ? [] : [{ targets: [scrape], labels: { namespace: key.split('/')[0], pod: key.split('/')[1] } }]))
    writeFileSync(`${this.targets}.next`, JSON.stringify(groups))
    renameSync(`${this.targets}.next`, this.targets)
  }

  /** A connection that breaks is tried again: nothing here is done twice by being said twice. */
  async #send(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object, type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'): Promise<unknown> {
    const request = { method, path, timeoutMs: 10_000, headers: { 'content-type': type }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await this.#options.transport(request).catch(() => systemClock.sleep(200).then(() => this.#options.transport(request)))
    const text = await answer.text()
    // A pod that is gone, or bound already, wants nothing more of us.
    if (answer.status >= 300 && !(path.includes('/pods/') && [404, 409].includes(answer.status))) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
}

const podPath = ({ metadata }: Pod): string => `/api/v1/namespaces/${metadata.namespace ?? ''}/pods/${metadata.name}`

/** The labels that Istio's injector puts on a pod with a sidecar: callers send plain text to one without the first. */
const injected = (pod: Pod): Readonly<Record<string, string>> => ({
  'security.istio.io/tlsMode': 'istio',
  'service.istio.io/canonical-name': labelsOf(pod)['app'] ?? workloadOf(pod),
  'service.istio.io/canonical-revision': labelsOf(pod)['version'] ?? 'latest',
})

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}
