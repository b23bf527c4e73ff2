import { createServer, type RequestListener, type Server } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../runtime/system-clock.ts'
import type { TransportRequest } from '../runtime/transport.ts'
import { nodeTransport } from './transport.ts'

let server: Server | undefined

const serve = async (listener: RequestListener) => {
  const sockets = new Set<unknown>()
  const running = createServer(listener)
  server = running
  running.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => running.listen(0, '127.0.0.1', resolve))
  const address = running.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const transport = nodeTransport({
    baseUrl: `http://127.0.0.1:${port}/prefix/`,
    clock: systemClock,
    headers: () => Promise.resolve({ authorization: 'Bearer secret' }),
  })
  return {
    sockets,
    transport: (request: Partial<TransportRequest> = {}) =>
      transport({ method: 'GET', path: '/path?a=1', timeoutMs: 5_000, ...request }),
  }
}

const collect = async (lines: AsyncIterable<string>) => {
  const seen: string[] = []
  for await (const line of lines) seen.push(line)
  return seen
}

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

describe('a transport over sockets', () => {
  it('sends path, headers and body below the prefix, and uses a connection again', async () => {
    const seen: unknown[] = []
    const { transport, sockets } = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (body) => {
        seen.push([request.method, request.url, request.headers.authorization, request.headers['content-length'], body])
        response.writeHead(201, { 'X-Toy': 'bear' }).end('schön')
      })
    })
    for (let n = 0; n < 3; n++) {
      const response = await transport({ method: 'POST', body: 'größer', headers: { 'content-type': 'text/plain' } })
      expect([response.status, response.headers['x-toy'], await response.text()]).toEqual([201, 'bear', 'schön'])
    }
    expect(seen[0]).toEqual(['POST', '/prefix/path?a=1', 'Bearer secret', '8', 'größer'])
    expect(sockets.size).toBe(1)
  })

  it('gives up at the deadline while it waits for the headers, and while it waits for the body', async () => {
    const { transport } = await serve((request, response) => {
      if (request.url?.includes('half') === true) response.writeHead(200).write('half')
    })
    await expect(transport({ timeoutMs: 50 })).rejects.toThrow(/^GET 127\.0\.0\.1:\d+\/path: no answer within 50 ms$/)
    // Long enough for the headers on a machine that is busy with other tests.
    const response = await transport({ path: '/half', timeoutMs: 1500 })
    await expect(response.text()).rejects.toThrow('no answer within 1500 ms')
  })

  it('reads lines beyond the deadline, whole however they are cut on the way', async () => {
    const bytes = Buffer.from('{"a":"grün"}\n{"b":2}\n{"c"')
    const { transport } = await serve((_, response) => {
      response.write(bytes.subarray(0, 9))
      void systemClock.sleep(1000).then(() => response.write(bytes.subarray(9)))
      void systemClock.sleep(1100).then(() => response.end(':3}'))
    })
    expect(await collect((await transport({ timeoutMs: 900 })).lines())).toEqual(['{"a":"grün"}', '{"b":2}', '{"c":3}'])
  })

  it('throws where a stream is reset midway or aborted, and lets the server know of an abort', async () => {
    let gone: Promise<void> | undefined
    const { transport } = await serve((request, response) => {
      response.write('one\n')
      if (request.url?.includes('reset') === true) void systemClock.sleep(20).then(() => request.socket.resetAndDestroy())
      gone = new Promise((resolve) => response.once('close', resolve))
    })
    await expect(transport({ path: '/reset' }).then((response) => collect(response.lines()))).rejects.toThrow(
      /aborted|ECONNRESET/,
    )

    const stop = new AbortController()
    const response = await transport({ signal: stop.signal })
    void systemClock.sleep(20).then(() => stop.abort(new Error('stopping')))
    await expect(collect(response.lines())).rejects.toThrow('stopping')
    await gone
  })

  it('closes the stream of a reader who leaves', async () => {
    let gone: Promise<void> | undefined
    const { transport } = await serve((_, response) => {
      response.write('one\ntwo\n')
      gone = new Promise((resolve) => response.once('close', resolve))
    })
    for await (const line of (await transport()).lines()) {
      expect(line).toBe('one')
      break
    }
    await gone
  })

  it('rejects a refused connection, a request that is aborted already, and credentials that cannot be had', async () => {
    const { transport } = await serve((_, response) => response.end())
    await expect(transport({ signal: AbortSignal.abort(new Error('stopping')) })).rejects.toThrow('stopping')
    const lost = nodeTransport({ baseUrl: 'http://127.0.0.1:1', clock: systemClock })
    await expect(lost({ method: 'GET', path: '/', timeoutMs: 1_000 })).rejects.toThrow('ECONNREFUSED')
    const poor = nodeTransport({
      baseUrl: 'http://127.0.0.1:1',
      clock: systemClock,
      headers: () => Promise.reject(new Error('the plugin failed')),
    })
    await expect(poor({ method: 'GET', path: '/', timeoutMs: 1_000 })).rejects.toThrow('the plugin failed')
  })

  it('leaves no listener behind on a signal that lives on', async () => {
    const { transport } = await serve((_, response) => response.end('ok'))
    const { signal } = new AbortController()
    const added: string[] = []
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => (added.push(args[0]), add(...args))
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (added.pop(), remove(...args))
    await (await transport({ signal })).text()
    // The response closes a tick after its end.
    await new Promise((resolve) => setImmediate(resolve))
    expect(added).toEqual([])
  })
})
