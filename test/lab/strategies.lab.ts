import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { fiveSigma } from '../contract/mesh/shop.ts'
import type { Call, Load, LoadAnswer } from './lab-info.ts'
import { LONG } from './rollouts.ts'
import { Browser, canary, inShop, isNamedIn, LEGACY, NAMESPACE, namespaces, percentIn, ROUTES, type Routes, sourceOf, surroundings, USERS, version } from './strategies-shop.ts'
import { manifests, type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const SHOP = `http://shop.${NAMESPACE}`
const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean, name = 'shop') => suite.untilStatus(`${NAMESPACE}/${name}`, what, holds, 120_000)
const serves = (revision: string, name = 'shop') => until(`${revision} to serve`, ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === revision, name)
const waits = (step: string) => until(`${step} to wait for somebody`, ({ rollout }) => rollout?.stepName === step && rollout.waitingFor === 'Approval')
const act = (action: string, revision: string, step?: string) =>
  objects.apply(inShop('serin.dev/v1beta1', 'CanaryAction', `${action.toLowerCase()}-${revision}-${step ?? 'it'}`, { canaryRef: { name: 'shop' }, action, revision, requester: 'admin', ...(step === undefined ? {} : { step }) }))

const declare = (spec: Parameters<typeof canary>[0]) => objects.apply(canary(spec))
const example = (name: string) => manifests([`examples/delegate/${name}.yaml`], NAMESPACE).map((each) => ({ ...each, metadata: { ...each.metadata, namespace: NAMESPACE } }))
const deploy = (revision: string) => objects.apply(version('shop', revision))

const read = async (name: string) => (await objects.call('GET', `/apis/networking.istio.io/v1/namespaces/${NAMESPACE}/virtualservices/${name}`)).body as Routes
const setHosts = async (...hosts: readonly string[]) => expect((await objects.call('PATCH', `/apis/networking.istio.io/v1/namespaces/${NAMESPACE}/virtualservices/inside`, { spec: { hosts } }, 'application/merge-patch+json')).status).toBe(200)
const subsets = async (name: string) => (await read(name)).spec?.http.map(({ route }) => route.map(({ destination: { subset } }) => subset))

/** As the API server writes it. */
const legacyRoute = async () => JSON.stringify((await read('inside')).spec?.http.find(({ name }) => name === 'legacy'))

const pods = { users: '', batch: '', batchElsewhere: '', reviews: '', gateway: '' }
type Caller = keyof typeof pods
const ask = (request: Partial<Call> & { readonly path?: string } = {}, from: Caller = 'users') => suite.callFrom(pods[from], { url: `${SHOP}${request.path ?? '/'}`, ...request })
/** Who answers 20 such requests. */
const met = async (request: Parameters<typeof ask>[0] = {}, from: Caller = 'users') => [...new Set((await Promise.all(Array.from({ length: 20 }, () => ask(request, from)))).map(sourceOf))].toSorted()

/** So many answers, as quick as they come. */
async function answersTo(count: number): Promise<readonly LoadAnswer[]> {
  const load = suite.startLoad({ url: `${SHOP}/`, rps: 800, ms: count / 0.8 }, pods.users)
  await objects.until(`${count} answers`, () => Promise.resolve(load.answers.length >= count ? true : undefined), 60_000)
  return load.stop()
}

/** What the users' own Envoy has for routes. */
async function routesInEnvoy(): Promise<string> {
  const answer = await suite.callFrom(pods.users, ROUTES)
  if ('error' in answer || answer.status !== 200) throw new Error(`no config dump: ${JSON.stringify(answer).slice(0, 300)}`)
  return answer.body
}

/** The percents that Envoy gives a version one after the other, until it serves. */
async function percentsUntilServed(revision: string, meanwhile: () => Promise<void>): Promise<readonly number[]> {
  const percents: number[] = []
  let over = false
  const look = async () => {
    while (!over) {
      const percent = percentIn(await routesInEnvoy(), revision)
      if (percent !== percents.at(-1)) percents.push(percent)
      await systemClock.sleep(50)
    }
  }
  await Promise.all([look(), meanwhile().then(() => serves(revision)).finally(() => (over = true))])
  return percents
}

describe.sequential('a Service that is released in every way', () => {
  let operator: OperatorProcess
  let loads: Readonly<Record<string, RunningLoad>> = {}
  const load = (name: string) => loads[name]?.answers ?? []
  const versions = (answers: readonly LoadAnswer[]) => [...new Set(answers.map((answer) => answer.version))].toSorted()
  const since = (name: string, from: number) => versions(load(name).filter(({ at }) => at > from))
  let [legacy, stable] = ['', '']
  /** Users of the legacy route may have met another version then. */
  let uncovered = { from: Infinity, until: Infinity }

  beforeAll(async () => {
    await objects.apply(...namespaces())
    await objects.apply(...surroundings(), ...example('root'))
    await Promise.all([...['shop-v1', 'reviews-v1', 'batch'].map((name) => objects.ready(NAMESPACE, name)), ...['users', 'batch'].map((name) => objects.ready(USERS, name))])
    const address = async (namespace: string, selector: string) => (await objects.podAddress(namespace, selector)) ?? ''
    Object.assign(pods, { users: await address(USERS, 'app=users'), batch: await address(NAMESPACE, 'app=batch'), batchElsewhere: await address(USERS, 'app=batch'), reviews: await address(NAMESPACE, 'app=reviews'), gateway: await address('istio-system', 'istio=ingressgateway') })
    legacy = await legacyRoute()
    expect(JSON.parse(legacy)).toEqual(LEGACY)
    operator = await suite.startOperator({ 'watch-namespaces': NAMESPACE })
    await declare({ steps: [{ weight: 50 }] })
    await objects.apply(...example('canary'))
    await Promise.all([serves('v1'), serves('v1', 'reviews')])
    const start = (url: string, rest: Partial<Load> = {}, pod: string | undefined = pods.users) => suite.startLoad({ url, rps: 20, ms: 3_600_000, ...rest }, pod)
    loads = { everyone: start(`${SHOP}/`), legacy: start(`${SHOP}/legacy/x`, { rps: 5 }), outside: suite.startLoad({ url: `http://${pods.gateway}:8080/`, headers: { host: 'shop.example' }, rps: 20, ms: 3_600_000 }) }
    await objects.until('everybody to be served', () => Promise.resolve(Object.values(loads).every(({ answers }) => answers.some(({ status }) => status === 200)) ? true : undefined))
    await systemClock.sleep(1000)
  })
  beforeEach(async () => void (stable = (await suite.status(NAMESPACE, 'shop')).stableRevision ?? ''))
  afterEach(async () => {
    for (const { answers } of Object.values(loads)) expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(await legacyRoute()).toBe(legacy)
    expect(versions(load('legacy').filter(({ at }) => at < uncovered.from || at > uncovered.until))).toEqual(['v1'])
  })
  afterAll(async () => {
    await Promise.all(Object.values(loads).map((one) => one.stop()))
    process.stderr.write(Object.entries(loads).map(([name, { answers }]) => `strategies: ${name} ${JSON.stringify(tally(answers))}\n`).join(''))
    operator.kill('SIGTERM')
    await operator.ended
    await objects.discard(NAMESPACE, USERS)
  })

  test('A/B: whoever is of one of the kinds meets the new version, and nobody else', LONG, async () => {
    const match = [
      { headers: { 'user-agent': { regex: '.*Firefox.*' } } },
      { queryParams: { beta: { exact: '1' } } },
      { uri: { prefix: '/new' }, withoutHeaders: { 'x-old': { exact: 'yes' } } },
      { cookies: { beta: { exact: 'on' } } },
      { sourceLabels: { app: 'batch' }, sourceNamespace: NAMESPACE },
    ]
    await declare({ steps: [{ name: 'kinds', match, for: '1s', approval: 'Required' }] })
    await deploy('v2')
    await waits('kinds')
    const kinds: readonly [Parameters<typeof ask>[0], Caller, string][] = [
      [{ headers: { 'user-agent': 'Mozilla/5.0 Firefox/1' } }, 'users', 'v2'], [{ headers: { 'user-agent': 'curl/8' } }, 'users', stable],
      [{ path: '/?a=b&beta=1' }, 'users', 'v2'], [{ path: '/?beta=2' }, 'users', stable],
      [{ path: '/new/x' }, 'users', 'v2'], [{ path: '/new/x', headers: { 'x-old': 'yes' } }, 'users', stable],
      [{ headers: { cookie: 'a=b; beta=on; c=d' } }, 'users', 'v2'], [{ headers: { cookie: 'xbeta=on; beta=once' } }, 'users', stable],
      [{}, 'batch', 'v2'], [{}, 'batchElsewhere', stable], [{}, 'reviews', stable],
      [{ path: '/legacy?beta=1' }, 'users', 'v1'],
    ]
    for (const [request, from, wanted] of kinds) expect([request, from, await met(request, from)]).toEqual([request, from, [wanted]])
    expect(versions(load('everyone'))).toEqual([stable])
    await act('Approve', 'v2', 'kinds')
    await serves('v2')
    for (const [request, from] of kinds.slice(0, -1)) expect([request, from, await met(request, from)]).toEqual([request, from, ['v2']])
  })

  test('a share below one percent, then steps up to a weight: Envoy has each, and no other', LONG, async () => {
    await declare({ steps: [{ name: 'tiny', weight: '0.5%', for: '1s', approval: 'Required' }, { weight: 20, upTo: 50, for: '1s' }] })
    const percents = await percentsUntilServed('v3', async () => {
      await deploy('v3')
      expect((await waits('tiny')).weight).toBe('0.5%')
      const many = await answersTo(8000)
      const { least, most } = fiveSigma(0.005, many.length)
      const few = many.filter((answer) => answer.version === 'v3').length
      expect([few >= least, few <= most, tally(many)]).toEqual([true, true, { [`${stable} 200`]: many.length - few, 'v3 200': few }])
      await act('Approve', 'v3', 'tiny')
      for (const weight of ['20%', '40%', '50%']) {
        await until(weight, (status) => status.weight === weight)
        await objects.until(`Envoy to have ${weight}`, async () => (`${percentIn(await routesInEnvoy(), 'v3')}%` === weight ? true : undefined), 5000)
      }
    })
    expect(percents).toEqual([0, 0.5, 20, 40, 50, 100])
  })

  test('sticky: who met the new version stays with it, and is sent back by the very write that takes it away', LONG, async () => {
    const sessionAffinity = { cookie: { name: 'shop', ttl: '1h' } }
    await declare({ traffic: { sessionAffinity }, steps: [{ name: 'third', weight: 30, for: '1s', approval: 'Required' }, { name: 'most', weight: 60, for: '1s', approval: 'Required' }] })
    await deploy('v4')
    await waits('third')
    const browsers = Array.from({ length: 40 }, () => new Browser((headers) => ask({ headers })))
    const visit = () => Promise.all(browsers.map((browser) => browser.visit()))
    const early = await visit()
    expect(new Set(early)).toEqual(new Set([stable, 'v4']))
    expect([await visit(), await visit()]).toEqual([early, early])
    await act('Approve', 'v4', 'third')
    await waits('most')
    const late = await visit()
    expect([await visit(), await visit()]).toEqual([late, late])
    const moves = (from: string, to: string) => late.filter((source, index) => source === to && early[index] === from).length
    expect(moves('v4', stable)).toBe(0)
    expect(moves(stable, 'v4')).toBeGreaterThan(0)
    const cookies = browsers.map(({ cookie }) => cookie)
    await act('Abort', 'v4')
    await objects.until('no route in Envoy to lead to v4', async () => (isNamedIn(await routesInEnvoy(), 'v4') ? undefined : true))
    expect(new Set(await visit())).toEqual(new Set([stable]))
    expect(browsers.map(({ cookie }) => cookie)).toEqual(cookies)
    await until('v4 to have failed', ({ phase, failed }) => phase === 'Failed' && failed?.revision === 'v4')
    expect(new Set(await visit())).toEqual(new Set([stable]))
  })

  test('preview: an address and a match lead to the new version while users meet stable alone', LONG, async () => {
    const address = `http://shop-preview.${NAMESPACE}/`
    await declare({ preview: { service: 'shop-preview', match: [{ headers: { 'x-tester': { exact: 'yes' } } }] }, steps: [{ name: 'tests', for: '1s', approval: 'Required' }, { weight: 50, for: '1s' }] })
    // A name that is asked for too early is asked of a resolver that is not there, for ten seconds.
    await objects.until('the preview to be made', async () => ((await objects.call('GET', `/api/v1/namespaces/${NAMESPACE}/services/shop-preview`)).status === 200 ? true : undefined))
    await systemClock.sleep(500)
    await objects.until('the preview to answer', async () => ((await met({ url: address })).join() === stable ? true : undefined))
    const from = Date.now()
    const testers = [suite.startLoad({ url: address, rps: 20, ms: 600_000 }, pods.users), suite.startLoad({ url: `${SHOP}/`, headers: { 'x-tester': 'yes' }, rps: 20, ms: 600_000 }, pods.users)]
    await deploy('v5')
    await waits('tests')
    expect([await met({ url: address }), await met({ headers: { 'x-tester': 'yes' } }), await met({ headers: { 'x-tester': 'no' } })]).toEqual([['v5'], ['v5'], [stable]])
    expect(since('everyone', from)).toEqual([stable])
    await act('Approve', 'v5', 'tests')
    await serves('v5')
    expect([await met({ url: address }), await met()]).toEqual([['v5'], ['v5']])
    for (const answers of await Promise.all(testers.map((tester) => tester.stop()))) {
      expect(answers.filter(({ status }) => status !== 200)).toEqual([])
      expect(versions(answers)).toEqual([stable, 'v5'])
    }
  })

  test('blue-green: in the dark, on copies of requests, then all users in one move', LONG, async () => {
    await declare({ steps: [{ name: 'blue', mirror: { percent: 50, match: [{ method: { exact: 'GET' } }] }, for: '2s', approval: 'Required' }, { name: 'green', weight: 100, for: '1s', approval: 'Required' }] })
    const from = Date.now()
    const percents = await percentsUntilServed('v6', async () => {
      await deploy('v6')
      await waits('blue')
      const copies = `sum(istio_requests_total{reporter="destination",destination_workload="shop-v6",destination_workload_namespace="${NAMESPACE}"})`
      await objects.until('copies to be counted', async () => ((await suite.total(copies)) > 0 ? true : undefined))
      expect([since('everyone', from), await met()]).toEqual([[stable], [stable]])
      await act('Approve', 'v6', 'blue')
      await waits('green')
      expect(await met()).toEqual(['v6'])
      // One route write would send all users back.
      expect((await suite.status(NAMESPACE, 'shop')).stable).toMatchObject({ revision: stable, readyReplicas: 1 })
      await act('Approve', 'v6', 'green')
    })
    expect(percents).toEqual([0, 100])
  })

  test('a delegate: a root at the gateway, which stays as it was, hands its requests to a release', LONG, async () => {
    await objects.apply(version('reviews', 'v2'))
    await until('a quarter', ({ weight }) => weight === '25%', 'reviews')
    expect(await subsets('reviews')).toEqual([['serin-v1', 'serin-v2']])
    await serves('v2', 'reviews')
    expect((await read('shop')).spec).toEqual((example('root')[0] as unknown as { spec: object }).spec)
    await systemClock.sleep(1000)
    expect(versions(load('outside'))).toEqual(['v1', 'v2'])
    expect(since('outside', Date.now() - 500)).toEqual(['v2'])
  })

  test('hosts that are taken out in mid-rollout leave users to a route of Serin’s own at stable, until they are back', LONG, async () => {
    await declare({ steps: [{ weight: 20, for: '5m' }] })
    await deploy('v7')
    await until('some weight', ({ weight }) => weight === '20%')
    await objects.until('some users to meet it', () => Promise.resolve(load('everyone').some((answer) => answer.version === 'v7') ? true : undefined))
    uncovered = { from: Date.now(), until: Infinity }
    await setHosts('elsewhere.example')
    await objects.until('Serin’s own route', async () => ((await subsets('serin-shop'))?.flat().join() === `serin-${stable}` ? true : undefined), 5000)
    await systemClock.sleep(1000)
    const own = Date.now()
    const { failed } = await until('v7 to have failed', ({ phase }) => phase === 'Failed')
    expect(failed).toMatchObject({ revision: 'v7', reason: 'RouteDeleted' })
    expect([await met(), await met({ path: '/legacy' })]).toEqual([[stable], [stable]])
    await setHosts('shop')
    await objects.until('Serin’s own route to go', async () => ((await read('serin-shop')).kind === 'Status' ? true : undefined))
    await systemClock.sleep(1000)
    uncovered = { ...uncovered, until: Date.now() }
    await systemClock.sleep(1500)
    expect(since('everyone', own)).toEqual([stable])
    expect(await subsets('inside')).toEqual([['first'], [`serin-${stable}`]])
    expect([await met(), await met({ path: '/legacy' })]).toEqual([[stable], ['v1']])
  })
})
