import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CanaryStatus } from '../../src/api/canary.ts'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { kindOf } from '../fixtures.ts'
import { serveMetrics, type Usage } from './metrics.ts'
import { LONG, QUICK } from './rollouts.ts'
import { type OperatorProcess, type RunningLoad, Suite, tally } from './suite.ts'

const suite = new Suite()
const { objects } = suite
const NAMESPACE = 'scaled'
const REVISION = 'serin.dev/revision'
/** What one pod is to use, thousandths of a core. */
const EACH = 100
const object = (value: object): KubeObject => value as KubeObject
const inShop = (apiVersion: string, kind: string, spec: object, name = 'shop', metadata: object = {}): KubeObject => object({ apiVersion, kind, metadata: { name, namespace: NAMESPACE, ...metadata }, spec })

const target = (image: string, name = 'shop', replicas?: number): KubeObject => inShop('apps/v1', 'Deployment', {
  ...(replicas === undefined ? {} : { replicas }), selector: { matchLabels: { app: name } },
  template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'fake-service', ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: image }] }] } },
}, name)
const service = (name: string) => inShop('v1', 'Service', { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }, name)
const canary = (name: string, spec: object) => inShop('serin.dev/v1beta1', 'Canary', { ...QUICK, targetRef: { name }, ...spec }, name)

const ofCanary = (name: string) => ({ apiVersion: 'serin.dev/v1beta1', kind: 'Canary', name })
const scaler = (scaleTargetRef: object, name: string, metadata: object = {}) => inShop('autoscaling/v2', 'HorizontalPodAutoscaler', {
  scaleTargetRef, minReplicas: 1, maxReplicas: 6,
  metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: `${EACH}m` } } }],
  behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
}, name, metadata)

const at = (kind: string, name: string) => `/apis/${kind.replace('/$', `/namespaces/${NAMESPACE}`)}/${name}`
const CANARIES = 'serin.dev/v1beta1/$/canaries'
const wanted = async () => ((await objects.call('GET', at(CANARIES, 'shop'))).body['spec'] as { replicas?: number }).replicas
const deployed = async () => Object.fromEntries(((await objects.list(`apps/v1/namespaces/${NAMESPACE}/deployments`)) ?? []).map(({ metadata, spec, status }) => [metadata.name, { wanted: (spec as { replicas: number }).replicas, ready: (status as { readyReplicas?: number }).readyReplicas ?? 0 }]))
const until = (what: string, holds: (status: Partial<CanaryStatus>) => boolean, name = 'shop') => suite.untilStatus(`${NAMESPACE}/${name}`, what, holds, 120_000)

describe.sequential('the real autoscaler on a Canary', () => {
  let operator: OperatorProcess
  let load: RunningLoad
  let stopMetrics: () => Promise<void>
  let stable = ''
  /** What all users together cost the pods of stable that are ready; what others do is not the autoscaler's business. */
  let demand = 2 * EACH
  let others = EACH
  const usage: Usage = (pod, ready) => {
    const serving = ready.filter(({ metadata }) => metadata.labels?.[REVISION] === stable)
    return serving.includes(pod) ? demand / serving.length : others
  }
  const sizeOf = async (revision: string) => (await deployed())[`shop-${revision}`]
  const reaches = (replicas: number) => objects.until(`${replicas} pods of stable`, async () => {
    const size = await sizeOf(stable)
    return size?.wanted === replicas && size.ready === replicas ? true : undefined
  }, 60_000)
  const asks = (replicas: number) => objects.until(`the autoscaler to ask for ${replicas}`, async () => ((await wanted()) === replicas ? true : undefined), 60_000)

  beforeAll(async () => {
    await objects.apply(...[NAMESPACE, `${NAMESPACE}-users`].map((name) => object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
    await objects.apply(
      service('shop'), target('one', 'shop', 2), service('plain'), target('one', 'plain', 1), scaler(ofCanary('shop'), 'shop'),
      object({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'users', namespace: `${NAMESPACE}-users` }, spec: { selector: { matchLabels: { app: 'users' } }, template: { metadata: { labels: { app: 'users' } }, spec: { containers: [{ name: 'app', image: 'fake-service' }] } } } }),
    )
    await Promise.all([objects.ready(NAMESPACE, 'shop'), objects.ready(NAMESPACE, 'plain'), objects.ready(`${NAMESPACE}-users`, 'users')])
    stopMetrics = await serveMetrics(objects, NAMESPACE, usage)
    const user = (await objects.podAddress(`${NAMESPACE}-users`, 'app=users')) ?? ''
    load = suite.startLoad({ url: `http://shop.${NAMESPACE}/`, rps: 50, ms: 3_600_000 }, user)
    await objects.until('the first user to be served', async () => (load.answers.some(({ status }) => status === 200) ? true : undefined))
    operator = await suite.startOperator({ 'watch-namespaces': NAMESPACE })
  })
  afterAll(async () => {
    await load.stop()
    operator.kill('SIGTERM')
    await operator.ended
    await stopMetrics()
    await objects.discard(NAMESPACE, `${NAMESPACE}-users`)
  })

  test('finds its size there although nobody wrote one, and knows stable by its selector', LONG, async () => {
    await objects.apply(canary('shop', { steps: [{ name: 'few', weight: 20, for: '1s', approval: 'Required' }] }))
    stable = (await until('the first revision to serve', ({ phase }) => phase === 'Idle')).stableRevision ?? ''
    others = 10 * EACH
    const { body } = await objects.call('GET', `${at(CANARIES, 'shop')}/scale`)
    expect(body).toMatchObject({ spec: { replicas: 2 }, status: { replicas: 2, selector: `app=shop,${REVISION}=${stable}` } })
    const status = await objects.until('the autoscaler to be active', async () => {
      const scaling = (await objects.call('GET', at('autoscaling/v2/$/horizontalpodautoscalers', 'shop'))).body['status'] as { conditions?: readonly { type: string; status: string; reason: string }[]; currentReplicas?: number; desiredReplicas?: number }
      return scaling.conditions?.some(({ type, status: is }) => type === 'ScalingActive' && is === 'True') === true ? scaling : undefined
    })
    expect(status).toMatchObject({ currentReplicas: 2, desiredReplicas: 2 })
  })

  test('is followed by the pods, up and down', LONG, async () => {
    demand = 3.5 * EACH
    await reaches(4)
    demand = 2.5 * EACH
    await reaches(3)
  })

  test('in mid-rollout grows stable at once, and takes nothing of what stood when it began', LONG, async () => {
    await objects.apply(target('two'))
    const { rollout, canaryRevision: next = '' } = await until('somebody to be asked', ({ rollout: now }) => now?.waitingFor === 'Approval')
    expect(rollout?.stableReplicas).toBe(3)
    demand = 1.5 * EACH
    await asks(2)
    await systemClock.sleep(5000)
    expect(await sizeOf(stable)).toEqual({ wanted: 3, ready: 3 })
    demand = 4.5 * EACH
    await reaches(5)
    demand = 1.5 * EACH
    await asks(2)
    await systemClock.sleep(5000)
    expect(await sizeOf(stable)).toEqual({ wanted: 5, ready: 5 })
    await objects.apply(inShop('serin.dev/v1beta1', 'CanaryAction', { canaryRef: { name: 'shop' }, action: 'Approve', revision: next, step: 'few', requester: 'admin' }, 'go-on'))
    stable = (await until('the second to serve', ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === next)).stableRevision ?? ''
    await reaches(2)
    expect(await wanted()).toBe(2)
  })

  test('and no user was answered by the mesh', async () => {
    process.stderr.write(`scaler: ${load.answers.length} requests, ${JSON.stringify(tally(load.answers))}\n`)
    expect(load.answers.length).toBeGreaterThan(1000)
    expect(load.answers.filter(({ version, status }) => version === '' && status !== 200)).toEqual([])
  })

  test('that KEDA makes for a ScaledObject of the target is refused in words, and taken once it is of the Canary', LONG, async () => {
    await objects.apply(object(kindOf('keda.sh', 'v1alpha1', 'ScaledObject')))
    await objects.served(['keda.sh/v1alpha1/scaledobjects'])
    await objects.apply(inShop('keda.sh/v1alpha1', 'ScaledObject', { scaleTargetRef: { name: 'plain' }, triggers: [] }, 'load'))
    const { metadata } = (await objects.call('GET', at('keda.sh/v1alpha1/$/scaledobjects', 'load'))).body
    const owned = { ownerReferences: [{ apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'load', uid: metadata.uid, controller: true, blockOwnerDeletion: true }] }
    await objects.apply(scaler({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'plain' }, 'keda-hpa-load', owned), canary('plain', {}))
    const { message } = await until('a refusal', ({ conditions }) => conditions?.some(({ type, reason }) => type === 'Stalled' && reason === 'ScalerOnTarget') === true, 'plain')
    expect(message).toContain('ScaledObject load scales Deployment plain')
    await objects.apply(scaler(ofCanary('plain'), 'keda-hpa-load', owned))
    await until('it to be adopted', ({ phase }) => phase === 'Idle', 'plain')
    await objects.until('the target to be at 0', async () => ((await deployed())['plain']?.wanted === 0 ? true : undefined))
  })
})
