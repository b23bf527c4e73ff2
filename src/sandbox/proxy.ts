import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { listenOnLoopback, readBody, type Listener } from './loopback.ts'
import { ConnectionError, type Mesh, type MeshRequest, type MeshResponse } from './mesh.ts'

export type { Listener } from './loopback.ts'

/** Serves requests on a loopback port (any free one by default); an answer that rejects cuts the connection. */
export const listen = (answer: (request: MeshRequest) => Promise<MeshResponse>, port = 0): Promise<Listener> =>
  listenOnLoopback(async (incoming, outgoing) => {
    const { method = 'GET', url: path = '/', headers } = incoming
    const text = await readBody(incoming)
    const request = { method, host: headers.host ?? '', path, headers: endToEnd(headers), ...(text !== '' && { body: text }) }
    const { status, headers: answered, body } = await answer(request)
    outgoing.writeHead(status === 0 ? 502 : status, { ...answered, 'content-length': Buffer.byteLength(body) }).end(body)
  }, port)

/** Sends requests to loopback ports over kept connections. */
export type Forwarder = {
  /** Rejects with a ConnectionError where nobody answers within 30 s. */
  readonly send: (port: number, request: MeshRequest) => Promise<MeshResponse>
  readonly close: () => void
}

/** A forwarder with connections of its own. */
export function createForwarder(): Forwarder {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  return { send: (port, request) => forward(agent, port, request), close: () => agent.destroy() }
}

const forward = (agent: Agent, port: number, { method, host, path, headers, body }: MeshRequest): Promise<MeshResponse> =>
  new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(new ConnectionError('code' in error && error.code === 'ECONNREFUSED' ? 'UF' : 'UC', { cause: error }))
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const to = { agent, host: '127.0.0.1', port, method, path, timeout: 30_000 }
    const outgoing = httpRequest({ ...to, headers: { ...headers, ...length, host } })
    outgoing.once('error', fail)
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
    outgoing.once('response', (incoming) => {
      readBody(incoming)
        .then((text) => resolve({ status: incoming.statusCode ?? 0, headers: endToEnd(incoming.headers), body: text }))
        .catch(fail)
    })
    outgoing.end(body)
  })

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host', 'upgrade', 'date'])

const endToEnd = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (HOP_BY_HOP.has(name) ? [] : [[name, String(value)]])))

/** The ingress gateway's port: every request on it enters the mesh there. */
export const listenGateway = (mesh: Pick<Mesh, 'request' | 'gateway'>, port = 0): Promise<Listener> =>
  listen((request) => mesh.request(mesh.gateway(), request), port)
