import { describe, expect, it } from 'vitest'
import type { WatchEvent } from '../runtime/list-watch.ts'
import type { TransportRequest, TransportResponse } from '../runtime/transport.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { createKubernetesClient } from './client.ts'
import type { RequestReport } from './connection.ts'
import {
  isAlreadyExists,
  isConflict,
  isGone,
  isNotServed,
  isUnknownOutcome,
  KubernetesError,
  UnknownOutcomeError,
} from './errors.ts'
import { resources } from './resource.ts'

type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> } | Error

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'podinfo', namespace: 'test', uid: 'u', resourceVersion: '7' },
  futureField: { kept: true },
}
const ok = (body: unknown): Answer => ({ status: 200, body })
const refused = (status: number, reason: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message: `because of ${reason}` },
})

/** A client whose server gives the answers in turn. */
const harness = (...answers: readonly Answer[]) => {
  const clock = new VirtualClock()
  const remaining = [...answers]
  const requests: (TransportRequest & { readonly at: number })[] = []
  const reports: RequestReport[] = []
  const transport = (request: TransportRequest): Promise<TransportResponse> => {
    requests.push({ ...request, at: clock.monotonic() })
    const answer = remaining.shift() ?? new Error('no answer is left in the script')
    if (answer instanceof Error) return Promise.reject(answer)
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
    return Promise.resolve({
      status: answer.status,
      headers: answer.headers ?? {},
      text: () => Promise.resolve(text),
      lines: async function* () {
        yield* text.split('\n')
      },
    })
  }
  const client = createKubernetesClient({
    transport,
    clock,
    random: () => 0,
    timeoutMs: 10_000,
    userAgent: 'toy/1',
    onRequest: (report) => reports.push(report),
  })
  return { client, clock, requests, reports }
}

const thrownBy = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not throw'),
    (error: unknown) => error,
  )

describe('reading', () => {
  it('gets an object whole, by group or core path', async () => {
    const { client, requests, reports } = harness(ok(deployment), ok(deployment), ok(deployment))
    expect(await client.get(resources.deployments, 'test/podinfo')).toEqual(deployment)
    await client.get(resources.pods, 'test/podinfo')
    await client.get(resources.namespaces, 'main')
    expect(requests.map(({ path }) => path)).toEqual([
      '/apis/apps/v1/namespaces/test/deployments/podinfo',
      '/api/v1/namespaces/test/pods/podinfo',
      '/api/v1/namespaces/main',
    ])
    expect(requests[0]?.headers).toEqual({ accept: 'application/json', 'user-agent': 'toy/1' })
    expect(reports[0]).toEqual({ method: 'GET', resource: 'deployments.apps', status: 200, durationMs: 0 })
  })

  it('tells an object that is not there from a resource that is not served', async () => {
    const { client } = harness(refused(404, 'NotFound'), { status: 404, body: '404 page not found' })
    expect(await client.get(resources.canaries, 'test/a')).toBeUndefined()
    const error = await thrownBy(client.get(resources.canaries, 'test/a'))
    expect(isNotServed(error)).toBe(true)
    expect(error).toMatchObject({ message: 'GET canaries.serin.dev test/a: 404 404 page not found' })
  })

  it('repeats what the server was too busy for when it asks to, and what got no answer', async () => {
    const { client, clock, requests } = harness(
      refused(429, 'TooManyRequests', { 'retry-after': '2' }),
      new Error('ECONNRESET'),
      refused(503, ''),
      ok(deployment),
    )
    const got = client.get(resources.deployments, 'test/podinfo')
    await clock.advance(5_000)
    expect(await got).toEqual(deployment)
    expect(requests.map(({ at, timeoutMs }) => [at, timeoutMs])).toEqual([
      [0, 10_000],
      [2_000, 8_000],
      [2_200, 7_800],
      [2_600, 7_400],
    ])
  })

  it('gives up where the deadline leaves no room, after five tries, when refused for good, and when aborted', async () => {
    const late = harness(refused(429, 'TooManyRequests', { 'retry-after': '10' }))
    expect(await thrownBy(late.client.get(resources.pods, 'test/a'))).toMatchObject({ status: 429, retryAfterMs: 10_000 })
    const away = harness()
    const failing = thrownBy(away.client.get(resources.pods, 'test/a'))
    await away.clock.advance(10_000)
    expect(await failing).toBeInstanceOf(UnknownOutcomeError)
    expect(away.requests).toHaveLength(5)
    const forbidden = harness(refused(403, 'Forbidden'))
    await thrownBy(forbidden.client.get(resources.pods, 'test/a'))
    expect(forbidden.requests).toHaveLength(1)
    const aborted = harness()
    await thrownBy(aborted.client.get(resources.pods, 'test/a', AbortSignal.abort(new Error('stopping'))))
    expect(aborted.requests).toHaveLength(1)
  })

  it('lists all pages, types the items, and starts again where a page token has expired', async () => {
    const { metadata, futureField } = deployment
    const untyped = { metadata, futureField }
    const first = ok({ metadata: { resourceVersion: '9', continue: 'token' }, items: [untyped] })
    const last = ok({ metadata: { resourceVersion: '9', continue: '' }, items: [untyped] })
    const { client, requests } = harness(first, refused(410, 'Expired'), first, last)
    const query = { namespace: 'test', labelSelector: 'app in (a,b)', limit: 1 }
    expect(await client.list(resources.deployments, query)).toEqual([deployment, deployment])
    const path = '/apis/apps/v1/namespaces/test/deployments'
    const selector = 'labelSelector=app+in+%28a%2Cb%29'
    const start = `${path}?limit=1&${selector}`
    expect(requests.map((request) => request.path)).toEqual([
      start,
      `${path}?limit=1&continue=token&${selector}`,
      start,
      `${path}?limit=1&continue=token&${selector}`,
    ])
  })
})

describe('writing', () => {
  it.each([
    ['jsonPatch', 'application/json-patch+json', [{ op: 'replace', path: '/spec/replicas', value: 2 }] as const],
    ['mergePatch', 'application/merge-patch+json', { spec: { replicas: 2 } }],
  ] as const)('names the kind of a %s, and reaches subresources', async (method, contentType, body) => {
    const { client, requests } = harness(ok(deployment))
    expect(await client[method](resources.deployments, 'test/podinfo', body as never, { subresource: 'scale' })).toEqual(
      deployment,
    )
    expect(requests[0]).toMatchObject({
      method: 'PATCH',
      path: '/apis/apps/v1/namespaces/test/deployments/podinfo/scale',
      headers: { 'content-type': contentType },
      body: JSON.stringify(body),
    })
  })

  it('creates below the collection, and deletes only what the preconditions name', async () => {
    const { client, requests } = harness(
      { status: 201, body: deployment },
      ok({ kind: 'Status', status: 'Success' }),
      refused(404, 'NotFound'),
    )
    await client.create(resources.deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'podinfo', namespace: 'test' },
    })
    await client.delete(resources.deployments, 'test/podinfo', { uid: 'u' })
    await client.delete(resources.deployments, 'test/podinfo')
    expect(requests[0]).toMatchObject({ method: 'POST', path: '/apis/apps/v1/namespaces/test/deployments' })
    expect(JSON.parse(requests[1]?.body ?? '')).toMatchObject({ kind: 'DeleteOptions', preconditions: { uid: 'u' } })
  })

  it.each([
    ['a reset', new Error('ECONNRESET'), { unknown: true }],
    ['a server’s failure', refused(500, 'InternalError'), { unknown: true }],
    ['an answer that is cut', { status: 200, body: '{"kind": "Depl' }, { unknown: true }],
    ['a request to wait', refused(429, 'TooManyRequests', { 'retry-after': '1' }), { unknown: false }],
    ['a conflict', refused(409, 'Conflict'), { unknown: false, conflict: true }],
    ['an object that exists', refused(409, 'AlreadyExists'), { unknown: false, exists: true }],
  ])(
    'is never repeated after %s, and the outcome is known or not',
    async (
      _,
      answer,
      { unknown, conflict = false, exists = false }: { unknown: boolean; conflict?: boolean; exists?: boolean },
    ) => {
      const { client, requests } = harness(answer)
      const error = await thrownBy(client.mergePatch(resources.virtualServices, 'test/podinfo', {}))
      expect(requests).toHaveLength(1)
      expect([isUnknownOutcome(error), isConflict(error), isAlreadyExists(error)]).toEqual([unknown, conflict, exists])
      expect(String(error)).toContain('PATCH virtualservices.networking.istio.io test/podinfo')
    },
  )
})

describe('a list-watch', () => {
  it('takes the null for what it is that a server gives for an empty list of metadata', async () => {
    const { client } = harness(ok(JSON.stringify({ kind: 'PartialObjectMetadataList', metadata: { resourceVersion: '7' }, items: null })))
    expect(await client.listWatch(resources.secrets, { metadataOnly: true }).list(undefined, new AbortController().signal)).toEqual({ items: [], resourceVersion: '7' })
  })

  const watch = async (client: ReturnType<typeof harness>['client']) => {
    const events: WatchEvent[] = []
    const from = { resourceVersion: '7', timeoutMs: 240_400 }
    for await (const event of client
      .listWatch(resources.deployments, { labelSelector: 'app' })
      .watch(from, new AbortController().signal))
      events.push(event)
    return events
  }
  const frames = (...events: readonly object[]) => ok(events.map((event) => JSON.stringify(event)).join('\n'))

  it('asks for bookmarks and an end, and reads events', async () => {
    const { client, requests } = harness(
      frames(
        { type: 'ADDED', object: deployment },
        { type: 'BOOKMARK', object: { kind: 'Deployment', metadata: { resourceVersion: '99' } } },
      ),
    )
    expect(await watch(client)).toEqual([
      { type: 'ADDED', object: deployment },
      { type: 'BOOKMARK', resourceVersion: '99' },
    ])
    expect(requests[0]?.path).toBe(
      '/apis/apps/v1/deployments?watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=240&labelSelector=app',
    )
  })

  it('throws a compaction as 410, whether it comes before the watch or in it', async () => {
    const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
    expect(
      isGone(
        await thrownBy(watch(harness(frames({ type: 'ADDED', object: deployment }, { type: 'ERROR', object: expired })).client)),
      ),
    ).toBe(true)
    expect(isGone(await thrownBy(watch(harness(refused(410, 'Expired')).client)))).toBe(true)
  })

  it('throws on a frame that is cut or foreign', async () => {
    await expect(watch(harness(ok('{"type":"ADDED","object":{"kind":')).client)).rejects.toThrow('expected a JSON object')
    await expect(watch(harness(ok('<html>')).client)).rejects.toThrow('expected a JSON object')
    await expect(watch(harness(frames({ type: 'ADDED', object: { kind: 'Status' } })).client)).rejects.toThrow(
      'expected a Kubernetes object',
    )
  })
})

it('keeps the message of an error short and free of the request', () => {
  const error = new KubernetesError(
    { method: 'GET', resource: resources.pods, key: 'a/b' },
    { status: 502, reason: '', message: 'x' },
  )
  expect(error.message).toBe('GET pods a/b: 502 x')
})
