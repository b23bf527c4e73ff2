import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type HealthServerOptions, type RunningServer, startHealthServer } from './http-server.ts'
import { createLog } from './log.ts'

let server: RunningServer | undefined

const start = async (overrides: Partial<HealthServerOptions> = {}) => {
  server = await startHealthServer({
    port: 0,
    host: '127.0.0.1',
    live: { loop: () => undefined },
    ready: { caches: () => undefined },
    metrics: { contentType: 'text/plain; version=0.0.4', metrics: () => Promise.resolve('up 1\n') },
    log: createLog({ level: 'silent' }),
    ...overrides,
  })
  return server
}

const get = async (path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${server?.port}${path}`, init)
  return { status: response.status, body: await response.text() }
}

afterEach(() => server?.close())

describe('the health server', () => {
  it('names every check and what keeps it from being ready, and stays alive meanwhile', async () => {
    await start({ ready: { caches: () => 'pods are not listed yet', leader: () => undefined } })
    expect(await get('/readyz')).toEqual({ status: 503, body: '[-] caches: pods are not listed yet\n[+] leader ok\n' })
    expect(await get('/healthz?verbose')).toEqual({ status: 200, body: '[+] loop ok\n' })
  })

  it('serves the metrics, and nothing else', async () => {
    await start()
    expect(await get('/metrics')).toEqual({ status: 200, body: 'up 1\n' })
    expect((await get('/')).status).toBe(404)
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405)
    expect(await get('/healthz', { method: 'HEAD' })).toEqual({ status: 200, body: '' })
  })

  it('answers 500 where a page throws, and goes on', async () => {
    await start({ metrics: { contentType: 'text/plain', metrics: () => Promise.reject(new Error('no metrics')) } })
    expect((await get('/metrics')).status).toBe(500)
    expect((await get('/healthz')).status).toBe(200)
  })

  it('closes at once although a client keeps its connection', async () => {
    const { port, close } = await start()
    const client = connect(port, '127.0.0.1')
    const closed = new Promise((resolve) => client.once('close', resolve))
    await new Promise((resolve) => client.once('connect', resolve))
    await close()
    await closed
  })

  it('rejects where the port is taken', async () => {
    const { port } = await start()
    await expect(
      startHealthServer({
        port,
        host: '127.0.0.1',
        live: {},
        ready: {},
        metrics: { contentType: '', metrics: () => Promise.resolve('') },
        log: createLog({ level: 'silent' }),
      }),
    ).rejects.toThrow('EADDRINUSE')
  })
})
