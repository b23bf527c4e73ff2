import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { ChangesSeen } from './changes-seen.ts'
import { kubeconfig } from './control-plane.ts'
import type { LoadAnswer } from './lab-info.ts'
import { pathOf } from './objects.ts'
import { QUICK } from './rollouts.ts'
import type { OperatorProcess, RunningLoad, Suite } from './suite.ts'

const object = (value: object): KubeObject => value as KubeObject
type Sized = { readonly spec: { readonly replicas: number }; readonly status?: { readonly readyReplicas?: number; readonly replicas?: number } }
type Routes = { readonly spec: { readonly http: readonly { readonly route: readonly { readonly destination: { readonly subset?: string } }[] }[] } }

export const sizeOf = ({ object: of }: { readonly object: KubeObject }): number => (of as unknown as Sized).spec.replicas
export const readyOf = ({ object: of }: { readonly object: KubeObject }): number => (of as unknown as Sized).status?.readyReplicas ?? 0
export const subsetsOf = ({ object: of }: { readonly object: KubeObject }): readonly string[] => (of as unknown as Routes).spec.http.flatMap(({ route }) => route.map(({ destination }) => destination.subset ?? 'any'))

/** One step, as short as may be. */
const SPEC = {
  traffic: QUICK.traffic, targetRef: { name: 'shop' }, scaleDownDelay: { previous: '1s' },
  steps: [{ name: 'half', weight: 50, for: '1s', minRequests: 20 }],
  analysis: { interval: '1s', metrics: [{ name: 'error-rate', max: '2%' }] },
}

/** A plain Deployment behind a VirtualService of the user's, that 100 requests a second use, and what is seen of it. */
export class WaysShop {
  readonly suite: Suite
  readonly namespace: string
  readonly deployments = new ChangesSeen()
  readonly routes = new ChangesSeen()
  readonly rules = new ChangesSeen()
  stable = ''
  #operator: OperatorProcess | undefined
  #users: RunningLoad | undefined
  #home = ''
  readonly #ended = new AbortController()

  constructor(suite: Suite, namespace: string) {
    this.suite = suite
    this.namespace = namespace
  }

  get answers(): readonly LoadAnswer[] {
    return this.#users?.answers ?? []
  }

  service(): KubeObject {
    return this.own('v1', 'Service', { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] })
  }

  virtualService(): KubeObject {
    const host = `shop.${this.namespace}.svc.cluster.local`
    return this.own('networking.istio.io/v1', 'VirtualService', { hosts: [host], http: [{ name: 'all', route: [{ destination: { host } }] }] })
  }

  /** The target; without replicas it has the size that it has. */
  target(name: string, spec: object = {}, env: readonly object[] = []): KubeObject {
    return this.own('apps/v1', 'Deployment', {
      ...spec, selector: { matchLabels: { app: 'shop' } },
      template: { metadata: { labels: { app: 'shop' } }, spec: { containers: [{ name: 'shop', image: 'fake-service', ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: name }, ...env] }] } },
    })
  }

  canary(spec: object = {}): KubeObject {
    return this.own('serin.dev/v1beta1', 'Canary', { ...SPEC, ...spec })
  }

  async open(): Promise<void> {
    const { suite, namespace, suite: { info, objects } } = this
    const callers = `${namespace}-users`
    const sender = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: callers }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } }
    await objects.apply(...[namespace, callers].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
    await objects.apply(object(sender), this.service(), this.virtualService(), this.target('one', { replicas: 3 }))
    await Promise.all([objects.ready(namespace, 'shop'), objects.ready(callers, 'users')])
    for (const [seen, kind, plural] of [[this.deployments, 'apps/v1', 'deployments'], [this.routes, 'networking.istio.io/v1', 'virtualservices'], [this.rules, 'networking.istio.io/v1', 'destinationrules']] as const)
      void seen.watch(suite.transport, { kind, namespace, plural }, this.#ended.signal)
    const users = suite.startLoad({ url: `http://shop.${namespace}/`, rps: 100, ms: 3_600_000 }, await objects.podAddress(callers, 'app=users'))
    this.#users = users
    await objects.until('users to be served', () => Promise.resolve(users.answers.find(({ status }) => status === 200)))
    this.#home = mkdtempSync(join(info.directory, `${namespace}-`))
    writeFileSync(join(this.#home, 'config'), kubeconfig(info.apiServer, info.ca, info.token))
    await this.shell(`kubectl config set-context lab --namespace=${namespace}`)
    this.#operator = await suite.startOperator({ 'watch-namespaces': namespace })
  }

  async close(): Promise<void> {
    await this.#users?.stop()
    this.#ended.abort(new Error('the shop closes'))
    this.#operator?.kill('SIGTERM')
    await this.#operator?.ended
    await this.suite.objects.discard(this.namespace, `${this.namespace}-users`)
  }

  /** What people type, in the shop's namespace. */
  shell(script: string): Promise<{ readonly code: number; readonly said: string }> {
    const path = `${dirname(this.suite.info.binaries['kubectl'] ?? '')}:${process.env['PATH'] ?? ''}`
    const env = { PATH: path, KUBECONFIG: join(this.#home, 'config'), HOME: this.#home }
    return new Promise((resolve) => {
      execFile('sh', ['-ec', script], { env }, (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, said: out + err }))
    })
  }

  /** A file that kubectl may apply. */
  file(manifest: KubeObject): string {
    const path = join(this.#home, `${manifest.kind}.yaml`)
    writeFileSync(path, stringify(manifest))
    return path
  }

  until(what: string, holds: (status: Partial<CanaryStatus>) => boolean): Promise<Partial<CanaryStatus>> {
    return this.suite.untilStatus(`${this.namespace}/shop`, what, holds, 60_000)
  }

  /** Waits for another stable, at rest; gives the one before. */
  async promoted(): Promise<string> {
    const before = this.stable
    const { phase: end, stableRevision = '', failed } = await this.until('another revision to serve', ({ phase, stableRevision: now }) => phase === 'Failed' || (phase === 'Idle' && now !== before))
    if (end === 'Failed') throw new Error(`${failed?.revision ?? ''} failed: ${failed?.message ?? ''}`)
    this.stable = stableRevision
    return before
  }

  /** Changes fields of the Canary. */
  spec(fields: object): Promise<void> {
    return this.suite.objects.apply(this.canary(fields))
  }

  /** Applies a template, until half of the users are with it and it waits for somebody; gives its revision. */
  async half(name: string): Promise<string> {
    await this.spec({ steps: [{ name: 'half', weight: 50, for: '1s', approval: 'Required' }] })
    const { canaryRevision: before } = await this.suite.status(this.namespace, 'shop')
    await this.suite.objects.apply(this.target(name))
    const { canaryRevision = '' } = await this.until(`${name} to have half of the users`, ({ phase, message, canary, canaryRevision: now }) => phase === 'Progressing' && now !== before && canary?.weight === '50%' && /waits for approval/.test(message ?? ''))
    return canaryRevision
  }

  async approve(step: string): Promise<void> {
    const { canaryRevision } = await this.suite.status(this.namespace, 'shop')
    await this.suite.objects.apply(this.own('serin.dev/v1beta1', 'CanaryAction', { canaryRef: { name: 'shop' }, action: 'Approve', revision: canaryRevision, step, requester: 'admin' }, `${step}-${canaryRevision ?? ''}`))
  }

  async remove(manifest: KubeObject): Promise<void> {
    const { status } = await this.suite.objects.call('DELETE', pathOf(manifest))
    if (status >= 300) throw new Error(`DELETE ${manifest.kind} ${manifest.metadata.name}: ${status}`)
  }

  /** "Reason: note" of the Canary's events. */
  async events(): Promise<readonly string[]> {
    const { body } = await this.suite.objects.call('GET', `/apis/events.k8s.io/v1/namespaces/${this.namespace}/events`)
    return (body as unknown as { items: readonly { reason: string; note: string; regarding: { kind: string } }[] }).items.flatMap(({ reason, note, regarding }) => (regarding.kind === 'Canary' ? [`${reason}: ${note}`] : []))
  }

  /** The Deployments that stand, with their sizes. */
  async sizes(): Promise<Readonly<Record<string, number>>> {
    const all = (await this.suite.objects.list(`apps/v1/namespaces/${this.namespace}/deployments`)) ?? []
    return Object.fromEntries(all.map((each) => [each.metadata.name, sizeOf({ object: each })]))
  }

  /** Waits until these Deployments have these sizes. */
  reaches(wanted: Readonly<Record<string, number>>): Promise<true> {
    return this.suite.objects.until(JSON.stringify(wanted), async () => {
      const sizes = await this.sizes()
      return Object.entries(wanted).every(([name, size]) => sizes[name] === size) ? true : undefined
    })
  }

  /** Answers that no app of ours made. */
  meshMade(from = 0, to = Infinity): readonly LoadAnswer[] {
    return this.answers.filter(({ version, status, at }) => version === '' && status !== 200 && at >= from && at < to)
  }

  /** Answers of the target's own pods, which belong to no revision. */
  byTheTarget(from: number): readonly LoadAnswer[] {
    return this.answers.filter(({ version, status, at }) => version === '' && status === 200 && at >= from)
  }

  /** States in which a revision had fewer pods ready than it began with, up to a time. */
  shrunk(revision: string, replicas: number, { from, to }: { readonly from: number; readonly to: number }): readonly string[] {
    return this.deployments.of(`shop-${revision}`, from).filter((change) => change.at < to && (sizeOf(change) < replicas || readyOf(change) < replicas)).map((change) => `${readyOf(change)} of ${sizeOf(change)}`)
  }

  /** An object in the shop's namespace. */
  own(apiVersion: string, kind: string, spec: object, name = 'shop'): KubeObject {
    return object({ apiVersion, kind, metadata: { name, namespace: this.namespace }, spec })
  }
}
