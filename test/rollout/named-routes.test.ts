import { afterEach, describe, expect, it } from 'vitest'
import { destination, destinationRule, faulty, version, virtualService } from '../fixtures.ts'
import type { Harness } from '../harness.ts'
import { adopted } from './adopted.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

type Entry = { readonly destination: { readonly subset?: string }; readonly weight?: number }
type Http = Readonly<Record<string, unknown>> & { readonly name?: string; readonly route: readonly Entry[] }

const OTHER = {
  name: 'reports', match: [{ uri: { prefix: '/reports' }, headers: { 'x-plan': { regex: 'gold|silver' } } }], timeout: '90s', retries: { attempts: 2 },
  headers: { request: { add: { 'x-team': 'reports' } } }, route: [{ ...destination('service-c', 'first', 30), headers: { response: { set: { 'x-from': 'a' } } } }, destination('service-c', 'first', 70)],
}
const USERS = { name: 'users', timeout: '3s', route: [destination('service-c')] }
const written = () => virtualService({ http: [OTHER, USERS] })
const rule = () => destinationRule({ subsets: [{ name: 'first', labels: { version: 'v1' } }] })
const http = () => (harness.object('virtualservices.networking.istio.io', 'service-c')['spec'] as { http: readonly Http[] }).http
const text = (name: string) => JSON.stringify(http().find((route) => route.name === name))
const weights = (name: string) => http().find((route) => route.name === name)?.route.map(({ destination: { subset }, weight }) => `${subset ?? ''} ${weight ?? ''}`)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)

/** service-c with two http routes of the user's, of which one is named; everything that the other ever was. */
async function named(spec: object = {}): Promise<Set<string>> {
  harness = await adopted({ objects: [rule(), written()], spec: { traffic: { httpRoutes: ['users'], propagation: '300ms', drain: '200ms' }, ...spec } })
  const seen = new Set([text('reports')])
  harness.sandbox.cluster.reader.subscribe(({ resource }) => {
    if (resource === 'virtualservices.networking.istio.io') seen.add(text('reports'))
  })
  return seen
}

describe('traffic.httpRoutes', () => {
  it('names the route that a release raises and promotes; the other one stays as it was written, byte for byte', async () => {
    const seen = await named()
    expect(harness.status().routes).toMatchObject([{ name: 'service-c', httpRoutes: ['users'] }])
    await harness.apply(version('v2'))
    for (const [step, expected] of [['1/2', ['serin-v1 80', 'serin-v2 20']], ['2/2', ['serin-v1 50', 'serin-v2 50']]] as const) {
      await at(step)
      expect(weights('users')).toEqual(expected)
    }
    await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === 'v2', 60_000)
    expect(weights('users')).toEqual(['serin-v2 '])
    expect([...seen]).toEqual([JSON.stringify(OTHER)])
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })

  it('names the route that is rolled back, and a match is inserted before it alone', async () => {
    const seen = await named({ steps: [{ match: [{ headers: { 'x-tester': { exact: 'yes' } } }], weight: 20, for: '20s' }] })
    await harness.apply(faulty('v2'))
    await at('1/1')
    expect(http().map(({ name }) => name)).toEqual(['reports', 'serin-match-users-1', 'users'])
    await harness.until(() => harness.oracle.exposed('service-c') === undefined, 60_000, 50)
    expect(http().map(({ name }) => name)).toEqual(['reports', 'users'])
    expect(weights('users')).toEqual(['serin-v1 '])
    await harness.until(() => harness.status().phase === 'Failed', 30_000)
    expect([...seen]).toEqual([JSON.stringify(OTHER)])
  })

  it('of a Canary that is deleted leaves both routes as they were written', async () => {
    const seen = await named()
    await harness.delete(harness.canary())
    await harness.until(() => harness.find('canaries.serin.dev', 'service-c') === undefined, 60_000)
    expect(http()).toEqual([OTHER, USERS])
    expect([...seen]).toEqual([JSON.stringify(OTHER)])
  })
})
