import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { canarySpecSchema } from './canary.ts'
import { canaryCrd } from './crd.ts'
import { type StructuralSchema, structuralSchemaOf } from './structural.ts'

type Node = StructuralSchema

const children = (node: Node): [string, Node][] => [
  ...Object.entries((node['properties'] ?? {}) as Record<string, Node>),
  ...['items', 'additionalProperties'].flatMap((name): [string, Node][] => (node[name] ? [[name, node[name] as Node]] : [])),
]

const everyNode = (node: Node, path = ''): [string, Node][] =>
  [[path, node], ...children(node).flatMap(([name, child]) => everyNode(child, `${path}.${name}`))]

const forbidden = /^(anyOf|oneOf|allOf|not|const|\$.*|exclusive.*|readOnly|title)$/

const crd = canaryCrd() as {
  metadata: { annotations: Record<string, string> }
  spec: { versions: { schema: { openAPIV3Schema: Node } }[] }
}
const root = crd.spec.versions[0]!.schema.openAPIV3Schema
const nodes = everyNode(root)
const at = (path: string) => Object.fromEntries(nodes)[path]!

describe('the CRD', () => {
  it('is the one that is checked in', () => {
    expect(parse(readFileSync(new URL('../../crds/serin.dev_canaries.yaml', import.meta.url), 'utf8'))).toEqual(crd)
  })

  it('carries the hash of its own content', () => {
    expect(canaryCrd()).toEqual(crd)
    expect(crd.metadata.annotations['serin.dev/schema']).toMatch(/^[0-9a-f]{16}$/)
  })

  // https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
  it('is structural', () => {
    for (const [path, node] of nodes) {
      expect(node['type'] !== undefined || node['x-kubernetes-int-or-string'] === true, `${path} has a type`).toBe(true)
      expect(Object.keys(node).filter((keyword) => forbidden.test(keyword)), path).toEqual([])
      expect(node['properties'] && node['additionalProperties'], `${path} has fields or any keys, not both`).toBeUndefined()
      expect((node['type'] === 'array') === (node['items'] !== undefined), `${path} has items`).toBe(true)
    }
  })

  it('bounds every list, and every text that a rule may read', () => {
    const unbounded = nodes.filter(([path, node]) => path.startsWith('.spec') && (
      (node['type'] === 'array' && node['maxItems'] === undefined)
      || (node['additionalProperties'] !== undefined && node['maxProperties'] === undefined)
      || (node['type'] === 'string' && node['maxLength'] === undefined && node['enum'] === undefined)
    ))
    expect(unbounded).toEqual([])
  })

  it('has required keys for every list that is a map', () => {
    for (const [path, node] of nodes.filter(([, one]) => one['x-kubernetes-list-type'] === 'map')) {
      expect(at(`${path}.items`)['required'], path).toEqual(expect.arrayContaining(node['x-kubernetes-list-map-keys'] as string[]))
    }
  })

  it('describes every field, and stores no default inside a list', () => {
    const ours = nodes.filter(([path]) => /^\.(spec|status)\./.test(path) && !/\.(items|additionalProperties)$/.test(path))
    expect(ours.filter(([, node]) => !/^[A-Z].*\.$/s.test(String(node['description']))).map(([path]) => path)).toEqual([])
    expect(ours.filter(([path, node]) => path.includes('.items') && node['default'] !== undefined)).toEqual([])
    expect(nodes.filter(([path, node]) => path.startsWith('.status') && node['default'] !== undefined)).toEqual([])
  })

  it('says every rule in the words of its parser', () => {
    expect(at('.spec.steps.items.deadline')['x-kubernetes-validations']).toEqual([
      { rule: "duration(self) >= duration('1s') && duration(self) <= duration('8784h')", message: 'must be between 1s and 8784h' },
    ])
    expect(at('.spec.analysis')['x-kubernetes-validations']).toEqual([
      { rule: '!has(self.interval) || !has(self.schedule)', message: 'must not have both interval and schedule: leave one out' },
    ])
    expect(at('.spec.preview')['x-kubernetes-validations']).toMatchObject([{ rule: 'has(self.service) || has(self.match)' }])
    expect(at('.spec.steps.items.match.items')['x-kubernetes-validations']).toMatchObject([{ fieldPath: '.cookies' }])
    expect(at('.spec.service')['x-kubernetes-validations']).toMatchObject([
      { rule: 'self.name == oldSelf.name', fieldPath: '.name' },
    ])
    expect(at('.spec.versions')['x-kubernetes-validations']).toMatchObject([
      { rule: 'self.selector == oldSelf.selector && self.label == oldSelf.label' },
    ])
  })
})

describe('the generator', () => {
  it.each<[z.ZodType, string]>([
    [z.object({ a: z.union([z.string(), z.int()]) }), 'schema.a: a CRD cannot say "anyOf"'],
    [z.object({ a: z.unknown() }), 'schema.a: a CRD needs a type'],
    [z.object({ a: z.array(z.looseObject({})) }), 'schema.a[].*: a CRD needs a type'],
    [z.object({ a: z.date() }), 'cannot be represented'],
  ])('stops at what a CRD cannot say (%#)', (schema, message) => {
    expect(() => structuralSchemaOf(schema)).toThrow(message)
  })
})

/** JSON Schema knows no "integer or string": say it in its words. */
const jsonSchema = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(jsonSchema)
  if (typeof node !== 'object' || node === null) return node
  const entries = Object.entries(node).filter(([keyword]) => keyword !== 'x-kubernetes-int-or-string')
  return Object.fromEntries([
    ...entries.map(([keyword, value]) => [keyword, jsonSchema(value)]),
    ...('x-kubernetes-int-or-string' in node ? [['type', ['integer', 'string']]] : []),
  ])
}

describe('the CRD and the parser', () => {
  const crdAccepts = new Ajv({ strict: false, validateFormats: false }).compile(jsonSchema(at('.spec')) as object)
  const spec = (rest: object) => ({ versions: { selector: { matchLabels: { app: 'a' } } }, service: { name: 'a' }, ...rest })
  const steps = (...items: object[]) => spec({ steps: items })
  const metric = (one: object) => spec({ analysis: { metrics: [{ name: 'error-rate', max: '1%', ...one }] } })

  it.each([
    spec({}), spec({ traffic: {}, analysis: {}, scaleDownDelay: {} }),
    steps({ weight: '2.5%' }, { weight: 100, upTo: '100.00%' }), steps({ mirror: {} }),
    steps({ match: [{ headers: { a: { exact: '' } }, queryParams: {}, sourceLabels: { a: '' } }] }),
    steps({ match: [{ cookies: { a: { exact: '1' } }, claims: { 'a.b': { prefix: '1' }, '[c]': { exact: '' } } }] }),
    spec({ preview: { service: 'a', match: [{ uri: { prefix: '/' } }] } }),
    spec({ traffic: { sessionAffinity: { cookie: { name: 'a', attributes: [{ name: 'Secure' }, { name: 'SameSite', value: 'Lax' }] } } } }),
    metric({ statusCodes: ['5xx', '404'], grpcStatus: [16], failureThreshold: 100 }),
    spec({ analysis: { schedule: '0 9 * * 1-5', metrics: [] } }),
    spec({ versions: { selector: { matchLabels: { a: 'b' } }, label: 'a.b/c', desired: 'v1' } }),
    { targetRef: { name: 'a' } }, { targetRef: { name: 'a.b' }, service: { name: 'b' }, replicas: 0, canaryReplicas: '1%', trackConfig: 'All', ignoreAnnotations: ['a/b'], revisionHistoryLimit: 50 },
    { targetRef: { name: 'a', apiVersion: 'apps/v1', kind: 'Deployment' }, canaryReplicas: 1, steps: [{ replicas: 0 }, { replicas: '0%' }, { weight: 5, replicas: '100%' }] },
    spec({ windows: [{ kind: 'Deny', schedule: '0 0 24 12 *', duration: '240h', timeZone: 'Europe/Berlin' }] }),
  ])('both take %j', (sample) => {
    expect([crdAccepts(sample), canarySpecSchema.safeParse(sample).success]).toEqual([true, true])
  })

  it.each([
    { versions: {}, service: { name: 'a' } }, { targetRef: {} }, { targetRef: { name: 'A' } }, { targetRef: { name: 'a', kind: 'StatefulSet' } },
    { targetRef: { name: 'a' }, replicas: -1 }, { targetRef: { name: 'a' }, canaryReplicas: 0 }, { targetRef: { name: 'a' }, canaryReplicas: '101%' }, { targetRef: { name: 'a' }, trackConfig: 'Secrets' }, spec({ service: {} }), spec({ service: { name: 'A' } }),
    spec({ service: { name: 'a', port: 65_536 } }), spec({ versions: { selector: { matchLabels: {} } } }),
    spec({ versions: { selector: { matchLabels: { a: '-' } } } }),
    spec({ versions: { selector: { matchLabels: { a: 'b' } }, label: 'a/b/c' } }),
    spec({ versions: { selector: { matchLabels: { a: 'b' } }, desired: '' } }),
    spec({ suspend: 'true' }), spec({ progressDeadline: '10' }), spec({ traffic: { httpRoutes: [] } }),
    spec({ traffic: { drain: 5 } }), spec({ steps: [] }), steps({}), steps({ weight: 101 }), steps({ weight: -1 }),
    steps({ weight: '5' }),
    steps({ weight: 0.5 }), steps({ mirror: { percent: '101%' } }), steps({ match: [] }), steps({ match: [{}] }),
    steps({ match: [{ uri: {} }] }), steps({ match: [{ uri: { exact: 'a', regex: 'a' } }] }),
    steps({ match: [{ uri: { prefix: '' } }] }),
    steps({ match: [{ cookies: { a: {} } }] }), steps({ match: [{ claims: { a: { exact: 1 } } }] }),
    spec({ preview: { service: 'A' } }), spec({ preview: { match: [] } }), spec({ traffic: { sessionAffinity: {} } }),
    spec({ traffic: { sessionAffinity: { cookie: { name: 'a;' } } } }), spec({ traffic: { sessionAffinity: { cookie: { name: 'a', path: '' } } } }),
    spec({ traffic: { sessionAffinity: { cookie: { name: 'a', attributes: [{ name: 'a', value: ';' }] } } } }),
    steps({ minRequests: -1 }), steps(...Array.from({ length: 51 }, () => ({ weight: 1 }))),
    spec({ windows: [{ kind: 'Allow', schedule: '0 9 * * *' }] }), spec({ windows: [{ kind: 'Allow', schedule: '* * * *', duration: '1h' }] }), spec({ windows: [{ kind: 'Allow', schedule: '* * * * *', duration: '1h', timeZone: '../etc' }] }),
    spec({ analysis: { schedule: '* * * *' } }), spec({ analysis: { noData: 'hold' } }),
    spec({ analysis: { failureThreshold: 101 } }),
    metric({ max: '1 %' }), metric({ max: true }), metric({ metric: 'errors' }), metric({ statusCodes: ['2xx'] }),
    metric({ grpcStatus: [0] }), metric({ percentile: 100 }), metric({ percentile: '100' }),
  ])('both refuse %j', (sample) => {
    expect([crdAccepts(sample), canarySpecSchema.safeParse(sample).success]).toEqual([false, false])
  })
})
