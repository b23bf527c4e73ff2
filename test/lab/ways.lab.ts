import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { LONG } from './rollouts.ts'
import { Suite, tally } from './suite.ts'
import { recipes, WaysDemands } from './ways-demands.ts'
import { sizeOf, subsetsOf, WaysShop } from './ways-shop.ts'

const suite = new Suite()
const { objects } = suite
const shop = new WaysShop(suite, 'ways')
const demands = new WaysDemands(shop)
const nameOf = (revision: string) => `shop-${revision}`
const subset = (revision: string) => `serin-${revision}`
/** A propagation, a drain, and a little. */
const settled = () => systemClock.sleep(2500)

describe.sequential('a plain Deployment that 100 requests a second use', () => {
  beforeAll(async () => {
    await shop.open()
    await shop.spec({})
    await shop.promoted()
    await shop.reaches({ shop: 0 })
    await settled()
    demands.adopted = Date.now()
  })
  afterAll(() => shop.close())

  test('waits in CI for its own release, as docs/ci.md says, and is not told of the one before', LONG, async () => {
    const [, , compared = ''] = recipes(shop.file(shop.target('two')))
    expect(await shop.shell(compared)).toEqual({ code: 0, said: expect.stringContaining('condition met') as string })
    const { observedTarget, stableRevision, phase } = await suite.status(shop.namespace, 'shop')
    expect(stableRevision).not.toBe(shop.stable)
    expect(observedTarget).toMatchObject({ revision: stableRevision })
    const made = (await objects.call('GET', `/apis/apps/v1/namespaces/${shop.namespace}/deployments/${nameOf(stableRevision ?? '')}`)).body
    expect(JSON.stringify(made)).toContain('"value":"two"')
    expect(phase).toBe('Idle')
    await shop.promoted()
    demands.unnoticed()
  })

  test('starts no pod before the gate is approved, has as many as its steps say, and takes none from stable', LONG, async () => {
    await shop.spec({ canaryReplicas: 1, steps: [{ name: 'gate', replicas: 0, for: '1s', approval: 'Required' }, { name: 'few', weight: 10, for: '1s', minRequests: 5 }, { name: 'some', weight: 20, replicas: 2, for: '1s', minRequests: 10 }] })
    const from = Date.now()
    await objects.apply(shop.target('gated'))
    const { canaryRevision = '' } = await shop.until('the gate to wait', ({ message }) => /waits for approval/.test(message ?? ''))
    await settled()
    expect(shop.deployments.of(nameOf(canaryRevision)).map(sizeOf).filter((size) => size > 0)).toEqual([])
    await shop.approve('gate')
    const before = await shop.promoted()
    expect(shop.stable).toBe(canaryRevision)
    expect([...new Set(shop.deployments.of(nameOf(shop.stable)).map(sizeOf))].filter((size) => size > 0)).toEqual([1, 2, 3])
    const writes = shop.routes.writes('shop', from)
    expect(writes.map(subsetsOf).at(-1)).toEqual([subset(shop.stable)])
    expect(shop.shrunk(before, 3, { from, to: writes.at(-1)?.at ?? Infinity })).toEqual([])
    demands.unnoticed()
    await shop.spec({ canaryReplicas: null })
  })

  test('whose manifest Git applies with replicas has no pod that anybody meets, and is at 0 at rest; stable keeps its own', LONG, async () => {
    await shop.half('from git')
    const path = shop.file(shop.target('from git', { replicas: 2 }))
    const apply = async () => {
      const applied = Date.now()
      expect(await shop.shell(`kubectl apply -f ${path}`)).toMatchObject({ code: 0 })
      await objects.until('the target to have its size', () => Promise.resolve(shop.deployments.of('shop', applied).slice(1).some((change) => sizeOf(change) === 2) ? true : undefined))
      return applied
    }
    const from = await apply()
    await objects.ready(shop.namespace, 'shop')
    await settled()
    expect(await suite.status(shop.namespace, 'shop')).toMatchObject({ phase: 'Progressing', canary: { weight: '50%' } })
    await shop.approve('half')
    const before = await shop.promoted()
    expect(shop.shrunk(before, 3, { from, to: shop.routes.writes('shop', from).at(-1)?.at ?? Infinity })).toEqual([])
    // A size that was not there before is taken over, at rest.
    await shop.reaches({ shop: 0, [nameOf(shop.stable)]: 2 })
    await objects.ready(shop.namespace, nameOf(shop.stable))
    const rested = await apply()
    await shop.reaches({ shop: 0 })
    await settled()
    expect(shop.deployments.of(nameOf(shop.stable), rested).map(sizeOf).filter((size) => size !== 2)).toEqual([])
    demands.unnoticed()
  })

  test('that kubectl restarts is a release where no annotation is ignored', LONG, async () => {
    await shop.spec({ ignoreAnnotations: [] })
    await settled()
    const from = Date.now()
    expect(await shop.shell('kubectl rollout restart deployment/shop')).toMatchObject({ code: 0 })
    const before = await shop.promoted()
    expect(JSON.stringify(shop.deployments.of(nameOf(shop.stable)).at(-1)?.object)).toContain('kubectl.kubernetes.io/restartedAt')
    expect(JSON.stringify(shop.deployments.of(nameOf(before)).at(-1)?.object['spec'])).not.toContain('kubectl.kubernetes.io/restartedAt')
    expect(shop.routes.writes('shop', from).map(subsetsOf)).toEqual([[subset(before), subset(shop.stable)], [subset(shop.stable)]])
    demands.unnoticed()
  })

  test('set back to the revision before, while that stands, is one write of routes', LONG, async () => {
    await shop.spec({ scaleDownDelay: { previous: '5m' } })
    await objects.apply(shop.target('regretted'))
    const back = await shop.promoted()
    // Of the way back: how long the one before stands was settled when it was replaced.
    await shop.spec({ scaleDownDelay: { previous: '1s' } })
    await settled()
    const from = Date.now()
    await objects.apply(shop.target('from git'))
    await shop.promoted()
    expect(shop.stable).toBe(back)
    await settled()
    expect(shop.rules.writes('serin-shop', from).filter(({ at }) => at < (shop.routes.writes('shop', from)[0]?.at ?? Infinity))).toEqual([])
    await demands.oneWrite(back, from)
  })

  test('goes back in one step to what served within rollbackWindow, once its pods are ready', LONG, async () => {
    const { history } = await suite.status(shop.namespace, 'shop')
    const back = history?.[1]?.revision ?? ''
    await objects.until('the one before to be gone', async () => ((await shop.sizes())[nameOf(back)] === 0 && !JSON.stringify(shop.rules.all.at(-1)?.object['spec']).includes(back) ? true : undefined))
    const from = Date.now()
    await objects.apply(shop.target('regretted'))
    await shop.promoted()
    expect(shop.stable).toBe(back)
    expect(await shop.events()).toContainEqual(expect.stringContaining(`going back to ${back}, which served within rollbackWindow`))
    await settled()
    await demands.oneWrite(back, from)
  })

  test('keeps as many revisions without pods as revisionHistoryLimit says', LONG, async () => {
    await shop.spec({ revisionHistoryLimit: 1 })
    await objects.apply(shop.target('kept'))
    const before = await shop.promoted()
    await objects.until('the older ones to be gone', async () => (Object.keys(await shop.sizes()).length === 3 ? true : undefined))
    await settled()
    expect(await shop.sizes()).toEqual({ shop: 0, [nameOf(shop.stable)]: 2, [nameOf(before)]: 0 })
    demands.unnoticed()
  })

  test('that a quota refuses pods is rolled back at progressDeadline, in the quota\'s words', LONG, async () => {
    await shop.spec({ progressDeadline: '10s' })
    const quota = shop.own('v1', 'ResourceQuota', { hard: { pods: '2' } }, 'pods')
    await objects.apply(quota)
    await objects.until('the quota to count', async () => {
      const { body } = await objects.call('GET', `/api/v1/namespaces/${shop.namespace}/resourcequotas/pods`)
      return (body['status'] as { used?: { pods?: string } } | undefined)?.used?.pods === '2' ? true : undefined
    })
    try {
      await demands.failsInCi(shop.target('too many', { replicas: 0 }), /ProgressDeadline: .*exceeded quota/)
    } finally {
      await shop.remove(quota)
    }
  })

  test('whose pods crash again and again is rolled back before anybody meets them', LONG, async () => {
    const ended = new AbortController()
    const crashing = (async () => {
      for (; !ended.signal.aborted; await systemClock.sleep(150)) {
        const { body } = await objects.call('GET', `/api/v1/namespaces/${shop.namespace}/pods`)
        const pods = (body as unknown as { items: readonly KubeObject[] }).items.filter(({ metadata }) => metadata.labels?.['version'] !== shop.stable)
        await Promise.all(pods.map(({ metadata }) => suite.turn(`/pods/${shop.namespace}/${metadata.name}/crash`).catch(() => undefined)))
      }
    })()
    await demands.failsInCi(shop.target('crashing', { replicas: 0 }), /ProgressDeadline: .*CrashLoopBackOff/).finally(() => ended.abort())
    await crashing
  })

  test('loses its DestinationRule in mid-rollout, which is written again at once; only requests that were lost meanwhile end it', LONG, async () => {
    await shop.spec({ progressDeadline: null })
    await shop.half('without a rule')
    const written = shop.rules.of('serin-shop').at(-1)?.object
    const from = Date.now()
    await shop.remove(shop.own('networking.istio.io/v1', 'DestinationRule', {}, 'serin-shop'))
    const again = await objects.until('another rule', () => Promise.resolve(shop.rules.of('serin-shop').find(({ type, object }) => type === 'ADDED' && object.metadata.uid !== written?.metadata.uid)))
    expect(again.object['spec']).toEqual(written?.['spec'])
    demands.gaps.push({ from, to: again.at + 1000 })
    await settled()
    const lost = shop.meshMade(from)
    process.stderr.write(`ways: another rule after ${again.at - from} ms, ${JSON.stringify(tally(lost))}\n`)
    expect(await shop.events()).toContainEqual(expect.stringMatching(/^RuleRepaired: /))
    const { phase, failed, canary } = await shop.until('it to go on, or to have ended', ({ phase: now }) => now !== 'RollingBack')
    expect(phase === 'Failed' ? failed?.reason : canary?.weight).toBe(phase === 'Failed' && lost.length > 0 ? 'MeshBroken' : '50%')
    expect(shop.shrunk(shop.stable, 2, { from, to: Infinity })).toEqual([])
    demands.unnoticed()
  })

  test('loses its Service in mid-rollout: nothing moves or shrinks, and it goes on once that is back', LONG, async () => {
    await shop.half('without a Service')
    const from = Date.now()
    const sizes = await shop.sizes()
    await shop.remove(shop.service())
    await shop.until('that to be said', ({ message }) => /Service ways\/shop does not exist/.test(message ?? ''))
    await systemClock.sleep(3000)
    expect(await shop.sizes()).toEqual(sizes)
    expect(shop.routes.writes('shop', from).map(subsetsOf)).toEqual([])
    await objects.apply(shop.service())
    const { at } = await objects.until('users to be served again', () => Promise.resolve(shop.answers.slice(-50).length === 50 && shop.answers.slice(-50).every(({ status }) => status === 200) ? shop.answers.at(-50) : undefined))
    demands.gaps.push({ from, to: at })
    await shop.until('that to be forgotten', ({ message }) => !/does not exist/.test(message ?? ''))
    await settled()
    expect(shop.shrunk(shop.stable, 2, { from, to: Infinity })).toEqual([])
    expect(new Set(shop.answers.slice(-100).map(({ version }) => version)).size).toBe(2)
    expect(await suite.status(shop.namespace, 'shop')).toMatchObject({ phase: 'Progressing', canary: { weight: '50%' } })
    demands.unnoticed()
  })

  test('is deleted in mid-rollout: what serves goes on, and the rollout too once it is back', LONG, async () => {
    await shop.half('without a target')
    const target = (await objects.call('GET', `/apis/apps/v1/namespaces/${shop.namespace}/deployments/shop`)).body
    const from = Date.now()
    await shop.remove(shop.target(''))
    const { message } = await shop.until('that to be said', ({ conditions }) => conditions?.some(({ type, status, reason }) => type === 'Stalled' && status === 'True' && reason === 'TargetNotFound') === true)
    process.stderr.write(`ways: ${message ?? ''}\n`)
    await systemClock.sleep(3000)
    expect(shop.routes.writes('shop', from).map(subsetsOf)).toEqual([])
    expect(shop.shrunk(shop.stable, 2, { from, to: Infinity })).toEqual([])
    await objects.apply(shop.own('apps/v1', 'Deployment', { ...(target['spec'] as object), replicas: 2 }))
    await shop.approve('half')
    await shop.promoted()
    await shop.reaches({ shop: 0 })
    demands.unnoticed()
  })

  test('loses the user\'s VirtualService in mid-rollout: a route of Serin\'s to stable at once, until theirs is back', LONG, async () => {
    const canaryRevision = await shop.half('without a route')
    const from = Date.now()
    await shop.remove(shop.virtualService())
    const { failed } = await shop.until('the rollout to end', ({ phase }) => phase === 'Failed')
    expect(failed).toMatchObject({ revision: canaryRevision, reason: 'RouteDeleted' })
    const route = shop.routes.of('serin-shop', from)
    expect(route.map(subsetsOf).at(0)).toEqual([subset(shop.stable)])
    await settled()
    const ours = (route[0]?.at ?? Infinity) + 1500
    expect(shop.answers.filter(({ at, version }) => at > ours && version !== shop.stable)).toEqual([])
    await objects.apply(shop.virtualService())
    await objects.until('the route to go again', () => Promise.resolve(shop.routes.of('serin-shop').at(-1)?.type === 'DELETED' ? true : undefined))
    await settled()
    expect(shop.answers.filter(({ at, version }) => at > ours && version !== shop.stable)).toEqual([])
    expect(shop.routes.of('shop').map(subsetsOf).at(-1)).toEqual([subset(shop.stable)])
    process.stderr.write(`ways: ${shop.answers.length} requests, ${JSON.stringify(tally(shop.answers))}\n`)
    demands.unnoticed()
  })
})
