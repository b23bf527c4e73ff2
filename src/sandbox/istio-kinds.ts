import type { KubeObject } from './objects.ts'

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const opens = { type: 'array', items: open }
const openWith = (properties: object) => ({ ...open, properties })
const listOf = (properties: object) => ({ type: 'array', items: openWith(properties) })

const destination = openWith({ host: text, subset: text })
const weighted = listOf({ destination, weight: { type: 'integer', format: 'int32' } })
const mirrors = listOf({ destination })
const http = listOf({ name: text, match: opens, route: weighted, mirror: destination, mirrors, timeout: text })
const virtualService = openWith({ hosts: texts, gateways: texts, exportTo: texts, http, tcp: opens, tls: opens })
const labels = { type: 'object', additionalProperties: text }
const subsets = listOf({ name: text, labels, trafficPolicy: open })
const destinationRule = { ...openWith({ host: text, exportTo: texts, trafficPolicy: open, subsets }), required: ['host'] }
const policy = openWith({ rules: opens, action: text })

const networking = 'networking.istio.io v1 v1beta1 v1alpha3'
const security = 'security.istio.io v1 v1beta1'

/** Group and versions, kind, plural and short name, schema of the spec, printer columns. */
type Row = readonly [versions: string, kind: string, names: string, spec: object, columns: Readonly<Record<string, string>>]

// Compact stand-ins: the types that a rollout can get wrong, everything else kept as it comes.
const rows: readonly Row[] = [
  [networking, 'VirtualService', 'virtualservices vs', virtualService, { Gateways: '.spec.gateways', Hosts: '.spec.hosts' }],
  [networking, 'DestinationRule', 'destinationrules dr', destinationRule, { Host: '.spec.host' }],
  [networking, 'Gateway', 'gateways gw', openWith({ servers: opens, selector: open }), {}],
  [security, 'AuthorizationPolicy', 'authorizationpolicies ap', policy, { Action: '.spec.action' }],
  [security, 'PeerAuthentication', 'peerauthentications pa', openWith({ mtls: open }), { Mode: '.spec.mtls.mode' }],
]

const crdOf = ([groupVersions, kind, names, spec, columns]: Row): KubeObject => {
  const [[group = '', ...versions], [plural = '', ...shortNames]] = [groupVersions.split(' '), names.split(' ')]
  const printed = Object.entries(columns).map(([name, jsonPath]) => ({ name, type: 'string', jsonPath }))
  const version = (name: string) => ({
    name,
    served: true,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object', properties: { spec, status: open } } },
    subresources: { status: {} },
    additionalPrinterColumns: [...printed, { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }],
  })
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    // The annotation lets `kubectl apply` put the real definition in place without a warning.
    metadata: { name: `${plural}.${group}`, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
    spec: {
      group,
      names: { kind, plural, listKind: `${kind}List`, shortNames, categories: ['istio-io'] },
      scope: 'Namespaced',
      versions: versions.map(version),
    },
  }
}

/** CustomResourceDefinitions for the Istio kinds a rollout meets; the real ones can be applied over them. */
export const istioCrds = (): readonly KubeObject[] => rows.map(crdOf)
