import { spawn } from 'node:child_process'
import { openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { CanaryStatus } from '../../src/api/canary.ts'
import { nodeTransport } from '../../src/kubernetes/transport.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import { call, runLoad } from './calls.ts'
import { kubeconfig } from './control-plane.ts'
import { type Call, type CallAnswer, CONTROL_PORT, type LabInfo, type Load, type LoadAnswer } from './lab-info.ts'
import { Objects } from './objects.ts'

/** The program under test, as a process of its own. */
export type OperatorProcess = {
  readonly log: string
  readonly kill: (signal: NodeJS.Signals) => void
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

export type Flags = Readonly<Record<string, string>>

/** Where the answers of a load go while it runs. */
export type RunningLoad = { readonly stop: () => Promise<readonly LoadAnswer[]>; readonly answers: readonly LoadAnswer[] }

let operators = 0

/** What a suite does in the lab: objects, operators, users. */
export class Suite {
  readonly info: LabInfo
  readonly objects: Objects
  readonly transport: Transport
  readonly prometheus: Transport

  constructor() {
    const info = inject('lab')
    if (info === undefined) throw new Error('this suite runs in the lab only: npm run test:lab')
    this.info = info
    this.transport = nodeTransport({
      baseUrl: info.apiServer, clock: systemClock,
      headers: () => Promise.resolve({ authorization: `Bearer ${info.token}` }),
      tls: () => Promise.resolve({ ca: info.ca, servername: 'kubernetes.default.svc' }),
    })
    this.objects = new Objects(this.transport)
    this.prometheus = nodeTransport({ baseUrl: info.prometheus, clock: systemClock })
  }

  /** Starts the built operator with a cluster admin's kubeconfig, and waits until its caches are filled. */
  async startOperator(flags: Flags = {}): Promise<OperatorProcess> {
    const order = ++operators
    const path = join(this.info.directory, `operator-${order}.kubeconfig`)
    writeFileSync(path, kubeconfig(this.info.apiServer, this.info.ca, this.info.token))
    const log = join(this.info.directory, 'logs', `operator-${order}.log`)
    const port = 20_000 + order
    const all: Flags = { kubeconfig: path, 'prometheus-url': this.info.prometheus, 'health-port': String(port), 'leader-elect': 'false', ...flags }
    const out = openSync(log, 'a')
    const child = spawn(process.execPath, ['dist/main.js', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)], { stdio: ['ignore', out, out] })
    const ended = new Promise<number | string>((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')))
    const over = ended.then((code) => {
      throw new Error(`the operator ended with ${code}:\n${readFileSync(log, 'utf8').slice(-2000)}`)
    })
    const late = (cause: unknown): never => {
      throw new Error(`the operator is not ready:\n${readFileSync(log, 'utf8').slice(-2000)}`, { cause })
    }
    const ready = this.objects.until('the operator to be ready', async () => {
      const answer = await call({ url: `http://127.0.0.1:${port}/readyz` })
      return 'status' in answer && answer.status === 200 ? true : undefined
    }).catch(late)
    await Promise.race([ready, over])
    over.catch(() => undefined)
    return { log, ended, kill: (signal) => void child.kill(signal) }
  }

  /** Sends one request as the app of a pod would. */
  async callFrom(pod: string, request: Call): Promise<CallAnswer> {
    const answer = await nodeTransport({ baseUrl: `http://${pod}:${CONTROL_PORT}`, clock: systemClock })({ method: 'POST', path: '/call', timeoutMs: 30_000, body: JSON.stringify(request) })
    return JSON.parse(await answer.text()) as CallAnswer
  }

  /** Users: requests of a pod's app, or of somebody outside the mesh where `pod` is undefined. */
  startLoad(load: Load, pod?: string): RunningLoad {
    const answers: LoadAnswer[] = []
    const stop = new AbortController()
    const running = pod === undefined ? runLoad(load, (answer) => answers.push(answer), stop.signal) : this.#loadFrom(pod, load, answers, stop.signal)
    return {
      answers,
      stop: async () => {
        stop.abort(new Error('enough'))
        await running.catch(() => undefined)
        return answers
      },
    }
  }

  async #loadFrom(pod: string, load: Load, answers: LoadAnswer[], signal: AbortSignal): Promise<void> {
    const answer = await nodeTransport({ baseUrl: `http://${pod}:${CONTROL_PORT}`, clock: systemClock })({ method: 'POST', path: '/load', timeoutMs: load.ms + 30_000, body: JSON.stringify(load), signal })
    for await (const line of answer.lines()) if (line !== '') answers.push(JSON.parse(line) as LoadAnswer)
  }

  /** Turns a switch of the lab: see `switches.ts`. */
  async turn(path: string): Promise<void> {
    const answer = await nodeTransport({ baseUrl: this.info.switches, clock: systemClock })({ method: 'POST', path, timeoutMs: 60_000 })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`${path}: ${text}`)
  }

  /** Sum of an instant query's values. */
  async total(query: string): Promise<number> {
    const answer = await this.prometheus({ method: 'GET', path: `/api/v1/query?query=${encodeURIComponent(query)}`, timeoutMs: 10_000 })
    const { data } = JSON.parse(await answer.text()) as { data: { result: readonly { value: [number, string] }[] } }
    return data.result.reduce((sum, { value }) => sum + Number(value[1]), 0)
  }

  /** A Canary's status, or nothing yet. */
  async status(namespace: string, name: string): Promise<Partial<CanaryStatus>> {
    const { body } = await this.objects.call('GET', `/apis/serin.dev/v1beta1/namespaces/${namespace}/canaries/${name}`)
    return (body as KubeObject & { status?: CanaryStatus }).status ?? {}
  }

  /** Waits for a Canary's status to be as it should; says what it was instead. */
  async untilStatus(key: string, what: string, holds: (status: Partial<CanaryStatus>) => boolean, timeoutMs = 60_000): Promise<Partial<CanaryStatus>> {
    const [namespace = '', name = ''] = key.split('/')
    let last: Partial<CanaryStatus> = {}
    try {
      return await this.objects.until(what, async () => {
        last = await this.status(namespace, name)
        return holds(last) ? last : undefined
      }, timeoutMs)
    } catch (cause) {
      throw new Error(`${key}: waited for ${what}, but it is ${last.phase ?? 'without a phase'}, ${last.message ?? ''} ${JSON.stringify(last.rollout ?? {})}`, { cause })
    }
  }
}

/** All objects of some YAML files, put into a namespace. */
export const manifests = (paths: readonly string[], namespace: string): readonly KubeObject[] =>
  paths.flatMap((path) => parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS() as KubeObject | null))
    .filter((object) => object !== null)
    .map((object) => (object.kind === 'Namespace' ? object : { ...object, metadata: { namespace, ...object.metadata } }))

export const yamlIn = (directory: string): readonly string[] => readdirSync(directory).filter((name) => name.endsWith('.yaml')).map((name) => join(directory, name))

/** How many answers there were of each version and status: "v1 200", "503 (mesh)". */
export function tally(answers: readonly LoadAnswer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { version, status, body } of answers) {
    const key = version === '' ? `${status} (mesh: ${body?.slice(0, 160) ?? ''})` : `${version} ${status}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
