import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { recorded } from './recorded.ts'
import { installationOf, manifestsOf } from './rendered.ts'
import { allows, askedOf, askedOfAudit, compare, grantsOf, type Asked, type Grant } from './rules.ts'

const objects = manifestsOf(readFileSync(new URL('../../charts/install.yaml', import.meta.url), 'utf8'))
const { account, settings } = installationOf(objects)
const grants = grantsOf(objects, account)

let requests: readonly Asked[]
beforeAll(async () => {
  requests = await recorded(settings)
})

describe('the rules of the plain manifests', () => {
  it('allow all that the operator asks for over a whole life, and nothing that it never asks for', () => {
    expect(compare(grants, requests)).toEqual({ denied: [], unused: [] })
  })

  it('are each missed when taken out', () => {
    for (const grant of grants) expect(compare(grants.filter((other) => other !== grant), requests).denied, JSON.stringify(grant)).not.toEqual([])
  })

  it('name no wildcard and no Secret, and let no ConfigMap be changed or deleted', () => {
    expect(grants.filter(({ verb, group, resource }) => [verb, group, resource].includes('*') || resource === 'secrets')).toEqual([])
    expect(grants.filter(({ resource }) => resource === 'configmaps').map(({ verb }) => verb).sort()).toEqual(['create', 'get', 'list', 'watch'])
  })

  it('have with trackSecrets what Secrets are tracked by, and nothing that is never asked for', async () => {
    const helpers = readFileSync(new URL('../../charts/serin/templates/_helpers.tpl', import.meta.url), 'utf8')
    const [, text = ''] = /\{\{- if \.Values\.trackSecrets \}\}\n([\s\S]*?)\{\{- end \}\}/.exec(helpers) ?? []
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'more' }, rules: parse(text) as unknown }
    const binding = { kind: 'ClusterRoleBinding', metadata: { name: 'more' }, roleRef: { kind: 'ClusterRole', name: 'more' }, subjects: [{ kind: 'ServiceAccount', ...account }] }
    const more = grantsOf([role, binding], account)
    expect(more.map(({ resource }) => resource)).toEqual(['secrets', 'secrets', 'secrets', 'secrets'])
    expect(compare([...grants, ...more], await recorded({ ...settings, trackSecrets: true }))).toEqual({ denied: [], unused: [] })
  })

  it('are those that the documentation lists', () => {
    const page = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8')
    const listed = [...page.matchAll(/^\| `([a-z]\S+)` \| ([a-z, ]+) \|/gm)].flatMap(([, resource = '', verbs = '']) => verbs.split(', ').map((verb) => `${verb} ${resource}`))
    expect(listed.sort()).toEqual([...new Set(grants.map(({ verb, resource, group }) => `${verb} ${resource}${group === '' ? '' : `.${group}`}`))].sort())
  })

  it('let the operator into no namespace but its own to be the leader, under one name', () => {
    expect(grants.filter(({ resource }) => resource === 'leases').map(({ verb, namespace, name }) => [verb, namespace, name])).toEqual([
      ['create', account.namespace, undefined], ['get', account.namespace, settings.election?.lease.name], ['patch', account.namespace, settings.election?.lease.name],
    ])
  })
})

describe('a grant', () => {
  const patch: Asked = { verb: 'patch', group: 'serin.dev', resource: 'canaries/status', namespace: 'shop', name: 'web' }
  const create: Asked = { verb: 'create', group: 'coordination.k8s.io', resource: 'leases', namespace: 'shop', name: 'serin' }

  it.each<[string, Grant, Asked, boolean]>([
    ['everywhere', { verb: 'patch', group: 'serin.dev', resource: 'canaries/status' }, patch, true],
    ['in this namespace', { ...patch, name: 'web' }, patch, true],
    ['in another namespace', { ...patch, namespace: 'other' }, patch, false],
    ['in a namespace, asked of the whole cluster', { verb: 'list', group: '', resource: 'pods', namespace: 'shop' }, { verb: 'list', group: '', resource: 'pods' }, false],
    ['to another object', { ...patch, name: 'api' }, patch, false],
    ['on the object, asked of its status', { ...patch, resource: 'canaries' }, patch, false],
    ['on the status, asked of the object', patch, { ...patch, resource: 'canaries' }, false],
    ['in another group', { ...patch, group: '' }, patch, false],
    ['of another verb', { ...patch, verb: 'update' }, patch, false],
    ['to create without a name', { verb: 'create', group: 'coordination.k8s.io', resource: 'leases' }, create, true],
    ['to create under a name, which no authorizer sees', create, create, false],
  ])('%s: %o', (_, grant, asked, expected) => {
    expect(allows(grant, asked)).toBe(expected)
  })

  it.each<[string, string, Asked]>([
    ['GET', '/apis/apps/v1/deployments?limit=250', { verb: 'list', group: 'apps', resource: 'deployments' }],
    ['GET', '/api/v1/namespaces/shop/pods?watch=1', { verb: 'watch', group: '', resource: 'pods', namespace: 'shop' }],
    ['GET', '/api/v1/namespaces/shop', { verb: 'get', group: '', resource: 'namespaces', namespace: 'shop', name: 'shop' }],
    ['GET', '/apis/apps/v1/namespaces/shop/deployments/web', { verb: 'get', group: 'apps', resource: 'deployments', namespace: 'shop', name: 'web' }],
    ['POST', '/apis/events.k8s.io/v1/namespaces/shop/events', { verb: 'create', group: 'events.k8s.io', resource: 'events', namespace: 'shop' }],
    ['PATCH', '/apis/serin.dev/v1beta1/namespaces/shop/canaries/web/status', patch],
    ['PUT', '/apis/apps/v1/namespaces/shop/deployments/web/scale', { verb: 'update', group: 'apps', resource: 'deployments/scale', namespace: 'shop', name: 'web' }],
    ['DELETE', '/apis/apps/v1/namespaces/shop/deployments', { verb: 'deletecollection', group: 'apps', resource: 'deployments', namespace: 'shop' }],
  ])('is looked for by %s %s', (method, path, asked) => {
    expect(askedOf({ method, path })).toEqual(asked)
  })

  it('is looked for by a line of the audit log', () => {
    const line = { verb: 'patch', requestURI: '/', user: { username: 'u' }, objectRef: { apiGroup: 'serin.dev', resource: 'canaries', subresource: 'status', namespace: 'shop', name: 'web' } }
    expect(askedOfAudit(line)).toEqual(patch)
    expect(askedOfAudit({ verb: 'get', requestURI: '/version', user: { username: 'u' } })).toBeUndefined()
  })
})

describe('the grants of an account', () => {
  const subjects = [{ kind: 'ServiceAccount', name: 'serin', namespace: 'ops' }]
  const role = { kind: 'ClusterRole', metadata: { name: 'r' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }] }
  const binding = { kind: 'RoleBinding', metadata: { name: 'b', namespace: 'shop' }, roleRef: { kind: 'ClusterRole', name: 'r' }, subjects }

  it('of a RoleBinding to a ClusterRole hold in the binding\'s namespace only', () => {
    expect(grantsOf([role, binding], { namespace: 'ops', name: 'serin' })).toEqual([{ verb: 'list', group: '', resource: 'pods', namespace: 'shop' }])
  })

  it('are none of another account\'s', () => {
    expect(grantsOf([role, binding], { namespace: 'shop', name: 'serin' })).toEqual([])
  })

  it('are not made up where the role is missing', () => {
    expect(() => grantsOf([binding], { namespace: 'ops', name: 'serin' })).toThrow('no ClusterRole r')
  })
})
