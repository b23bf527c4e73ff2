import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { growths, marksOf } from '../../../src/analysis/tally.ts'
import { differs } from '../differences.ts'
import { samplesOf } from '../queries.ts'
import { CALLER, debounced, destinationRule, openShop, subset, to, undebounced, virtualService, type Service, type Shop } from './shop.ts'

/** Two scrapes and their longest duration. */
const SCRAPED_MS = 2500

let shop: Shop
let service: Service
beforeAll(async () => {
  const abrupt = { annotations: { 'lab.serin.dev/end': 'abrupt' } }
  shop = await openShop({ v1: {}, faulty: { env: { ERROR_RATE: '1', ERROR_CODE: '500' } }, bare: { ...abrupt, labels: { 'sidecar.istio.io/inject': 'false' } }, abrupt })
  service = await shop.service({ app: 'shop' })
  await shop.apply(destinationRule(service, ['v1', 'faulty', 'bare', 'abrupt'], { subsets: ['v1', 'faulty', 'bare', 'abrupt', 'empty'].map((name) => subset(name)) }))
  await shop.spread()
  await shop.sleep(SCRAPED_MS)
})
afterAll(() => shop.close())

const LABELS = ['reporter', 'destination_service', 'destination_workload', 'destination_version', 'response_code', 'response_flags']
const REQUESTS = 7

const look = () => samplesOf(shop, `sum by (${LABELS.join(', ')}) (istio_requests_total{destination_service=~"${service.name}([.].*)?",namespace=~"${shop.namespace}.*"})`)

/** What the counters of both sides grew by, a line for each series; whatever was sent before has been scraped. */
async function grown(act: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
  const marks = marksOf(await look())
  await act()
  await shop.sleep(SCRAPED_MS)
  const lines = growths(await look(), marks).filter(({ by }) => by > 0)
  return Object.fromEntries(lines.map(({ labels, by }) => [LABELS.map((label) => labels[label]).join(' '), by]))
}

type Ask = { readonly host?: string; readonly path?: string; readonly status: number }

/** What some requests by a route leave in the counters, all with the same answer. */
async function counts(http: readonly Readonly<Record<string, unknown>>[], { status, ...request }: Ask): Promise<Readonly<Record<string, number>>> {
  await shop.apply(virtualService(service, http))
  await shop.spread()
  return grown(async () => {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => shop.request(CALLER, { host: service.host, ...request })))
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => status))
  })
}

const host = () => service.host
const short = () => `${service.name}.${shop.namespace}`

describe('in the counters of both proxies', () => {
  test('an answer is counted by both, with its workload and version', async () => {
    expect(await counts([to(service, { v1: undefined })], { status: 200 })).toEqual({
      [`source ${host()} shop-v1 v1 200 -`]: REQUESTS,
      [`destination ${host()} shop-v1 v1 200 -`]: REQUESTS,
    })
  })

  test('an error of the app carries no flag', async () => {
    expect(await counts([to(service, { faulty: undefined })], { status: 500 })).toEqual({
      [`source ${host()} shop-faulty faulty 500 -`]: REQUESTS,
      [`destination ${host()} shop-faulty faulty 500 -`]: REQUESTS,
    })
  })

  test('a subset without pods is UH, of no workload', async () => {
    expect(await counts([to(service, { empty: undefined })], { status: 503 })).toEqual({ [`source ${host()} unknown unknown 503 UH`]: REQUESTS })
  })

  test('a subset that no rule defines is NC, of no workload, with the Host as the caller wrote it', async () => {
    const http = [to(service, { undefined: undefined })]
    expect(await counts(http, { status: 503 })).toEqual({ [`source ${host()} unknown unknown 503 NC`]: REQUESTS })
    expect(await counts(http, { status: 503, host: short() })).toEqual({ [`source ${short()} unknown unknown 503 NC`]: REQUESTS })
  })

  test('no route is 404 and NR, of no workload, with the Host as the caller wrote it', async () => {
    const http = [{ match: [{ uri: { exact: '/elsewhere' } }], ...to(service, { v1: undefined }) }]
    expect(await counts(http, { status: 404, host: short() })).toEqual({ [`source ${short()} unknown unknown 404 NR`]: REQUESTS })
  })

  test('an injected fault is FI, of no workload', async () => {
    const http = [{ fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }, ...to(service, { v1: undefined }) }]
    expect(await counts(http, { status: 503 })).toEqual({ [`source ${host()} unknown unknown 503 FI`]: REQUESTS })
  })

  test('a timeout of the route is 504 and UT with its workload, and no answer at all for the receiver', async () => {
    const http = [{ timeout: '0.2s', ...to(service, { v1: undefined }) }]
    if (differs(shop, 'timeouts')) expect(await counts(http, { status: 200, path: '/?sleep=600' })).toMatchObject({ [`source ${host()} shop-v1 v1 200 -`]: REQUESTS })
    else
      expect(await counts(http, { status: 504, path: '/?sleep=600' })).toEqual({
        [`source ${host()} shop-v1 v1 504 UT`]: REQUESTS,
        [`destination ${host()} shop-v1 v1 0 DC`]: REQUESTS,
      })
  })

  test('what a policy denies is 403 without a flag, by both', async () => {
    const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'closed', namespace: shop.namespace }, spec: { action: 'DENY', selector: { matchLabels: { version: 'v1' } }, rules: [{ to: [{ operation: { paths: ['/closed'] } }] }] } }
    await shop.apply(policy, virtualService(service, [to(service, { v1: undefined })]))
    await shop.until('the policy to hold', async () => ((await shop.ask(service, { path: '/closed' })).status === 403 ? true : undefined))
    await shop.sleep(SCRAPED_MS)
    expect(await counts([to(service, { v1: undefined })], { status: 403, path: '/closed' })).toEqual({
      [`source ${host()} shop-v1 v1 403 -`]: REQUESTS,
      [`destination ${host()} shop-v1 v1 403 -`]: REQUESTS,
    })
    await shop.remove(policy)
  })

  test('a copy is counted by its receiver only, like a request of its own', async () => {
    const http = [{ ...to(service, { v1: undefined }), mirrors: [{ destination: { host: host(), subset: 'faulty' }, percentage: { value: 100 } }] }]
    expect(await counts(http, { status: 200 })).toEqual({
      [`source ${host()} shop-v1 v1 200 -`]: REQUESTS,
      [`destination ${host()} shop-v1 v1 200 -`]: REQUESTS,
      [`destination ${host()} shop-faulty faulty 500 -`]: REQUESTS,
    })
  })

  test.each([
    ['without a sidecar refuses connections: 503 and UF in its name', 'bare', /UF/],
    ['is answered for by its own sidecar, without a flag: 503 like one of the app', 'abrupt', /^-$/],
  ])('a pod whose app has ended %s', async (_, version, flags) => {
    await shop.apply(virtualService(service, [{ ...to(service, { [version]: undefined }), retries: { attempts: 0 } }]))
    await shop.spread()
    // Long enough for requests to meet the pod's end, however busy the machine is.
    await debounced(shop, 500)
    const lines = await grown(async () => {
      const load = shop.many(service, { rps: 400 })
      await shop.sleep(500)
      await shop.scale(`shop-${version}`, 0)
      await load
    })
    await undebounced(shop)
    const refused = Object.keys(lines).filter((line) => line.startsWith(`source ${host()} shop-${version} ${version} 503 `)).map((line) => line.split(' ').at(-1) ?? '')
    expect(refused).not.toEqual([])
    const unlike = version === 'abrupt' && differs(shop, 'sidecar that outlives its app')
    expect(refused).toContainEqual(expect.stringMatching(unlike ? /UF/ : flags))
  })
})
