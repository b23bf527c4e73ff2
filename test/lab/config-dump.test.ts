import { describe, expect, it } from 'vitest'
import { ABSENT, clustersOf, clustersPath, storyOf } from './config-dump.ts'

const HOST = 'shop.test.svc.cluster.local'
const MUTUAL = { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: { common_tls_context: { alpn_protocols: ['istio'] }, sni: 'outbound_.80_.v1_.shop.test.svc.cluster.local' } } }
const AUTO = { transport_socket_matches: [{ name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: MUTUAL.transport_socket }, { name: 'tlsMode-disabled', match: {} }] }

/** A cluster as Envoy 1.40 dumps it for a rule of Istio's, most of what is always the same left out. */
const cluster = (subset: string, fields: object = {}) => ({
  '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster',
  cluster: {
    name: `outbound|80|${subset}|${HOST}`,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' }, service_name: `outbound|80|${subset}|${HOST}` },
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: { thresholds: [{ max_connections: 33, max_pending_requests: 4_294_967_295 }] },
    outlier_detection: { consecutive_5xx: 70, enforcing_consecutive_5xx: 100 },
    metadata: { filter_metadata: { istio: { subset, config: '/apis/networking.istio.io/v1/namespaces/test/destination-rule/shop' } } },
    alt_stat_name: `outbound|80|${subset}|${HOST};`,
    ...fields,
  },
  last_updated: '2026-11-21T19:58:10.487Z',
})

const read = (...clusters: readonly object[]) => clustersOf(JSON.stringify({ configs: clusters }))[HOST] ?? {}

describe("Envoy's config dump", () => {
  it('tells of each cluster its pool, its outlier detection and its TLS', () => {
    const plain = read(cluster(''), cluster('v1', MUTUAL), cluster('v2', { ...AUTO, outlier_detection: undefined, circuit_breakers: undefined }))
    expect(plain).toEqual({
      '': { maxConnections: 33, consecutive5xx: 70, tls: 'none', config: expect.any(String) as string },
      v1: { maxConnections: 33, consecutive5xx: 70, tls: 'mutual', config: expect.any(String) as string },
      v2: { maxConnections: undefined, consecutive5xx: undefined, tls: 'auto', config: expect.any(String) as string },
    })
  })

  it.each([['plain text', {}], ['mutual TLS', MUTUAL], ['both', AUTO]])('holds two of equal policy for equal, whatever they are called: %s', (_, fields) => {
    const named = JSON.parse(JSON.stringify(fields).replaceAll('.v1_', '._')) as object
    const { '': one, v1: other } = read(cluster('', named), cluster('v1', fields))
    expect(one).toEqual(other)
  })

  it.each<[string, object]>([
    ['a time-out', { connect_timeout: '1s' }],
    ['requests that may wait', { circuit_breakers: { thresholds: [{ max_connections: 33, max_pending_requests: 1 }] } }],
    ['a server name that a rule sets', { transport_socket: { ...MUTUAL.transport_socket, typed_config: { ...MUTUAL.transport_socket.typed_config, sni: 'elsewhere' } } }],
  ])('holds two for different that differ in %s', (_, fields) => {
    const { '': one, v1: other } = read(cluster('', MUTUAL), cluster('v1', { ...MUTUAL, ...fields }))
    expect(one?.config).not.toBe(other?.config)
  })

  it('is asked for the clusters of these hosts alone, and refuses what is no cluster of a host', () => {
    expect(decodeURIComponent(clustersPath([HOST, 'a.b']))).toContain('name_regex=outbound\\|80\\|[^|]*\\|(shop\\.test\\.svc\\.cluster\\.local|a\\.b)')
    expect(() => read(cluster('', { name: 'PassthroughCluster' }))).toThrow('PassthroughCluster')
  })

  it('is told as a story without repetitions, in which the least difference shows', () => {
    const { v1 } = read(cluster('v1'))
    const { v1: changed } = read(cluster('v1', { connect_timeout: '1s' }))
    expect(storyOf([undefined, v1, v1, changed, v1, undefined])).toEqual([ABSENT, '33 70 none', changed?.config, '33 70 none', ABSENT])
    expect(storyOf([])).toEqual([])
  })
})
