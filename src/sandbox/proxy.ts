import { Agent, createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConnectionError } from './mesh.ts'
import type { Mesh, MeshRequest, MeshResponse } from './mesh.ts'

/** Something that listens on 127.0.0.1. */
export type Listener = {
  readonly port: number
  /** Ends abruptly: open connections are cut. */
  readonly close: () => void
}

/** Serves requests on a loopback port (any free one by default); an answer that rejects cuts the connection. */
export async function listen(answer: (request: MeshRequest) => Promise<MeshResponse>, port = 0): Promise<Listener> {
  const server = createServer((incoming, outgoing) => {
    readRequest(incoming)
      .then(answer)
      .then((response) => writeResponse(outgoing, response))
      .catch(() => outgoing.destroy())
  })
  // A server that closes an idle connection while the peer sends on it looks like a pod that died.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { port: (server.address() as AddressInfo).port, close }
}

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

function forward(agent: Agent, port: number, { method, host, path, headers, body }: MeshRequest): Promise<MeshResponse> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(new ConnectionError('code' in error && error.code === 'ECONNREFUSED' ? 'UF' : 'UC', { cause: error }))
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = httpRequest({
      agent,
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...headers, ...length, host },
      timeout: 30_000,
    })
    outgoing.once('error', fail)
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
    outgoing.once('response', (incoming) => {
      readBody(incoming)
        .then((text) => resolve({ status: incoming.statusCode ?? 0, headers: endToEnd(incoming.headers), body: text }))
        .catch(fail)
    })
    outgoing.end(body)
  })
}

async function readRequest(incoming: IncomingMessage): Promise<MeshRequest> {
  const {
    method = 'GET',
    url: path = '/',
    headers: { host = '', ...headers },
  } = incoming
  const body = await readBody(incoming)
  return { method, host, path, headers: endToEnd(headers), ...(body !== '' && { body }) }
}

function writeResponse(outgoing: ServerResponse, { status, headers, body }: MeshResponse): void {
  outgoing.writeHead(status === 0 ? 502 : status, { ...headers, 'content-length': Buffer.byteLength(body) })
  outgoing.end(body)
}

/** By events: an async iterator costs a third of the proxy's time. */
const readBody = (incoming: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => (body += chunk))
    incoming.once('end', () => (incoming.complete ? resolve(body) : reject(new Error('the message was cut short'))))
    incoming.once('error', reject)
  })

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host', 'upgrade', 'date'])

function endToEnd(headers: IncomingMessage['headers'] | MeshRequest['headers']): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (value !== undefined && !HOP_BY_HOP.has(name)) kept[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return kept
}

/** The ingress gateway's port: every request on it enters the mesh there. */
export const listenGateway = (mesh: Pick<Mesh, 'request' | 'gateway'>, port = 0): Promise<Listener> =>
  listen((request) => mesh.request(mesh.gateway(), request), port)
