import http from 'node:http'
import https from 'node:https'
import type { Clock } from '../runtime/clock.ts'
import { openScope, type Scope } from '../runtime/scope.ts'
import type { Transport, TransportRequest, TransportResponse } from '../runtime/transport.ts'

/** What a TLS connection is made with; every request may bring other values, as certificates rotate. */
export type TlsOptions = Pick<https.RequestOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'rejectUnauthorized' | 'servername'>

/** What a transport over real sockets is made of. */
export type NodeTransportOptions = {
  /** "https://host:port", with a path prefix where there is one. */
  readonly baseUrl: string
  readonly clock: Clock
  /** Asked before every request, for credentials that expire. */
  readonly headers?: () => Promise<Readonly<Record<string, string>>>
  readonly tls?: () => Promise<TlsOptions>
  /** Connections at most, each watch holding one; 512 by default. */
  readonly maxSockets?: number
}

/** A transport on node:http and node:https with one pool of kept-alive connections. It asks for no compression. */
export const nodeTransport = (options: NodeTransportOptions): Transport => {
  const base = new URL(options.baseUrl)
  const client = base.protocol === 'https:' ? https : http
  const agent = new client.Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: options.maxSockets ?? 512 })
  const prefix = base.pathname.replace(/\/$/, '')

  return async (request) => {
    const scope = openScope(request.signal)
    const title = `${request.method} ${base.host}${request.path.replace(/\?.*/, '')}`
    scope.deadline(request.timeoutMs, options.clock, () => new Error(`${title}: no answer within ${request.timeoutMs} ms`))
    try {
      const [headers, tls] = await Promise.all([options.headers?.() ?? {}, options.tls?.() ?? {}])
      scope.signal.throwIfAborted()
      const outgoing = client.request(new URL(`${base.origin}${prefix}${request.path}`), {
        ...tls,
        agent,
        method: request.method,
        headers: { ...lengthOf(request), ...request.headers, ...headers },
      })
      return respond(await receive(outgoing, request.body, scope), scope)
    } catch (error) {
      scope.close()
      throw error
    }
  }
}

const lengthOf = ({ body }: TransportRequest) => (body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) })

const receive = (outgoing: http.ClientRequest, body: string | undefined, { signal }: Scope): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const abort = () => outgoing.destroy(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    outgoing.once('response', (response) => {
      signal.removeEventListener('abort', abort)
      resolve(response)
    })
    // It stays for good: a request whose response is in may still fail, and nobody else would hear it.
    outgoing.on('error', (error) => {
      signal.removeEventListener('abort', abort)
      reject(error)
    })
    outgoing.end(body)
  })

const respond = (response: http.IncomingMessage, scope: Scope): TransportResponse => {
  const abort = () => response.destroy(scope.signal.reason as Error)
  scope.signal.addEventListener('abort', abort, { once: true })
  if (scope.signal.aborted) abort()
  response.once('close', () => scope.close())
  // A response that nobody reads may break too; those who read it hear of it through the iteration.
  response.on('error', () => undefined)
  response.setEncoding('utf8')
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
    text: async () => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      return text
    },
    lines: () => {
      scope.endDeadlines()
      return splitLines(response)
    },
  }
}

/** By hand, since readline raises the errors of its input a second time, where nobody can catch them. */
async function* splitLines(chunks: AsyncIterable<unknown>): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
