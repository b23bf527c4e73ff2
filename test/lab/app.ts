import http from 'node:http'
import { readFileSync } from 'node:fs'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { createFakeService, environmentOf } from '../../src/sandbox/fake-service.ts'
import type { MeshRequest, MeshResponse } from '../../src/sandbox/mesh.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { call, runLoad } from './calls.ts'
import { type Call, CONTROL_PORT, type Load } from './lab-info.ts'

/**
 * The program of every pod: the fake service on real sockets, told by the pod's manifest, and a port by which tests send
 * requests from here. `?sleep=MS` makes an answer take its time. On SIGTERM it ends abruptly, as a program without a
 * handler does, or after answering on for three seconds.
 */
const PORT = 8080
const GRACE_MS = 3000

type Manifest = { readonly pod: KubeObject; readonly serves: boolean; readonly end: 'abrupt' | 'graceful' }

const { pod, serves, end } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Manifest
let ending = false

const server = http.createServer((request, response) => void serve(request, response))
const control = http.createServer((request, response) => void obey(request, response))
const service = createFakeService(pod, {
  clock: systemClock, random: Math.random, signal: new AbortController().signal,
  call: async (request) => {
    const answer = await call({ url: `http://${request.host}${request.path}`, method: request.method, headers: request.headers })
    return 'error' in answer ? { status: 503, headers: {}, body: answer.error } : answer
  },
})
const usualSleep = environmentOf(pod)['SLEEP_MS']

async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  request.resume()
  const url = new URL(request.url ?? '/', 'http://pod')
  const sleepMs = Number(url.searchParams.get('sleep') ?? usualSleep ?? 0)
  if (sleepMs > 0) await systemClock.sleep(sleepMs)
  const answer: MeshResponse = await service(asked(request))
  if (ending) response.setHeader('connection', 'close')
  response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
}

/** What is passed on to upstreams: the tester's header and the request's id, as a traced service does. */
function asked(request: http.IncomingMessage): MeshRequest {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith('x-tester') || name === 'x-request-id').map(([name, value]) => [name, String(value)]))
  return { method: request.method ?? 'GET', host: request.headers.host ?? '', path: request.url ?? '/', headers }
}

async function obey(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
  if (request.url === '/call') response.end(JSON.stringify(await call(JSON.parse(body) as Call)))
  else if (request.url === '/load') {
    const stop = new AbortController()
    response.once('close', () => stop.abort(new Error('nobody listens any more')))
    await runLoad(JSON.parse(body) as Load, (answer) => response.write(`${JSON.stringify(answer)}\n`), stop.signal)
    response.end()
  } else response.writeHead(404).end()
}

process.on('SIGTERM', () => {
  if (end === 'abrupt' || ending) process.exit(143)
  ending = true
  setTimeout(() => process.exit(0), GRACE_MS)
})
// Envoy keeps connections longer than Node's five seconds, and a request that meets the end of one fails.
server.keepAliveTimeout = 3_600_000
if (serves) server.listen(PORT, '0.0.0.0')
control.listen(CONTROL_PORT, '0.0.0.0')
