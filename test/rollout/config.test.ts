import { afterEach, describe, expect, it } from 'vitest'
import { type Harness, NAMESPACE } from '../harness.ts'
import { adoptedConfigured, config, configuredTarget, fromKey } from './configured.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

const stable = () => harness.status().stableRevision ?? ''
const copies = (kind = 'configmaps') => harness.sandbox.cluster.reader.list(kind, NAMESPACE).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/managed-by'] === 'serin')
const copyOf = (name: string, revision: string, kind = 'configmaps') => harness.object(kind, `${name}-service-c-${revision}`)
const deployment = (revision: string) => harness.object('deployments.apps', `service-c-${revision}`)
const promotedFrom = (before: string) => harness.until(() => harness.status().phase === 'Idle' && stable() !== before, 60_000)
const idle = () => harness.until(() => harness.status().phase === 'Idle', 60_000)
const at = (step: string) => harness.until(() => harness.status().step === step, 60_000)
const results = () => harness.status().history?.map(({ result }) => result)
const told = (reason: string) => harness.events().filter((event) => event.split(' ')[1] === `${reason}:`)
const failures = () => harness.answers.filter(({ status }) => status !== 200)

/** One variable comes from ConfigMap app. */
const plain = { container: { env: [fromKey('ERROR_RATE', 'rate')] } }
const settled = config('app', { rate: '0', other: 'a' })
const changed = config('app', { rate: '0', other: 'b' })

/** Nothing comes of a change. */
async function remains(revision: string): Promise<void> {
  await harness.clock.advance(20_000)
  expect(harness.status()).toMatchObject({ phase: 'Idle', stableRevision: revision, observedTarget: { revision } })
  expect(results()).toEqual([])
}

describe('a ConfigMap that pods cannot see change', () => {
  it('is copied for each revision before its pods start, without a mark of another tool', async () => {
    const born: string[] = []
    const marked = config('app', { rate: '0' }, { annotations: { 'argocd.argoproj.io/tracking-id': 'shop', 'kubectl.kubernetes.io/last-applied-configuration': '{"data":{"rate":"0"}}' } })
    harness = await adoptedConfigured(plain, [{ ...marked, metadata: { ...marked.metadata, labels: { 'argocd.argoproj.io/instance': 'shop', 'app.kubernetes.io/managed-by': 'Helm' } }, binaryData: { blob: 'AAEC' } }], {
      watch: ({ type, resource, object: { metadata } }) => {
        if (type === 'ADDED' && metadata.labels?.['serin.dev/revision'] !== undefined && ['pods', 'configmaps'].includes(resource)) born.push(resource === 'pods' ? 'pod' : 'copy')
      },
    })
    const copy = copyOf('app', stable())
    expect(copy).toMatchObject({ immutable: true, data: { rate: '0' }, binaryData: { blob: 'AAEC' } })
    expect(copy.metadata.labels).toEqual({ 'app.kubernetes.io/managed-by': 'serin', 'serin.dev/revision': stable() })
    expect(copy.metadata.annotations).toEqual({ 'serin.dev/canary': 'service-c', 'argocd.argoproj.io/compare-options': 'IgnoreExtraneous', 'argocd.argoproj.io/sync-options': 'Prune=false' })
    expect(copy.metadata.ownerReferences).toEqual([{ apiVersion: 'apps/v1', kind: 'Deployment', name: `service-c-${stable()}`, uid: deployment(stable()).metadata.uid }])
    expect(JSON.stringify(deployment(stable())['spec'])).toContain(`"configMapKeyRef":{"name":"${copy.metadata.name}","key":"rate"}`)
    expect(JSON.stringify(harness.object('deployments.apps', 'service-c')['spec'])).toContain('"configMapKeyRef":{"name":"app","key":"rate"}')
    expect(born).toEqual(['copy', 'pod', 'pod'])
    expect(failures()).toEqual([])
  })

  it('is a release when it changes, though nobody touched the Deployment, and an event names it', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    const { generation } = harness.object('deployments.apps', 'service-c').metadata
    await harness.apply(changed)
    await promotedFrom(first)
    expect(harness.object('deployments.apps', 'service-c').metadata.generation).toBe(generation)
    expect(copyOf('app', stable())['data']).toMatchObject({ other: 'b' })
    expect(copyOf('app', first)['data']).toMatchObject({ other: 'a' })
    expect(told('ConfigChanged')).toEqual([`Normal ConfigChanged: ConfigMap app changed: with it service-c stands for revision ${stable()}`])
    expect(results()).toEqual(['Promoted'])
    expect(failures()).toEqual([])
  })

  it('that breaks the pods is rolled back, and those that serve keep what they had, also where they start anew', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    await harness.apply(config('app', { rate: '1' }))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    await harness.clock.advance(2000)
    const before = harness.answers.length
    await harness.patch(harness.object('deployments.apps', 'service-c'), { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' } } } } })
    await harness.until(() => harness.status().phase === 'Failed', 1000)
    await harness.patch(harness.object('canaries.serin.dev', 'service-c'), { spec: { replicas: 4 } })
    await harness.until(() => harness.pods(first).length === 4, 10_000)
    await harness.clock.advance(10_000)
    expect(harness.answers.slice(before).map(({ status, version }) => `${status} ${version}`).filter((answer) => answer !== `200 ${first}`)).toEqual([])
    await harness.apply(settled)
    await idle()
    expect(stable()).toBe(first)
  })

  it('set back in mid-rollout ends it at once, without analysis', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ weight: 20, for: '1m' }] } })
    const first = stable()
    await harness.apply(changed)
    await at('1/1')
    await harness.apply(settled)
    await harness.until(() => harness.oracle.exposed('serin-service-c') === undefined, 3000, 50)
    await idle()
    expect(stable()).toBe(first)
    expect(results()).toEqual(['Reverted'])
    expect(failures()).toEqual([])
  })

  it('changed again in mid-rollout supersedes what was under way', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ weight: 20, for: '20s' }] } })
    const first = stable()
    await harness.apply(changed)
    await at('1/1')
    await harness.apply(config('app', { rate: '0', other: 'c' }))
    await promotedFrom(first)
    expect(results()).toEqual(['Promoted', 'Superseded'])
    expect(copyOf('app', stable())['data']).toMatchObject({ other: 'c' })
    expect(failures()).toEqual([])
  })

  it('applied together with the template is one release', async () => {
    harness = await adoptedConfigured(plain, [settled])
    const first = stable()
    await harness.apply(changed)
    await harness.clock.advance(300)
    await harness.apply(configuredTarget('v2', plain))
    await promotedFrom(first)
    expect(results()).toEqual(['Promoted'])
    expect(copyOf('app', stable())['data']).toMatchObject({ other: 'b' })
  })

  it('set back after a promotion is one step, to pods that still have what they had', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { scaleDownDelay: { previous: '60s' } } })
    const first = stable()
    const pods = harness.pods(first).map(({ metadata }) => metadata.uid)
    await harness.apply(changed)
    await promotedFrom(first)
    await harness.apply(settled)
    await harness.until(() => harness.status().phase === 'Idle' && stable() === first, 10_000)
    expect(harness.pods(first).map(({ metadata }) => metadata.uid)).toEqual(pods)
  })

  it('leaves with the revision that it was copied for', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { revisionHistoryLimit: 0 } })
    const first = stable()
    await harness.apply(changed)
    await promotedFrom(first)
    await harness.until(() => harness.find('deployments.apps', `service-c-${first}`) === undefined, 60_000)
    await harness.clock.advance(1000)
    expect(copies().map(({ metadata }) => metadata.name)).toEqual([`app-service-c-${stable()}`])
  })

  it('is no release where only its labels change, or where it is applied as it was', async () => {
    harness = await adoptedConfigured(plain, [settled])
    await harness.patch(settled, { metadata: { labels: { team: 'shop' } } })
    await harness.apply(settled)
    await harness.delete(settled)
    await harness.apply(settled)
    await remains(stable())
  })
})

describe('what is tracked', () => {
  const volume = { container: { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, volumes: [{ name: 'v', configMap: { name: 'app' } }] }
  const file = { ...volume, container: { volumeMounts: [{ name: 'v', mountPath: '/v/rate', subPath: 'rate' }] } }
  const projected = { ...file, volumes: [{ name: 'v', projected: { sources: [{ configMap: { name: 'app', optional: true } }] } }] }
  const optional = { container: { env: [fromKey('ERROR_RATE', 'rate', { optional: true })] } }

  it.each([
    ['all variables of it', { container: { envFrom: [{ configMapRef: { name: 'app' } }] } }],
    ['a file mounted by its path', file],
    ['a projected, optional one', projected],
    ['an optional variable', optional],
    ['the variables of an init container', { initContainers: [{ name: 'init', image: 'init:1', envFrom: [{ configMapRef: { name: 'app' } }] }] }],
  ])('%s: a change is a release, and the pods name the copy', async (_, pod) => {
    harness = await adoptedConfigured(pod, [settled])
    const first = stable()
    await harness.apply(changed)
    await promotedFrom(first)
    expect(copyOf('app', stable())['data']).toMatchObject({ other: 'b' })
    expect(JSON.stringify(deployment(stable())['spec'])).toContain(`"name":"app-service-c-${stable()}"`)
    expect(JSON.stringify(deployment(stable())['spec'])).not.toContain('"name":"app"')
  })

  it('is no mounted volume, which kubelets refresh, unless the object says so', async () => {
    harness = await adoptedConfigured(volume, [settled])
    const first = stable()
    await harness.apply(changed)
    await remains(first)
    expect(copies()).toEqual([])
    await harness.patch(settled, { metadata: { annotations: { 'serin.dev/track': 'true' } } })
    await remains(first)
    await harness.patch(settled, { data: { other: 'c' } })
    await promotedFrom(first)
    expect(copyOf('app', stable())['data']).toMatchObject({ other: 'c' })
  })

  it('is no object that says so', async () => {
    harness = await adoptedConfigured(plain, [config('app', { rate: '0' }, { annotations: { 'serin.dev/track': 'false' } })])
    await harness.patch(settled, { data: { other: 'z' } })
    await remains(stable())
    expect(copies()).toEqual([])
    expect(harness.sandbox.cluster.requests.filter(({ method, path }) => method === 'GET' && path.endsWith('/configmaps/app'))).toEqual([])
  })

  it('is nothing with trackConfig: None, and turning it on or off is no release', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { trackConfig: 'None' } })
    const first = stable()
    await harness.apply(changed)
    await remains(first)
    await harness.patch(harness.canary(), { spec: { trackConfig: 'ConfigMaps' } })
    await remains(first)
    await harness.patch(harness.object('deployments.apps', 'service-c'), { spec: { replicas: 3 } })
    await remains(first)
    await harness.patch(harness.canary(), { spec: { trackConfig: 'None' } })
    await harness.patch(settled, { data: { other: 'z' } })
    await harness.patch(harness.object('deployments.apps', 'service-c'), { spec: { replicas: 2 } })
    await remains(first)
  })
})

describe('an object that is missing', () => {
  it('and optional is content: when it comes, that is a release', async () => {
    harness = await adoptedConfigured({ container: { env: [fromKey('ERROR_RATE', 'rate', { optional: true })] } }, [])
    const first = stable()
    expect(copies()).toEqual([])
    await harness.apply(settled)
    await promotedFrom(first)
    const second = stable()
    expect(copies()).toHaveLength(1)
    await harness.delete(settled)
    await promotedFrom(second)
    expect(stable()).toBe(first)
  })

  it('and needed holds the release before any pod, in words, until it is there', async () => {
    harness = await adoptedConfigured({}, [])
    const first = stable()
    await harness.apply(configuredTarget('v2', plain))
    await harness.until(() => harness.condition('Degraded').startsWith('True ConfigNotFound') || harness.condition('Stalled').startsWith('True ConfigNotFound'), 5000)
    expect(harness.status().message).toBe('ConfigMap app, without which no pod of service-c starts, does not exist: apply it')
    await harness.clock.advance(20_000)
    expect(harness.sandbox.cluster.reader.list('deployments.apps', NAMESPACE).map(({ metadata }) => metadata.name).filter((name) => name.startsWith('service-c')).toSorted()).toEqual(['service-c', `service-c-${first}`])
    await harness.apply(settled)
    await promotedFrom(first)
    expect(harness.condition('Degraded')).toMatch(/^False/)
    expect(failures()).toEqual([])
  })

  it('because it was deleted in mid-rollout disturbs neither what serves nor what is being released', async () => {
    harness = await adoptedConfigured(plain, [settled], { spec: { steps: [{ weight: 20, for: '20s' }] } })
    const first = stable()
    await harness.apply(changed)
    await at('1/1')
    await harness.delete(settled)
    await harness.patch(harness.object('deployments.apps', 'service-c'), { spec: { replicas: 2 } })
    await promotedFrom(first)
    expect(results()).toEqual(['Promoted'])
    expect(failures()).toEqual([])
    await harness.apply(config('app', { rate: '0', other: 'c' }))
    const second = stable()
    await promotedFrom(second)
  })
})

describe('Secrets', () => {
  const env = [fromKey('ERROR_RATE', 'rate'), fromKey('KEY', 'key', { kind: 'Secret', object: 'keys' })]
  const keys = (value: string) => config('keys', { key: value }, { kind: 'Secret' })
  const asked = (kind: string) => harness.sandbox.cluster.requests.filter(({ path }) => path.includes(`/${kind}`)).map(({ method, path }) => `${method} ${path}`)
  const tracking = { spec: { trackConfig: 'All' }, operator: { settings: { trackSecrets: true } } }

  it('are neither read nor watched, unless the operator was installed for it', async () => {
    harness = await adoptedConfigured({ container: { env } }, [settled, keys('first-key')])
    await harness.apply(keys('second-key'))
    await remains(stable())
    expect(asked('secrets').filter((request) => request.startsWith('GET'))).toEqual([])
    expect(JSON.stringify(deployment(stable())['spec'])).toContain('"secretKeyRef":{"name":"keys","key":"key"}')
  })

  it('asked for without that are refused, in words that name the value to set', async () => {
    harness = await adoptedConfigured({ container: { env } }, [settled, keys('first-key')])
    const first = stable()
    await harness.patch(harness.canary(), { spec: { trackConfig: 'All' } })
    await harness.until(() => harness.condition('Degraded').startsWith('True SecretsNotTracked'), 5000)
    expect(harness.condition('Degraded')).toContain('install it with trackSecrets: true, or write ConfigMaps')
    await harness.apply(changed)
    await harness.clock.advance(10_000)
    expect(harness.status()).toMatchObject({ phase: 'Waiting', stableRevision: first })
    await harness.patch(harness.canary(), { spec: { trackConfig: 'ConfigMaps' } })
    await promotedFrom(first)
    expect(asked('secrets').filter((request) => request.startsWith('GET'))).toEqual([])
  })

  it('are tracked with trackConfig: All', async () => {
    harness = await adoptedConfigured({ container: { env } }, [settled, keys('first-key')], tracking)
    const first = stable()
    expect(copyOf('keys', first, 'secrets')).toMatchObject({ immutable: true, type: 'Opaque', data: { key: btoa('first-key') } })
    await harness.apply(keys('second-key'))
    await promotedFrom(first)
    expect(copyOf('keys', stable(), 'secrets')['data']).toEqual({ key: btoa('second-key') })
    expect(told('ConfigChanged')[0]).toContain('Secret keys changed')
  })

  it('are told of by name alone: no status, event, log or object of Serin\'s but the copy says what they say', async () => {
    const written: string[] = []
    harness = await adoptedConfigured({ container: { env } }, [settled, keys('first-key')], { ...tracking, log: (line) => written.push(line) })
    const first = stable()
    await harness.apply(keys('second-key'))
    await promotedFrom(first)
    await harness.apply(keys('third-key'), config('app', { rate: '1', other: 'not-to-be-told' }))
    await harness.until(() => harness.status().phase === 'Failed', 60_000)
    expect(written.length).toBeGreaterThan(20)
    const { reader } = harness.sandbox.cluster
    const kinds = ['canaries.serin.dev', 'deployments.apps', 'events', 'virtualservices.networking.istio.io', 'destinationrules.networking.istio.io']
    const said = [...written, ...kinds.flatMap((kind) => reader.list(kind, NAMESPACE).map((object) => JSON.stringify(object)))].join('\n')
    for (const key of ['first-key', 'second-key', 'third-key', 'not-to-be-told']) for (const secret of [key, btoa(key)]) expect(said.includes(secret), secret).toBe(false)
    expect(said).toContain('Secret keys')
  })
})

describe('nothing but what a target is configured with', () => {
  it('is read, and at rest nothing is asked at all', async () => {
    const unused = config('unused', { a: '1' })
    harness = await adoptedConfigured(plain, [settled, unused])
    const reads = () => harness.sandbox.cluster.requests.filter(({ method, path }) => method === 'GET' && /\/configmaps\/[^?]/.test(path)).map(({ path }) => path.slice(path.lastIndexOf('/') + 1))
    expect([...new Set(reads())]).toEqual(['app'])
    await harness.clock.advance(30_000)
    harness.sandbox.cluster.forgetRequests()
    await harness.clock.advance(120_000)
    const others = harness.sandbox.cluster.requests.filter(({ path }) => !path.includes('watch=1') && !path.includes('customresourcedefinitions'))
    expect(others).toEqual([])
    await harness.patch(unused, { data: { a: '2' } })
    await harness.clock.advance(10_000)
    expect(reads()).toEqual([])
  })
})
