import type { KubeObject } from '../../src/sandbox/objects.ts'

/** How fast the canaries of a run go; the last step takes as long as the others where it has no time of its own. Every time is in seconds. */
export type Pace = { readonly step: number; readonly lastStep?: number; readonly propagation: number; readonly drain: number }

/** Shares of the five steps, percent. */
export const WEIGHTS = [10, 20, 30, 50, 75] as const

const PER_NAMESPACE = 50

/** One Service with its Canary. */
export type Member = { readonly name: string; readonly namespace: string; readonly host: string }

/** `size` Services, fifty in a namespace. */
export const fleetOf = (size: number): readonly Member[] =>
  Array.from({ length: size }, (_, index) => {
    const [name, namespace] = [`web-${index}`, `shop-${Math.floor(index / PER_NAMESPACE)}`]
    return { name, namespace, host: `${name}.${namespace}.svc.cluster.local` }
  })

export const namespaceOf = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'istio-injection': 'enabled' } } })

export const serviceOf = ({ name, namespace }: Member): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
})

/** The user's VirtualService, with one route. */
export const virtualServiceOf = ({ name, namespace }: Member): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace },
  spec: { hosts: [name], http: [{ route: [{ destination: { host: name } }], timeout: '5s', retries: { attempts: 2 } }] },
})

/** One version of a Service: a Deployment of one pod, about as long as they are. */
export function versionOf({ name, namespace }: Member, version: string): KubeObject {
  const labels = { app: name, version, 'app.kubernetes.io/name': name, 'app.kubernetes.io/version': version }
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 5, timeoutSeconds: 2 }
  const container = {
    name: 'app',
    image: `registry.example/${name}:${version}`,
    ports: [{ name: 'http', containerPort: 8080 }],
    env: ['LOG_LEVEL', 'REGION', 'DATABASE', 'CACHE', 'QUEUE'].map((variable) => ({ name: variable, value: `${variable} of ${name}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    readinessProbe: probe,
    livenessProbe: probe,
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `${name}-${version}`, namespace, labels: { app: name } },
    spec: { replicas: 1, selector: { matchLabels: { app: name, version } }, template: { metadata: { labels }, spec: { containers: [container] } } },
  }
}

/** Five steps, checked once a step, two built-in metrics, two failed checks to roll back. */
export const canaryOf = ({ name, namespace }: Member, { step, lastStep = step, propagation, drain }: Pace): KubeObject => ({
  apiVersion: 'serin.dev/v1beta1',
  kind: 'Canary',
  metadata: { name, namespace },
  spec: {
    versions: { selector: { matchLabels: { app: name } } },
    service: { name },
    traffic: { propagation: `${propagation}s`, drain: `${drain}s` },
    steps: WEIGHTS.map((weight) => ({ weight, for: `${weight === WEIGHTS.at(-1) ? lastStep : step}s` })),
    analysis: {
      interval: `${step}s`,
      minRequests: 10,
      failureThreshold: 2,
      metrics: [{ name: 'error-rate', max: '1%' }, { name: 'latency', percentile: 99, max: '500ms' }],
    },
    scaleDownDelay: { previous: `${step}s` },
  },
})
