import { describe, expect, it } from 'vitest'
import type { CanaryStatus } from '../api/canary.ts'
import type { ClusterReader, KubeObject, StoreEvent } from '../sandbox/objects.ts'
import { Chronicle } from './chronicle.ts'
import { canaryOf, gatesOf } from './model.ts'
import { happyIstio, moved } from './manifests.ts'

/** A Chronicle over a cluster that is told what to say. */
function following() {
  const listeners: ((event: StoreEvent) => void)[] = []
  const [written] = happyIstio('canary')
  const canary = JSON.parse(JSON.stringify(written)) as KubeObject & { spec: { traffic: object; analysis: object; scaleDownDelay: object } }
  canary.spec.analysis = { failureThreshold: 2, initialDelay: '0s', minRequests: 50, noData: 'Hold', ...canary.spec.analysis }
  canary.spec.scaleDownDelay = { previous: '3s', failed: '0s' }
  Object.assign(canary.spec, { progressDeadline: '10m', rollbackWindow: '24h', suspend: false })
  const reader: ClusterReader = { list: () => [], get: () => canary, subscribe: (listener) => (listeners.push(listener), () => undefined) }
  const chronicle = new Chronicle(reader, () => Date.parse('2026-01-01T00:00:00Z'))
  const emit = (resource: string, object: KubeObject) => listeners.forEach((listener) => listener({ type: 'ADDED', resource, object }))
  return { chronicle, emit, say: (status: Partial<CanaryStatus>) => chronicle.follow(undefined, { ...REST, ...status }) }
}

const REST: CanaryStatus = { phase: 'Idle', message: '', weight: '0%', waits: [], seen: [], routes: [], checks: [], history: [], conditions: [] }
const rollout = { revision: 'v3', stepIndex: 2, startedAt: '2026-01-01T00:00:00Z', observed: '1s' }
const failing = { name: 'error-rate', verdict: 'Fail', value: '4.17%', requests: 48, needed: 0 } as const

describe('the chronicle', () => {
  it('remembers how far a release came, and what each gate decided, once status has forgotten it', () => {
    const { chronicle, say } = following()
    say({ phase: 'Progressing', step: '3/5', rollout, checks: [failing] })
    expect(canaryOf(chronicle)).toMatchObject({ revision: 'v3', at: 2, failed: false, done: 1 / 3 })
    say({ phase: 'RollingBack', step: '0/5', rollout })
    say({ phase: 'Failed', failed: { revision: 'v3' } })
    expect(canaryOf(chronicle)).toMatchObject({ revision: 'v3', at: 2, failed: true })
    expect(gatesOf(chronicle).map(({ name, bound, check }) => [name, bound, check?.verdict])).toEqual([
      ['error-rate', '1%', 'Fail'],
      ['latency p99', '1000ms', undefined],
    ])
  })

  it('takes down the Events of Canaries alone, with the time since it began', () => {
    const { chronicle, emit } = following()
    const event = (kind: string) => ({ apiVersion: 'v1', kind: 'Event', metadata: { name: kind }, involvedObject: { kind }, eventTime: '2026-01-01T00:00:12.500000Z', reason: 'Dark', message: 'v2 is ready', type: 'Normal' })
    emit('events', event('Pod'))
    emit('events', event('Canary'))
    expect(chronicle.moments).toEqual([{ atMs: 12_500, reason: 'Dark', note: 'v2 is ready', warns: false }])
  })
})

describe('moved manifests', () => {
  it('leave nothing in the namespace and on the hosts of the original', () => {
    const objects = moved(happyIstio('namespace', 'service-a', 'service-c-v1', 'gateway'), 'apart', 'apart.example')
    expect(JSON.stringify(objects)).not.toMatch(/istioinaction|"\*"/)
    expect(objects.map(({ metadata }) => metadata.namespace ?? metadata.name)).toEqual(objects.map(() => 'apart'))
  })
})
