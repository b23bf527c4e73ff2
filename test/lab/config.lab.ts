import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import type { LoadAnswer } from './lab-info.ts'
import { LONG, QUICK } from './rollouts.ts'
import { manifests, type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const NAMESPACE = 'config'
const KEY = `${NAMESPACE}/web`
const suite = new Suite()
const { objects } = suite
const object = (value: object): KubeObject => value as KubeObject
const example = (name: string): readonly KubeObject[] => manifests([`examples/config/${name}.yaml`], NAMESPACE).map((each) => ({ ...each, metadata: { ...each.metadata, namespace: NAMESPACE } }))
const pathOf = (resource: string, name = '') => `/api/v1/namespaces/${NAMESPACE}/${resource}${name === '' ? '' : `/${name}`}`
const change = (resource: 'configmaps' | 'secrets', name: string, fields: object) => objects.call('PATCH', pathOf(resource, name), fields, 'application/merge-patch+json')
const read = async (resource: string, name: string) => (await objects.call('GET', pathOf(resource, name))).body as KubeObject & { readonly data?: Readonly<Record<string, string>>; readonly immutable?: boolean }
const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean) => suite.untilStatus(KEY, what, holds, 120_000)

/** What the program says for itself is JSON, good or bad. */
const byTheMesh = ({ status, body }: LoadAnswer) => status !== 200 && body?.startsWith('{') !== true

const SECRET = 'only-its-pods-may-know'

describe.sequential('a plain Deployment that is configured by ConfigMaps and a Secret', () => {
  let operator: OperatorProcess
  let users: RunningLoad
  let stable = ''
  const failing = () => users.answers.filter(({ status }) => status !== 200)
  const served = async (what: string) => (stable = (await until(what, ({ phase, stableRevision }) => phase === 'Idle' && stableRevision !== stable)).stableRevision ?? '')
  const revision = () => `web-${stable}`

  beforeAll(async () => {
    await objects.apply(...[NAMESPACE, `${NAMESPACE}-users`].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
    const sender = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: `${NAMESPACE}-users` }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } }
    await objects.apply(...example('web'), object(sender))
    await Promise.all([objects.ready(NAMESPACE, 'web'), objects.ready(`${NAMESPACE}-users`, 'users')])
    users = suite.startLoad({ url: `http://web.${NAMESPACE}/`, rps: 100, ms: 3_600_000 }, await objects.podAddress(`${NAMESPACE}-users`, 'app=users'))
    await objects.until('users to be served', () => Promise.resolve(users.answers.find(({ status }) => status === 200)))
    operator = await suite.startOperator({ 'watch-namespaces': NAMESPACE, 'track-secrets': 'true' })
  })
  afterAll(async () => {
    await users.stop()
    operator.kill('SIGTERM')
    await operator.ended
    await objects.discard(NAMESPACE, `${NAMESPACE}-users`)
  })

  test('is adopted with copies of its own, and what pods see for themselves, or nobody wants tracked, is no release', LONG, async () => {
    const [canary] = example('canary')
    await objects.apply(object({ ...canary, spec: { ...(canary?.['spec'] as object), ...QUICK, trackConfig: 'All' } }))
    await served('the first revision to serve')
    const copy = await read('configmaps', `web-${revision()}`)
    expect(copy).toMatchObject({ immutable: true, data: { NAME: 'web', ERROR_RATE: '0' }, metadata: { ownerReferences: [{ kind: 'Deployment', name: revision() }] } })
    await change('configmaps', 'web-flags', { data: { 'flags.txt': 'dark-mode=on' } })
    await change('configmaps', 'web-team', { data: { TEAM: 'checkout' } })
    await systemClock.sleep(5000)
    expect(await suite.status(NAMESPACE, 'web')).toMatchObject({ phase: 'Idle', stableRevision: stable, history: [] })
  })

  test('has a changed ConfigMap released, and each revision keeps what it was made with', LONG, async () => {
    const before = revision()
    await change('configmaps', 'web-rules', { data: { 'rules.txt': 'allow some' } })
    await served('the new rules to serve')
    expect((await read('configmaps', `web-rules-${revision()}`)).data).toEqual({ 'rules.txt': 'allow some' })
    expect((await read('configmaps', `web-rules-${before}`)).data).toEqual({ 'rules.txt': 'allow all' })
  })

  test('has one taken back that breaks its pods; those that serve may start again meanwhile, with what they had', LONG, async () => {
    await change('configmaps', 'web', { data: { ERROR_RATE: '1' } })
    const { failed, stableRevision } = await until('the broken configuration to have failed', ({ phase }) => phase === 'Failed')
    expect(stableRevision).toBe(stable)
    expect(failed?.message).toContain('error-rate')
    expect((await read('configmaps', `web-web-${failed?.revision ?? ''}`)).data?.['ERROR_RATE']).toBe('1')
    expect(failing().filter(byTheMesh)).toEqual([])

    const pods = async () => ((await objects.call('GET', `${pathOf('pods')}?labelSelector=serin.dev%2Frevision%3D${stable}`)).body as unknown as { items: readonly KubeObject[] }).items
    const first = (await pods())[0]?.metadata.name ?? ''
    await objects.call('DELETE', pathOf('pods', first))
    await objects.until('another pod in its place', async () => (((await pods()).filter(({ metadata }) => metadata.name !== first && metadata.deletionTimestamp === undefined).length === 2) ? true : undefined))
    await objects.ready(NAMESPACE, revision())
    const from = Date.now()
    await systemClock.sleep(3000)
    expect(failing().filter(({ at }) => at > from)).toEqual([])
    expect(users.answers.filter(({ at }) => at > from).length).toBeGreaterThan(200)

    await change('configmaps', 'web', { data: { ERROR_RATE: '0' } })
    await until('the failure to be forgotten', ({ phase, failed: still }) => phase === 'Idle' && still === undefined)
  })

  test('has a changed Secret released, whose contents stand nowhere else', LONG, async () => {
    await objects.apply(object({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: NAMESPACE }, stringData: { key: 'another' } }))
    const variable = { name: 'MESSAGE', valueFrom: { secretKeyRef: { name: 'key', key: 'key' } } }
    const merged = await objects.call('PATCH', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/web`, { spec: { template: { spec: { containers: [{ name: 'web', env: [variable] }] } } } }, 'application/strategic-merge-patch+json')
    expect(merged.status).toBe(200)
    await served('the template with the Secret to serve')
    await change('secrets', 'key', { stringData: { key: SECRET } })
    await served('the changed Secret to serve')
    const { answers } = users
    expect((await suite.callFrom((await objects.podAddress(`${NAMESPACE}-users`, 'app=users')) ?? '', { url: `http://web.${NAMESPACE}/` }))).toMatchObject({ status: 200, body: expect.stringContaining(SECRET) as string })
    const [canary, events, made] = await Promise.all([
      objects.call('GET', `/apis/serin.dev/v1beta1/namespaces/${NAMESPACE}/canaries/web`), objects.call('GET', pathOf('events')), objects.call('GET', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`),
    ])
    const said = JSON.stringify([canary, events, made]) + readFileSync(operator.log, 'utf8')
    expect(said).toContain(stable)
    for (const text of [SECRET, btoa(SECRET)]) expect(said).not.toContain(text)
    process.stderr.write(`config: ${answers.length} requests, ${JSON.stringify(tally(answers))}\n`)
    expect(failing().filter(byTheMesh)).toEqual([])
  })
})
