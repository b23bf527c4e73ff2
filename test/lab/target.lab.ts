import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import { END_ANNOTATION } from './pod.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { LONG, QUICK } from './rollouts.ts'
import { FAULTS } from './shop.ts'
import { type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const NAMESPACE = 'plain'
/** What `kubectl rollout restart` writes. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt'
const KEY = `${NAMESPACE}/shop`
const object = (value: object): KubeObject => value as KubeObject
const deployments = async () => (await objects.list(`apps/v1/namespaces/${NAMESPACE}/deployments`)) ?? []
const replicas = async () => Object.fromEntries((await deployments()).map(({ metadata, spec }) => [metadata.name, (spec as { replicas: number }).replicas]))

/** A plain Deployment, whose pods end abruptly. */
const target = (image: string, env: Readonly<Record<string, string>> = {}, size = 2): KubeObject => object({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'shop', namespace: NAMESPACE },
  spec: {
    replicas: size, selector: { matchLabels: { app: 'shop' } },
    template: {
      metadata: { labels: { app: 'shop' }, annotations: { [END_ANNOTATION]: 'abrupt' } },
      spec: { containers: [{ name: 'shop', image: 'fake-service', ports: [{ containerPort: 8080 }], env: Object.entries({ NAME: `shop ${image}`, ERROR_RATE: '0', ...env }).map(([name, value]) => ({ name, value })) }] },
    },
  },
})

const canary = object({ apiVersion: 'serin.dev/v1beta1', kind: 'Canary', metadata: { name: 'shop', namespace: NAMESPACE }, spec: { ...QUICK, targetRef: { name: 'shop' } } })

describe.sequential('a plain Deployment that 200 requests a second use', () => {
  let operator: OperatorProcess
  let loads: readonly RunningLoad[] = []
  const answers = () => loads.flatMap((load) => load.answers)
  /** Since `from`, of those that were sent later: pods that are restarted in place end as they do in any rolling update. */
  let from = 0
  const meshMade = () => answers().filter(({ version, status, at }) => version === '' && status !== 200 && at >= from)
  const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean, timeoutMs = 120_000) => suite.untilStatus(KEY, what, holds, timeoutMs)
  let stable = ''

  beforeAll(async () => {
    await objects.apply(...[NAMESPACE, `${NAMESPACE}-users`].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
    await objects.apply(...[
      { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: NAMESPACE }, spec: { mtls: { mode: 'STRICT' } } },
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop', namespace: NAMESPACE }, spec: { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: `${NAMESPACE}-users` }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } },
    ].map(object), target('one'))
    await Promise.all([objects.ready(NAMESPACE, 'shop'), objects.ready(`${NAMESPACE}-users`, 'users')])
    const user = (await suite.objects.podAddress(`${NAMESPACE}-users`, 'app=users')) ?? ''
    const url = `http://shop.${NAMESPACE}/`
    loads = [suite.startLoad({ url, rps: 180, ms: 3_600_000 }, user), suite.startLoad({ url: `${url}?sleep=1000`, rps: 20, ms: 3_600_000 }, user)]
    await objects.until('the first users to be served', async () => (loads.every((load) => load.answers.some(({ status }) => status === 200)) ? true : undefined))
    operator = await suite.startOperator()
  })
  afterAll(async () => {
    await Promise.all(loads.map((load) => load.stop()))
    operator.kill('SIGTERM')
    await operator.ended
    await objects.discard(NAMESPACE, `${NAMESPACE}-users`)
  })

  test('is adopted: a revision at its size, the routes, and only then the target to 0', LONG, async () => {
    await objects.apply(canary)
    const status = await until('the first revision to serve', ({ phase }) => phase === 'Idle')
    stable = status.stableRevision ?? ''
    await objects.until('the target to be at 0', async () => ((await replicas())['shop'] === 0 ? true : undefined))
    expect(await replicas()).toEqual({ shop: 0, [`shop-${stable}`]: 2 })
    const { body } = await objects.call('GET', `/apis/serin.dev/v1beta1/namespaces/${NAMESPACE}/canaries/shop/scale`)
    expect(body).toMatchObject({ spec: { replicas: 2 }, status: { replicas: 2, selector: `app=shop,serin.dev/revision=${stable}` } })
  })

  test('has a good template released, and a bad one rolled back', LONG, async () => {
    await objects.apply(target('two'))
    const first = stable
    stable = (await until('the second revision to serve', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision !== first)).stableRevision ?? ''
    await objects.apply(target('three', FAULTS.everything))
    const { failed, stableRevision } = await until('the third to have failed', ({ phase }) => phase === 'Failed')
    expect(stableRevision).toBe(stable)
    await objects.until('the failed one to be at 0', async () => ((await replicas())[`shop-${failed?.revision ?? ''}`] === 0 ? true : undefined))
  })

  test('and nobody was answered by the mesh', LONG, async () => {
    await systemClock.sleep(2000)
    process.stderr.write(`target: ${answers().length} requests, ${JSON.stringify(tally(answers()))}\n`)
    expect(answers().length).toBeGreaterThan(1000)
    expect(meshMade()).toEqual([])
  })

  test('is edited by hand, which is said, restarted in place, scaled through the Canary, and set back to what serves', LONG, async () => {
    await objects.apply(target('two'))
    await until('the failure to be forgotten', ({ phase, failed }) => phase === 'Idle' && failed === undefined)
    const edit = (value: string | null) => objects.call('PATCH', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/shop-${stable}`, { spec: { template: { metadata: { annotations: { edited: value } } } } }, 'application/merge-patch+json')
    const isDegraded = ({ conditions }: Partial<CanaryStatus>) => conditions?.some(({ type, reason }) => type === 'Degraded' && reason === 'StableChangedInPlace') === true
    await edit('by hand')
    await until('the edit to be noticed', isDegraded)
    await edit(null)
    await until('all to be well again', (status) => !isDegraded(status))
    await objects.ready(NAMESPACE, `shop-${stable}`)
    await objects.call('PATCH', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/shop`, { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: '2026-01-01T00:00:00Z' } } } } }, 'application/merge-patch+json')
    await objects.until('the restart to reach the pods', async () => {
      const made = (await deployments()).find(({ metadata }) => metadata.name === `shop-${stable}`)
      const { metadata, spec, status } = made as unknown as { metadata: { generation: number }; spec: { template: { metadata: { annotations: Record<string, string> } } }; status: { observedGeneration?: number; updatedReplicas?: number; readyReplicas?: number; replicas?: number } }
      return RESTARTED_AT in spec.template.metadata.annotations && (status.observedGeneration ?? 0) >= metadata.generation && status.updatedReplicas === 2 && status.replicas === 2 && status.readyReplicas === 2 ? true : undefined
    })
    const scaled = await objects.call('PATCH', `/apis/serin.dev/v1beta1/namespaces/${NAMESPACE}/canaries/shop/scale`, { spec: { replicas: 3 } }, 'application/merge-patch+json')
    expect(scaled.status).toBe(200)
    await objects.until('three pods', async () => ((await replicas())[`shop-${stable}`] === 3 ? true : undefined))
    expect((await suite.status(NAMESPACE, 'shop')).history?.map(({ result }) => result)).toEqual(['RolledBack', 'Promoted'])
  })

  /** Deletes the Canary, and waits until Serin has let it go. */
  async function deleted(): Promise<void> {
    const path = `/apis/serin.dev/v1beta1/namespaces/${NAMESPACE}/canaries/shop`
    const asked = Date.now()
    await objects.call('DELETE', path)
    await objects.until('the Canary to be gone', async () => ((await objects.call('GET', path)).status === 404 ? true : undefined), 120_000)
    await systemClock.sleep(2000)
    process.stderr.write(`target: let go after ${Date.now() - asked - 2000} ms\n`)
  }
  const serinsOwn = async () => (await Promise.all(['virtualservices', 'destinationrules'].map((kind) => objects.list(`networking.istio.io/v1/namespaces/${NAMESPACE}/${kind}`)))).flatMap((list) => list ?? [])

  test('has its pods back when its Canary is deleted, and nothing of Serin is left', LONG, async () => {
    await systemClock.sleep(3000)
    from = Date.now()
    await deleted()
    expect(await replicas()).toEqual({ shop: 3 })
    expect(await serinsOwn()).toEqual([])
    expect(meshMade()).toEqual([])
  })

  test('is adopted again; deleted with a failed release in it, its Canary leaves what serves', LONG, async () => {
    await objects.apply(canary)
    stable = (await until('the revision to serve again', ({ phase }) => phase === 'Idle')).stableRevision ?? ''
    // Until it is at 0 its own pods may still be asked, and a new template would end them.
    await objects.until('the target to be at 0 again', async () => ((await replicas())['shop'] === 0 ? true : undefined))
    await objects.apply(target('four', FAULTS.everything, 3))
    await until('the fourth to have failed', ({ phase }) => phase === 'Failed')
    await deleted()
    expect(await replicas()).toMatchObject({ shop: 0, [`shop-${stable}`]: 3 })
    expect(JSON.stringify((await serinsOwn()).map(({ spec }) => spec))).toContain(`serin-${stable}`)
    expect(meshMade()).toEqual([])
  })

  test('moves nothing when its Canary is deleted with onDelete: Orphan', LONG, async () => {
    await objects.apply({ ...canary, spec: { ...(canary['spec'] as object), onDelete: 'Orphan' } })
    await until('the Canary to take over what it finds', ({ phase }) => phase === 'Failed' || phase === 'Idle')
    const before = JSON.stringify([await replicas(), (await serinsOwn()).map(({ spec }) => spec)])
    await deleted()
    expect(JSON.stringify([await replicas(), (await serinsOwn()).map(({ spec }) => spec)])).toBe(before)
    process.stderr.write(`target: ${answers().length} requests, ${JSON.stringify(tally(answers()))}\n`)
    expect(meshMade()).toEqual([])
  })
})
