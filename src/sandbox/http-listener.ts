import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Cluster } from './cluster.ts'
import { listenOnLoopback, readBody } from './loopback.ts'

/** A hanging request lets go of its socket after this long at the latest. */
const requestTimeoutMs = 3_600_000

/** Serves a cluster over HTTP on 127.0.0.1 only; without a port, on a free one. Rejects where the port is taken. */
export const listen = async (
  cluster: Cluster,
  { port = 0 }: { readonly port?: number } = {},
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  const listener = await listenOnLoopback((incoming, outgoing) => serve(cluster, incoming, outgoing), port)
  return { url: `http://127.0.0.1:${listener.port}`, close: listener.close }
}

const serve = async (cluster: Cluster, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
  // A page in a browser may reach 127.0.0.1 under a name of its own: only the loopback names are let in.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(incoming.headers.host ?? '')) {
    outgoing.writeHead(403).end('this server answers on loopback only')
    return
  }
  const abort = new AbortController()
  outgoing.once('close', () => abort.abort(new Error('the client has gone')))
  const { method = 'GET', url: path = '/' } = incoming
  const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]))
  const body = await readBody(incoming)
  const answered = await cluster.exchange({ method, path, headers, body, signal: abort.signal }, requestTimeoutMs)
  outgoing.writeHead(answered.status, answered.headers).flushHeaders()
  if (typeof answered.body === 'string') outgoing.write(answered.body)
  else for await (const line of answered.body) outgoing.write(`${line}\n`)
  outgoing.end()
}
