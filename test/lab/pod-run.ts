import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { call } from './calls.ts'
import { CONTROL_PLANE, createPodNetwork, removePodNetwork } from './network.ts'
import { PORTS } from './control-plane.ts'
import { CONTROL_PORT, type Grade } from './lab-info.ts'
import type { Parts } from './parts.ts'
import { configured, END_ANNOTATION, environment, hasSidecar, isGateway, isTask, type ListConfig, type Pod, runsOperator } from './pod.ts'
import type { Processes, Program, Running } from './processes.ts'
import { agent, envoy, proxyPaths } from './sidecar.ts'

/** As far as it has come; a Job's pod ends. */
export type State = 'Ready' | 'NotReady' | 'Succeeded' | 'Failed'

/** What every pod's start needs of the lab. */
export type PodSurroundings = {
  readonly grade: Grade
  readonly parts: Parts
  readonly processes: Processes
  /** The lab's directory. */
  readonly directory: string
  /** A file with the Services' names and addresses, as seen from a namespace. */
  readonly hosts: (namespace: string) => string
  readonly rootCertificate: () => Promise<string>
  /** A token of the pod's service account: for istiod ("istio-ca"), or for the API server itself. */
  readonly token: (pod: Pod, audience?: string) => Promise<string>
  readonly apiCertificate: string
  readonly listConfig: ListConfig
}

const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/dist\/lab\/$/, '')
const APP = join(root, 'dist/lab/test/lab/app.js')
const OPERATOR = join(root, 'dist/serin.mjs')
const SERVICE_ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount'
const APP_PORT = 8080
/** How long the network of a pod outlives it, so that the agent's drain is real. */
const LINGER_MS = 8000
const RESTART_MS = 1000

/** One pod as processes: its app, its sidecar, its network. */
export class PodRun {
  readonly #lab: PodSurroundings
  readonly #pod: Pod
  readonly #network: { readonly name: string; readonly address: string }
  readonly #folder: string
  readonly #onState: (state: State) => void
  #app: Running | undefined
  #proxy: Running | undefined
  #ended = false

  constructor(lab: PodSurroundings, pod: Pod, network: { readonly name: string; readonly address: string }, onState: (state: State) => void) {
    this.#lab = lab
    this.#pod = pod
    this.#network = network
    this.#onState = onState
    this.#folder = join(lab.directory, 'pods', `${pod.metadata.namespace ?? ''}.${pod.metadata.name}`)
  }

  /** "namespace/name". */
  get key(): string {
    return `${this.#pod.metadata.namespace ?? ''}/${this.#pod.metadata.name}`
  }

  get address(): string {
    return this.#network.address
  }

  /** Where Prometheus finds its proxy; undefined without one. */
  get scrape(): string | undefined {
    return hasSidecar(this.#pod) || isGateway(this.#pod) ? proxyPaths(this.#lab.grade, this.address).scrape : undefined
  }

  /** Network, app, sidecar; says ready when both answer. */
  async start(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true })
    await createPodNetwork(this.#network.name, this.address, hasSidecar(this.#pod) ? APP_PORT : undefined)
    const proxied = this.scrape !== undefined ? this.#startProxy() : Promise.resolve()
    await this.#keepApp()
    await proxied
  }

  /** SIGKILL of the app alone; it is started again, as the kubelet does. */
  crash(): void {
    this.#app?.signal('SIGKILL')
  }

  /** Starts nothing again. */
  abandon(): void {
    this.#ended = true
  }

  /** SIGTERM to all at once, SIGKILL after the grace period; resolves when the app and its proxy are gone. */
  async stop(): Promise<void> {
    this.#ended = true
    this.#app?.signal('SIGTERM')
    this.#proxy?.signal('SIGTERM')
    const graceMs = (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000
    const late = setTimeout(() => [this.#app, this.#proxy].forEach((one) => one?.signal('SIGKILL')), graceMs)
    void Promise.all([this.#app?.ended, this.#proxy?.ended]).then(() => clearTimeout(late))
    await this.#app?.ended
    setTimeout(() => {
      this.#proxy?.signal('SIGKILL')
      void removePodNetwork(this.#network.name).catch(() => undefined)
      rmSync(this.#folder, { recursive: true, force: true })
    }, LINGER_MS).unref()
  }

  async #startProxy(): Promise<void> {
    const { grade, parts, processes } = this.#lab
    const mtls = grade === 'mtls'
    const [token, rootCertificate] = mtls ? await Promise.all([this.#lab.token(this.#pod, 'istio-ca'), this.#lab.rootCertificate()]) : ['', '']
    if (this.#ended) return
    const program = (mtls ? agent : envoy)({ pod: this.#pod, address: this.address, netns: this.#network.name, directory: this.#folder, parts, token, rootCertificate })
    this.#proxy = processes.start({ ...program, mounts: { '/etc/hosts': this.#hosts() } })
    await this.#until(proxyPaths(grade, this.address).ready)
  }

  /** Starts the app, and again when it ends by itself, until the pod ends. */
  async #keepApp(): Promise<void> {
    const ready = this.#readiness()
    const again = async (): Promise<void> => {
      const program = await this.#appProgram()
      if (this.#ended) return
      this.#app = this.#lab.processes.start(program)
      const { ended } = this.#app
      void ended.then(async () => {
        if (this.#ended) return
        if (isTask(this.#pod)) return this.#onState(this.#app?.code() === 0 ? 'Succeeded' : 'Failed')
        this.#onState('NotReady')
        await systemClock.sleep(RESTART_MS)
        await again()
        if (!this.#ended) this.#onState('Ready')
      })
      if (!isTask(this.#pod)) await this.#until(ready)
    }
    await again()
  }

  async #appProgram(): Promise<Program> {
    const name = `pods/${this.#pod.metadata.namespace ?? ''}.${this.#pod.metadata.name}.app`
    const [container] = this.#pod.spec.containers
    const env = container === undefined ? {} : environment(container, this.#pod, this.address)
    const mounts = { '/etc/hosts': this.#hosts() }
    if (runsOperator(this.#pod)) {
      const cluster = { KUBERNETES_SERVICE_HOST: CONTROL_PLANE, KUBERNETES_SERVICE_PORT: String(PORTS.api), HOSTNAME: this.#pod.metadata.name }
      return { name, command: [process.execPath, OPERATOR, ...(container?.args ?? [])], netns: this.#network.name, env: { ...env, ...cluster }, mounts: { ...mounts, [SERVICE_ACCOUNT]: await this.#serviceAccount() } }
    }
    const manifest = join(this.#folder, 'app.json')
    writeFileSync(manifest, JSON.stringify({ pod: await this.#configured(), serves: !isGateway(this.#pod), end: this.#pod.metadata.annotations?.[END_ANNOTATION] === 'abrupt' ? 'abrupt' : 'graceful' }))
    return { name, command: [process.execPath, APP, manifest], netns: this.#network.name, mounts }
  }

  /** Waits, as the kubelet does, for a ConfigMap or Secret that its variables are taken from. */
  async #configured(): Promise<Pod> {
    for (; !this.#ended; await systemClock.sleep(500)) {
      const pod = await configured(this.#pod, this.#lab.listConfig).catch(() => undefined)
      if (pod !== undefined) return pod
    }
    return this.#pod
  }

  /** The folder that the kubelet would mount: token, certificate, namespace. */
  async #serviceAccount(): Promise<string> {
    mkdirSync(SERVICE_ACCOUNT, { recursive: true })
    const folder = join(this.#folder, 'serviceaccount')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'token'), await this.#lab.token(this.#pod))
    writeFileSync(join(folder, 'ca.crt'), this.#lab.apiCertificate)
    writeFileSync(join(folder, 'namespace'), this.#pod.metadata.namespace ?? '')
    return folder
  }

  #readiness(): string {
    const probe = this.#pod.spec.containers[0]?.readinessProbe?.httpGet
    const named = this.#pod.spec.containers[0]?.ports?.[0]?.containerPort
    if (runsOperator(this.#pod) && probe !== undefined) return `http://${this.address}:${typeof probe.port === 'number' ? probe.port : (named ?? APP_PORT)}${probe.path}`
    return `http://${this.address}:${CONTROL_PORT}/`
  }

  /** One file for a namespace. */
  #hosts(): string {
    return this.#lab.hosts(this.#pod.metadata.namespace ?? '')
  }

  /** Any answer of the app's, a good one of the proxy's or of a probe. */
  async #until(url: string): Promise<void> {
    while (!this.#ended) {
      const answer = await call({ url, timeoutMs: 1000, headers: { connection: 'close' } })
      if ('status' in answer && (answer.status === 200 || url.includes(`:${CONTROL_PORT}/`))) return
      await systemClock.sleep(50)
    }
  }
}
