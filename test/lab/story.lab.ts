import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LoadAnswer } from './lab-info.ts'
import { labelsOf } from './pod.ts'
import { manifests, type OperatorProcess, type RunningLoad, Suite, tally, yamlIn } from './suite.ts'

const NAMESPACE = 'istioinaction'
const SHARED = '../shared/happy-istio'
const CANARY = `${NAMESPACE}/service-c`
const LONG = 600_000

const suite = new Suite()
const { objects } = suite
let operator: OperatorProcess
const ADDRESS = { serviceA: '', outsider: '', plain: '', stable: '', gateway: '' }
/** When v1 began to go: what its address answers afterwards says nothing. */
let v1Until = Infinity
const loads: Record<string, RunningLoad> = {}

const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }) as never

/** A pod that only sends; with a sidecar or without one. */
const sender = (name: string, inject: boolean) => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'outside' },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name, ...(inject ? {} : { 'sidecar.istio.io/inject': 'false' }) } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } },
  },
}) as never

const release = async (version: string) => objects.apply(...manifests([`examples/happy-istio/service-c-${version}.yaml`], NAMESPACE))

beforeAll(async () => {
  if (!existsSync(SHARED)) throw new Error(`${SHARED} is not there: the story is about those manifests`)
  await objects.apply(namespace(NAMESPACE), namespace('outside'))
  await objects.apply(sender('outsider', true), sender('plain', false), ...manifests(yamlIn(SHARED).filter((path) => !path.includes('mirror') && !path.includes('services-c-v2')), NAMESPACE))
  await Promise.all([['service-a'], ['service-b'], ['service-c-v1'], ['outsider', 'outside'], ['plain', 'outside']].map(([name = '', home = NAMESPACE]) => objects.ready(home, name)))
  const address = async (home: string, app: string) => (await objects.podAddress(home, `app=${app}`)) ?? ''
  Object.assign(ADDRESS, { serviceA: await address(NAMESPACE, 'service-a'), outsider: await address('outside', 'outsider'), plain: await address('outside', 'plain'), stable: await address(NAMESPACE, 'service-c'), gateway: await objects.podAddress('istio-system', 'istio=ingressgateway') })
  const host = `http://service-c.${NAMESPACE}`
  loads['users'] = suite.startLoad({ url: `http://${ADDRESS.gateway}:8080/`, headers: { host: 'shop.example' }, rps: 90, ms: LONG })
  loads['buyers'] = suite.startLoad({ url: `http://${ADDRESS.gateway}:8080/`, method: 'POST', headers: { host: 'shop.example' }, rps: 10, ms: LONG })
  loads['service-a'] = suite.startLoad({ url: `${host}/`, rps: 10, ms: LONG }, ADDRESS.serviceA)
  loads['another namespace'] = suite.startLoad({ url: `${host}/`, rps: 10, ms: LONG }, ADDRESS.outsider)
  loads['plain text'] = suite.startLoad({ url: `http://${ADDRESS.stable}:8080/`, rps: 5, ms: LONG }, ADDRESS.plain)
  await objects.until('the first answer from outside', async () => loads['users']?.answers.find(({ status }) => status === 200))
  operator = await suite.startOperator()
})

afterAll(async () => {
  operator.kill('SIGTERM')
  await Promise.all(Object.values(loads).map((load) => load.stop()))
  await objects.discard(NAMESPACE, 'outside')
})

test('the version that serves is adopted, and every request through the gateway goes on being answered', async () => {
  await objects.apply(...manifests(['examples/happy-istio/canary.yaml'], NAMESPACE))
  await suite.untilStatus(CANARY, 'v1 to be adopted', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v1')
})

test('v2 fails every request and is rolled back at the mirror: no user has met it', async () => {
  await objects.apply(...manifests([`${SHARED}/services-c-v2.yaml`], NAMESPACE))
  const status = await suite.untilStatus(CANARY, 'v2 to have failed', ({ phase, failed }) => phase === 'Failed' && failed?.revision === 'v2')
  expect(status.stableRevision).toBe('v1')
  expect(status.failed?.message).toContain('error-rate')
  expect(loads['service-a']?.answers.filter(({ version }) => version === 'v2')).toEqual([])
})

test('v3 fails a tenth of what users ask and is rolled back: after that nobody meets it', async () => {
  await release('v3')
  const { rolledBackAt } = await suite.untilStatus(CANARY, 'v3 to have failed', ({ phase, failed }) => phase === 'Failed' && failed?.revision === 'v3').then(() => ({ rolledBackAt: Date.now() }))
  await new Promise((resolve) => setTimeout(resolve, 2000))
  expect(met(loads['service-a'], 'v3').length).toBeGreaterThan(0)
  expect(met(loads['service-a'], 'v3').filter(({ at }) => at > rolledBackAt)).toEqual([])
})

test('v4 is promoted: the pods that were analysed serve, and v1 is scaled down', async () => {
  await release('v4')
  await suite.untilStatus(CANARY, 'v4 to be under analysis', ({ rollout }) => rollout?.revision === 'v4' && (rollout.stepIndex ?? 0) >= 2)
  const analysed = await podUids('v4')
  await suite.untilStatus(CANARY, 'v4 to be promoted', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v4', 90_000)
  expect(analysed).toHaveLength(1)
  expect(await podUids('v4')).toEqual(analysed)
  v1Until = Date.now()
  const v4 = (await objects.podAddress(NAMESPACE, 'app=service-c,version=v4')) ?? ''
  loads['plain text to v4'] = suite.startLoad({ url: `http://${v4}:8080/`, rps: 20, ms: LONG }, ADDRESS.plain)
  // The same pod answers those whom a policy lets in: nothing but the plain text is what is wrong.
  expect(await suite.callFrom(ADDRESS.serviceA, { url: `http://service-c.${NAMESPACE}/` })).toMatchObject({ status: 200 })
  await objects.until('v1 to be scaled to 0', async () => ((await podUids('v1')).length === 0 ? true : undefined))
})

test('policies hold before, during and after: 403 for another namespace, resets for plain text, answers for the rest', async () => {
  const answers = Object.fromEntries(await Promise.all(Object.entries(loads).map(async ([name, load]) => [name, await load.stop()] as const)))
  for (const [name, list] of Object.entries(answers)) process.stderr.write(`  ${name.padEnd(18)} ${JSON.stringify(tally(list))}\n`)
  expect(Object.keys(tally(answers['another namespace'] ?? []))).toEqual(['403 (mesh: RBAC: access denied)'])
  const plain = [answers['plain text']?.filter(({ at }) => at < v1Until) ?? [], answers['plain text to v4'] ?? []]
  for (const list of plain) {
    expect(list.length).toBeGreaterThan(20)
    expect(Object.keys(tally(list))).toEqual(['ECONNRESET (mesh: )'])
  }
  // Users get what service-a says, which fails where service-c's v3 does: only POST.
  expect(Object.keys(tally(answers['users'] ?? []))).toEqual(['v1 200'])
  expect(Object.keys(tally(answers['service-a'] ?? [])).filter((key) => !/^v\d 200$/.test(key))).toEqual([])
  expect(answers['buyers']?.filter(({ status }) => status !== 200 && status !== 500)).toEqual([])
  expect(answers['buyers']?.filter(({ status }) => status === 200).length).toBeGreaterThan(200)
  // An answer of the mesh's own would be 500 as well, behind service-a: v3 alone may fail.
  const v3 = met(loads['service-a'], 'v3').map(({ at }) => at)
  expect(answers['buyers']?.filter(({ status, at }) => status === 500 && (at < Math.min(...v3) - 10_000 || at > Math.max(...v3) + 10_000))).toEqual([])
})

const met = (load: RunningLoad | undefined, version: string): readonly LoadAnswer[] => load?.answers.filter((answer) => answer.version === version) ?? []

async function podUids(version: string): Promise<readonly string[]> {
  const { body } = await objects.call('GET', `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=app%3Dservice-c`)
  return (body as unknown as { items: readonly { metadata: { uid: string } }[] }).items.filter((pod) => labelsOf(pod as never)['version'] === version).map(({ metadata }) => metadata.uid)
}
