import { afterEach, describe, expect, it } from 'vitest'
import { leaveForGood } from '../../src/operator.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { namespace, service, target, targetCanary, version, virtualService } from '../fixtures.ts'
import { crd, Harness, NAMESPACE, type Process } from '../harness.ts'
import { ELECTION, startReplica } from '../replica.ts'

let harness: Harness
afterEach(() => harness.stop())

/** The operator's own Deployment, under the name of its lease. */
const own = (): KubeObject => version('v1', { app: 'serin', name: 'serin', replicas: 0 })
const finalizers = () => harness.canary().metadata.finalizers ?? []
const HELD = ['serin.dev/restore']

/** An operator that was started by a Deployment, and has adopted a target. */
async function installed(): Promise<Process> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), own(), service(), target('v1'), virtualService())
  const process = startReplica(harness)
  await harness.apply(targetCanary())
  await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 60_000)
  expect(finalizers()).toEqual(HELD)
  return process
}

const stopped = async (process: Process) => {
  process.stop()
  await harness.clock.advance(15_000)
  await process.ended
}

const leave = () => leaveForGood(
  { kubernetes: harness.sandbox.cluster.transport, clock: harness.clock, random: seededRandom('leave'), log: createLog({ level: 'silent' }), settings: { requestTimeoutMs: 5000 } as never },
  { deployment: `${NAMESPACE}/serin`, lease: `${NAMESPACE}/${ELECTION.lease.name}`, namespaces: [] }, harness.ended,
)

describe('an operator that is', () => {
  it('stopped, or replaced by a newer one, holds its Canaries', async () => {
    await stopped(await installed())
    expect(finalizers()).toEqual(HELD)
  })

  it('uninstalled lets them go at its end', async () => {
    const process = await installed()
    await harness.delete(own())
    await stopped(process)
    expect(finalizers()).toEqual([])
    expect(harness.replicas('service-c')).toBe(0)
    await harness.delete(targetCanary())
    expect(harness.find('canaries.serin.dev', 'service-c')).toBeUndefined()
  })
})

describe('the hook before an uninstallation', () => {
  it('stops the operator, waits for its lease, and takes the finalizers off', async () => {
    const process = await installed()
    await harness.patch(own(), { spec: { replicas: 2 } })
    let done = false
    const left = leave().then(() => void (done = true))
    await harness.clock.advance(10_000)
    expect(harness.replicas('serin')).toBe(0)
    expect([done, finalizers()]).toEqual([false, HELD])
    await stopped(process)
    await harness.clock.advance(1000)
    await left
    expect(finalizers()).toEqual([])
  })

  it('has nobody to let go where the CRD went first', async () => {
    const process = await installed()
    await harness.delete(crd())
    await harness.clock.advance(5000)
    await stopped(process)
    const left = leave()
    await harness.clock.advance(1000)
    await left
    expect(harness.sandbox.cluster.reader.list('canaries.serin.dev')).toEqual([])
  })

  it('fails where the operator goes on, so that nothing is deleted', async () => {
    await installed()
    const left = leave().catch((thrown: unknown) => String(thrown))
    await harness.clock.advance(70_000)
    expect(await left).toBe(`Error: the operator still holds the lease ${NAMESPACE}/serin after 60 s`)
    expect(finalizers()).toEqual(HELD)
  })
})
