import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeObject } from '../../src/runtime/object.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { installationOf, manifestsOf, only } from '../install/rendered.ts'
import { type AuditEvent, askedOfAudit, compare, grantsOf } from '../install/rules.ts'
import { Shop } from './shop.ts'
import { kubeconfig } from './control-plane.ts'
import { Suite } from './suite.ts'

const HOME = 'serin-system'
const ACCOUNT = `system:serviceaccount:${HOME}:serin`
/** Of --lease-duration and --retry-period as they are by default, with the retry's jitter. */
const LEASE_MS = { duration: 15_000, retry: 2400 }
const LONG = { timeout: 600_000 }

const suite = new Suite()
const { objects, info } = suite
const shop = new Shop(suite, {
  namespace: 'installed', propagationMs: 500, rps: 60,
  spec: {
    traffic: { propagation: '500ms', drain: '1500ms' },
    steps: [{ name: 'few', weight: 20, for: '1s', minRequests: 10 }, { name: 'most', weight: 60, for: '1s', minRequests: 10 }],
    analysis: { interval: '1s', metrics: [{ name: 'error-rate', max: '2%' }] },
    scaleDownDelay: { previous: '1s' },
  },
})
const config = join(info.directory, 'install.kubeconfig')
const run = promisify(execFile)
/** Not to be waited for in one piece: users go on meanwhile. */
const tool = (name: 'helm' | 'kubectl', ...args: readonly string[]): Promise<string> =>
  run(info.binaries[name] ?? name, args, { timeout: 120_000, env: { ...process.env, KUBECONFIG: config, HELM_CACHE_HOME: info.directory, HELM_CONFIG_HOME: info.directory, HELM_DATA_HOME: info.directory } }).then(({ stdout }) => stdout)
const CHART = ['serin', 'charts/serin', '--namespace', HOME, '--set', `prometheus.url=${info.prometheus}`]
const helmInstall = () => tool('helm', 'upgrade', '--install', ...CHART, '--create-namespace', '--take-ownership', '--wait', '--timeout', '90s')

/** Where the kind exists it is watched: a route of it that reaches the Service is refused. */
const HTTP_ROUTES = {
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
  metadata: { name: 'httproutes.gateway.networking.k8s.io', annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/2997' } },
  spec: {
    group: 'gateway.networking.k8s.io', scope: 'Namespaced', names: { kind: 'HTTPRoute', listKind: 'HTTPRouteList', plural: 'httproutes', singular: 'httproute' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
  },
} as unknown as KubeObject

beforeAll(async () => {
  await objects.apply(HTTP_ROUTES)
  await objects.served(['gateway.networking.k8s.io/v1/httproutes'])
  writeFileSync(config, kubeconfig(info.apiServer, info.ca, info.token))
  await Promise.all([shop.open(), helmInstall()])
})

afterAll(async () => {
  process.stderr.write(shop.summary())
  await shop.close()
  await objects.call('DELETE', `/api/v1/namespaces/${HOME}`)
})

const desired = (version?: string) => shop.declare(version)
const lease = async () => (await objects.call('GET', `/apis/coordination.k8s.io/v1/namespaces/${HOME}/leases/serin`)).body['spec'] as { holderIdentity?: string; leaseTransitions?: number } | undefined
const leader = async () => (await lease())?.holderIdentity ?? ''
const serves = (version: string) => shop.until(`${version} to serve`, ({ phase, stableRevision }) => phase === 'Idle' && stableRevision === version)
const path = '/apis/networking.istio.io/v1/namespaces/installed/virtualservices/shop'
const routes = async () => JSON.stringify((await objects.call('GET', path)).body['spec'])

async function releases(): Promise<string> {
  const version = await shop.deploy('none')
  await serves(version)
  return version
}

let stable = 'v1'

test('two replicas run, one of them leads, and a Canary lives its whole life', LONG, () => shop.stage('a whole life, by the ServiceAccount', async () => {
  const { items } = (await objects.call('GET', `/api/v1/namespaces/${HOME}/pods`)).body as unknown as { items: readonly KubeObject[] }
  expect(items).toHaveLength(2)
  await objects.until('a leader', async () => (await leader()) || undefined)
  await shop.declare()
  await serves('v1')
  for (const unknown of ['v9', undefined, 'v9', undefined]) {
    await desired(unknown)
    await shop.until('Stalled to follow', ({ conditions }) => conditions?.some(({ type, status }) => type === 'Stalled' && status === (unknown === undefined ? 'False' : 'True')) === true)
  }
  stable = await releases()
  const bad = await shop.deploy('purchases')
  await shop.until(`${bad} to have failed`, ({ phase, failed }) => phase === 'Failed' && failed?.revision === bad)
  const lost = await shop.deploy('none')
  await shop.until(`${lost} to have weight`, ({ rollout }) => rollout?.revision === lost && rollout.stepName === 'few')
  const { body } = await objects.call('GET', path)
  await objects.call('DELETE', path)
  const own = '/apis/networking.istio.io/v1/namespaces/installed/virtualservices/serin-shop'
  await objects.until("Serin's own route", async () => ((await objects.call('GET', own)).status === 200 ? true : undefined))
  await objects.apply({ apiVersion: body.apiVersion, kind: body.kind, metadata: { name: 'shop', namespace: 'installed' }, spec: { ...(body['spec'] as object), http: [{ name: 'all', route: [{ destination: { host: 'shop.installed.svc.cluster.local' } }] }] } } as unknown as KubeObject)
  await objects.until("Serin's own route to go", async () => ((await objects.call('GET', own)).status === 404 ? true : undefined), 60_000)
  stable = await releases()
}))

test('a plain Deployment, a Service for tests and what people ask for need no more rights', LONG, async () => {
  const of = (kind: string, spec: object, name = 'plain'): KubeObject => ({ apiVersion: kind === 'Service' ? 'v1' : kind === 'Deployment' ? 'apps/v1' : 'serin.dev/v1beta1', kind, metadata: { name, namespace: 'installed' }, spec }) as unknown as KubeObject
  const target = (image: string) => of('Deployment', { replicas: 1, selector: { matchLabels: { app: 'plain' } }, template: { metadata: { labels: { app: 'plain' } }, spec: { containers: [{ name: 'plain', image: 'fake-service', ports: [{ containerPort: 8080 }], env: [{ name: 'NAME', value: image }, { name: 'SETTING', valueFrom: { configMapKeyRef: { name: 'plain', key: 'setting' } } }] }] } } })
  const canary = of('Canary', { targetRef: { name: 'plain' }, revisionHistoryLimit: 0, traffic: { propagation: '500ms', drain: '500ms' }, scaleDownDelay: { previous: '1s' }, steps: [{ for: '1s' }], analysis: { interval: '1s', metrics: [] } })
  const deployment = '/apis/apps/v1/namespaces/installed/deployments/plain'
  const until = (what: string, serving: (revision: string) => boolean) => suite.untilStatus('installed/plain', what, ({ phase, stableRevision = '' }) => phase === 'Idle' && serving(stableRevision), 120_000)
  const setting = (value: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'plain', namespace: 'installed' }, data: { setting: value } }) as unknown as KubeObject
  await objects.apply(setting('a'), of('Service', { selector: { app: 'plain' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }), target('one'), canary)
  const { stableRevision: first = '' } = await until('the first revision to serve', (revision) => revision !== '')
  await objects.until('the target to be at 0', async () => (((await objects.call('GET', deployment)).body['spec'] as { replicas: number }).replicas === 0 ? true : undefined))
  await objects.call('PATCH', '/apis/serin.dev/v1beta1/namespaces/installed/canaries/plain', { spec: { preview: { service: 'plain-canary' } } }, 'application/merge-patch+json')
  await objects.apply(target('two'))
  await until('the second to serve', (revision) => revision !== first)
  await objects.until('the first to be deleted', async () => ((await objects.call('GET', `${deployment}-${first}`)).status === 404 ? true : undefined), 60_000)
  await objects.call('PATCH', '/apis/serin.dev/v1beta1/namespaces/installed/canaries/plain', { spec: { preview: null } }, 'application/merge-patch+json')
  const actions = '/apis/serin.dev/v1beta1/namespaces/installed/canaryactions'
  const asked = (name: string) => of('CanaryAction', { canaryRef: { name: 'plain' }, action: 'Resume', requester: 'admin' }, name)
  await objects.apply(asked('resume'), asked('long-ago'))
  await objects.until('an answer', async () => ((await objects.call('GET', `${actions}/resume`)).body['status'] === undefined ? undefined : true))
  await objects.call('PATCH', `${actions}/long-ago/status`, { status: { result: 'Accepted', at: '2020-01-01T00:00:00Z' } }, 'application/merge-patch+json')
  await objects.until('the old one to be forgotten', async () => ((await objects.call('GET', `${actions}/long-ago`)).status === 404 ? true : undefined), 60_000)
  const plain = '/apis/serin.dev/v1beta1/namespaces/installed/canaries/plain'
  await objects.call('DELETE', plain)
  await objects.until('the Canary to be gone', async () => ((await objects.call('GET', plain)).status === 404 ? true : undefined), 60_000)
  expect((await objects.call('GET', deployment)).body['spec']).toMatchObject({ replicas: 1 })
  expect((await objects.call('GET', '/apis/networking.istio.io/v1/namespaces/installed/destinationrules/serin-plain')).status).toBe(404)
})

test('after kill -9 of the leader the other takes over within lease and retry, and goes on with the rollout', LONG, () => shop.stage('the leader killed', async () => {
  const before = await leader()
  const version = await shop.deploy('none')
  await shop.until(`${version} to be released`, ({ rollout }) => rollout?.revision === version)
  const killed = Date.now()
  await suite.turn(`/pods/${HOME}/${podOf(before)}/crash`)
  const tookMs = await anotherLeads(before, killed, LEASE_MS.duration + 2 * LEASE_MS.retry + 10_000)
  process.stderr.write(`  another leads ${tookMs} ms after kill -9\n`)
  // The lease may have been renewed at the very end of its retry period.
  expect(tookMs).toBeLessThan(LEASE_MS.duration + 2 * LEASE_MS.retry + 1000)
  await serves(version)
  stable = version
}))

test('after SIGTERM of the leader the other takes over at once', LONG, () => shop.stage('the leader ended', async () => {
  const before = await leader()
  const asked = Date.now()
  await objects.call('DELETE', `/api/v1/namespaces/${HOME}/pods/${podOf(before)}`)
  const tookMs = await anotherLeads(before, asked, 20_000)
  process.stderr.write(`  another leads ${tookMs} ms after SIGTERM\n`)
  expect(tookMs).toBeLessThan(LEASE_MS.retry + 1500)
}))

/** The identity begins with the pod's name. */
const podOf = (identity: string): string => identity.split('_')[0] ?? identity

async function anotherLeads(before: string, since: number, mostMs: number): Promise<number> {
  await objects.until('another leader', async () => {
    const now = await leader()
    return now !== '' && now !== before ? true : undefined
  }, mostMs)
  return Date.now() - since
}

test('the API server denied nothing, and no rule of the chart was for nothing', async () => {
  const events = readFileSync(join(info.directory, 'audit.log'), 'utf8').split('\n').filter((line) => line.includes(ACCOUNT)).map((line) => JSON.parse(line) as AuditEvent)
    .filter(({ user }) => user.username === ACCOUNT)
  expect(events.length).toBeGreaterThan(100)
  expect(events.filter(({ annotations, responseStatus }) => annotations?.['authorization.k8s.io/decision'] !== 'allow' || responseStatus?.code === 401)).toEqual([])
  const rendered = manifestsOf(await tool('helm', 'get', 'manifest', 'serin', '--namespace', HOME))
  const { account } = installationOf(rendered)
  const asked = events.map(askedOfAudit).filter((request) => request !== undefined)
  expect(compare(grantsOf(rendered, account), asked)).toEqual({ denied: [], unused: [] })
})

test('the pods stand under restricted Pod Security', async () => {
  await objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: HOME, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } } as unknown as KubeObject)
  const { body } = await objects.call('GET', `/apis/apps/v1/namespaces/${HOME}/deployments/serin`)
  const { template } = body['spec'] as { template: { metadata: object; spec: object } }
  const again = { apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name: 'again', namespace: HOME }, spec: template.spec }
  const refused = structuredClone(again) as unknown as { spec: { containers: { securityContext?: object }[] } }
  refused.spec.containers.forEach((container) => delete container.securityContext)
  const dry = `/api/v1/namespaces/${HOME}/pods?dryRun=All`
  expect(await objects.call('POST', dry, again)).toMatchObject({ status: 201 })
  expect((await objects.call('POST', dry, refused)).body).toMatchObject({ reason: 'Forbidden' })
})

test.each<[string, () => Promise<void>]>([
  ['the chart first', async () => {
    await tool('helm', 'uninstall', 'serin', '--namespace', HOME, '--wait', '--timeout', '90s')
    const { status, body } = await objects.call('GET', '/apis/serin.dev/v1beta1/namespaces/installed/canaries/shop')
    expect([status, body.metadata.finalizers ?? []]).toEqual([200, []])
    await helmInstall()
    await objects.until('a leader', async () => (await leader()) || undefined)
  }],
  ['the CRD first', async () => {
    await tool('kubectl', 'delete', '--filename', 'crds/', '--timeout', '30s')
    await systemClock.sleep(5000)
    await tool('helm', 'uninstall', 'serin', '--namespace', HOME, '--wait', '--timeout', '90s')
    await helmInstall()
    await shop.declare()
  }],
  ['the namespace first, installed again as plain manifests', async () => {
    await tool('kubectl', 'delete', 'namespace', HOME, '--timeout', '60s')
    const plain = manifestsOf(readFileSync('charts/install.yaml', 'utf8'))
    const deployment = only(plain, 'Deployment') as unknown as { spec: { template: { spec: { containers: { args: string[] }[] } } } }
    const [container] = deployment.spec.template.spec.containers
    if (container !== undefined) container.args = container.args.map((argument) => (argument.startsWith('--prometheus-url') ? `--prometheus-url=${info.prometheus}` : argument))
    const file = join(info.directory, 'install.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: plain }))
    await tool('kubectl', 'apply', '--filename', file)
    await tool('kubectl', 'delete', '--filename', file, '--timeout', '60s')
    expect((await objects.call('GET', '/apis/serin.dev/v1beta1/namespaces/installed/canaries/shop')).status).toBe(200)
    await tool('kubectl', 'apply', '--filename', file)
    await tool('kubectl', 'wait', '--for=condition=Available', 'deployment/serin', '--namespace', HOME, '--timeout', '60s')
  }],
])('uninstalled, %s: nothing hangs, no traffic moves, and a release works after it', LONG, (name, play) => shop.stage(`uninstalled, ${name}`, async () => {
  const before = await routes()
  const from = Date.now()
  await play()
  expect(await routes()).toBe(before)
  expect(new Set(shop.answers({ from, until: Date.now() }).map(({ version }) => version))).toEqual(new Set([stable]))
  await serves(stable)
  stable = await releases()
}))

test('no answer was made by the mesh', () => {
  expect(shop.meshMade()).toEqual([])
  expect(shop.strays()).toEqual([])
})
