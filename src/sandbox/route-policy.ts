import type { KubeObject } from './objects.ts'
import { ROOT_NAMESPACE } from './route-hosts.ts'
import { namespaceOf, selects, specOf } from './route-objects.ts'
import type { StringMap } from './route-objects.ts'
import type { Workload } from './route-pods.ts'

type Source = {
  readonly principals?: readonly string[]
  readonly notPrincipals?: readonly string[]
  readonly namespaces?: readonly string[]
  readonly notNamespaces?: readonly string[]
}
type Operation = {
  readonly methods?: readonly string[]
  readonly notMethods?: readonly string[]
  readonly paths?: readonly string[]
  readonly notPaths?: readonly string[]
}
type Rule = {
  readonly from?: readonly { readonly source?: Source }[]
  readonly to?: readonly { readonly operation?: Operation }[]
}
type Spec = {
  readonly action?: string
  readonly selector?: { readonly matchLabels?: StringMap }
  readonly rules?: readonly Rule[]
}

/** Whether the server's proxy lets a request in: no DENY policy fits, and an ALLOW policy does where there are any. */
export type PolicyCheck = (
  peer: Workload,
  server: Workload,
  request: { readonly method: string; readonly path: string },
) => boolean

type Attributes = { readonly principal: string; readonly namespace: string; readonly method: string; readonly path: string }

/** AuthorizationPolicies as the server's proxy enforces them. */
export function compilePolicies(policies: readonly KubeObject[]): PolicyCheck {
  const specs = policies.map((policy) => ({ namespace: namespaceOf(policy), spec: specOf<Spec>(policy) }))
  return (peer, server, { method, path }) => {
    const attributes = { principal: peer.principal, namespace: peer.namespace, method, path: path.split('?', 1)[0] ?? '' }
    const governing = specs
      .filter(
        ({ namespace, spec }) =>
          [server.namespace, ROOT_NAMESPACE].includes(namespace) && selects(spec.selector?.matchLabels ?? {}, server.labels),
      )
      .map(({ spec }) => ({
        denies: spec.action === 'DENY',
        fits: (spec.rules ?? []).some((rule) => ruleFits(rule, attributes)),
      }))
    const allows = governing.filter(({ denies }) => !denies)
    return !governing.some(({ denies, fits }) => denies && fits) && (allows.length === 0 || allows.some(({ fits }) => fits))
  }
}

function ruleFits({ from, to }: Rule, attributes: Attributes): boolean {
  const sourceFits = (source: Source) =>
    listFits(source.principals, source.notPrincipals, attributes.principal) &&
    listFits(source.namespaces, source.notNamespaces, attributes.namespace)
  const operationFits = (operation: Operation) =>
    listFits(operation.methods, operation.notMethods, attributes.method) &&
    listFits(operation.paths, operation.notPaths, attributes.path)
  return (
    (from === undefined || from.some(({ source }) => sourceFits(source ?? {}))) &&
    (to === undefined || to.some(({ operation }) => operationFits(operation ?? {})))
  )
}

function listFits(wanted: readonly string[] | undefined, unwanted: readonly string[] | undefined, value: string): boolean {
  const fits = (pattern: string) =>
    pattern === value ||
    (pattern.endsWith('*') && value.startsWith(pattern.slice(0, -1))) ||
    (pattern.startsWith('*') && value.endsWith(pattern.slice(1)))
  return (wanted === undefined || wanted.some(fits)) && unwanted?.some(fits) !== true
}
