/**
 * The PromQL that the built-in gates ask, for many canaries at once. Counters are asked for raw, per reporting pod
 * (`instance` and `pod` are what Prometheus itself attaches): they are differenced there and summed afterwards,
 * so that a caller that goes away does not look like a burst of requests.
 */
const REPORTER = ['instance', 'pod', 'reporter']
const DESTINATION = ['destination_service', 'destination_workload', 'destination_workload_namespace']

/** Requests by answer, for Services given by FQDN. */
export const countsQuery = (services: readonly string[]): string =>
  sumBy([...REPORTER, ...DESTINATION, 'response_code', 'response_flags', 'grpc_response_status'], 'istio_requests_total', `destination_service=~"${anyOf(services)}"`)

/** Request durations, milliseconds, cumulative by bucket. */
export const durationsQuery = (services: readonly string[]): string =>
  sumBy([...REPORTER, ...DESTINATION, 'le'], 'istio_request_duration_milliseconds_bucket', `destination_service=~"${anyOf(services)}"`)

/** Answers that the mesh made itself, for every host: they carry no version, and often the Host header as it was sent. */
export const meshAnswersQuery = (): string =>
  sumBy([...REPORTER, 'destination_service', 'source_workload_namespace', 'response_flags'], 'istio_requests_total', 'reporter="source",response_flags!~"-|DC|.*FI.*"')

const sumBy = (labels: readonly string[], metric: string, matchers: string): string => `sum by (${labels.join(', ')}) (${metric}{${matchers}})`

/** A regular expression for exactly these texts, as a PromQL string wants it: RE2's escapes, escaped once more. */
const anyOf = (texts: readonly string[]): string => texts.map((text) => text.replace(/[\\^$.*+?()[\]{}|"]/g, '\\\\$&')).join('|')
