import type { Fields } from './json.ts'
import { groupVersion, type Endpoint, type Kinds } from './kinds.ts'
import { ok, type ApiAnswer } from './requests.ts'

const version = { major: '1', minor: '32', gitVersion: 'v1.32.4', goVersion: 'go1.23.8', compiler: 'gc', platform: 'linux/amd64' }

/** Answers the paths that tell clients what is served; undefined for every other path. */
export const discover = (kinds: Kinds, pathname: string): ApiAnswer | undefined => {
  const [root = '', ...parts] = pathname.slice(1).split('/')
  if (root === 'version') return ok(version)
  if (root === 'openapi' && parts[0] === 'v3') return openApi(kinds, parts.slice(1).join('/'))
  if (pathname === '/api') return ok({ kind: 'APIVersions', versions: ['v1'] })
  if (pathname === '/apis') return ok({ kind: 'APIGroupList', apiVersion: 'v1', groups: groupsOf(kinds) })
  const [group = '', name = '', ...rest] = root === 'api' ? ['', ...parts] : parts
  return rest.length > 0 ? undefined : resourceList(kinds, group, name)
}

/** Every group with its versions, the preferred one first. */
const groupsOf = (kinds: Kinds): readonly Fields[] => {
  const names = new Set(kinds.list().map(({ group }) => group))
  names.delete('')
  return [...names].map((name) => {
    const served = kinds.list().flatMap((kind) => (kind.group === name ? kind.versions.map((each) => each.name) : []))
    const versions = [...new Set(served)].map((each) => ({ groupVersion: groupVersion(name, each), version: each }))
    return { name, versions, preferredVersion: versions[0] }
  })
}

const endpoints = (kinds: Kinds): readonly Endpoint[] =>
  kinds.list().flatMap((kind) => kind.versions.map((each) => ({ kind, version: each })))

const resourceList = (kinds: Kinds, group: string, name: string): ApiAnswer | undefined => {
  const served = endpoints(kinds).filter((endpoint) => endpoint.kind.group === group && endpoint.version.name === name)
  const resources = served.flatMap(({ kind, version: { status, scale } }) => {
    const { plural, singular, namespaced, kind: named, shortNames, categories } = kind
    const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
    const below = { singularName: '', namespaced, kind: named, verbs: ['get', 'patch', 'update'] }
    return [
      { name: plural, singularName: singular, namespaced, kind: named, verbs, shortNames, categories },
      ...(status ? [{ ...below, name: `${plural}/status` }] : []),
      ...(scale ? [{ ...below, name: `${plural}/scale`, group: 'autoscaling', version: 'v1', kind: 'Scale' }] : []),
    ]
  })
  const list = { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersion(group, name), resources }
  return served.length === 0 ? undefined : ok(list)
}

const pathOf = ({ kind, version: { name } }: Endpoint): string =>
  `${kind.group === '' ? 'api' : 'apis'}/${groupVersion(kind.group, name)}`

// kubectl leaves the checking of fields to a server whose patches know this parameter. The operations name no strategic
// merge patch, so kubectl computes those from its own types, and no schemas are needed.
const parameters = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string', uniqueItems: true } }]

const openApi = (kinds: Kinds, path: string): ApiAnswer | undefined => {
  if (path === '') {
    const paths = endpoints(kinds).map(pathOf)
    return ok({ paths: Object.fromEntries(paths.map((each) => [each, { serverRelativeURL: `/openapi/v3/${each}` }])) })
  }
  const served = endpoints(kinds).filter((endpoint) => pathOf(endpoint) === path)
  const patches = served.map(({ kind: { group, kind, plural }, version: { name } }) => {
    const identity = { group, version: name, kind }
    const patch = { 'x-kubernetes-action': 'patch', 'x-kubernetes-group-version-kind': identity, parameters, responses: {} }
    return [`/${path}/${plural}/{name}`, { patch }]
  })
  const document = { openapi: '3.0.0', info: { title: 'Sandbox', version: version.gitVersion } }
  return served.length === 0 ? undefined : ok({ ...document, paths: Object.fromEntries(patches) as Fields })
}
