import { afterEach, expect, it } from 'vitest'
import { caller, faultyTarget, namespace, service, target, targetCanary } from '../fixtures.ts'
import { crd, Harness, NAMESPACE } from '../harness.ts'

let harness: Harness
afterEach(() => harness.stop())

const sizes = () => Object.fromEntries(harness.sandbox.cluster.reader.list('deployments.apps', NAMESPACE)
  .filter(({ metadata }) => metadata.name.startsWith('service-c')).map((d) => [d.metadata.name, (d['spec'] as { replicas: number }).replicas]))
const show = () => console.log(harness.status().phase, harness.status().step, harness.status().weight, harness.status().message, JSON.stringify(sizes()))

it('adopts', async () => {
  harness = new Harness()
  await harness.apply(crd(), namespace(), service(), caller(), target('v1'))
  await harness.clock.advance(1000)
  harness.users(20, { host: 'service-c', from: harness.insider })
  harness.startOperator()
  await harness.apply(targetCanary())
  for (let i = 0; i < 10; i++) { await harness.clock.advance(500); show() }
  await harness.apply(target('v2', { replicas: 2 }))
  for (let i = 0; i < 40; i++) { await harness.clock.advance(500); show() }
  await harness.apply(faultyTarget('v3', { replicas: 3 }))
  for (let i = 0; i < 20; i++) { await harness.clock.advance(500); show() }
  console.log(harness.events().join('\n'), harness.meshMade().length, harness.answers.filter((a) => a.status !== 200).length, harness.answers.length)
  console.log(JSON.stringify(harness.status(), null, 1))
  console.log(JSON.stringify(harness.sandbox.cluster.reader.list('deployments.apps', NAMESPACE).find(({ metadata }) => metadata.name.startsWith('service-c-')), null, 1))
})
