import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { canary, namespace, service, version, virtualService } from '../fixtures.ts'
import { crd, Harness, pathOf } from '../harness.ts'

let harness: Harness
afterEach(() => harness.stop())

const SPACES = ['shop', 'bank', 'other'] as const
const within = (space: string, ...objects: readonly KubeObject[]): readonly KubeObject[] => objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace: space } }))
const app = (space: string) => within(space, service(), version('v1'), virtualService(), canary({ analysis: { interval: '1s', metrics: [] } }))
const statusIn = (space: string) => harness.sandbox.cluster.reader.get('canaries.serin.dev', space, 'service-c')?.['status'] as { phase?: string; stableRevision?: string; message?: string } | undefined
const asked = () => harness.sandbox.cluster.requests.map(({ method, path, status }) => `${method} ${path.replace(/\?.*/, '')} ${status}`)
const isStable = (space: string, revision: string) => statusIn(space)?.phase === 'Idle' && statusIn(space)?.stableRevision === revision

async function cluster(): Promise<void> {
  harness = new Harness()
  await harness.apply(crd(), ...SPACES.map((space) => namespace(space)), ...SPACES.flatMap(app))
  harness.sandbox.cluster.forgetRequests()
}

describe('an operator that watches some namespaces', () => {
  it('releases there, and neither reads nor writes Canaries, pods, Services and Deployments anywhere else', async () => {
    await cluster()
    harness.startOperator({ settings: { namespaces: ['shop', 'bank'] } })
    await harness.until(() => isStable('shop', 'v1') && isStable('bank', 'v1'), 30_000)
    await harness.apply(...within('bank', version('v2')))
    await harness.until(() => isStable('bank', 'v2'), 60_000)
    harness.sandbox.cluster.faults.dropWatches()
    await harness.clock.advance(5000)
    await harness.apply(...within('shop', version('v2')))
    await harness.until(() => isStable('shop', 'v2'), 60_000)
    expect(statusIn('other')).toBeUndefined()
    const everywhere = asked().filter((line) => line.startsWith('GET') && !line.includes('/namespaces/'))
    expect(new Set(everywhere.map((line) => line.split('/').at(-1)))).toEqual(new Set(['canaries.serin.dev 200', 'canaryactions.serin.dev 404', 'destinationrules 200', 'httproutes 404', 'virtualservices 200']))
    expect(asked().filter((line) => line.includes('/namespaces/other/') && !line.startsWith('POST /apis/events'))).toEqual([])
  })

  it('sees what is deleted in one of them while its watch was away, and forgets nothing of the others', async () => {
    await cluster()
    harness.startOperator({ settings: { namespaces: ['shop', 'bank'] } })
    await harness.until(() => isStable('shop', 'v1') && isStable('bank', 'v1'), 30_000)
    harness.sandbox.cluster.faults.pauseWatches()
    await harness.delete(within('shop', version('v1'))[0]!)
    harness.sandbox.cluster.faults.forgetHistory()
    harness.sandbox.cluster.faults.dropWatches()
    harness.sandbox.cluster.faults.resumeWatches()
    await harness.until(() => statusIn('shop')?.message === 'no pod of stable v1 is ready', 60_000)
    expect(statusIn('bank')).toMatchObject({ phase: 'Idle', message: 'v1 serves' })
  })

  it('without rights on the rest of the cluster goes on, on what it may see', async () => {
    await cluster()
    harness.sandbox.cluster.faults.intercept = ({ method, path }) => (method === 'GET' && !path.includes('/namespaces/') ? { status: 403 } : 'pass')
    harness.startOperator({ settings: { namespaces: ['shop', 'bank'] } })
    await harness.until(() => isStable('shop', 'v1') && isStable('bank', 'v1'), 30_000)
    await harness.apply(...within('shop', version('v2')))
    await harness.until(() => isStable('shop', 'v2'), 60_000)
    expect(asked().filter((line) => line.includes('/namespaces/shop/virtualservices 200'))).not.toEqual([])
    expect(asked().filter((line) => line.endsWith('/v1/virtualservices 403'))).toHaveLength(1)
  })

  it('of the whole cluster without those rights advances nothing: it cannot know what it works on', async () => {
    await cluster()
    harness.sandbox.cluster.faults.intercept = ({ path }) => (path.includes('customresourcedefinitions') ? { status: 403 } : 'pass')
    harness.startOperator()
    await harness.clock.advance(30_000)
    expect(statusIn('shop')?.phase).not.toBe('Idle')
    expect((await harness.call('GET', pathOf(within('shop', virtualService())[0]!))).body.metadata.annotations).toBeUndefined()
  })
})
