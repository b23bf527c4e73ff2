import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { asError } from './failure.ts'
import type { Log } from './log.ts'

/** Checks by name; each returns why it fails, or nothing. */
export type Checks = Readonly<Record<string, () => string | undefined>>

/** What the health server shows. */
export type HealthServerOptions = {
  /** 0 takes any free port. */
  readonly port: number
  /** All interfaces by default. */
  readonly host?: string
  /** A failing check asks for a restart. */
  readonly live: Checks
  /** A failing check asks to be left without requests. */
  readonly ready: Checks
  /** The metrics page, such as a prom-client registry's. */
  readonly metrics: { readonly contentType: string; readonly metrics: () => Promise<string> }
  readonly log: Log
}

/** A server that listens. */
export type RunningServer = {
  readonly port: number
  /** Ends every connection, also those in use. */
  readonly close: () => Promise<void>
}

type Page = { readonly status: number; readonly contentType: string; readonly body: string }

/** Serves /healthz, /readyz and /metrics; resolves once it listens, rejects where the port is taken. */
export const startHealthServer = async (options: HealthServerOptions): Promise<RunningServer> => {
  const server = createServer((request, response) => void answer(options, request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const answer = async (options: HealthServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { status, contentType, body } = await pageAt(options, request)
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

const pageAt = async ({ live, ready, metrics, log }: HealthServerOptions, { method, url }: IncomingMessage): Promise<Page> => {
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'method not allowed\n')
  try {
    switch ((url ?? '').replace(/\?.*/, '')) {
      case '/healthz':
        return report(live)
      case '/readyz':
        return report(ready)
      case '/metrics':
        return { status: 200, contentType: metrics.contentType, body: await metrics.metrics() }
      default:
        return text(404, 'not found\n')
    }
  } catch (thrown) {
    log.error({ err: asError(thrown), url }, 'a page failed')
    return text(500, 'internal error\n')
  }
}

const report = (checks: Checks): Page => {
  const results = Object.entries(checks).map(([name, check]) => ({ name, failure: check() }))
  const lines = results.map(({ name, failure }) => (failure === undefined ? `[+] ${name} ok` : `[-] ${name}: ${failure}`))
  return text(results.some(({ failure }) => failure !== undefined) ? 503 : 200, `${lines.join('\n')}\n`)
}

const text = (status: number, body: string): Page => ({ status, contentType: 'text/plain; charset=utf-8', body })
