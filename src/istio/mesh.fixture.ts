import type { Settings } from '../api/settings.ts'
import type { Exposure, Ledger } from '../canary/ledger.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import type { Json } from './json.ts'

type Metadata = Partial<KubeObject['metadata']>

/** The full name of the Service in these fixtures. */
export const HOST = 'reviews.test.svc.cluster.local'

/** Settings of a Canary for the Service "reviews". */
export const settings = (overrides: Partial<Settings> = {}): Settings => ({
  source: { kind: 'versions', selector: { app: 'reviews' } },
  versionLabel: 'version',
  desired: undefined,
  service: 'reviews',
  httpRoutes: undefined,
  delegate: undefined,
  port: undefined,
  propagationMs: 15_000,
  drainMs: 30_000,
  sessionAffinity: undefined,
  preview: { service: undefined, match: [] },
  steps: [],
  clock: { kind: 'interval', everyMs: 30_000 },
  analysis: { failureThreshold: 2, initialDelayMs: 0, noData: 'Hold', metrics: [] },
  windows: [],
  progressDeadlineMs: 600_000,
  rollbackWindowMs: 0,
  onDelete: 'Restore',
  previousDelayMs: 600_000,
  failedDelayMs: 0,
  suspend: false,
  skipAnalysis: false,
  ...overrides,
})

const BORN = '2026-01-01T00:00:00Z'

const object = (kind: string, name: string, spec: Json, metadata: Metadata): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'test', uid: `uid-${name}`, resourceVersion: '7', creationTimestamp: BORN, ...metadata },
  spec,
})

/** A VirtualService in the namespace "test"; for the Service's host and the mesh unless `spec` says otherwise. */
export const virtualService = (name: string, http: readonly Json[], spec: Json = {}, metadata: Metadata = {}): KubeObject =>
  object('VirtualService', name, { hosts: [HOST], http, ...spec }, metadata)

/** A DestinationRule in the namespace "test", for the Service's host unless `spec` says otherwise. */
export const destinationRule = (name: string, spec: Json, metadata: Metadata = {}): KubeObject =>
  object('DestinationRule', name, { host: HOST, ...spec }, metadata)

/** The Service "reviews" in the namespace "test". */
export const service = (spec: Json = {}, metadata: Metadata = {}): KubeObject => ({
  ...object('Service', 'reviews', { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 80 }], ...spec }, metadata),
  apiVersion: 'v1',
})

/** A mesh with the Service, two revisions v1 and v2, and nothing else. */
export const meshInput = (overrides: Partial<MeshInput> = {}): MeshInput => ({
  canary: { namespace: 'test', name: 'reviews' },
  settings: settings(),
  service: service(),
  virtualServices: [],
  destinationRules: [],
  httpRoutes: [],
  revisions: ['v1', 'v2'].map((version) => ({ revision: version, labels: { app: 'reviews', version } })),
  others: ['test/else'],
  records: [],
  stable: 'v1',
  rootNamespace: 'istio-system',
  clusterDomain: 'cluster.local',
  ...overrides,
})

/** A ledger with v1 stable and, if given, an exposure of v2. */
export const ledger = (exposure?: Partial<Exposure>): Omit<Ledger, 'uid'> => ({
  stable: 'v1',
  promotions: 0,
  open: { v1: { rollout: 'first', hash: 'h1' }, v2: { rollout: 'second', hash: 'h2' } },
  failed: {},
  ...(exposure === undefined ? {} : { exposure: { revision: 'v2', weight: 0, match: [], step: 0, plan: 'p', ...exposure } }),
})
