import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testCluster } from './cluster.fixture.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string, labels: object = {}) => ({ metadata: { name, labels } })

describe('a watch', () => {
  it('gives what is there, then every change in order, in its namespace alone', async () => {
    const { call, merge, watch, clock } = testCluster()
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'apart' } })
    await call('POST', configMaps, configMap('a'))
    const { events, seen } = await watch(`${configMaps}?watch=true`)
    await call('POST', configMaps, configMap('b'))
    await call('POST', '/api/v1/namespaces/apart/configmaps', configMap('c'))
    await merge(`${configMaps}/a`, { data: { x: '1' } })
    await call('DELETE', `${configMaps}/b`)
    await clock.advance(0)
    expect(seen()).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b'])
    const versions = events.map(({ object }) => Number(object.metadata.resourceVersion))
    expect(versions).toEqual(versions.toSorted((a, b) => a - b))
  })

  it('resumes after a version, and says 410 inside a 200 when that version is forgotten', async () => {
    const { call, get, watch, clock, cluster } = testCluster({ historyLimit: 3 })
    await call('POST', configMaps, configMap('a'))
    const version = (await get(configMaps)).body.metadata.resourceVersion
    await call('POST', configMaps, configMap('b'))
    const resumed = await watch(`${configMaps}?watch=true&resourceVersion=${version}`)
    await clock.advance(0)
    expect(resumed.seen()).toEqual(['ADDED b'])
    for (let made = 0; made < 10; made++) await call('POST', configMaps, configMap(`n${made}`))
    const late = await watch(`${configMaps}?watch=true&resourceVersion=${version}`)
    expect(await late.ended).toBe('ended')
    expect(late.events).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }])
    const current = (await get(configMaps)).body.metadata.resourceVersion
    cluster.faults.forgetHistory()
    expect((await watch(`${configMaps}?watch=true&resourceVersion=${current}`)).seen()).toEqual([])
  })

  it('sees an object enter and leave its selection', async () => {
    const { call, merge, watch, clock, get } = testCluster()
    const { metadata } = (await get(configMaps)).body
    await call('POST', configMaps, configMap('a'))
    const live = await watch(`${configMaps}?watch=true&labelSelector=on%3Dyes`)
    await merge(`${configMaps}/a`, { metadata: { labels: { on: 'yes' } } })
    await merge(`${configMaps}/a`, { data: { x: '1' } })
    await merge(`${configMaps}/a`, { metadata: { labels: { on: 'no' } } })
    await merge(`${configMaps}/a`, { data: { x: '2' } })
    const replayed = await watch(`${configMaps}?watch=true&labelSelector=on%3Dyes&resourceVersion=${metadata.resourceVersion}`)
    await clock.advance(0)
    expect(live.seen()).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a'])
    expect(replayed.seen()).toEqual(live.seen())
  })

  it('of one name sees that one alone', async () => {
    const { call, watch, clock } = testCluster()
    const { seen } = await watch(`${configMaps}?watch=true&fieldSelector=metadata.name%3Db`)
    for (const name of ['a', 'b']) await call('POST', configMaps, configMap(name))
    await clock.advance(0)
    expect(seen()).toEqual(['ADDED b'])
  })

  it('ends after its timeout, with bookmarks on the way where they are wanted', async () => {
    const { watch, clock } = testCluster()
    const quiet = await watch(`${configMaps}?watch=true&timeoutSeconds=90`)
    const marked = await watch(`${configMaps}?watch=true&timeoutSeconds=90&allowWatchBookmarks=true`)
    await clock.advance(89_999)
    expect(marked.events).toHaveLength(1)
    await clock.advance(1)
    expect([await quiet.ended, await marked.ended]).toEqual(['ended', 'ended'])
    expect(quiet.events).toEqual([])
    expect(marked.events.at(-1)).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { resourceVersion: expect.any(String) as string } },
    })
  })

  it('fails on abort and when the connection drops, also one that nobody reads', async () => {
    const { watch, clock, cluster } = testCluster()
    const abort = new AbortController()
    const aborted = await watch(`${configMaps}?watch=true`, abort.signal)
    const dropped = await watch(`${configMaps}?watch=true`)
    await cluster.transport({ method: 'GET', path: `${configMaps}?watch=true`, timeoutMs: 1 })
    abort.abort(new Error('enough'))
    expect(await aborted.ended).toBe('enough')
    cluster.faults.dropWatches()
    expect(await dropped.ended).toMatch('reset')
    await clock.advance(0)
  })

  it('falls behind while paused, and loses nothing', async () => {
    const { call, watch, clock, cluster } = testCluster()
    const { seen } = await watch(`${configMaps}?watch=true`)
    cluster.faults.pauseWatches()
    await call('POST', configMaps, configMap('a'))
    await call('DELETE', `${configMaps}/a`)
    await clock.advance(10_000)
    expect(seen()).toEqual([])
    cluster.faults.resumeWatches()
    await clock.advance(0)
    expect(seen()).toEqual(['ADDED a', 'DELETED a'])
  })

  it('comes as table rows, with the columns in the first alone', async () => {
    const { call, cluster } = testCluster()
    await call('POST', configMaps, configMap('a'))
    await call('POST', configMaps, configMap('b'))
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
    const response = await cluster.transport({ method: 'GET', path: `${configMaps}?watch=true`, headers, timeoutMs: 1 })
    const lines = response.lines()[Symbol.asyncIterator]()
    const next = async () =>
      JSON.parse((await lines.next()).value as string) as {
        object: { kind: string; columnDefinitions: unknown[]; rows: { cells: unknown[] }[] }
      }
    expect((await next()).object).toMatchObject({
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }, { name: 'Age' }],
      rows: [{ cells: ['a', '0s'] }],
    })
    expect((await next()).object).toMatchObject({ columnDefinitions: [], rows: [{ cells: ['b', '0s'] }] })
  })
})

describe('a list and a watch from its version', () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const write = fc.record({ verb: fc.constantFrom('POST', 'PATCH', 'DELETE', 'resume'), name, on: fc.boolean() })

  it('together always give what is there, wherever the watch broke and was resumed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
        const { call, merge, get, watch, clock } = testCluster()
        const selected = `${configMaps}?labelSelector=on%3Dtrue`
        const view = new Map<string, string | undefined>()
        let version = (await get(selected)).body.metadata.resourceVersion
        let open = await watch(`${selected}&watch=true&resourceVersion=${version}`)
        const take = async () => {
          await clock.advance(0)
          for (const { type, object } of open.events.splice(0)) {
            version = object.metadata.resourceVersion
            if (type === 'DELETED') expect(view.delete(object.metadata.name)).toBe(true)
            else {
              expect(view.has(object.metadata.name)).toBe(type === 'MODIFIED')
              view.set(object.metadata.name, version)
            }
          }
        }
        for (const { verb, name, on } of writes) {
          const labels = { on: String(on) }
          if (verb === 'POST') await call('POST', configMaps, configMap(name, labels))
          else if (verb === 'PATCH') await merge(`${configMaps}/${name}`, { metadata: { labels } })
          else if (verb === 'DELETE') await call('DELETE', `${configMaps}/${name}`)
          else {
            await take()
            open = await watch(`${selected}&watch=true&resourceVersion=${version}`)
          }
        }
        await take()
        const listed = (await get(selected)).body.items.map(({ metadata }) => [metadata.name, metadata.resourceVersion])
        expect([...view].toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual(listed)
      }),
      { numRuns: 60 },
    )
  })
})

describe('faults', () => {
  it('answer, hang, or lose the answer of what was done', async () => {
    const { cluster, call, get, clock } = testCluster()
    cluster.faults.intercept = ({ method }) => (method === 'POST' ? { status: 429, retryAfterSeconds: 3 } : 'pass')
    expect(await call('POST', configMaps, configMap('a'))).toMatchObject({
      status: 429,
      headers: { 'retry-after': '3' },
      body: { reason: 'TooManyRequests' },
    })
    expect((await get(`${configMaps}/a`)).status).toBe(404)

    cluster.faults.intercept = () => 'lose-response'
    await expect(call('POST', configMaps, configMap('a'))).rejects.toThrow('reset before the response')
    cluster.faults.intercept = undefined
    expect((await get(`${configMaps}/a`)).status).toBe(200)

    cluster.faults.intercept = () => 'hang'
    const outcomes: string[] = []
    const hung = get(configMaps).catch((error: Error) => outcomes.push(error.message))
    await clock.advance(999)
    expect(outcomes).toEqual([])
    await clock.advance(1)
    await hung
    expect(outcomes).toEqual(['no response within 1000 ms'])
    const abort = new AbortController()
    const aborted = call('GET', configMaps, undefined, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
  })

  it('leave a log of what was asked', async () => {
    const { cluster, call, get } = testCluster()
    await call('POST', configMaps, configMap('a'))
    await get('/nowhere')
    expect(cluster.requests).toEqual([
      { method: 'POST', path: configMaps, status: 201 },
      { method: 'GET', path: '/nowhere', status: 404 },
    ])
    cluster.forgetRequests()
    expect(cluster.requests).toEqual([])
  })
})
