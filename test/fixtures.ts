import { NAMESPACE } from './harness.ts'
import type { KubeObject } from '../src/sandbox/objects.ts'

type Fields = Readonly<Record<string, unknown>>

export const namespace = (name = NAMESPACE): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'istio-injection': 'enabled' } } })

export const service = (name = 'service-c', spec: Fields = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NAMESPACE },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
})

export type VersionOptions = {
  readonly app?: string
  readonly replicas?: number
  /** Of fake-service: ERROR_RATE and the like. */
  readonly env?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  /** Its Deployment's name, where it is not `<app>-<version>`. */
  readonly name?: string
}

/** One version of an app: a Deployment of its own. */
export function version(label: string, { app = 'service-c', replicas = 1, env = {}, labels = {}, name = `${app}-${label}` }: VersionOptions = {}): KubeObject {
  const podLabels = { app, version: label, ...labels }
  const variables = { NAME: `${app}(${label})`, ...env }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NAMESPACE, labels: { app } },
    spec: {
      replicas,
      selector: { matchLabels: { app, version: label } },
      template: {
        metadata: { labels: podLabels },
        spec: { containers: [{ name: app, image: `${app}:${label}`, env: Object.entries(variables).map(([key, value]) => ({ name: key, value })) }] },
      },
    },
  }
}

/** A version all of whose answers are errors. */
export const faulty = (label: string, options: VersionOptions = {}): KubeObject =>
  version(label, { ...options, env: { ERROR_RATE: '1', ERROR_CODE: '500', ...options.env } })

/** A pod in the mesh from which users call. */
export const caller = (): KubeObject => version('v1', { app: 'caller' })

/** Quick waits, two steps, one metric: whatever `spec` does not say. */
export const canary = (spec: Fields = {}, name = 'service-c'): KubeObject => ({
  apiVersion: 'serin.dev/v1beta1',
  kind: 'Canary',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    versions: { selector: { matchLabels: { app: name } } },
    service: { name },
    traffic: { propagation: '300ms', drain: '200ms' },
    steps: [{ weight: 20, for: '2s' }, { weight: 50, for: '2s' }],
    analysis: { interval: '1s', minRequests: 4, failureThreshold: 1, metrics: [{ name: 'error-rate', max: '1%' }] },
    scaleDownDelay: { previous: '1s' },
    ...spec,
  },
})

/** Somebody asks something of the Canary for service-c; its name is its kind in lower case. */
export const action = (kind: string, spec: Fields = {}, name = kind.toLowerCase()): KubeObject => ({
  apiVersion: 'serin.dev/v1beta1',
  kind: 'CanaryAction',
  metadata: { name, namespace: NAMESPACE },
  spec: { canaryRef: { name: 'service-c' }, action: kind, requester: 'ada', ...(['Pause', 'Resume'].includes(kind) ? {} : { revision: 'v2' }), ...spec },
})

export const destination = (host: string, subset?: string, weight?: number): Fields => ({
  destination: { host, ...(subset === undefined ? {} : { subset }) },
  ...(weight === undefined ? {} : { weight }),
})

/** The user's VirtualService for a host; `spec` replaces whole fields. */
export const virtualService = (spec: Fields = {}, name = 'service-c'): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: NAMESPACE },
  spec: { hosts: ['service-c'], http: [{ route: [destination('service-c')] }], ...spec },
})

/** The user's DestinationRule. */
export const destinationRule = (spec: Fields = {}, name = 'service-c'): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name, namespace: NAMESPACE },
  spec: { host: 'service-c', ...spec },
})

/** A gateway at the edge, and the user's VirtualService on it. */
export const atEdge = (): readonly KubeObject[] => [
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: NAMESPACE },
    spec: { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] },
  },
  virtualService({ hosts: ['shop.example'], gateways: ['edge'] }, 'shop'),
]

/** A plain Deployment as the target of a Canary, with its pod template at `image`. */
export function target(image: string, { app = 'service-c', replicas = 2, env = {}, labels = {} }: VersionOptions = {}): KubeObject {
  const { metadata, spec, ...rest } = version(image, { app, replicas, env, name: app }) as KubeObject & { spec: { template: { metadata: object; spec: object } } }
  const template = { ...spec.template, metadata: { ...spec.template.metadata, labels: { app, ...labels } } }
  return { ...rest, metadata, spec: { ...spec, selector: { matchLabels: { app } }, template } }
}

/** A target all of whose answers are errors. */
export const faultyTarget = (image: string, options: VersionOptions = {}): KubeObject =>
  target(image, { ...options, env: { ERROR_RATE: '1', ERROR_CODE: '500', ...options.env } })

/** A Canary for a target: quick waits, two steps, one metric. */
export function targetCanary(spec: Fields = {}, name = 'service-c'): KubeObject {
  const { versions: _versions, service: _service, ...rest } = canary(spec, name)['spec'] as Fields
  return { ...canary({}, name), spec: { targetRef: { name }, ...rest } }
}

/** A kind that the sandbox does not have, so that objects of it can be applied; nothing acts on them. */
export function kindOf(group: string, version: string, kind: string): KubeObject {
  const names = { kind, listKind: `${kind}List`, plural: `${kind.toLowerCase()}s`, singular: kind.toLowerCase() }
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${names.plural}.${group}` },
    spec: { group, names, scope: 'Namespaced', versions: [{ name: version, served: true, storage: true, schema }] },
  }
}

/** An autoscaler of a Deployment or of a Canary. */
export const autoscaler = (scaleTargetRef: { readonly apiVersion: string; readonly kind: string; readonly name: string }): KubeObject =>
  ({ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'load', namespace: NAMESPACE }, spec: { scaleTargetRef, maxReplicas: 9 } })
