import { leaveForGood, type OperatorSettings } from '../../src/operator.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { Transport, TransportResponse } from '../../src/runtime/transport.ts'
import { action, canary, faulty, kindOf, namespace, service, targetCanary, version, virtualService } from '../fixtures.ts'
import { actionCrd, type Harness, pathOf } from '../harness.ts'
import { adopted } from '../rollout/adopted.ts'
import { config, configuredTarget, fromKey } from '../rollout/configured.ts'
import { askedOf, type Asked } from './rules.ts'

const FORBIDDEN: TransportResponse = { status: 403, headers: {}, text: () => Promise.resolve('{"kind":"Status","reason":"Forbidden"}'), lines: async function* () { /* An answer without a stream. */ } }

/** Everything that the operator asks of the API server while it adopts, refuses, promotes, rolls back and defends a route. What is not allowed is refused. */
export async function recorded(settings: OperatorSettings, isAllowed: (asked: Asked) => boolean = () => true): Promise<readonly Asked[]> {
  const requests: Asked[] = []
  const through = (transport: Transport): Transport => (request) => {
    const asked = askedOf(request)
    requests.push(asked)
    return isAllowed(asked) ? transport(request) : Promise.resolve(FORBIDDEN)
  }
  const harness = await adopted({ objects: [kindOf('gateway.networking.k8s.io', 'v1', 'HTTPRoute'), kindOf('autoscaling', 'v2', 'HorizontalPodAutoscaler'), actionCrd(), namespace(settings.election?.lease.namespace), virtualService()], operator: { through, settings } })
  try {
    await stalled(harness)
    await harness.patch(canary(), { spec: { preview: { service: 'service-c-canary' } } })
    await heard(harness)
    await promoted(harness, 'v2')
    await harness.patch(canary(), { spec: { preview: null } })
    await harness.apply(faulty('v3'))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await defended(harness)
    await ofTarget(harness, settings.trackSecrets)
    await deleted(harness)
    await uninstalled(harness, settings, through(harness.sandbox.cluster.transport))
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

/** A plain Deployment is adopted, released, and its first revision deleted. */
async function ofTarget(harness: Harness, trackSecrets: boolean): Promise<void> {
  const app = 'plain'
  const pods = { container: { env: [fromKey('RATE', 'rate'), ...(trackSecrets ? [fromKey('KEY', 'key', { kind: 'Secret' })] : [])] } }
  await harness.apply(config('app', { rate: '0' }), config('app', { key: 'a' }, { kind: 'Secret' }), service(app), configuredTarget('v1', pods, { app }))
  await harness.apply(targetCanary({ ...(trackSecrets ? { trackConfig: 'All' } : {}), revisionHistoryLimit: 0, steps: [{ for: '1s' }], analysis: { interval: '1s', metrics: [] } }, app))
  const serves = () => (harness.status(app).phase === 'Idle' ? harness.status(app).stableRevision : undefined)
  await harness.until(() => serves() !== undefined && harness.replicas(app) === 0, 60_000)
  const first = serves()
  await harness.apply(configuredTarget('v2', pods, { app }))
  await harness.until(() => serves() !== undefined && serves() !== first, 60_000)
  await harness.until(() => harness.find('deployments.apps', `${app}-${first ?? ''}`) === undefined, 60_000)
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

/** What was changed for it is put back before it goes. */
async function deleted(harness: Harness): Promise<void> {
  await harness.delete(targetCanary({}, 'plain'))
  await harness.until(() => harness.find('canaries.serin.dev', 'plain') === undefined, 120_000)
}

/** The hook before the release goes, with the operator's rights. */
async function uninstalled(harness: Harness, settings: OperatorSettings, kubernetes: Transport): Promise<void> {
  const { namespace: home = '', name = '' } = settings.election?.lease ?? {}
  const own = version('v1', { app: 'serin', name, replicas: 0 })
  await harness.apply({ ...own, metadata: { ...own.metadata, namespace: home } })
  harness.kill()
  const left = leaveForGood({ kubernetes, clock: harness.clock, random: () => 0.5, log: createLog({ level: 'silent' }), settings }, { deployment: `${home}/${name}`, lease: `${home}/${name}`, namespaces: settings.namespaces }, harness.ended)
  await harness.clock.advance(70_000)
  await left
}
