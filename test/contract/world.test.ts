import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('a world has pods that call each other, one request or many, and time for other things meanwhile', async () => {
  await world.workload('shop-v1', { app: 'shop', env: { MESSAGE: 'hello' } })
  await world.workload('caller', { app: 'caller', namespace: world.callers })
  await world.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop' }, spec: { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } })
  const host = `shop.${world.namespace}.svc.cluster.local`
  const answer = await world.until('an answer of the shop', async () => {
    const response = await world.request({ deployment: 'caller' }, { host })
    return response.status === 200 ? response : undefined
  })
  expect(answer.headers['x-version']).toBe('v1')
  expect(answer.body).toContain('hello')

  const startMs = world.now()
  const load = world.load({ deployment: 'caller' }, { host, rps: 50, ms: 1000 })
  await world.sleep(500)
  expect(world.now() - startMs).toBeGreaterThanOrEqual(499)
  const answers = await load
  expect(answers).toHaveLength(50)
  expect(new Set(answers.map(({ status, version }) => `${status} ${version}`))).toEqual(new Set(['200 v1']))
  expect(answers.filter(({ at }) => at > startMs + 500).length).toBeGreaterThan(10)
})
