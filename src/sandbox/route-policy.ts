import type { KubeObject } from './objects.ts'
import { ROOT_NAMESPACE } from './route-hosts.ts'
import { namespaceOf, selects, specOf, type StringMap } from './route-objects.ts'
import type { Workload } from './route-pods.ts'

type Lists = Readonly<Record<string, readonly string[]>>
type Rule = {
  readonly from?: readonly { readonly source?: Lists }[]
  readonly to?: readonly { readonly operation?: Lists }[]
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
  request: { readonly method: string; readonly path: string; readonly host: string },
) => boolean

/** AuthorizationPolicies as the server's proxy enforces them. */
export const compilePolicies =
  (policies: readonly KubeObject[]): PolicyCheck =>
  (peer, server, { method, path, host }) => {
    const source = { principals: peer.principal, namespaces: peer.namespace }
    const operation = { methods: method, paths: path.split('?', 1)[0] ?? '', hosts: host.toLowerCase() }
    const governing = policies
      .filter((policy) => [server.namespace, ROOT_NAMESPACE].includes(namespaceOf(policy)))
      .map((policy) => specOf<Spec>(policy))
      .filter(({ selector }) => selects(selector?.matchLabels ?? {}, server.labels))
    const fits = ({ rules = [] }: Spec): boolean =>
      rules.some(
        ({ from, to }) =>
          (from === undefined || from.some((each) => allFit(each.source, source))) &&
          (to === undefined || to.some((each) => allFit(each.operation, operation))),
      )
    const allows = governing.filter(({ action }) => action !== 'DENY')
    return !governing.some((spec) => spec.action === 'DENY' && fits(spec)) && (allows.length === 0 || allows.some(fits))
  }

/** Whether each value is in the list of its name, where there is one, and not in the list of its name with "not". */
const allFit = (lists: Lists = {}, values: StringMap): boolean =>
  Object.entries(values).every(([name, value]) => {
    const fits = (pattern: string): boolean =>
      pattern === value ||
      (pattern.endsWith('*') && value.startsWith(pattern.slice(0, -1))) ||
      (pattern.startsWith('*') && value.endsWith(pattern.slice(1)))
    const unwanted = lists[`not${name.charAt(0).toUpperCase()}${name.slice(1)}`]
    return (lists[name] === undefined || lists[name].some(fits)) && unwanted?.some(fits) !== true
  })
