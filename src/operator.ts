import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Canary, CanaryStatus } from './api/canary.ts'
import type { EventNote } from './canary/decision.ts'
import { Analyst } from './controller/analyst.ts'
import { ConfigTracker } from './controller/config-tracker.ts'
import { fencedClient } from './controller/fenced-client.ts'
import { Fleet } from './controller/fleet.ts'
import { crdProblem } from './controller/installed-crd.ts'
import { idOf } from './controller/writes.ts'
import { createMetrics, type Metrics } from './controller/metrics.ts'
import { OwnWrites } from './controller/own-writes.ts'
import { Reconciler } from './controller/reconcile.ts'
import { createSources, type Stores } from './controller/sources.ts'
import { isUninstalled, ownDeployment, releaseCanaries, uninstall, type Uninstall } from './controller/uninstall.ts'
import { StatusWriter } from './controller/status-writer.ts'
import { wireTriggers } from './controller/triggers.ts'
import { createKubernetesClient, type KubernetesClient } from './kubernetes/client.ts'
import { resourceName, resources } from './kubernetes/resource.ts'
import { createPrometheus } from './prometheus/prometheus.ts'
import type { Clock } from './runtime/clock.ts'
import { runController } from './runtime/controller.ts'
import { EventRecorder } from './runtime/event-recorder.ts'
import { asError, statusOf } from './runtime/failure.ts'
import { startHealthServer } from './runtime/http-server.ts'
import { LeaderElector, type LeaseTimes } from './runtime/leader-election.ts'
import { alone, type Leadership, LeadershipLostError } from './runtime/leadership.ts'
import type { Log } from './runtime/log.ts'
import { keyOf } from './runtime/object.ts'
import { openScope } from './runtime/scope.ts'
import type { Transport } from './runtime/transport.ts'
import { WorkQueue } from './runtime/work-queue.ts'

export type OperatorOptions = {
  readonly kubernetes: Transport
  readonly prometheus: Transport
  readonly clock: Clock
  /** Yields [0, 1): spreads retries, names events. */
  readonly random: () => number
  readonly log: Log
  readonly settings: OperatorSettings
  /** Told what every pass comes to, also what is not worth a write: for live views. Undefined once the Canary is gone. */
  readonly onStatus?: (canary: Pick<Canary, 'metadata'>, status: CanaryStatus | undefined) => void
}

export type OperatorSettings = {
  /** Where Canaries are; empty: the whole cluster. */
  readonly namespaces: readonly string[]
  readonly concurrency: number
  /** How many releases may be under way at once, in the whole cluster and in each namespace; 0: any number. */
  readonly maxRollouts: number
  readonly maxRolloutsPerNamespace: number
  /** What a Canary waits for a route to spread when it does not say, milliseconds. */
  readonly propagationMs: number
  /** Deadline of one request to the API server, and of one query, milliseconds. */
  readonly requestTimeoutMs: number
  readonly queryTimeoutMs: number
  readonly rootNamespace: string
  readonly clusterDomain: string
  /** Secrets may be watched and read, for Canaries that track them. */
  readonly trackSecrets: boolean
  /** Port of /healthz, /readyz and /metrics; undefined serves none. */
  readonly healthPort: number | undefined
  /** Who reports events: the pod's name. */
  readonly instance: string
  /** How replicas agree on the one that writes; undefined where there is one only. */
  readonly election: ElectionSettings | undefined
}

export type ElectionSettings = LeaseTimes & { readonly lease: { readonly namespace: string; readonly name: string } }

export type Operator = {
  readonly stores: Stores
  readonly metrics: Metrics
  /** Resolves once every cache is filled. */
  readonly synced: Promise<void>
  /**
   * Reconciles, while it leads, until the signal aborts, then lets what runs come to its end; resolves when nothing is
   * left. Rejects with a LeadershipLostError, at once, when others may lead: then the process must end.
   */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** How long the last events may take to be written, milliseconds. */
const TELL_MS = 2_000
/** How long the finalizers of an operator that is uninstalled may take, milliseconds. */
const LEAVE_MS = 10_000
/** How often the installed CRD is looked at: while all is well, and while nothing is advanced because of it. */
const CRD_CHECK_MS = { well: 300_000, frozen: 10_000 }

/** The composition root: every watch, controller and loop of the operator. */
export function createOperator(options: OperatorOptions): Operator {
  const { clock, random, log, settings } = options
  const metrics = createMetrics()
  const leadership = leadershipOf(options, metrics)
  const client = fencedClient(kubernetesClient(options, metrics, settings.requestTimeoutMs), () => leadership.refusal(settings.requestTimeoutMs))
  const prometheus = createPrometheus({ transport: options.prometheus, timeoutMs: settings.queryTimeoutMs })
  const { stores, reflectors } = createSources({ client, clock, log, random, namespaces: settings.namespaces, clusterDomain: settings.clusterDomain, trackSecrets: settings.trackSecrets })
  const queue = new WorkQueue({ clock, random, maxMs: 15_000 })
  const writes = new OwnWrites()
  const wake = (key: string) => queue.add(key)
  const analyst = new Analyst({ prometheus, clock, onChecked: (key, urgent) => queue.add(key, { urgent }), onTick: metrics.ticked })
  const recorder = new EventRecorder({ port: eventPort(client), controller: 'serin.dev/operator', instance: settings.instance, clock, random, log })
  const crd: CrdState = { problem: 'the installed CRD has not been compared yet', changed: () => stores.canaries.list().forEach((object) => queue.add(keyOf(object))) }
  const fleet = new Fleet({ ...settings, canaries: stores.canaries, newest: (object) => writes.newest(idOf(resources.canaries, keyOf(object)), object, clock.monotonic()) ?? object, now: () => clock.now(), wake })
  const config = new ConfigTracker({ client, stores, clock, random, log, trackSecrets: settings.trackSecrets, wake })
  const reconciler = new Reconciler({
    client, stores, clock, log, writes, analyst, fleet, config,
    statusWriter: new StatusWriter({ client, clock, writes }),
    announce: (canary, events) => events.forEach((event) => announce(recorder, metrics, canary, event)),
    onStatus: (canary, status) => [metrics.status, options.onStatus].forEach((tell) => tell?.(canary, status)),
    surroundings: settings,
    propagationMs: settings.propagationMs,
    frozen: () => crd.problem,
  })
  const synced = Promise.all(reflectors.map((reflector) => reflector.synced)).then(() => undefined)
  synced.catch(() => undefined)

  const run = async (signal: AbortSignal): Promise<void> => {
    // The recorder and the watches outlive the workers: what they decide last is still told (within TELL_MS), and seen.
    const background = new AbortController()
    // As many listeners as there are watches and loops: Node takes more than ten for a leak, and says so on stderr.
    setMaxListeners(0, background.signal)
    const health = await serveHealth(options, { live: { leader: leadership.problem }, metrics: metrics.registry, ready: { caches: () => (reflectors.every(({ filled }) => filled) ? undefined : 'not filled yet') } })
    const unwire = [wireTriggers(stores, settings.clusterDomain, wake, writes), fleet.watch(), config.watch()]
    const loops = [...reflectors.map((reflector) => reflector.run(background.signal)), watchCrd(client, crd, options, background.signal)]
    await Promise.race([synced, aborted(signal)])
    // With the caches filled: whoever takes over waits for nothing else.
    let ended = true
    if (await leads(leadership, metrics, signal)) {
      const home = await homeOf(client, settings, signal)
      loops.push(recorder.run(background.signal), analyst.run(background.signal), config.run(background.signal))
      ended = await runController({ name: 'canary', queue, concurrency: settings.concurrency, reserved: settings.concurrency, reconcile: fleet.around(reconciler.reconcile), log, clock, signal: AbortSignal.any([signal, leadership.lost]), abort: leadership.lost, onReconciled: metrics.reconciled })
      await leaveIfUninstalled(client, ended && !leadership.lost.aborted ? home : undefined, options).then(() => told(recorder, clock, leadership.lost))
    }
    unwire.forEach((stop) => stop())
    background.abort(new Error('the operator stops'))
    if (!leadership.lost.aborted) await Promise.all(loops)
    await stepDown(leadership, ended)
    await health?.close()
    leadership.lost.throwIfAborted()
    if (!ended && settings.election !== undefined) throw new LeadershipLostError('stopped with writes still under way: the lease ends by itself')
  }
  return { stores, metrics, synced, run }
}

const serveHealth = async ({ log, settings: { healthPort: port } }: OperatorOptions, served: Omit<Parameters<typeof startHealthServer>[0], 'port' | 'log'>) =>
  port === undefined ? undefined : startHealthServer({ port, log, ...served })

export type { Uninstall }

/** Stops the operator that runs, and lets every Canary be deleted without one; nothing else changes. */
export const leaveForGood = ({ kubernetes, clock, random, log, settings }: Omit<OperatorOptions, 'prometheus' | 'onStatus'>, what: Uninstall, signal: AbortSignal): Promise<void> =>
  uninstall(createKubernetesClient({ transport: kubernetes, clock, random, timeoutMs: settings.requestTimeoutMs }), what, { clock, log, signal })

type Home = { readonly key: string; readonly uid: string }

/** The Deployment of the chart, which has the name of its lease; undefined where this process is none of its pods. */
async function homeOf(client: KubernetesClient, { election }: OperatorSettings, signal: AbortSignal): Promise<Home | undefined> {
  if (election === undefined) return undefined
  const key = `${election.lease.namespace}/${election.lease.name}`
  const uid = await ownDeployment(client, key, signal).catch(() => undefined)
  return uid === undefined ? undefined : { key, uid }
}

/** A Canary is not to wait for an operator that nobody will start again. */
async function leaveIfUninstalled(client: KubernetesClient, home: Home | undefined, { clock, log, settings }: OperatorOptions): Promise<void> {
  if (home === undefined) return
  const scope = openScope(undefined)
  scope.deadline(LEAVE_MS, clock, () => new Error(`not done within ${LEAVE_MS} ms`))
  try {
    if (await isUninstalled(client, home.key, home.uid, scope.signal)) log.info({ released: await releaseCanaries(client, settings.namespaces, scope.signal) }, 'uninstalled: no Canary waits for Serin when it is deleted')
  } catch (thrown) {
    log.warn({ err: asError(thrown) }, 'cannot take the finalizers off: see docs/install.md')
  } finally {
    scope.close()
  }
}

async function leads(leadership: Leadership, metrics: Metrics, signal: AbortSignal): Promise<boolean> {
  const acquired = await leadership.acquire(signal)
  if (acquired) metrics.leads(true)
  return acquired
}

/** Last of all: a lease that is given back says that nothing is written any more. */
const stepDown = (leadership: Leadership, ended: boolean): Promise<void> => (ended ? leadership.release() : Promise.resolve())

/** Waits for the last events to be written. */
async function told(recorder: EventRecorder, clock: Clock, lost: AbortSignal): Promise<void> {
  const scope = openScope(lost)
  scope.deadline(TELL_MS, clock, () => new Error(`some events were not written within ${TELL_MS} ms`))
  await recorder.drained(scope.signal)
  scope.close()
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))

const kubernetesClient = ({ kubernetes, clock, random }: OperatorOptions, metrics: Metrics, timeoutMs: number): KubernetesClient =>
  createKubernetesClient({ transport: kubernetes, clock, random, timeoutMs, onRequest: ({ method, resource, status }) => metrics.requested(method, resource, String(status ?? 'none')) })

function leadershipOf(options: OperatorOptions, metrics: Metrics): Leadership {
  const { clock, random, log, settings: { election, instance } } = options
  if (election === undefined) return alone()
  // As in client-go: a request that is never answered leaves time for another within the renew deadline.
  const client = kubernetesClient(options, metrics, Math.max(1000, election.renewDeadlineMs / 2))
  const key = `${election.lease.namespace}/${election.lease.name}`
  const port = {
    get: (signal: AbortSignal) => client.get(resources.leases, key, signal),
    create: (lease: Parameters<KubernetesClient['create']>[1], signal: AbortSignal) => client.create(resources.leases, lease, signal),
    update: (patch: object, signal: AbortSignal) => client.mergePatch(resources.leases, key, patch, { signal }),
  }
  return new LeaderElector({ ...election, port, identity: `${instance}_${randomUUID()}`, clock, random, log })
}

function announce(recorder: EventRecorder, metrics: Metrics, { apiVersion, kind, metadata }: Canary, { type, reason, note }: EventNote): void {
  metrics.happened(reason)
  const regarding = { apiVersion, kind, name: metadata.name, namespace: metadata.namespace, uid: metadata.uid ?? '' }
  recorder.record({ regarding, type, reason, action: reason, note })
}

const eventPort = (client: KubernetesClient) => ({
  create: (event: Parameters<KubernetesClient['create']>[1], signal: AbortSignal) => client.create(resources.events, event, signal),
  patch: (name: string, namespace: string, body: object, signal: AbortSignal) => client.mergePatch(resources.events, `${namespace}/${name}`, body, { signal }),
})

type CrdState = { problem: string | undefined; readonly changed: () => void }

/** Looks at the installed CRD now and then: an upgrade may come before it, or after. */
async function watchCrd(client: KubernetesClient, crd: CrdState, { clock, log, settings }: OperatorOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const before = crd.problem
    try {
      crd.problem = await crdProblem(client, signal)
    } catch (thrown) {
      // Whoever watches some namespaces only may have no rights beyond them.
      if (statusOf(thrown) === 403 && settings.namespaces.length > 0) crd.problem = undefined
      if (!signal.aborted) log.warn({ err: asError(thrown), resource: resourceName(resources.customResourceDefinitions) }, 'cannot compare the installed CRD')
    }
    if (crd.problem !== undefined && crd.problem !== before) log.error({ problem: crd.problem }, 'nothing is advanced')
    if (crd.problem !== before) crd.changed()
    await clock.sleep(crd.problem === undefined ? CRD_CHECK_MS.well : CRD_CHECK_MS.frozen, signal).catch(() => undefined)
  }
}
