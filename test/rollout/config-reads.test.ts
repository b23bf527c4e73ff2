import { afterEach, describe, expect, it } from 'vitest'
import type { Transport, TransportRequest } from '../../src/runtime/transport.ts'
import type { Harness } from '../harness.ts'
import { adoptedConfigured, config, configuredTarget, fromKey } from './configured.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const stable = () => harness.status().stableRevision ?? ''
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stable() !== before, 60_000)
const results = () => harness.status().history?.map(({ result }) => result)
const isRead = ({ method, path }: TransportRequest) => method === 'GET' && path.endsWith('/configmaps/app')
const isWatch = ({ path }: TransportRequest) => path.includes('/configmaps?') && path.includes('watch=1')

const plain = { container: { env: [fromKey('ERROR_RATE', 'rate', { optional: true })] } }
const settled = config('app', { rate: '0', other: 'a' })
const changed = config('app', { rate: '0', other: 'b' })

/** Stands between an operator and the API server, and does this to what it asks for once `isOn`. */
function disturbed(disturb: (request: TransportRequest, transport: Transport) => ReturnType<Transport> | undefined) {
  const state = { isOn: false }
  const through = (transport: Transport): Transport => (request) => (state.isOn ? disturb(request, transport) : undefined) ?? transport(request)
  return { state, operator: { through } }
}

const refused = (status: number, message: string): ReturnType<Transport> => {
  const text = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'InternalError', message, code: status })
  return Promise.resolve({ status, headers: { 'content-type': 'application/json' }, text: () => Promise.resolve(text), async *lines() { yield text } })
}

describe('a content that cannot be read', () => {
  it('begins nothing, is said, and counts as it did: an error is not an absence', async () => {
    const { state, operator } = disturbed((request) => (isRead(request) ? refused(500, 'etcd is away') : undefined))
    harness = await adoptedConfigured(plain, [settled], { operator })
    const first = stable()
    state.isOn = true
    await harness.apply(changed)
    await harness.until(() => harness.condition('Degraded').startsWith('True ConfigUnreadable'), 20_000)
    expect(harness.status().phase).toBe('Idle')
    await harness.apply(configuredTarget('v2', plain))
    await harness.clock.advance(30_000)
    expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: first, history: [] })
    state.isOn = false
    await promotedFrom(first)
    expect(results()).toEqual(['Promoted'])
    expect(harness.condition('Degraded')).toMatch(/^False/)
  })

  it('holds up no adoption without a word', async () => {
    const { state, operator } = disturbed((request) => (isRead(request) ? refused(500, 'etcd is away') : undefined))
    state.isOn = true
    const adopting = adoptedConfigured(plain, [settled], { operator, until: (made) => made.condition('Stalled').startsWith('True ConfigUnreadable') })
    harness = await adopting
    expect(harness.sandbox.cluster.reader.list('deployments.apps').map(({ metadata }) => metadata.name).toSorted()).toEqual(['caller-v1', 'service-c'])
    state.isOn = false
    await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 30_000)
  })

  it('holds up no rollback, though its answer never comes', async () => {
    const { state, operator } = disturbed((request) => (isRead(request) ? new Promise((_, reject) => request.signal?.addEventListener('abort', () => reject(new Error('aborted')))) : undefined))
    harness = await adoptedConfigured(plain, [settled], { operator, spec: { steps: [{ weight: 50, for: '1m' }] } })
    await harness.apply(config('app', { rate: '1' }))
    await at('1/1')
    state.isOn = true
    await harness.apply(settled)
    await harness.until(() => harness.status().phase === 'Failed', 10_000)
    expect(harness.oracle.exposed('serin-service-c')).toBeUndefined()
  })
})

describe('a watch of ConfigMaps that stands still', () => {
  it('does not make one leader take back what another has seen', async () => {
    const { state, operator } = disturbed((request) => (isWatch(request) ? Promise.resolve({ status: 200, headers: {}, text: () => Promise.resolve(''), async *lines() { yield await new Promise<string>(() => undefined) } }) : undefined))
    state.isOn = true
    harness = await adoptedConfigured(plain, [settled], { operator, spec: { steps: [{ weight: 20, for: '20s' }] } })
    const first = stable()
    await harness.apply(changed)
    await harness.clock.advance(10_000)
    expect(harness.status().phase).toBe('Idle')
    harness.startOperator()
    await promotedFrom(first)
    expect(results()).toEqual(['Promoted'])
    expect(harness.events().filter((event) => /Superseded|Reverted|RouteToStable/.test(event))).toEqual([])
  })
})

describe('an object that changes all the time', () => {
  it('does not keep the target from being looked at', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ for: '1s' }], analysis: { interval: '1s', metrics: [] } } })
    const first = stable()
    for (let beat = 0; beat < 40; beat++) {
      await harness.apply(config('app', { rate: '0', beat: String(beat) }))
      await harness.clock.advance(300)
    }
    await harness.until(() => harness.status().observedTarget?.revision !== first, 1000)
    await promotedFrom(first)
  })
})
