/** One request as the API server's authorizer sees it; without a namespace it is about the whole cluster. */
export type Asked = {
  readonly verb: string
  readonly group: string
  /** "deployments", or "canaries/status" for a subresource. */
  readonly resource: string
  readonly namespace?: string
  readonly name?: string
}

/** One verb on one resource that a rule allows; without a namespace everywhere, without a name to every object. */
export type Grant = Asked

type Subject = { readonly namespace: string; readonly name: string }
type Rule = { readonly apiGroups?: readonly string[]; readonly resources?: readonly string[]; readonly resourceNames?: readonly string[]; readonly verbs: readonly string[] }
type Role = { readonly kind: string; readonly metadata: { readonly name: string; readonly namespace?: string }; readonly rules?: readonly Rule[] }
type Binding = Role & { readonly roleRef: { readonly kind: string; readonly name: string }; readonly subjects?: readonly (Partial<Subject> & { readonly kind: string })[] }

/** What a ServiceAccount may do by the RBAC objects among `objects`; throws where a binding names a role that is not there. */
export function grantsOf(objects: readonly object[], subject: Subject): readonly Grant[] {
  const known = objects as readonly Partial<Role>[]
  const bindings = known.filter((object): object is Binding => object.kind === 'ClusterRoleBinding' || object.kind === 'RoleBinding')
  return bindings.filter(({ subjects }) => subjects?.some(({ kind, name, namespace }) => kind === 'ServiceAccount' && name === subject.name && namespace === subject.namespace)).flatMap(({ kind, metadata: { namespace }, roleRef }) => {
    const role = known.find((object) => object.kind === roleRef.kind && object.metadata?.name === roleRef.name && (roleRef.kind === 'ClusterRole' || object.metadata.namespace === namespace))
    if (role === undefined) throw new Error(`no ${roleRef.kind} ${roleRef.name}, to which a ${kind} refers`)
    return (role.rules ?? []).flatMap((rule) => grantsOfRule(rule, kind === 'RoleBinding' ? namespace : undefined))
  })
}

function grantsOfRule({ apiGroups = [], resources = [], resourceNames, verbs }: Rule, namespace: string | undefined): readonly Grant[] {
  const names = resourceNames === undefined || resourceNames.length === 0 ? [undefined] : resourceNames
  return apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.flatMap((verb) => names.map((name) => ({
    group, resource, verb, ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }),
  })))))
}

/** Whether a grant covers a request. Wildcards cover nothing here: none is wanted. */
export const allows = (grant: Grant, { group, resource, verb, namespace, name }: Asked): boolean =>
  grant.group === group && grant.resource === resource && grant.verb === verb &&
  (grant.namespace === undefined || grant.namespace === namespace) &&
  // The authorizer does not know the name of what is still to be made.
  (grant.name === undefined || (verb !== 'create' && grant.name === name))

/** Requests that no grant allows, and grants that allowed no request: both empty where the rules are the least. */
export function compare(grants: readonly Grant[], requests: readonly Asked[]): { readonly denied: readonly string[]; readonly unused: readonly string[] } {
  return {
    denied: texts(requests.filter((request) => !grants.some((grant) => allows(grant, request)))),
    unused: texts(grants.filter((grant) => !requests.some((request) => allows(grant, request)))),
  }
}

const texts = (all: readonly Asked[]): readonly string[] =>
  [...new Set(all.map(({ verb, group, resource, namespace, name }) => `${verb} ${resource}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${name}`}${namespace === undefined ? '' : ` in ${namespace}`}`))].sort()

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch' }

/** What an HTTP request to an API server asks for; throws on a path that names no resource. */
export function askedOf({ method, path }: { readonly method: string; readonly path: string }): Asked {
  const { pathname, searchParams } = new URL(path, 'http://server')
  const found = /^\/(?:api|apis\/([^/]+))\/[^/]+(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(decodeURIComponent(pathname))
  if (found === null) throw new Error(`${path} names no resource`)
  const [, group = '', space, plural = '', name, subresource] = found
  // A namespace lies in itself: a Role in it covers it.
  const namespace = group === '' && plural === 'namespaces' ? name : space
  const read = name !== undefined ? 'get' : searchParams.has('watch') ? 'watch' : 'list'
  const verb = method === 'GET' ? read : method === 'DELETE' ? (name === undefined ? 'deletecollection' : 'delete') : VERBS[method] ?? method
  return { verb, group, resource: subresource === undefined ? plural : `${plural}/${subresource}`, ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }) }
}

type ObjectReference = { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string }

/** One line of the API server's audit log at the level Metadata. */
export type AuditEvent = {
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly objectRef?: ObjectReference
  readonly responseStatus?: { readonly code?: number }
  /** `authorization.k8s.io/decision` is allow or forbid. */
  readonly annotations?: Readonly<Record<string, string>>
}

/** What an audited request asked for; undefined for one that is about no resource (`/version`, `/readyz`). */
export function askedOfAudit({ verb, objectRef }: AuditEvent): Asked | undefined {
  if (objectRef === undefined) return undefined
  const { apiGroup = '', resource, subresource, namespace, name } = objectRef
  return { verb, group: apiGroup, resource: subresource === undefined ? resource : `${resource}/${subresource}`, ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }) }
}
