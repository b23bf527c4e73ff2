import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { canaryCrd } from '../../src/api/crd.ts'
import { createKubernetesClient } from '../../src/kubernetes/client.ts'
import { loadClusterAccess } from '../../src/kubernetes/kubeconfig.ts'
import { type Resource, resourceName, resources } from '../../src/kubernetes/resource.ts'
import { nodeTransport } from '../../src/kubernetes/transport.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { StoreEvent } from '../../src/sandbox/objects.ts'
import { startApiServer, startControllers } from '../lab/control-plane.ts'
import { readObjects, startNode, surroundings } from '../lab/lab.ts'
import { CONTROL_PLANE, createNetwork } from '../lab/network.ts'
import { Objects } from '../lab/objects.ts'
import type { Parts } from '../lab/parts.ts'
import { Processes } from '../lab/processes.ts'
import { followAuditLog } from './audit-log.ts'
import { fleetOf, type Pace } from './fleet.ts'
import { Journal } from './journal.ts'
import { ScriptedPrometheus } from './scripted-prometheus.ts'
import { creating, populate, routesOf, untilWith, type World } from './world.ts'

const clock = systemClock
/** How often the audit log is read, and how long after a change all that led to it has been. */
const READ_MS = 20
const LAG_MS = 100
/** A user's program opens a few connections, not one for each object. */
const CONNECTIONS = 64

/** Makes the lab's network; the worlds on it come one after another, each with an etcd and an API server of its own. Throws outside of the lab. */
export async function labWorlds(): Promise<(size: number, pace: Pace) => Promise<World>> {
  const { directory, parts } = surroundings()
  await createNetwork()
  return (size, pace) => openLabWorld({ directory: mkdtempSync(join(directory, 'fleet-')), parts, size, pace })
}

type Place = { readonly directory: string; readonly parts: Parts; readonly size: number; readonly pace: Pace }

/** etcd, API server, controllers and a node on which every pod is ready at once; the rest as in the sandbox's world. */
async function openLabWorld({ directory, parts, size, pace }: Place): Promise<World> {
  const fleet = fleetOf(size)
  const journal = new Journal()
  const prometheus = new ScriptedPrometheus(fleet, clock)
  const stop = new AbortController()
  const processes = new Processes(directory)
  const api = await startApiServer(processes, parts, directory)
  startControllers(processes, parts, api, directory)
  startNode(api, { processes, parts, directory, grade: 'plain', apiCertificate: api.ca }, { pods: 'status', signal: stop.signal })
  const transport = nodeTransport({ ...(await loadClusterAccess({ path: api.kubeconfig })), clock, maxSockets: CONNECTIONS })
  const objects = new Objects(transport)
  await objects.apply(...readObjects(parts['crd-all.gen.yaml']), canaryCrd() as KubeObject)
  await objects.served(followed.map(({ group, version, plural }) => `${group}/${version}/${plural}`))
  const stored = (event: StoreEvent) => {
    journal.stored(event, clock.monotonic())
    routesOf(event, prometheus)
  }
  for (const resource of followed) void follow(transport, resource, stored, stop.signal)
  void followAuditLog(join(directory, 'audit.log'), journal, { everyMs: READ_MS, signal: stop.signal })
  const metrics = await prometheus.listen(CONTROL_PLANE)
  const create = creating(transport)
  await populate(create, fleet, pace)
  for (const { name, namespace } of fleet) await objects.ready(namespace, `${name}-v1`, 300_000)
  const close = async () => {
    stop.abort(new Error('the bench ends'))
    metrics.close()
    await processes.end()
  }
  return { fleet, journal, prometheus, kubernetes: api.kubeconfig, prometheusUrl: metrics.url, create, until: untilWith(LAG_MS), close }
}

/** The kinds that tell what users meet. */
const followed: readonly Resource[] = [resources.virtualServices, resources.destinationRules, resources.canaries]

/** Tells of every change until the signal aborts; rejects where a watch breaks, since what was measured then is worth nothing. */
async function follow(transport: Transport, resource: Resource, stored: (event: StoreEvent) => void, signal: AbortSignal): Promise<void> {
  const { list, watch } = createKubernetesClient({ transport, clock, random: Math.random, timeoutMs: 10_000, userAgent: 'bench' }).listWatch(resource)
  try {
    let { resourceVersion } = await list(undefined, signal)
    for (;;) {
      for await (const event of watch({ resourceVersion, timeoutMs: 600_000 }, signal)) {
        resourceVersion = event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion
        if (event.type !== 'BOOKMARK') stored({ type: event.type, resource: resourceName(resource), object: event.object as unknown as StoreEvent['object'] })
      }
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  }
}
