import type { KubeObject, StoreEvent } from '../../src/sandbox/objects.ts'
import { caller, namespace, service, target, targetCanary, type VersionOptions } from '../fixtures.ts'
import { crd, Harness, NAMESPACE, type ProcessOptions } from '../harness.ts'

type Data = Readonly<Record<string, string>>
type Kind = 'ConfigMap' | 'Secret'

export type ConfigOptions = { readonly kind?: Kind; readonly annotations?: Readonly<Record<string, string>> }

/** A ConfigMap or Secret of users; what it says of a Secret is encoded as the API server would. */
export const config = (name: string, data: Data, { kind = 'ConfigMap', annotations = {} }: ConfigOptions = {}): KubeObject => ({
  apiVersion: 'v1', kind, metadata: { name, namespace: NAMESPACE, annotations },
  data: kind === 'ConfigMap' ? data : Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
})

type Fields = Readonly<Record<string, unknown>>

/** The target with this in its pod spec; what is said of its container goes into that. */
export function configuredTarget(image: string, { container = {}, ...pod }: { readonly container?: Fields; readonly [field: string]: unknown }, options: VersionOptions = {}): KubeObject {
  const made = target(image, options) as KubeObject & { spec: { template: { spec: { containers: readonly { readonly env: readonly object[] }[] } } } }
  const { env = [], ...others } = container as { readonly env?: readonly object[] }
  const [first] = made.spec.template.spec.containers
  const whole = { ...first, ...others, env: [...(first?.env ?? []), ...env] }
  return { ...made, spec: { ...made.spec, template: { ...made.spec.template, spec: { ...made.spec.template.spec, ...pod, containers: [whole] } } } }
}

export const fromKey = (name: string, key: string, { kind = 'ConfigMap', object = 'app', optional = false }: { readonly kind?: Kind; readonly object?: string; readonly optional?: boolean } = {}): Fields => ({
  name, valueFrom: { [kind === 'ConfigMap' ? 'configMapKeyRef' : 'secretKeyRef']: { name: object, key, ...(optional ? { optional } : {}) } },
})

type Pod = Parameters<typeof configuredTarget>[1]

type AdoptedOptions = {
  /** Of the Canary, over the fixture's. */
  readonly spec?: Fields
  readonly operator?: ProcessOptions
  /** Told of every change of the cluster. */
  readonly watch?: (event: StoreEvent) => void
  /** When it is over, where it does not come to its end. */
  readonly until?: (harness: Harness) => boolean
  /** Told of every line that an operator logs, whatever its level. */
  readonly log?: (line: string) => void
}

/** A Canary that has adopted service-c, whose pods are configured like this, under load. */
export async function adoptedConfigured(pod: Pod, objects: readonly KubeObject[], { spec = {}, operator, watch, log, until = (adopted) => adopted.status().phase === 'Idle' && adopted.replicas('service-c') === 0 }: AdoptedOptions = {}): Promise<Harness> {
  const harness = new Harness(log === undefined ? {} : { log })
  if (watch !== undefined) harness.sandbox.cluster.reader.subscribe(watch)
  await harness.apply(crd(), namespace(), service(), caller(), ...objects, configuredTarget('v1', pod))
  await harness.clock.advance(1000)
  harness.users(20, { host: 'service-c', from: harness.insider })
  harness.startOperator(operator)
  await harness.apply(targetCanary(spec))
  await harness.until(() => until(harness), 20_000)
  return harness
}
