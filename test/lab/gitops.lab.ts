import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { kubeconfig } from './control-plane.ts'
import type { Load, LoadAnswer } from './lab-info.ts'
import { LONG } from './rollouts.ts'
import { type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const EXAMPLE = 'examples/routes'
const NAMESPACE = 'gitops'
const suite = new Suite()
const { info, objects } = suite
const repository = join(info.directory, 'repository')
const config = join(info.directory, 'gitops.kubeconfig')
const object = (value: object): KubeObject => value as KubeObject

const commit = (name: string, ...documents: readonly object[]) => writeFileSync(join(repository, `${name}.yaml`), documents.map((document) => stringify(document)).join('---\n'))
/** What Git says of the routes holds from the first write of a sync until Serin's have spread. */
const syncs: { readonly from: number; readonly until: number }[] = []
/** All of it, as a tool does. */
async function sync(): Promise<string> {
  const from = Date.now()
  const { stdout } = await promisify(execFile)(info.binaries['kubectl'] ?? '', ['apply', '--filename', repository], { env: { ...process.env, KUBECONFIG: config } })
  syncs.push({ from, until: Date.now() + 1500 })
  return stdout
}

const meta = (name: string) => ({ name, namespace: NAMESPACE })
const service = (app: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: meta(app), spec: { selector: { app: app.replace('reviews-legacy', 'legacy') }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } })
const deployment = (app: string, version: string) => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { ...meta(`${app}-${version}`), labels: { app, version } },
  spec: { replicas: 1, selector: { matchLabels: { app, version } }, template: { metadata: { labels: { app, version } }, spec: { containers: [{ name: 'app', image: `${app}:${version}`, ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: `${app} ${version}` }] }] } } },
})

const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean) => suite.untilStatus(`${NAMESPACE}/reviews`, what, holds, 120_000)
type Http = readonly { readonly name?: string; readonly route: readonly { readonly destination: { readonly host: string; readonly subset?: string }; readonly weight?: number }[] }[]
/** The subsets of the routes that people wrote, with their weights. */
const subsets = async () => {
  const all = (await objects.list(`networking.istio.io/v1/namespaces/${NAMESPACE}/virtualservices`)) ?? []
  const routes = all.flatMap(({ spec }) => (spec as { http: Http }).http).filter(({ name }) => name?.startsWith('serin-') !== true)
  return new Set(routes.flatMap(({ route }) => route.flatMap(({ destination: { subset } }) => subset ?? [])))
}

describe.sequential('a directory of manifests that a tool applies again and again', () => {
  let operator: OperatorProcess
  /** Before that, routes without a subset reached every version of the Service. */
  let pinned = Infinity
  let loads: Readonly<Record<string, RunningLoad>> = {}

  beforeAll(async () => {
    mkdirSync(repository)
    writeFileSync(config, kubeconfig(info.apiServer, info.ca, info.token))
    for (const name of readdirSync(EXAMPLE))
      writeFileSync(join(repository, name), readFileSync(join(EXAMPLE, name), 'utf8').replaceAll('istioinaction', NAMESPACE).replaceAll('for: 2s', 'for: 8s'))
    commit('apps', service('reviews'), service('reviews-legacy'), deployment('reviews', 'v0'), deployment('reviews', 'v1'), deployment('legacy', 'v1'))
    const workload = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: `${NAMESPACE}-users` }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } }
    await objects.apply(...[NAMESPACE, `${NAMESPACE}-users`].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })), object(workload))
    await sync()
    await Promise.all([...['reviews-v0', 'reviews-v1', 'legacy-v1'].map((name) => objects.ready(NAMESPACE, name)), objects.ready(`${NAMESPACE}-users`, 'users')])
    const user = (await objects.podAddress(`${NAMESPACE}-users`, 'app=users')) ?? ''
    const gateway = (await objects.podAddress('istio-system', 'istio=ingressgateway')) ?? ''
    const load = (url: string, rest: Partial<Load> = {}): Load => ({ url, rps: 25, ms: 3_600_000, ...rest })
    const host = `http://reviews.${NAMESPACE}`
    loads = {
      everyone: suite.startLoad(load(`${host}/`), user),
      api: suite.startLoad(load(`${host}/api/x`), user),
      old: suite.startLoad(load(`${host}/old`), user),
      outside: suite.startLoad(load(`http://${gateway}:8080/`, { headers: { host: 'eu.reviews.example' } })),
    }
    await objects.until('everybody to be served', async () => (Object.values(loads).every(({ answers }) => answers.some(({ status }) => status === 200)) ? true : undefined))
    operator = await suite.startOperator({ 'watch-namespaces': NAMESPACE })
  })
  afterAll(async () => {
    await Promise.all(Object.values(loads).map((load) => load.stop()))
    operator.kill('SIGTERM')
    await operator.ended
    await objects.discard(NAMESPACE, `${NAMESPACE}-users`)
  })

  test('is adopted, and a version that is committed is rolled out', LONG, async () => {
    await until('v1 to serve', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === 'v1')
    expect(await subsets()).toEqual(new Set(['serin-v1', 'first']))
    await systemClock.sleep(1000)
    pinned = Date.now()
    commit('v2', deployment('reviews', 'v2'))
    await sync()
    await until('some weight', ({ canary }) => canary?.weight === '25%')
  })

  test('puts its routes back in mid-rollout: the weights return at once, and the rollout goes on', LONG, async () => {
    expect(await sync()).toContain('virtualservice.networking.istio.io/reviews-inside configured')
    await objects.until('the weights to be back', async () => ((await subsets()).has('serin-v2') && !(await subsets()).has('main') ? true : undefined), 5000)
    const { history } = await until('v2 to serve', ({ phase, stableRevision, failed }) => (phase === 'Idle' && stableRevision === 'v2') || failed !== undefined)
    expect(history?.[0]).toMatchObject({ revision: 'v2', result: 'Promoted' })
    expect(await subsets()).toEqual(new Set(['serin-v2', 'first']))
  })

  test('still names the old version after the promotion: users stay with the new one', LONG, async () => {
    await sync()
    await objects.until('the routes to be back', async () => ((await subsets()).has('main') ? undefined : true), 5000)
    await systemClock.sleep(3000)
    expect(await subsets()).toEqual(new Set(['serin-v2', 'first']))
    expect(await suite.status(NAMESPACE, 'reviews')).toMatchObject({ phase: 'Idle', stableRevision: 'v2' })
  })

  test('and no request was lost: all were answered, those to a version of its own by that version', LONG, async () => {
    const answers = Object.fromEntries(Object.entries(loads).map(([name, load]) => [name, load.answers]))
    process.stderr.write(Object.entries(answers).map(([name, all]) => `gitops: ${name} ${JSON.stringify(tally(all))}\n`).join(''))
    expect(Object.values(answers).flat().filter(({ status }) => status !== 200)).toEqual([])
    expect(new Set(answers['old']?.map(({ version }) => version))).toEqual(new Set(['v0']))
    const between = ({ at }: LoadAnswer) => at > pinned && !syncs.some(({ from, until: end }) => at >= from && at <= end)
    for (const name of ['everyone', 'api', 'outside']) expect(new Set(answers[name]?.filter(between).map(({ version }) => version))).toEqual(new Set(['v1', 'v2']))
  })
})
