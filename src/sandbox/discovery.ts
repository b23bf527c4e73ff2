import { groupVersion, type Endpoint, type Kind, type Kinds } from './kinds.ts'
import type { Fields } from './json.ts'
import type { ApiAnswer } from './requests.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const version = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.4',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2025-04-22T00:00:00Z',
  goVersion: 'go1.23.8',
  compiler: 'gc',
  platform: 'linux/amd64',
}

const ok = (body: Fields | string, contentType = 'application/json'): ApiAnswer => ({
  status: 200,
  headers: { 'content-type': contentType },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

/** Answers the paths that tell clients what is served; undefined for every other path. */
export const discover = (kinds: Kinds, pathname: string, accept: string): ApiAnswer | undefined => {
  if (['/healthz', '/livez', '/readyz'].includes(pathname)) return ok('ok', 'text/plain')
  if (pathname === '/version') return ok(version)
  const [root, ...parts] = pathname.split('/').filter((part) => part !== '')
  if (root === 'api') return discoverGroup(kinds, accept, '', parts)
  if (root === 'apis' && parts.length > 0) return discoverGroup(kinds, accept, parts[0] ?? '', parts.slice(1))
  if (root !== 'apis') return undefined
  const groups = groupNames(kinds).map((name) => apiGroup(kinds, name))
  return aggregated(kinds, accept, groupNames(kinds)) ?? ok({ kind: 'APIGroupList', apiVersion: 'v1', groups })
}

const discoverGroup = (
  kinds: Kinds,
  accept: string,
  group: string,
  [name, ...rest]: readonly string[],
): ApiAnswer | undefined => {
  if (rest.length > 0) return undefined
  if (name !== undefined) return resourceList(kinds, group, name)
  if (group === '') return aggregated(kinds, accept, ['']) ?? ok({ kind: 'APIVersions', versions: ['v1'] })
  return groupNames(kinds).includes(group) ? ok({ kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(kinds, group) }) : undefined
}

const groupNames = (kinds: Kinds): readonly string[] =>
  [...new Set(kinds.list().map(({ group }) => group))].filter((group) => group !== '')

/** The versions of a group, the preferred one first. */
const versionNames = (kinds: Kinds, group: string): readonly string[] => [
  ...new Set(kinds.list().flatMap((kind) => (kind.group === group ? kind.versions.map(({ name }) => name) : []))),
]

const endpoints = (kinds: Kinds, group: string, name: string): readonly Endpoint[] =>
  kinds.list().flatMap((kind) => (kind.group === group ? (kinds.endpoint(group, name, kind.plural) ?? []) : []))

const apiGroup = (kinds: Kinds, name: string): Fields => {
  const versions = versionNames(kinds, name).map((each) => ({ groupVersion: groupVersion(name, each), version: each }))
  return { name, versions, preferredVersion: versions[0] }
}

const resourceList = (kinds: Kinds, group: string, name: string): ApiAnswer | undefined => {
  const served = endpoints(kinds, group, name)
  if (served.length === 0) return undefined
  const resources = served.flatMap(({ kind, version: { status, scale } }) => {
    const row = {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs,
      shortNames: kind.shortNames,
      categories: kind.categories,
    }
    const below = { singularName: '', namespaced: kind.namespaced, kind: kind.kind, verbs: ['get', 'patch', 'update'] }
    return [
      row,
      ...(status ? [{ ...below, name: `${kind.plural}/status` }] : []),
      ...(scale ? [{ ...below, name: `${kind.plural}/scale`, group: 'autoscaling', version: 'v1', kind: 'Scale' }] : []),
    ]
  })
  return ok({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersion(group, name), resources })
}

const aggregated = (kinds: Kinds, accept: string, groups: readonly string[]): ApiAnswer | undefined => {
  // kubectl up to 1.29 knows only v2beta1, and takes a v2 answer for an empty list.
  const asked = /g=apidiscovery\.k8s\.io;v=(v2beta1|v2);as=APIGroupDiscoveryList/.exec(accept)?.[1]
  if (asked === undefined) return undefined
  const items = groups.map((group) => ({
    metadata: { name: group, creationTimestamp: null },
    versions: versionNames(kinds, group).map((name) => ({
      version: name,
      freshness: 'Current',
      resources: endpoints(kinds, group, name).map((endpoint) => discovered(endpoint)),
    })),
  }))
  const body = { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${asked}`, metadata: {}, items }
  return ok(body, `application/json;g=apidiscovery.k8s.io;v=${asked};as=APIGroupDiscoveryList`)
}

const discovered = ({ kind, version: { name, status, scale } }: Endpoint): Fields => ({
  resource: kind.plural,
  responseKind: responseKind(kind, name),
  scope: kind.namespaced ? 'Namespaced' : 'Cluster',
  singularResource: kind.singular,
  shortNames: kind.shortNames,
  categories: kind.categories,
  verbs,
  subresources: [
    ...(status ? [{ subresource: 'status', responseKind: responseKind(kind, name), verbs: ['get', 'patch', 'update'] }] : []),
    ...(scale
      ? [
          {
            subresource: 'scale',
            responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
            verbs: ['get', 'patch', 'update'],
          },
        ]
      : []),
  ],
})

const responseKind = ({ group, kind }: Kind, name: string): Fields => ({ group, version: name, kind })
