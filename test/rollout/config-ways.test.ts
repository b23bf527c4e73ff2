import { afterEach, describe, expect, it } from 'vitest'
import type { Transport, TransportResponse } from '../../src/runtime/transport.ts'
import { targetCanary } from '../fixtures.ts'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedConfigured, config, configuredTarget, fromKey } from './configured.ts'

let harness: Harness
afterEach(() => harness.stop())
const stable = () => harness.status().stableRevision ?? ''
const plain = { container: { env: [fromKey('ERROR_RATE', 'rate')] } }
const answer = (status: number, text: string): TransportResponse => ({ status, headers: {}, text: async () => text, lines: async function* () { yield text } })

describe('trackConfig', () => {
  it('stable grows where Secrets may no longer be read: its copies stand', async () => {
    const pod = { container: { env: [fromKey('ERROR_RATE', 'rate', { kind: 'Secret' })] } }
    harness = await adoptedConfigured(pod, [config('app', { rate: '0' }, { kind: 'Secret' })], { spec: { trackConfig: 'All' }, operator: { settings: { trackSecrets: true } } })
    harness.kill()
    const asked: string[] = []
    harness.startOperator({ settings: { trackSecrets: false }, through: (transport) => async (request) => {
      if (!request.path.includes('/secrets')) return transport(request)
      asked.push(`${request.method} ${request.path}`)
      return answer(403, JSON.stringify({ kind: 'Status', code: 403, reason: 'Forbidden', message: 'secrets is forbidden' }))
    } })
    await harness.patch(targetCanary(), { spec: { trackConfig: 'ConfigMaps' } })
    await harness.clock.advance(5000)
    await harness.patch(targetCanary(), { spec: { replicas: 4 } })
    await harness.clock.advance(120_000)
    expect(harness.replicas(`service-c-${stable()}`)).toBe(4)
    expect(asked).toEqual([])
  })

  it('says why stable does not wake where a copy is gone and the original has changed, and asks no four times a second', async () => {
    harness = await adoptedConfigured(plain, [config('app', { rate: '0', other: 'a' })])
    await harness.patch(targetCanary(), { spec: { replicas: 0 } })
    await harness.until(() => harness.replicas(`service-c-${stable()}`) === 0, 20_000)
    await harness.delete(harness.object('configmaps', `app-service-c-${stable()}`))
    await harness.apply(config('app', { rate: '0', other: 'b' }))
    await harness.clock.advance(5000)
    const before = harness.sandbox.cluster.requests.length
    await harness.patch(targetCanary(), { spec: { replicas: 2 } })
    await harness.clock.advance(60_000)
    expect(harness.sandbox.cluster.requests.length - before).toBeLessThan(60)
    expect(harness.status().message).toContain('ConfigMap app')
  })

  it('a release that supersedes another is held, too, while a ConfigMap that its pods need is missing', async () => {
    const named = (object: string) => ({ container: { env: [fromKey('ERROR_RATE', 'rate', { object })] } })
    harness = await adoptedConfigured(named('app-1'), [config('app-1', { rate: '0' }), config('app-2', { rate: '0' })], { spec: { steps: [{ weight: 20, for: '20s' }], progressDeadline: '15s' } })
    await harness.apply(configuredTarget('v2', named('app-2')))
    await harness.until(() => harness.status().step === '1/1', 60_000)
    await harness.apply(configuredTarget('v3', named('app-3')))
    await harness.clock.advance(40_000)
    expect(harness.status().phase).not.toBe('Failed')
  })

  it('an answer that is cut off puts no Secret into the log', async () => {
    const cut = (transport: Transport): Transport => async (request) => {
      if (request.method !== 'GET' || !request.path.endsWith('/secrets/keys')) return transport(request)
      // As servers write it that sort members by name.
      return answer(200, '{"apiVersion":"v1","data":{"key":"aHVudGVyMi1odW50ZXIy"},"kind":"Secret","metadata":{"name":"ke')
    }
    const lines: string[] = []
    harness = await adoptedConfigured({ container: { env: [fromKey('KEY', 'key', { kind: 'Secret', object: 'keys' })] } }, [config('keys', { key: 'hunter2-hunter2' }, { kind: 'Secret' })], {
      spec: { trackConfig: 'All' }, operator: { through: cut, settings: { trackSecrets: true } }, log: (line) => lines.push(line), until: (one) => one.condition('Stalled').startsWith('True'),
    })
    expect(lines.filter((line) => line.includes('aHVudGVyMi1odW50ZXIy'))).toEqual([])
    expect(harness.sandbox.cluster.reader.list('events', NAMESPACE).length).toBeGreaterThan(0)
  })
})
