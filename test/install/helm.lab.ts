import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { NAMESPACE } from '../harness.ts'
import { recorded } from './recorded.ts'
import { installationOf, type Manifest, manifestsOf, specOf } from './rendered.ts'
import { allows, compare, grantsOf } from './rules.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const CHART = 'charts/serin'
const HOME = 'serin-system'
/** The oldest Kubernetes that the chart takes: a Helm that is built from its module alone asks for a version that is long gone. */
const [, oldest = '', minor = ''] = /^>=(1\.(\d+)\.0)-0$/.exec((parse(readFileSync(join(root, CHART, 'Chart.yaml'), 'utf8')) as { kubeVersion: string }).kubeVersion) ?? []
const AS = ['--kube-version', oldest]

const lab = () => {
  const info = inject('lab')
  if (info === undefined) throw new Error('this suite needs the lab: npm run test:lab')
  return info
}
const binary = (name: string): string => lab().binaries[name] ?? name
const helm = (...args: readonly string[]): string => execFileSync(binary('helm'), args, { cwd: root, encoding: 'utf8', stdio: 'pipe' })

/** Values by what they are for. */
const SETS: Readonly<Record<string, object>> = {
  'the defaults': {},
  'one namespace': { watchNamespaces: [NAMESPACE] },
  'two namespaces': { watchNamespaces: [NAMESPACE, 'bank'] },
  'a namespace and no ClusterRole': { watchNamespaces: [NAMESPACE], clusterRole: false, aggregateRoles: false },
  'the least': { replicas: 1, aggregateRoles: false, crds: { install: false }, networkPolicy: { enabled: false } },
  'a mesh that refuses plain text': { sidecar: true, networkPolicy: { prometheus: { ports: [9090] } } },
  'Secrets that may be tracked': { trackSecrets: true },
  'nothing set aside': { resources: { requests: null, limits: null } },
  'what YAML takes for something else': { prometheus: { url: 'http://prometheus:' }, image: { repository: '0x1', tag: '1e3' }, priorityClassName: '123', flags: { rootNamespace: '1e3', clusterDomain: 'null' }, podLabels: { a: '1' } },
  'everything that can be said': {
    replicas: 3, image: { repository: 'registry.example/serin', tag: 'v1', pullPolicy: 'Always' }, imagePullSecrets: [{ name: 'pull' }],
    prometheus: { url: 'https://prometheus.monitoring:9090/path' },
    flags: { propagation: '20s', concurrency: 4, requestTimeout: '3s', queryTimeout: '4s', rootNamespace: 'mesh', clusterDomain: 'corp.local', logLevel: 'debug', leaseDuration: '30s', renewDeadline: '20s', retryPeriod: '4s' },
    resources: { requests: { cpu: 1, memory: '1Gi' }, limits: { cpu: '2', memory: '2Gi' } },
    priorityClassName: 'system-cluster-critical', terminationGracePeriodSeconds: 60, podLabels: { team: 'web' }, podAnnotations: { note: 'x' },
    nodeSelector: { disk: 'fast' }, tolerations: [{ key: 'only', operator: 'Exists' }],
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } }] } },
    networkPolicy: { metricsFrom: [{ namespaceSelector: {} }], dns: { ports: [5300] }, apiServer: { to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [6443] }, prometheus: { to: [{ podSelector: {} }], ports: [9091] } },
    serviceMonitor: { enabled: true, interval: '15s', labels: { release: 'prometheus' } }, namespace: { create: true },
  },
}

const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const place = mkdtempSync(join(tmpdir(), 'serin-values-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))
const file = (values: object): string => {
  const path = join(place, 'values.json')
  writeFileSync(path, JSON.stringify(values))
  return path
}
const rendered = (values: object, home = HOME, release = 'serin'): readonly Manifest[] => manifestsOf(helm('template', release, CHART, ...AS, '--namespace', home, '--values', file(values)))
const template = (...args: readonly string[]) => spawnSync(binary('helm'), ['template', 'serin', CHART, ...args], { cwd: root, encoding: 'utf8' })

const kubectl = (args: readonly string[], input = ''): string => {
  const { apiServer, ca, token } = lab()
  const authority = join(place, 'ca.crt')
  writeFileSync(authority, ca)
  const { status, stdout, stderr } = spawnSync(binary('kubectl'), ['--server', apiServer, '--token', token, '--certificate-authority', authority, ...args], { encoding: 'utf8', input, env: { HOME: place } })
  if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}

describe.each(Object.entries(SETS))('the chart with %s', (_, values) => {
  it('passes the linter', () => {
    expect(helm('lint', '--strict', CHART, ...AS, '--namespace', HOME, '--values', file(values))).toContain('0 chart(s) failed')
  })

  it('starts the operator with flags that it takes', () => {
    const { settings, account } = installationOf(rendered(values))
    expect(settings.election?.lease.namespace).toBe(account.namespace)
  })
})

describe('the chart', () => {
  it.each(['the defaults', 'one namespace', 'Secrets that may be tracked'])('with %s allows all that the operator asks for over a whole life, and nothing else', async (name) => {
    const objects = rendered(SETS[name] ?? {})
    const { account, settings } = installationOf(objects)
    expect(compare(grantsOf(objects, account), await recorded(settings))).toEqual({ denied: [], unused: [] })
  })

  it('for one namespace lets the operator write nowhere else', () => {
    const objects = rendered(SETS['one namespace'] ?? {})
    const { account } = installationOf(objects)
    const wide = grantsOf(objects, account).filter(({ namespace }) => namespace === undefined)
    expect(new Set(wide.map(({ verb }) => verb))).toEqual(new Set(['get', 'list', 'watch']))
  })

  it('for two namespaces has the same Role in each, and an operator that watches both', () => {
    const objects = rendered(SETS['two namespaces'] ?? {})
    const { account, settings } = installationOf(objects)
    const inSpace = (space: string) => grantsOf(objects, account).filter(({ namespace }) => namespace === space).map(({ verb, group, resource }) => [verb, group, resource])
    expect(settings.namespaces).toEqual([NAMESPACE, 'bank'])
    expect(inSpace('bank')).toEqual(inSpace(NAMESPACE))
    expect(inSpace('bank')).toContainEqual(['patch', 'apps', 'deployments'])
  })

  it('without a ClusterRole has no right beyond the namespaces, and enough within them for a whole life', async () => {
    const objects = rendered(SETS['a namespace and no ClusterRole'] ?? {})
    const { account, settings } = installationOf(objects)
    const grants = grantsOf(objects, account)
    expect(grants.filter(({ namespace }) => namespace === undefined)).toEqual([])
    expect(objects.filter(({ kind }) => kind.startsWith('ClusterRole'))).toEqual([])
    const { denied, unused } = compare(grants, await recorded(settings, (asked) => grants.some((grant) => allows(grant, asked))))
    expect(unused).toEqual([])
    expect(denied).toEqual(['get customresourcedefinitions.apiextensions.k8s.io canaries.serin.dev', 'get customresourcedefinitions.apiextensions.k8s.io canaryactions.serin.dev', ...['destinationrules.networking.istio.io', 'httproutes.gateway.networking.k8s.io', 'virtualservices.networking.istio.io'].map((resource) => `list ${resource}`)])
  })

  it('says what is asked for where it is asked for', () => {
    const objects = rendered(SETS['everything that can be said'] ?? {})
    const { settings } = installationOf(objects)
    expect(settings).toMatchObject({ propagationMs: 20_000, concurrency: 4, requestTimeoutMs: 3000, queryTimeoutMs: 4000, rootNamespace: 'mesh', clusterDomain: 'corp.local', election: { leaseDurationMs: 30_000, renewDeadlineMs: 20_000, retryPeriodMs: 4000 } })
    const text = JSON.stringify(objects)
    for (const said of ['registry.example/serin:v1', 'Always', '"name":"pull"', 'https://prometheus.monitoring:9090/path', 'system-cluster-critical', '"terminationGracePeriodSeconds":60', '"team":"web"', '"note":"x"', '"disk":"fast"', '"key":"only"', 'nodeAffinity', '10.0.0.0/8', '5300', '9091', '"release":"prometheus"', '"interval":"15s"', '"memory":"2Gi"', '"cpu":"2"'])
      expect(text, said).toContain(said)
  })

  it('keeps the CRD, and with it every Canary, whatever becomes of the release', () => {
    const crds = rendered({}).filter(({ kind }) => kind === 'CustomResourceDefinition')
    const sources = readdirSync(join(root, 'crds')).map((name) => parse(readFileSync(join(root, 'crds', name), 'utf8')) as Manifest)
    const kept = sources.map((source) => ({ ...source, metadata: { ...source.metadata, annotations: { 'helm.sh/resource-policy': 'keep', ...source.metadata.annotations } } }))
    expect(crds.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))).toEqual(kept.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)))
  })

  it.each<[string, object, readonly object[] | undefined]>([
    ['nothing', {}, undefined],
    ['another url', { prometheus: { url: 'http://prometheus.monitoring:80' } }, undefined],
    ['a port', { networkPolicy: { prometheus: { ports: [9091] } } }, [{ ports: [{ port: 9091, protocol: 'TCP' }] }]],
    ['a peer', { networkPolicy: { prometheus: { to: [{ podSelector: {} }] } } }, [{ ports: null, to: [{ podSelector: {} }] }]],
  ])('told %s of Prometheus lets the operator out to it', (_, values, to) => {
    const { policyTypes, egress } = specOf(rendered(values), 'NetworkPolicy') as { policyTypes: readonly string[]; egress?: readonly object[] }
    expect(policyTypes).toEqual(to === undefined ? ['Ingress'] : ['Ingress', 'Egress'])
    expect(egress?.slice(2)).toEqual(to)
    const ports = egress?.slice(0, 2).map((rule) => (rule as { ports: readonly { port: number; protocol: string }[] }).ports.map(({ port, protocol }) => `${port} ${protocol}`))
    expect(ports).toEqual(to === undefined ? undefined : [['53 UDP', '53 TCP', '5353 UDP', '5353 TCP'], ['443 TCP', '6443 TCP']])
  })

  it.each<[Readonly<Record<string, string>>, string | undefined]>([
    [{}, undefined],
    [{ leaseDuration: '5s' }, 'leaseDuration'],
    [{ leaseDuration: '10s' }, 'leaseDuration'],
    [{ leaseDuration: '10s', requestTimeout: '0s' }, 'leaseDuration'],
    [{ leaseDuration: '10001ms', requestTimeout: '1ms' }, undefined],
    [{ requestTimeout: '10s' }, 'requestTimeout'],
    [{ requestTimeout: '5001ms' }, 'requestTimeout'],
    [{ leaseDuration: '0h1m010s', requestTimeout: '60s' }, undefined],
    [{ leaseDuration: '1m10s', requestTimeout: '60s1ms' }, 'requestTimeout'],
    [{ renewDeadline: '20s' }, 'leaseDuration'],
    [{ retryPeriod: '0s' }, 'retryPeriod'],
    [{ retryPeriod: '5s', renewDeadline: '6s' }, 'renewDeadline'],
    [{ retryPeriod: '5s', renewDeadline: '6001ms' }, undefined],
    [{ retryPeriod: '1m', renewDeadline: '1h', leaseDuration: '2h' }, undefined],
  ])('refuses %o as the operator does, before it is installed: %s', (flags, refused) => {
    const operator = () => readConfig(Object.entries(flags).map(([name, value]) => `--${kebabCase(name)}=${value}`), {})
    const { status, stderr } = template(...AS, '--set', 'terminationGracePeriodSeconds=86400', ...Object.entries(flags).flatMap(([name, value]) => ['--set', `flags.${name}=${value}`]))
    if (refused === undefined) {
      expect(operator).not.toThrow()
      return expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    }
    expect(operator).toThrow(`--${kebabCase(refused)}: `)
    expect(stderr).toContain(`flags.${refused}: `)
    expect(status).not.toBe(0)
  })

  it.each<[string, string]>([
    ['replicas=0', '/replicas'],
    ['replicas=two', '/replicas'],
    ['replica=2', "additional properties 'replica' not allowed"],
    ['image.tga=x', "additional properties 'tga' not allowed"],
    ['image.pullPolicy=Sometimes', "value must be one of 'Always', 'IfNotPresent', 'Never'"],
    ['prometheus.url=prometheus:9090', '/prometheus/url'],
    ['prometheus.url=http://p:9090/ #x', '/prometheus/url'],
    ['flags.clusterDomain=a: b', '/flags/clusterDomain'],
    ['flags.concurrency=65536', '/flags/concurrency'],
    ['terminationGracePeriodSeconds=41', 'terminationGracePeriodSeconds: 41 does not do'],
    ['podLabels.app\\.kubernetes\\.io/name=x', "'app.kubernetes.io/name'"],
    ['podAnnotations.proxy\\.istio\\.io/config=x', "'proxy.istio.io/config'"],
    ['networkPolicy.dns.ports=null', "missing property 'ports'"],
    ['networkPolicy.apiServer.ports=null', "missing property 'ports'"],
    ['image=null', "missing property 'image'"],
    ['flags.propagation=15', '/flags/propagation'],
    ['flags.healthPort=1', "additional properties 'healthPort' not allowed"],
    ['watchNamespaces={a,a}', '/watchNamespaces'],
    ['clusterRole=false', 'clusterRole: false does not do without watchNamespaces'],
    ['networkPolicy.apiServer.ports={}', '/networkPolicy/apiServer/ports'],
    ['networkPolicy.metricsFrom[0].namespace=x', "additional properties 'namespace' not allowed"],
  ])('refuses %s, and says where', (setting, message) => {
    const { status, stderr } = template(...AS, '--set', setting)
    expect(status).not.toBe(0)
    expect(stderr).toContain(message)
  })

  it('refuses a Kubernetes that is too old', () => {
    expect(template('--kube-version', `1.${Number(minor) - 1}.0`).stderr).toContain('chart requires kubeVersion')
  })

  it('makes the plain manifests that are in the repository, and its copy of the CRDs', () => {
    for (const path of ['package.json', 'crds', 'charts']) cpSync(join(root, path), join(place, path), { recursive: true })
    const made = ['charts/install.yaml', ...readdirSync(join(root, 'crds')).map((name) => `charts/serin/files/${name}`)]
    for (const path of made) rmSync(join(place, path))
    execFileSync('npm', ['run', '--silent', 'manifests'], { cwd: place, stdio: 'pipe', env: { ...process.env, HELM: binary('helm') } })
    for (const path of made) expect(readFileSync(join(place, path), 'utf8'), path).toBe(readFileSync(join(root, path), 'utf8'))
  })
})

describe('the API server, told to refuse unknown fields', () => {
  // Names that YAML takes for numbers where they are not quoted.
  const [dry, release] = ['1e3', '0x1']
  beforeAll(() => void kubectl(['create', 'namespace', dry]))
  afterAll(() => void kubectl(['delete', 'namespace', dry, '--wait=false']))

  it.each(Object.entries(SETS))('takes what the chart renders with %s', (_, values) => {
    const inDry = 'watchNamespaces' in values ? { ...values, watchNamespaces: [dry] } : values
    // Its CRD is the Prometheus operator's.
    const objects = rendered(inDry, dry, release).filter(({ kind }) => kind !== 'ServiceMonitor')
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    expect(kubectl(['apply', '--dry-run=server', '--validate=strict', '--output', 'name', '--filename', '-'], list).trim().split('\n')).toHaveLength(objects.length)
  })
})
