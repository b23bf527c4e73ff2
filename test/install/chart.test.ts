import { readFileSync, readdirSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readConfig, usage } from '../../src/config.ts'
import { parseDuration } from '../../src/api/duration.ts'
import { installationOf, manifestsOf, only, specOf } from './rendered.ts'

const chart = new URL('../../charts/serin/', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, chart), 'utf8')

type Schema = {
  readonly description?: string; readonly type?: string | readonly string[]; readonly properties?: Readonly<Record<string, Schema>>; readonly additionalProperties?: false | Schema; readonly items?: Schema
  readonly required?: readonly string[]; readonly propertyNames?: { readonly not: { readonly enum: readonly string[] } }; readonly pattern?: string; readonly maximum?: number
}

const schema = JSON.parse(read('values.schema.json')) as Schema
const values = parse(read('values.yaml')) as unknown
const validate = new Ajv({ strict: false }).compile(schema)
const templates = readdirSync(new URL('templates/', chart)).map((name) => read(`templates/${name}`)).join('\n')

/** Every property of the schema, by its path. */
const properties = ({ properties: own = {}, items }: Schema, path = ''): readonly (readonly [string, Schema])[] => [
  ...Object.entries(own).flatMap(([name, property]) => [[`${path}${name}`, property] as const, ...properties(property, `${path}${name}.`)]),
  ...(items === undefined ? [] : properties(items, `${path.replace(/\.$/, '')}[].`)),
]
const described = properties(schema)
const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const pathsOf = (value: unknown, path = ''): readonly string[] =>
  isMap(value) ? Object.entries(value).flatMap(([name, each]) => [`${path}${name}`, ...pathsOf(each, `${path}${name}.`)]) : []

/** What values.yaml says above each value, by path. */
function comments(): ReadonlyMap<string, string> {
  const said = new Map<string, string>()
  let [path, last]: [readonly string[], string | undefined] = [[], undefined]
  for (const line of read('values.yaml').split('\n')) {
    const comment = /^ *# (.*)$/.exec(line)?.[1]
    const [, indent = '', name] = /^( *)([A-Za-z]+):/.exec(line) ?? []
    if (name !== undefined && last !== undefined) {
      path = [...path.slice(0, indent.length / 2), name]
      said.set(path.join('.'), last)
    }
    last = comment
  }
  return said
}

/** The names and texts of --help. */
const flags = new Map([...usage().matchAll(/^ {2}--(\S+) +(.*?)(?: \([^()]*\))?$/gm)].map(([, name = '', text = '']) => [name, text]))
/** Those that other values of the chart decide, or that mean nothing in a cluster. */
const DECIDED = ['prometheus-url', 'watch-namespaces', 'track-secrets', 'health-port', 'leader-elect', 'leader-elect-lease', 'leader-elect-namespace', 'uninstall', 'kubeconfig', 'context']
const camelCase = (flag: string): string => flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

describe('the values of the chart', () => {
  it('are as their schema has them', () => {
    expect(validate(values), JSON.stringify(validate.errors)).toBe(true)
  })

  it('are each described, and admit nothing beside', () => {
    expect(described.filter(([, { description = '' }]) => description === '').map(([path]) => path)).toEqual([])
    const opaque = /^(global|tolerations)$|\.(namespaceSelector|podSelector|ipBlock|nodeAffinity|podAffinity|podAntiAffinity)$/
    const open = [['', schema] as const, ...described].filter(([path, { type, additionalProperties }]) => type === 'object' && additionalProperties === undefined && !opaque.test(path))
    expect(open.map(([path]) => path)).toEqual([])
  })

  it('each have a default, and a comment that says what the schema says', () => {
    const wanted = described.filter(([path]) => !/^(global|flags\..*|affinity\..*)$|\[\]/.test(path))
    expect(wanted.map(([path, { description }]) => [path, description])).toEqual([...comments()])
    const free = described.filter(([, { properties: own }]) => own === undefined).map(([path]) => path)
    expect(pathsOf(values).filter((path) => !wanted.some(([name]) => name === path) && !free.some((name) => path.startsWith(`${name}.`)))).toEqual([])
    expect(wanted.filter(([path]) => !pathsOf(values).includes(path)).map(([path]) => path)).toEqual([])
  })

  it('are each used by a template, and no template uses another', () => {
    const used = [...templates.matchAll(/\.Values\.([A-Za-z.]*[A-Za-z])/g)].map(([, path = '']) => path)
    expect([...new Set(used)].filter((path) => !described.some(([known]) => known === path))).toEqual([])
    const leaves = described.filter(([path, { properties: own }]) => own === undefined && path !== 'global' && !/\[\]|^(flags|affinity)\./.test(path)).map(([path]) => path)
    const within = (path: string): boolean => used.includes(path) || (used.includes(path.slice(0, path.indexOf('.'))) && path.split('.').slice(1).every((name) => new RegExp(String.raw`[ (]\.${name}\b`).test(templates)))
    expect(leaves.filter((path) => !within(path))).toEqual([])
  })

  it('offer every flag of the operator', () => {
    const offered = Object.entries(schema.properties?.['flags']?.properties ?? {}).map(([name, { description }]) => [name, description])
    const wanted = [...flags].filter(([name]) => !DECIDED.includes(name)).map(([name, text]) => [camelCase(name), text])
    expect(Object.fromEntries(offered)).toEqual(Object.fromEntries(wanted))
    expect(DECIDED.filter((name) => !flags.has(name))).toEqual([])
  })

  it('ask the Prometheus that the operator asks by default', () => {
    expect(usage()).toContain(`(${(values as { prometheus: { url: string } }).prometheus.url})`)
  })
})

/** What --help says a flag is where it is not given. */
const defaultOf = (flag: string): string | undefined => new RegExp(String.raw`^ {2}--${flag} .*\(([^()]*)\)$`, 'm').exec(usage())?.[1]
const source = (path: string): string => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8')
const millisecondsIn = (path: string, name: string): number => Number(new RegExp(String.raw`\b${name} = ([\d_]+)`).exec(source(path))?.[1]?.replaceAll('_', ''))
const propertyAt = (path: string): Schema | undefined => new Map(described).get(path)

describe('what the schema refuses', () => {
  it('is to take away, by null, a value that the templates cannot do without', () => {
    const missing = (value: unknown, { properties: own = {}, required = [] }: Schema): readonly string[] =>
      Object.entries(own).flatMap(([name, property]) => {
        const fallback = isMap(value) ? value[name] : undefined
        const empty = fallback === undefined || ['""', '[]', '{}'].includes(JSON.stringify(fallback))
        return [...(empty || required.includes(name) ? [] : [name]), ...(name === 'resources' ? [] : missing(fallback, property))]
      })
    expect(missing(values, schema)).toEqual(['resources'])
  })

  it('are labels and annotations that the chart sets itself, which the second would overwrite', () => {
    const reserved = (path: string) => propertyAt(path)?.propertyNames?.not.enum
    const { pods } = installationOf(manifestsOf(read('../install.yaml')))
    expect(reserved('podLabels')).toEqual(Object.keys(pods.metadata.labels))
    expect(reserved('serviceMonitor.labels')).toEqual(Object.keys(only(manifestsOf(read('../install.yaml')), 'Service').metadata.labels ?? {}))
    const [, set] = /annotations:\n([\s\S]*?)\{\{- with \.Values\.podAnnotations/.exec(read('templates/deployment.yaml')) ?? []
    expect(reserved('podAnnotations')).toEqual([...(set ?? '').matchAll(/^ +([\w./-]+): /gm)].map(([, name]) => name))
  })

  it.each([['prometheus:9090', false], ['http://', false], ['http://p:9090/ #x', false], ['http://p\n', false], ['http://p:', true], ['https://p.q:1/r?s=t', true]])('is no other url than %j: %s', (url, taken) => {
    expect(validate({ ...(values as object), prometheus: { url } })).toBe(taken)
  })

  it('is what the operator refuses of a number', () => {
    const { maximum = Number.NaN } = propertyAt('flags.concurrency') ?? {}
    expect(readConfig([`--concurrency=${maximum}`], {})).toMatchObject({ operator: { concurrency: maximum } })
    expect(() => readConfig([`--concurrency=${maximum + 1}`], {})).toThrow('--concurrency')
  })
})

describe('the templates', () => {
  it('quote every text that they take from values or release: YAML reads 123, 1e3 and a: b otherwise', () => {
    const manifests = readdirSync(new URL('templates/', chart)).filter((name) => name !== 'NOTES.txt').map((name) => read(`templates/${name}`)).join('\n')
    const emitted = [...manifests.matchAll(/\{\{ (?!if |else |end |with |range )(.*?) \}\}/g)].map(([, expression = '']) => expression)
    expect(emitted.length).toBeGreaterThan(30)
    const safe = /\| (quote|int)$|^include "serin\.(name|port|selector)" [.$]$|^\$(name|key|kind)$|\$\.Files\.Get|trimSuffix/
    expect(emitted.filter((expression) => !safe.test(expression))).toEqual([])
  })

  it('weigh flags that are not given as the operator has them', () => {
    const [, text = ''] = /define "serin\.durations" -\}\}\n([\s\S]*?)\{\{-/.exec(templates) ?? []
    const { lastWrites, ...durations } = parse(text) as Record<string, string>
    expect(Object.keys(durations)).toHaveLength(4)
    for (const [name, duration] of Object.entries(durations)) expect(defaultOf(name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)), name).toBe(duration)
    expect(parseDuration(lastWrites ?? '')).toBe(millisecondsIn('runtime/controller.ts', 'graceMs') + millisecondsIn('operator.ts', 'TELL_MS'))
  })
})

describe('the chart', () => {
  it('has the CRDs as they are generated, byte for byte', () => {
    const crds = new URL('../../crds/', import.meta.url)
    expect(readdirSync(new URL('files/', chart))).toEqual(readdirSync(crds))
    for (const name of readdirSync(crds)) expect(read(`files/${name}`)).toBe(readFileSync(new URL(name, crds), 'utf8'))
  })

  it('is of the version of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
    expect(parse(read('Chart.yaml'))).toMatchObject({ version, appVersion: version })
  })
})

describe('the plain manifests', () => {
  const objects = manifestsOf(read('../install.yaml'))
  const { account, pods, settings } = installationOf(objects)
  const [container] = pods.spec.containers
  const selects = (labels: unknown): boolean => Object.entries(labels as Record<string, string>).every(([name, value]) => pods.metadata.labels[name] === value)

  it('hold nothing whose deletion would delete Canaries', () => {
    expect(objects.filter(({ apiVersion, kind }) => kind === 'CustomResourceDefinition' || apiVersion.startsWith('serin.dev/'))).toEqual([])
  })

  it('limit no connection of the operator, as nobody has said where Prometheus is', () => {
    expect(specOf(objects, 'NetworkPolicy')).toMatchObject({ policyTypes: ['Ingress'] })
    expect(specOf(objects, 'NetworkPolicy')).not.toHaveProperty('egress')
  })

  it('put everything that has a namespace into one that they make, under restricted Pod Security', () => {
    const namespace = only(objects, 'Namespace')
    expect(namespace.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' })
    const clusterWide = ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']
    expect(objects.filter(({ kind, metadata }) => metadata.namespace !== (clusterWide.includes(kind) ? undefined : namespace.metadata.name)).map(({ kind }) => kind)).toEqual([])
  })

  it('run pods that restricted Pod Security admits, on a root they cannot write to', () => {
    expect(pods.spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  })

  it('keep the operator out of the mesh', () => {
    expect(pods.metadata.labels['sidecar.istio.io/inject']).toBe('false')
  })

  it('probe, scrape and admit the port that the operator serves', () => {
    const [port] = container.ports
    expect(container.args).toContain(`--health-port=${port?.containerPort}`)
    expect([container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet)).toEqual([{ path: '/healthz', port: port?.name }, { path: '/readyz', port: port?.name }])
    expect(specOf(objects, 'Service')['ports']).toEqual([{ name: port?.name, port: port?.containerPort, targetPort: port?.name }])
    expect(specOf(objects, 'NetworkPolicy')['ingress']).toEqual([{ ports: [{ port: port?.name, protocol: 'TCP' }] }])
  })

  it('select the pods of the Deployment, and no others of the release', () => {
    const labelled = (kind: string, field: string) => (specOf(objects, kind)[field] as { matchLabels: object }).matchLabels
    const selectors = [labelled('Deployment', 'selector'), labelled('PodDisruptionBudget', 'selector'), labelled('NetworkPolicy', 'podSelector'), specOf(objects, 'Service')['selector']]
    expect(selectors.every(selects)).toBe(true)
    expect(new Set(selectors.map((each) => JSON.stringify(each))).size).toBe(1)
  })

  it('run two replicas that elect a leader, of which one may be evicted at a time', () => {
    expect(specOf(objects, 'Deployment')['replicas']).toBe(2)
    expect(settings.election?.lease).toEqual({ namespace: account.namespace, name: only(objects, 'Deployment').metadata.name })
    expect(specOf(objects, 'PodDisruptionBudget')).toMatchObject({ maxUnavailable: 1 })
  })

  it('give Canaries to whoever may view or edit, and their status to nobody', () => {
    const roles = objects.filter(({ kind, metadata }) => kind === 'ClusterRole' && Object.keys(metadata.labels ?? {}).some((label) => label.includes('aggregate-to')))
    const rules = roles.flatMap(({ metadata, ...role }) => (role as unknown as { rules: readonly { resources: readonly string[]; verbs: readonly string[] }[] }).rules.map(({ resources, verbs }) => [metadata.name, resources, verbs]))
    expect(rules).toEqual([
      ['serin-view', ['canaries', 'canaries/status', 'canaryactions', 'canaryactions/status'], ['get', 'list', 'watch']],
      ['serin-edit', ['canaries'], ['create', 'update', 'patch', 'delete', 'deletecollection']],
      ['serin-approver', ['canaryactions'], ['create']],
    ])
    const approver = roles.find(({ metadata }) => metadata.name === 'serin-approver')
    expect(Object.keys(approver?.metadata.labels ?? {}).filter((label) => label.includes('aggregate-to'))).toEqual(['rbac.authorization.k8s.io/aggregate-to-admin'])
  })

  it('let nobody create a CanaryAction in another name', () => {
    const policy = only(objects, 'ValidatingAdmissionPolicy')
    expect(policy.spec).toMatchObject({
      failurePolicy: 'Fail',
      matchConstraints: { resourceRules: [{ apiGroups: ['serin.dev'], operations: ['CREATE'], resources: ['canaryactions'] }] },
      validations: [{ expression: 'object.spec.requester == request.userInfo.username' }],
    })
    expect(specOf(objects, 'ValidatingAdmissionPolicyBinding')).toEqual({ policyName: policy.metadata.name, validationActions: ['Deny'] })
  })
})
