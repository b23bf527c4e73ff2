import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../runtime/system-clock.ts'
import { createLoad, loopbackSend } from './load.ts'
import { gateway, pod, service, testCluster, testMesh, virtualService } from './mesh.fixture.ts'
import { Mesh } from './mesh.ts'
import { createPrometheusApi } from './metrics/prometheus-api.ts'
import { listenPrometheus } from './metrics/prometheus-server.ts'
import { createPodRuntime } from './pod-runtime.ts'
import { listenGateway } from './proxy.ts'

const ends: (() => void)[] = []
afterEach(() => ends.splice(0).forEach((end) => end()))

const OBJECTS = [
  service('app'),
  service('back'),
  service('copy'),
  gateway('edge', { selector: { istio: 'ingressgateway' }, servers: [{ hosts: ['*'] }] }),
  virtualService('edge', { hosts: ['*'], gateways: ['edge'], http: [{ route: [{ destination: { host: 'app' } }] }] }),
  virtualService('back', {
    hosts: ['back'],
    http: [{ route: [{ destination: { host: 'back' } }], mirrors: [{ destination: { host: 'copy' } }] }],
  }),
]

describe('pods over real sockets', () => {
  it('serve a chain of calls through proxies on loopback, with copies and metrics, and end abruptly', async () => {
    const { mesh, pods, send, query } = await served()
    const answer = await send('POST')
    expect(answer.status).toBe(200)
    expect(answer.headers['x-version']).toBe('v1')
    expect(JSON.parse(answer.body)).toMatchObject({
      name: 'front',
      code: 200,
      upstream_calls: { 'http://back': { name: 'back', code: 200 } },
    })
    await until(() => mesh.tally('copy.shop.svc.cluster.local')[0]?.mirroredErrors === 1)
    expect(await query('sum by (destination_workload, reporter, response_code) (istio_requests_total)')).toEqual({
      'app-v1 source 200': '1',
      'app-v1 destination 200': '1',
      'back-v1 source 200': '1',
      'back-v1 destination 200': '1',
      'copy-v1 destination 500': '1',
    })

    await pods.stop(pod('back', 'v1'))
    expect((await send('GET')).status).toBe(500)
    await pods.stop(pod('app', 'v1'))
    expect(await send('GET')).toMatchObject({ status: 503 })
  })

  it('carry a load in real time without an error of the mesh', async () => {
    const { clock, port } = await served()
    const load = createLoad({ clock, rps: 100, send: loopbackSend(`http://127.0.0.1:${port}`) })
    const stop = new AbortController()
    const running = load.run(stop.signal)
    await until(() => load.total().ok >= 100)
    stop.abort(new Error('enough'))
    await running
    expect(load.total().errors).toEqual({})
  })
})

describe('pods as functions', () => {
  it('take their time to start, and never become ready where their check fails', async () => {
    const world = testMesh([])
    const states: string[] = []
    const start = (name: string, env: Record<string, string>) =>
      world.pods.start(pod(name, 'v1', env)).then(
        ({ ready }) => states.push(`${name} ${String(ready)}`),
      )
    void start('late', { READY_CHECK_RESPONSE_DELAY: '2s' })
    void start('broken', { READY_CHECK_RESPONSE_SUCCESS_CODE: '500' })
    await world.clock.advance(2299)
    expect(states).toEqual(['broken false'])
    await world.clock.advance(1)
    expect(states.at(-1)).toBe('late true')
  })

  it('cut the requests they work on when they end, and take their metrics with them', async () => {
    const world = testMesh([service('app')])
    const slow = pod('app', 'v1', { TIMING_50_PERCENTILE: '200ms' })
    const client = pod('client', 'v1')
    await world.run(slow, client)
    const from = { ...world.mesh.gateway(), key: 'shop/client-v1', namespace: 'shop', side: 'mesh' as const }
    const answer = world.mesh.request(from, { method: 'GET', host: 'app', path: '/', headers: {} })
    await world.clock.advance(100)
    await world.pods.stop(slow)
    expect(await answer).toMatchObject({ status: 503 })
    expect(await world.sendMany(1, from)).toEqual([503])
    await world.clock.advance(1000)
    expect(world.query('sum by (response_flags) (istio_requests_total)')).toEqual({ UC: 1, UF: 1 })
    expect(world.query('sum by (pod) (istio_requests_total)')).toEqual({ 'client-v1': 2 })
  })
})

async function served() {
  const clock = systemClock
  const cluster = testCluster(...OBJECTS)
  const started = [
    pod('app', 'v1', { NAME: 'front', UPSTREAM_URIS: 'http://back' }),
    pod('back', 'v1', { NAME: 'back' }),
    pod('copy', 'v1', { ERROR_RATE: '1' }),
  ]
  cluster.put(...started)
  const mesh = new Mesh({ clock, cluster, seed: 1, scrapeMs: 1 })
  const pods = createPodRuntime({ clock, mesh, mode: 'http', startMs: 0 })
  const listener = await listenGateway(mesh)
  const prometheus = await listenPrometheus(createPrometheusApi(clock, (atMs) => mesh.samples(atMs)))
  ends.push(() => mesh.stop(), pods.stopAll, () => void listener.close(), () => void prometheus.close())
  await Promise.all(started.map((object) => pods.start(object)))
  const toGateway = loopbackSend(`http://127.0.0.1:${listener.port}`)
  const toPrometheus = loopbackSend(`http://127.0.0.1:${prometheus.port}`)
  return {
    clock,
    mesh,
    pods,
    port: listener.port,
    send: (method: string) => toGateway({ method, host: '', path: '/', headers: {} }),
    query: async (query: string) => {
      await clock.sleep(2)
      const { body } = await toPrometheus({
        method: 'POST',
        host: '',
        path: '/api/v1/query',
        headers: {},
        body: new URLSearchParams({ query }).toString(),
      })
      const { data } = JSON.parse(body) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } }
      return Object.fromEntries(data.result.map(({ metric, value }) => [Object.values(metric).join(' '), value[1]]))
    },
  }
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve))
}
