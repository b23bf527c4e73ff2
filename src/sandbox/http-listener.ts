import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Cluster } from './cluster.ts'

/** A cluster's API server on a socket. */
export type Listener = { readonly url: string; readonly close: () => Promise<void> }

/** A hanging request lets go of its socket after this long at the latest. */
const requestTimeoutMs = 3_600_000

/** Serves a cluster over HTTP on 127.0.0.1 only; without a port, on a free one. Rejects where the port is taken. */
export const listen = async (cluster: Cluster, { port = 0 }: { readonly port?: number } = {}): Promise<Listener> => {
  const server = createServer((request, response) => {
    // Where the cluster breaks the connection, so does the socket.
    serve(cluster, request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}`
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url, close }
}

const serve = async (cluster: Cluster, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  // A page in a browser may reach 127.0.0.1 under a name of its own: only the loopback names are let in.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
    response.writeHead(403).end('this server answers on loopback only')
    return
  }
  const abort = new AbortController()
  response.once('close', () => abort.abort(new Error('the client has gone')))
  const { method = 'GET', url: path = '/' } = request
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
  const body = await readBody(request)
  const answered = await cluster.exchange({ method, path, headers, body, signal: abort.signal }, requestTimeoutMs)
  response.writeHead(answered.status, answered.headers)
  if (typeof answered.body === 'string') response.end(answered.body)
  else await stream(answered.body, response)
}

const stream = async (lines: AsyncIterable<string>, response: ServerResponse): Promise<void> => {
  response.flushHeaders()
  for await (const line of lines) response.write(`${line}\n`)
  response.end()
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
