import { existsSync, readFileSync } from 'node:fs'
import { applyPatch, deepClone } from 'fast-json-patch'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { specOf } from './json.ts'
import { meshFacts } from './mesh-facts.ts'
import { ledger, meshInput, settings } from './mesh.fixture.ts'
import type { KubeObject, MeshInput } from './mesh-input.ts'
import { ownRoute, routePatch } from './route-write.ts'
import { ruleWrite } from './rule-write.ts'

const FOLDER = '../shared/happy-istio'
const read = (file: string): KubeObject => {
  const object: KubeObject = parse(readFileSync(`${FOLDER}/${file}`, 'utf8').split('\n---\n')[0] ?? '')
  return { ...object, metadata: { namespace: 'istioinaction', uid: `uid-${file}`, resourceVersion: '1', ...object.metadata } }
}
const happy = (service: string, virtualService: string): MeshInput => meshInput({
  canary: { namespace: 'istioinaction', name: service },
  settings: settings({ service }),
  service: { apiVersion: 'v1', kind: 'Service', metadata: { name: service, namespace: 'istioinaction' }, spec: { selector: { app: service }, ports: [{ name: 'http', port: 80 }] } },
  virtualServices: [read(virtualService)],
  destinationRules: [read('service-c-dr.yaml')],
  revisions: ['v1', 'v2'].map((version) => ({ revision: version, labels: { app: service, version } })),
  stable: undefined,
})
const patched = (input: MeshInput, write: Parameters<typeof routePatch>[2]): MeshInput => {
  const [virtualService] = input.virtualServices
  const patch = routePatch(input, { namespace: 'istioinaction', name: virtualService!.metadata.name }, write)
  expect(patch).toBeDefined()
  return { ...input, virtualServices: [applyPatch(deepClone(virtualService), deepClone(patch)).newDocument] }
}
const http = (input: MeshInput): unknown => specOf(input.virtualServices[0]!)['http']

describe.skipIf(!existsSync(FOLDER))('the manifests of happy-istio', () => {
  it('take service-c from v1 to v2, its route named as the user wrote it', () => {
    const before = happy('service-c', 'service-c-route.yaml')
    expect(meshFacts(before)).toMatchObject({ refusals: [], covered: true, namedAtFirst: 'v1', reached: ['v1'], namedByUser: [] })
    const pinned = patched(before, { ledger: ledger(), lists: true, adopt: true })
    expect(http(pinned)).toEqual([{ route: [{ destination: { host: 'service-c', subset: 'serin-v1' } }] }])
    expect(meshFacts(pinned).routes).toMatchObject([{ content: 'ours', mesh: true, reaches: ['v1'], ledger: { stable: 'v1', uid: 'uid-service-c-route.yaml' } }])
    const raised = patched(pinned, { ledger: ledger({ weight: 5 }), lists: true, adopt: false })
    expect(http(raised)).toEqual([{ route: [
      { destination: { host: 'service-c', subset: 'serin-v1' }, weight: 95 }, { destination: { host: 'service-c', subset: 'serin-v2' }, weight: 5 },
    ] }])
    expect(meshFacts(raised).routes).toMatchObject([{ content: 'ours', reaches: ['v1', 'v2'] }])
    const promoted = patched(raised, { ledger: { ...ledger(), stable: 'v2', promotions: 1 }, lists: true, adopt: false })
    expect(http(promoted)).toEqual([{ route: [{ destination: { host: 'service-c', subset: 'serin-v2' } }] }])
  })

  it('keep the mirror of the user through every exposure', () => {
    const mirror = { mirror: { host: 'service-c', subset: 'version-v2' }, mirrorPercentage: { value: 100 } }
    const before = happy('service-c', 'service-c-mirror.yaml')
    expect(meshFacts(before)).toMatchObject({ namedAtFirst: 'v1', reached: ['v1', 'v2'], namedByUser: ['v2'] })
    const pinned = patched(before, { ledger: ledger(), lists: true, adopt: true })
    expect(meshFacts(pinned).routes).toMatchObject([{ content: 'ours', reaches: ['v1'] }])
    const shadowed = patched(pinned, { ledger: ledger({ weight: 10, mirror: { percent: 50, match: [{ method: { exact: 'GET' } }] } }), lists: true, adopt: false })
    const route = [{ destination: { host: 'service-c', subset: 'serin-v1' }, weight: 90 }, { destination: { host: 'service-c', subset: 'serin-v2' }, weight: 10 }]
    expect(http(shadowed)).toEqual([
      { name: 'serin-mirror-default-1', match: [{ method: { exact: 'GET' } }], route, mirrors: [
        { destination: mirror.mirror, percentage: { value: 100 } },
        { destination: { host: 'service-c', subset: 'serin-v2' }, percentage: { value: 50 } },
      ] },
      { route, ...mirror },
    ])
    expect(meshFacts(shadowed).routes).toMatchObject([{ content: 'ours' }])
    expect(http(patched(shadowed, { ledger: ledger(), lists: true, adopt: false }))).toEqual(http(pinned))
  })

  it('leave service-c’s rule alone and put ours beside it', () => {
    const { object, kind } = ruleWrite(happy('service-c', 'service-c-route.yaml'), { v1: 'first', v2: 'second' }) as { kind: 'create'; object: KubeObject }
    expect([kind, object['spec']]).toEqual(['create', {
      host: 'service-c.istioinaction.svc.cluster.local',
      subsets: [{ name: 'serin-v1', labels: { version: 'v1' } }, { name: 'serin-v2', labels: { version: 'v2' } }],
    }])
  })

  it('refuse service-a as it stands: its selector names the version', () => {
    const spec = specOf(parse(readFileSync(`${FOLDER}/services-a.yaml`, 'utf8').split('\n---\n')[1] ?? ''))
    const before = happy('service-a', 'service-a-route.yaml')
    expect(meshFacts({ ...before, service: { ...before.service!, spec } }).refusals.map(({ reason }) => reason)).toEqual(['SelectorExcludesVersions'])
  })

  it('manage service-a at its gateway, and give the mesh a route of its own', () => {
    const before = happy('service-a', 'service-a-route.yaml')
    expect(meshFacts(before)).toMatchObject({ refusals: [], covered: false, namedAtFirst: undefined, reached: ['*'], routes: [{ mesh: false, own: false, content: 'unpinned' }] })
    const own = ownRoute({ ...before, stable: 'v1' }, { ledger: ledger(), lists: true, adopt: true })
    expect(own).toMatchObject({ metadata: { name: 'serin-service-a' }, spec: {
      hosts: ['service-a.istioinaction.svc.cluster.local'], http: [{ route: [{ destination: { subset: 'serin-v1' } }] }],
    } })
    const pinned = patched({ ...before, stable: 'v1' }, { ledger: ledger(), lists: true, adopt: true })
    const both = { ...pinned, virtualServices: [...pinned.virtualServices, { ...own, metadata: { ...own.metadata, uid: 'new' } }] }
    expect(meshFacts(both)).toMatchObject({ refusals: [], covered: true, reached: ['v1'] })
    expect(meshFacts(both).routes).toMatchObject([{ own: true, mesh: true, content: 'ours' }, { own: false, mesh: false, content: 'ours' }])
  })
})
