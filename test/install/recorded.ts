import type { OperatorSettings } from '../../src/operator.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { action, canary, faulty, namespace, version, virtualService } from '../fixtures.ts'
import { actionCrd, crd, pathOf, type Harness } from '../harness.ts'
import { adopted } from '../rollout/adopted.ts'
import { askedOf, type Asked } from './rules.ts'

/** Any HTTPRoute: a cluster that serves the kind is watched for them. */
const httpRoutes = (): KubeObject => {
  const names = { kind: 'HTTPRoute', listKind: 'HTTPRouteList', plural: 'httproutes', singular: 'httproute' }
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return { ...crd(), metadata: { name: 'httproutes.gateway.networking.k8s.io' }, spec: { group: 'gateway.networking.k8s.io', names, scope: 'Namespaced', versions: [{ name: 'v1', served: true, storage: true, schema }] } }
}

/** Everything that the operator asks of the API server while it adopts, refuses, promotes, rolls back and defends a route. */
export async function recorded(settings: OperatorSettings): Promise<readonly Asked[]> {
  const requests: Asked[] = []
  const through = (transport: Transport): Transport => (request) => {
    requests.push(askedOf(request))
    return transport(request)
  }
  const harness = await adopted({ objects: [httpRoutes(), actionCrd(), namespace(settings.election?.lease.namespace), virtualService()], operator: { through, settings } })
  try {
    await stalled(harness)
    await heard(harness)
    await promoted(harness, 'v2')
    await harness.apply(faulty('v3'))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await defended(harness)
  } finally {
    harness.stop()
  }
  return requests
}

async function promoted(harness: Harness, revision: string): Promise<void> {
  await harness.apply(version(revision))
  await harness.until(() => harness.status().phase === 'Idle' && harness.status().stableRevision === revision, 60_000)
}

/** A route of Serin's own comes while the user's is missing, and goes when that is back. */
async function defended(harness: Harness): Promise<void> {
  await harness.apply(version('v4'))
  await harness.until(() => harness.status().step === '1/2', 60_000)
  await harness.delete(virtualService())
  const own = () => harness.find('virtualservices.networking.istio.io', 'serin-service-c')
  await harness.until(() => own() !== undefined, 10_000)
  await harness.clock.advance(10_000)
  await harness.apply(virtualService())
  await harness.until(() => own() === undefined, 10_000)
}

/** Somebody asks for something, and one who asked long ago is forgotten. */
async function heard(harness: Harness): Promise<void> {
  const [asked, answered] = [action('Resume'), action('Resume', {}, 'long-ago')]
  await harness.apply(asked, answered)
  await harness.call('PATCH', `${pathOf(answered)}/status`, { status: { result: 'Accepted', at: '2020-01-01T00:00:00Z' } }, 'application/merge-patch+json')
  await harness.until(() => harness.result('resume') !== '' && harness.find('canaryactions.serin.dev', 'long-ago') === undefined, 30_000)
}

/** What is said again within ten minutes is one event whose count is raised. */
async function stalled(harness: Harness): Promise<void> {
  for (const desired of ['v9', null, 'v9', null]) {
    await harness.patch(canary(), { spec: { versions: { desired } } })
    await harness.until(() => harness.condition('Stalled').startsWith(desired === null ? 'False' : 'True'), 30_000)
  }
}
