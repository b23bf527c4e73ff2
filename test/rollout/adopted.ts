import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, canary, namespace, service, target, targetCanary, version } from '../fixtures.ts'
import { crd, Harness, type ProcessOptions } from '../harness.ts'

export type AdoptedOptions = {
  /** Of the Canary, over the fixture's. */
  readonly spec?: Readonly<Record<string, unknown>>
  /** Pods of v1, which is stable. */
  readonly replicas?: number
  /** What else is there before the Canary. */
  readonly objects?: readonly KubeObject[]
  /** Requests a second from a pod in the mesh. */
  readonly rps?: number
  readonly operator?: ProcessOptions
}

/** A Canary for service-c that has adopted v1, under load. */
export async function adopted({ spec, replicas = 2, objects = [], rps = 20, operator }: AdoptedOptions = {}): Promise<Harness> {
  const harness = new Harness()
  await harness.apply(crd(), namespace(), service(), caller(), version('v1', { replicas }), ...objects)
  await harness.clock.advance(1000)
  harness.users(rps, { host: 'service-c', from: harness.insider })
  harness.startOperator(operator)
  await harness.apply(canary(spec))
  await harness.until(() => harness.status().phase === 'Idle', 20_000)
  return harness
}

/** A Canary for the plain Deployment service-c that has adopted it and holds it at 0, under load. */
export async function adoptedTarget({ spec, replicas = 2, objects = [], rps = 20, operator }: AdoptedOptions = {}): Promise<Harness> {
  const harness = new Harness()
  await harness.apply(crd(), namespace(), service(), caller(), target('v1', { replicas }), ...objects)
  await harness.clock.advance(1000)
  harness.users(rps, { host: 'service-c', from: harness.insider })
  harness.startOperator(operator)
  await harness.apply(targetCanary(spec))
  await harness.until(() => harness.status().phase === 'Idle' && harness.replicas('service-c') === 0, 20_000)
  return harness
}
