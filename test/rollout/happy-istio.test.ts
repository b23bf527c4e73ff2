import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { canary, namespace, version } from '../fixtures.ts'
import { crd, happyIstio, Harness, manifests, NAMESPACE, pathOf, SHARED } from '../harness.ts'

if (SHARED === undefined) process.stdout.write('the manifests beside the repository are missing: test/rollout/happy-istio.test.ts is skipped\n')

let harness: Harness
afterEach(() => harness.stop())

const FILES = [
  'peer-auth-strict', 'ingress-to-service-a-auth-policy', 'service-a-to-b-auth-policy', 'service-a-to-c-auth-policy',
  'services-a', 'services-b', 'services-c-v1', 'services-c-v2', 'service-a-gateway', 'service-a-route', 'service-c-dr', 'service-c-mirror',
] as const

/** The objects of one file, unmodified; what names no namespace goes where kubectl would be told to put it. */
const originals = (file: string): readonly KubeObject[] =>
  manifests(`${SHARED ?? ''}/${file}.yaml`).map((object) => ({ ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? NAMESPACE } }))

type HttpRoute = { readonly name?: string; readonly route?: readonly { readonly destination: { readonly subset?: string }; readonly weight?: number }[]; readonly mirror?: unknown }

const read = async (object: KubeObject) => (await harness.call('GET', pathOf(object))).body
const httpOf = (object: KubeObject): readonly HttpRoute[] => (object['spec'] as { http: readonly HttpRoute[] }).http

/** Everything of an object that is its owner's: without what the server keeps, and what Serin may change. */
function ownersPart(object: KubeObject): unknown {
  const { annotations = {}, labels } = object.metadata
  const theirs = Object.fromEntries(Object.entries(annotations).filter(([name]) => !name.startsWith('serin.dev/')))
  const spec = structuredClone(object['spec']) as Record<string, unknown> | undefined
  if (object.kind === 'Deployment' && spec !== undefined) delete spec['replicas']
  if (object.kind === 'VirtualService' && spec !== undefined) {
    const http = httpOf(object).filter(({ name }) => name?.startsWith('serin-') !== true)
    spec['http'] = http.map(({ route: _managed, ...rest }) => rest)
  }
  return { labels, annotations: theirs, spec }
}

/** Notes every object as its owner wrote it; what is returned compares them with what stands. */
async function noted(): Promise<() => Promise<void>> {
  const objects = FILES.flatMap(originals)
  const before = await Promise.all(objects.map(async (object) => ownersPart(await read(object))))
  return async () => {
    for (const [index, object] of objects.entries())
      expect({ kind: object.kind, name: object.metadata.name, part: ownersPart(await read(object)) }).toEqual({ kind: object.kind, name: object.metadata.name, part: before[index] })
  }
}

/** The seed as it is, under load through the gateway, and the operator. */
async function seed(): Promise<void> {
  harness = new Harness()
  await harness.apply(crd(), namespace(), ...originals('service-c-route'), ...FILES.flatMap(originals))
  await harness.clock.advance(1500)
  harness.users(50)
  await harness.clock.advance(500)
  harness.startOperator()
}

const STEPS = [{ mirror: { percent: 50 }, for: '2s' }, { match: [{ headers: { 'x-tester': { exact: 'yes' } } }], for: '2s' }, { weight: 20, for: '2s' }, { weight: 50, for: '2s' }]
const has = (revision: string) => harness.status().phase === 'Idle' && harness.status().stableRevision === revision
const failures = () => harness.answers.filter(({ status }) => status !== 200)
const good = () => version('v4', { app: 'service-c' })

/** The user's mirror stood in every version of the route that was ever written. */
function watchMirror(): readonly unknown[] {
  const mirrors: unknown[] = []
  harness.sandbox.cluster.reader.subscribe(({ resource, object }) => {
    if (resource !== 'virtualservices.networking.istio.io' || object.metadata.name !== 'service-c') return
    const main = httpOf(object).find(({ name }) => name?.startsWith('serin-') !== true)
    mirrors.push(main?.mirror)
  })
  return mirrors
}

describe.skipIf(SHARED === undefined)('the manifests of happy-istio, unmodified', () => {
  it('are adopted, released upon and released upon again without a word of theirs being changed', async () => {
    await seed()
    const compare = await noted()
    const mirrors = watchMirror()
    await harness.apply(canary({ steps: STEPS }))
    await harness.until(() => has('v1'), 20_000)
    await compare()
    expect(httpOf(harness.object('virtualservices.networking.istio.io', 'service-c'))).toHaveLength(1)
    await harness.apply(good())
    for (const step of ['1/4', '2/4', '3/4', '4/4']) {
      await harness.until(() => harness.status().step === step, 30_000)
      await compare()
      expect(harness.replicas('service-c-v2')).toBe(1)
    }
    await harness.until(() => has('v4') && harness.status().previous === undefined, 30_000)
    await harness.clock.advance(15_000)
    await compare()
    expect(failures()).toEqual([])
    expect(mirrors.length).toBeGreaterThan(6)
    expect(new Set(mirrors.map((mirror) => JSON.stringify(mirror)))).toEqual(new Set(['{"host":"service-c","subset":"version-v2"}']))
    expect(harness.replicas('service-c-v2')).toBe(1)
    expect(harness.replicas('service-c-v1')).toBe(0)
    const { mirrored } = harness.sandbox.mesh.tally('service-c.istioinaction.svc.cluster.local').find((tally) => tally.version === 'v2') ?? { mirrored: 0 }
    expect(mirrored).toBeGreaterThan(400)
  })

  it.each(['1/4', '2/4', '3/4', '4/4'])('are all applied again at step %s, and do no harm', async (step) => {
    await seed()
    await harness.apply(canary({ steps: STEPS }))
    await harness.until(() => has('v1'), 20_000)
    await harness.apply(good())
    await harness.until(() => harness.status().step === step, 60_000)
    await harness.clock.advance(700)
    const exposed = JSON.stringify(harness.oracle.exposed('service-c'))
    const compare = await noted()
    for (const file of FILES) {
      await harness.apply(...originals(file))
      await harness.clock.advance(0)
      expect(JSON.stringify(harness.oracle.exposed('service-c'))).toBe(exposed)
    }
    await harness.until(() => has('v4'), 60_000)
    await compare()
    expect(failures()).toEqual([])
    expect(harness.oracle.violations).toEqual([])
  })

  it('applied again after a promotion do not bring the old version back', async () => {
    await seed()
    await harness.apply(canary({ steps: STEPS }))
    await harness.until(() => has('v1'), 20_000)
    await harness.apply(good())
    await harness.until(() => has('v4') && harness.status().previous === undefined, 60_000)
    await harness.apply(...originals('service-c-route'))
    await harness.apply(...originals('services-c-v1'))
    await harness.clock.advance(0)
    const [main] = httpOf(harness.object('virtualservices.networking.istio.io', 'service-c'))
    expect(main?.route?.map(({ destination: { subset } }) => subset)).toEqual(['serin-v4'])
    expect(main?.mirror).toBeUndefined()
    await harness.clock.advance(30_000)
    expect(has('v4')).toBe(true)
    expect(failures()).toEqual([])
  })

  it('v2 of the seed, as a release of its own, is caught on copies before any user meets it', async () => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), ...FILES.filter((file) => file !== 'services-c-v2' && file !== 'service-c-mirror').flatMap(originals), ...originals('service-c-route'))
    await harness.clock.advance(1500)
    harness.users(50)
    harness.startOperator()
    await harness.apply(canary({ steps: STEPS }))
    await harness.until(() => has('v1'), 20_000)
    await harness.apply(...originals('services-c-v2'))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(harness.oracle.exposures).toEqual(['v2 0'])
    expect(failures()).toEqual([])
  })
})

describe.skipIf(SHARED === undefined)('service-a of happy-istio, to which only an ingress route points', () => {
  const spec = { steps: [{ weight: 20, for: '5s' }, { weight: 50, for: '5s' }] }
  const own = () => canary(spec, 'service-a')
  const status = () => harness.status('service-a')
  const written = () => harness.sandbox.cluster.requests.filter(({ method, path }) => method !== 'GET' && !/events|canaries\/service-a\/status/.test(path))

  it('is refused by name as it stands: its Service would never select a second version', async () => {
    await seed()
    await harness.apply(own())
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(30_000)
    expect(harness.condition('Stalled', 'service-a')).toMatch(/^True \w+: .*service-a.*version/)
    expect(harness.events()).toContainEqual(expect.stringMatching(/^Warning .*service-a.*version/))
    expect(written()).toEqual([])
    expect(status().stableRevision).toBeUndefined()
    expect(failures()).toEqual([])
  })

  it('is managed at the gateway and in the mesh once the Service selects every version, and releases v2 to the share of users that each step says', async () => {
    await seed()
    await harness.apply(own())
    await harness.clock.advance(5000)
    const [, service] = originals('services-a')
    if (service === undefined) throw new Error('services-a.yaml has no Service')
    await harness.patch(service, { spec: { selector: { version: null } } })
    await harness.until(() => status().phase === 'Idle', 20_000)
    expect(harness.condition('Stalled', 'service-a')).toMatch(/^False/)
    expect(status().routes?.map(({ name, mode }) => `${name} ${mode}`).sort()).toEqual(['serin-service-a Own', 'service-a-routing Route'])
    await harness.apply(...happyIstio('service-a').filter(({ kind }) => kind === 'Deployment').map(asV2))
    for (const [step, share] of [['1/2', 0.2], ['2/2', 0.5]] as const) {
      await harness.until(() => status().step === step, 30_000)
      await harness.clock.advance(300)
      const from = harness.answers.length
      await harness.clock.advance(4000)
      const during = harness.answers.slice(from)
      const met = during.filter((answer) => answer.version === 'v2').length / during.length
      expect(Math.abs(met - share)).toBeLessThan(0.12)
    }
    await harness.until(() => status().stableRevision === 'v2', 30_000)
    await harness.clock.advance(1000)
    expect(harness.answers.at(-1)?.version).toBe('v2')
    expect(failures()).toEqual([])
  })
})

/** A second version of a Deployment beside the first. */
function asV2(object: KubeObject): KubeObject {
  const text = JSON.stringify(object).replaceAll('"version":"v1"', '"version":"v2"')
  const copy = JSON.parse(text) as KubeObject
  return { ...copy, metadata: { ...copy.metadata, name: `${copy.metadata.name}-v2` } }
}
