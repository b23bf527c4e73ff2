import http from 'node:http'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { Call, CallAnswer, Load, LoadAnswer } from './lab-info.ts'

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 })
const TIMEOUT_MS = 15_000

/** One request on a kept-alive connection. Never throws: a request that was not answered says so. */
export function call({ url, method = 'GET', headers = {}, timeoutMs = TIMEOUT_MS }: Call): Promise<CallAnswer> {
  const started = performance.now()
  const ms = () => Math.round((performance.now() - started) * 10) / 10
  return new Promise((resolve) => {
    const fail = (error: Error & { code?: string }) => resolve({ error: error.code ?? error.message, ms: ms() })
    const request = http.request(url, { agent, method, headers, timeout: timeoutMs }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('error', fail)
        .on('end', () => resolve({ status: response.statusCode ?? 0, headers: flat(response.headers), body, ms: ms() }))
    })
    request.on('timeout', () => request.destroy(new Error(`no answer in ${timeoutMs} ms`))).on('error', fail).end()
  })
}

/** Requests at a fixed rate, whether or not the ones before were answered; resolves when the last is. */
export async function runLoad({ rps, ms, ...request }: Load, each: (answer: LoadAnswer) => void, signal: AbortSignal): Promise<void> {
  const open = new Set<Promise<void>>()
  const started = performance.now()
  const total = Math.ceil((rps * ms) / 1000)
  for (let sent = 0; sent < total && !signal.aborted; sent++) {
    const waitMs = started + (sent * 1000) / rps - performance.now()
    if (waitMs > 1) await systemClock.sleep(waitMs, signal).catch(() => undefined)
    const asked = ask(request, each).finally(() => open.delete(asked))
    open.add(asked)
  }
  await Promise.all(open)
}

async function ask(request: Call, each: (answer: LoadAnswer) => void): Promise<void> {
  const at = Date.now()
  const answer = await call(request)
  if ('error' in answer) return each({ at, ms: answer.ms, status: answer.error, version: '' })
  each({ at, ms: answer.ms, status: answer.status, version: answer.headers['x-version'] ?? '', ...(answer.status === 200 ? {} : { body: answer.body.slice(0, 300) }) })
}

const flat = (headers: http.IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
