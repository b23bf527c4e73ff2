import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { testMesh } from './mesh.fixture.ts'
import type { TestMesh } from './mesh.fixture.ts'
import type { KubeObject } from './objects.ts'

const FOLDER = new URL('../../../shared/happy-istio/', import.meta.url)
const present = existsSync(FOLDER)

describe.skipIf(!present)(`happy-istio${present ? '' : ' (skipped: its manifests are not there)'}`, () => {
  it('fails half of all requests once v2 runs and no route keeps them off it', async () => {
    const world = await happy('services-c-v2.yaml', 'service-c-dr.yaml')
    expect(share(await send(world))).toBeCloseTo(0.5, 1)
  })

  it('fails none when the route names v1, or when v2 only gets copies', async () => {
    const world = await happy('services-c-v2.yaml', 'service-c-dr.yaml', 'service-c-route.yaml')
    expect(share(await send(world))).toBe(0)

    world.cluster.put(...manifests('service-c-mirror.yaml'))
    await world.clock.advance(150)
    const before = world.mesh.tally('service-c.istioinaction.svc.cluster.local')
    expect(before.map(({ version }) => version)).toEqual(['v1'])
    expect(share(await send(world))).toBe(0)
    await world.clock.advance(5000)

    const [v1, v2] = world.mesh.tally('service-c.istioinaction.svc.cluster.local')
    expect(v1).toMatchObject({ version: 'v1', requests: 1000, errors: 0, mirrored: 0 })
    expect(v2).toMatchObject({ version: 'v2', requests: 0, mirrored: 500, mirroredErrors: 500 })
    const byReporter =
      'sum by (destination_version, reporter, response_code) (istio_requests_total{destination_workload=~"service-c.*"})'
    expect(world.query(byReporter)).toEqual({ 'v1 source 200': 1000, 'v1 destination 200': 1000, 'v2 destination 500': 500 })
  })

  it('answers by its policies: the gateway reaches service-a only', async () => {
    const world = await happy()
    const gateway = world.mesh.gateway()
    expect(await world.sendMany(1, gateway, { host: 'shop.example' })).toEqual([200])
    expect(
      await world.mesh.request(
        { ...gateway, side: 'mesh' },
        { method: 'GET', host: 'service-c.istioinaction', path: '/', headers: {} },
      ),
    ).toMatchObject({ status: 403, body: 'RBAC: access denied' })
  })
})

const BASE = [
  'services-a.yaml',
  'services-b.yaml',
  'services-c-v1.yaml',
  'service-a-gateway.yaml',
  'service-a-route.yaml',
  'ingress-to-service-a-auth-policy.yaml',
  'service-a-to-b-auth-policy.yaml',
  'service-a-to-c-auth-policy.yaml',
  'peer-auth-strict.yaml',
]

async function happy(...more: readonly string[]): Promise<TestMesh> {
  const objects = [...BASE, ...more].flatMap(manifests)
  const refused: string[] = []
  const world = testMesh(
    objects.filter(({ kind }) => kind !== 'Deployment'),
    { onUnsupported: (sentence) => refused.push(sentence) },
  )
  await world.run(...objects.filter(({ kind }) => kind === 'Deployment').map(podOf))
  expect(refused).toEqual([])
  return world
}

function manifests(file: string): readonly KubeObject[] {
  const documents = parseAllDocuments(readFileSync(new URL(file, FOLDER), 'utf8')).map((document): unknown => document.toJSON())
  return documents
    .filter((document) => document !== null)
    .map((document) => document as KubeObject)
    .map((object) => ({ ...object, metadata: { namespace: 'istioinaction', ...object.metadata } }))
}

function podOf(deployment: KubeObject): KubeObject {
  const { template } = deployment['spec'] as { template: { metadata: { labels: Record<string, string> }; spec: unknown } }
  const { name, namespace } = deployment.metadata
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-abc`, uid: '1', controller: true }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: template.spec,
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
    metadata: {
      name: `${name}-abc-1`,
      namespace: namespace ?? '',
      labels: { ...template.metadata.labels, 'pod-template-hash': 'abc' },
      ownerReferences: [owner],
    },
  }
}

const send = (world: TestMesh) => world.sendMany(500, world.mesh.gateway(), { host: 'shop.example' })

const share = (statuses: readonly number[]) => statuses.filter((status) => status !== 200).length / statuses.length
