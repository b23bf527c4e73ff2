import { canaryCrd } from '../../src/api/crd.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { createCluster } from '../../src/sandbox/cluster.ts'
import { listen } from '../../src/sandbox/http-listener.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import type { ApiRequest } from '../../src/sandbox/requests.ts'
import { fleetOf, type Pace } from './fleet.ts'
import { type Asked, Journal } from './journal.ts'
import { ScriptedPrometheus } from './scripted-prometheus.ts'
import { creating, populate, routesOf, untilWith, type World } from './world.ts'

/** Brings the sandbox up on loopback ports: every pod is ready at once, and there is no mesh and no traffic but what Prometheus is told to say. */
export async function openSandboxWorld(size: number, pace: Pace): Promise<World> {
  const clock = systemClock
  const fleet = fleetOf(size)
  const journal = new Journal()
  const prometheus = new ScriptedPrometheus(fleet, clock)
  const cluster = createCluster({ clock, runtime: { start: () => Promise.resolve({ ip: '10.244.0.1' }), stop: () => Promise.resolve() }, historyLimit: 20_000 })
  cluster.reader.subscribe((event) => {
    if (event.type === 'ADDED' && event.resource === 'deployments.apps') journal.deployed(event.object.metadata.name, clock.monotonic())
    else journal.stored(event, clock.monotonic())
    routesOf(event, prometheus)
  })
  cluster.faults.intercept = (request) => {
    journal.asked(askedOf(request), clock.monotonic())
    return 'pass'
  }
  const [api, metrics] = await Promise.all([listen(cluster), prometheus.listen()])
  const create = creating(cluster.transport)
  await create(canaryCrd() as KubeObject)
  await populate(create, fleet, pace)
  const close = async () => {
    cluster.close()
    metrics.close()
    await api.close()
  }
  return { fleet, journal, prometheus, kubernetes: api.url, prometheusUrl: metrics.url, create, until: untilWith(0), close }
}

const VERBS: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

function askedOf({ method, path, headers, body }: ApiRequest): Asked {
  const verb = /[?&]watch=1/.test(path) ? 'watch' : /[?&]limit=/.test(path) ? 'list' : (VERBS[method] ?? method)
  return { userAgent: headers['user-agent'] ?? '', verb, path, name: body }
}
