import type { Labels } from './metrics/request-metrics.ts'
import type { RouteFlags } from './route-decision.ts'
import type { Workload } from './route-pods.ts'

/** Envoy's response flags, with those of a connection that failed. */
export type ResponseFlags = RouteFlags | 'UF' | 'UC'

type Identity = Pick<Workload, 'workload' | 'namespace' | 'app' | 'version'>

/** One finished request, as one of its two proxies saw it. */
export type RequestReport = {
  readonly reporter: 'source' | 'destination'
  readonly peer: Workload
  /** Undefined where no pod was chosen. */
  readonly server?: Identity | undefined
  readonly service: string
  readonly status: number
  readonly flags: ResponseFlags
}

/** What a request that no pod answered is said to have reached. */
export const UNKNOWN: Identity = { workload: 'unknown', namespace: 'unknown', app: 'unknown', version: 'unknown' }

/** Istio's labels of one request. Mutual TLS and the caller's identity are known to the receiver only. */
export function requestLabels({ reporter, peer, server = UNKNOWN, service, status, flags }: RequestReport): Labels {
  const [, name = 'unknown', namespace = 'unknown'] = /^([^.]+)\.([^.]+)\.svc\./.exec(service) ?? []
  const received = reporter === 'destination'
  return {
    reporter,
    source_workload: peer.workload,
    source_workload_namespace: peer.namespace,
    source_principal: received ? `spiffe://${peer.principal}` : 'unknown',
    source_app: peer.app,
    source_version: peer.version,
    destination_workload: server.workload,
    destination_workload_namespace: server.namespace,
    destination_app: server.app,
    destination_version: server.version,
    destination_service: service,
    destination_service_name: name,
    destination_service_namespace: namespace,
    response_code: String(status),
    response_flags: flags,
    request_protocol: 'http',
    connection_security_policy: received ? 'mutual_tls' : 'unknown',
  }
}
