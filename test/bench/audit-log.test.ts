import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { followAuditLog } from './audit-log.ts'
import { Journal } from './journal.ts'

const event = (fields: object): string =>
  `${JSON.stringify({ stage: 'ResponseComplete', userAgent: 'serin', responseStatus: { code: 200 }, requestReceivedTimestamp: '2026-01-02T03:04:05.123456Z', stageTimestamp: '2026-01-02T03:04:05.125500Z', ...fields })}\n`

const SHOP = '/namespaces/shop-0'
const receivedMs = Date.parse('2026-01-02T03:04:05.123Z') + 0.456 - performance.timeOrigin
const doneMs = Date.parse('2026-01-02T03:04:05.125Z') + 0.5 - performance.timeOrigin

describe('the audit log', () => {
  let path = ''
  const stop = new AbortController()

  beforeEach(() => (path = join(mkdtempSync(join(tmpdir(), 'audit-')), 'audit.log')))
  afterEach(() => {
    stop.abort(new Error('enough'))
    rmSync(dirname(path), { recursive: true })
  })

  it('tells what the operator asked for and when, and when versions were stored and ready', async () => {
    const journal = new Journal()
    const patch = event({ verb: 'patch', requestURI: `/apis/networking.istio.io/v1${SHOP}/virtualservices/web-7`, objectRef: { resource: 'virtualservices', name: 'web-7' } })
    const watch = { verb: 'watch', requestURI: '/api/v1/services?watch=1', objectRef: { resource: 'services' } }
    const deployment = { verb: 'create', userAgent: '', requestURI: `/apis/apps/v1${SHOP}/deployments`, objectRef: { resource: 'deployments', name: 'web-7-v2' } }
    writeFileSync(path, event({ ...watch, stage: 'ResponseStarted' }) + event(watch) + patch.slice(0, 40))
    const following = followAuditLog(path, journal, { everyMs: 1, signal: stop.signal })
    appendFileSync(path, [
      patch.slice(40),
      event({ verb: 'create', requestURI: `/apis/events.k8s.io/v1${SHOP}/events`, objectRef: { resource: 'events', name: 'web-7.1a2b' } }),
      event({ ...deployment, responseStatus: { code: 409 } }),
      event(deployment),
      event({ verb: 'patch', userAgent: '', requestURI: `/api/v1${SHOP}/pods/web-7-v2-5f6d8c7b9-x2v44/status`, objectRef: { resource: 'pods', name: 'web-7-v2-5f6d8c7b9-x2v44', subresource: 'status' } }),
    ].join(''))
    while (journal.factsOf('web-7').length < 2) await systemClock.sleep(1)
    stop.abort(new Error('enough'))
    await following
    expect(journal.requests.map(({ kind, verb, canary }) => [kind, verb, canary])).toEqual([['watch', 'watch', ''], ['VirtualService', 'patch', 'web-7'], ['event', 'create', 'web-7']])
    expect(journal.requests[1]?.atMs).toBeCloseTo(receivedMs, 2)
    expect(journal.factsOf('web-7').map(({ kind }) => kind)).toEqual(['deployed', 'ready'])
    expect(journal.factsOf('web-7').map((fact) => 'version' in fact && fact.version)).toEqual(['v2', 'v2'])
    expect(journal.factsOf('web-7')[0]?.atMs).toBeCloseTo(doneMs, 2)
  })
})
