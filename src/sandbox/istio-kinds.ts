import type { KubeObject } from './objects.ts'

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const opens = { type: 'array', items: open }
const openWith = (properties: object) => ({ ...open, properties })
const listOf = (properties: object) => ({ type: 'array', items: openWith(properties) })

const destination = openWith({ host: text, subset: text })
const route = listOf({ destination, weight: { type: 'integer', format: 'int32' } })
const httpRoute = listOf({
  name: text,
  match: opens,
  route,
  mirror: destination,
  mirrors: listOf({ destination }),
  timeout: text,
})

const virtualService = openWith({ hosts: texts, gateways: texts, exportTo: texts, http: httpRoute, tcp: opens, tls: opens })
const destinationRule = openWith({
  host: text,
  exportTo: texts,
  trafficPolicy: open,
  subsets: listOf({ name: text, labels: { type: 'object', additionalProperties: text }, trafficPolicy: open }),
})

const networking = ['networking.istio.io', 'v1', 'v1beta1', 'v1alpha3'] as const
const security = ['security.istio.io', 'v1', 'v1beta1'] as const

type Row = readonly [
  groupVersions: readonly string[],
  kind: string,
  plural: string,
  shortName: string,
  spec: object,
  columns: object,
]

// Compact stand-ins: the types that a rollout can get wrong, everything else kept as it comes.
const rows: readonly Row[] = [
  [
    networking,
    'VirtualService',
    'virtualservices',
    'vs',
    { ...virtualService },
    { Gateways: '.spec.gateways', Hosts: '.spec.hosts' },
  ],
  [networking, 'DestinationRule', 'destinationrules', 'dr', { ...destinationRule, required: ['host'] }, { Host: '.spec.host' }],
  [networking, 'Gateway', 'gateways', 'gw', openWith({ servers: opens, selector: open }), {}],
  [
    security,
    'AuthorizationPolicy',
    'authorizationpolicies',
    'ap',
    openWith({ rules: opens, action: text }),
    { Action: '.spec.action' },
  ],
  [security, 'PeerAuthentication', 'peerauthentications', 'pa', openWith({ mtls: open }), { Mode: '.spec.mtls.mode' }],
]

const crdOf = ([[group = '', ...versions], kind, plural, shortName, spec, columns]: Row): KubeObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  // The annotation lets `kubectl apply` put the real definition in place without a warning.
  metadata: { name: `${plural}.${group}`, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
  spec: {
    group,
    names: { kind, plural, listKind: `${kind}List`, shortNames: [shortName], categories: ['istio-io'] },
    scope: 'Namespaced',
    versions: versions.map((name) => ({
      name,
      served: true,
      storage: name === 'v1',
      schema: { openAPIV3Schema: { type: 'object', properties: { spec, status: open } } },
      subresources: { status: {} },
      additionalPrinterColumns: [
        ...Object.entries(columns).map(([column, jsonPath]) => ({ name: column, type: 'string', jsonPath })),
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
    })),
  },
})

/** CustomResourceDefinitions for the Istio kinds a rollout meets; the real ones can be applied over them. */
export const istioCrds = (): readonly KubeObject[] => rows.map(crdOf)
