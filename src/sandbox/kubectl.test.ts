import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KubeConfig, AppsV1Api, CustomObjectsApi } from '@kubernetes/client-node'

import { systemClock } from '../runtime/system-clock.ts'
import { deployment, shirt, shirtCrd } from './cluster.fixture.ts'
import { createCluster } from './cluster.ts'
import { listen } from './http-listener.ts'
import { withoutNulls } from './json.ts'
import { kubeconfig } from './kubeconfig.ts'
import { parsePatch } from './patches.ts'

const happyIstio = fileURLToPath(new URL('../../../shared/happy-istio', import.meta.url))
const istioCrds = fileURLToPath(new URL('../../../shared/istio-crds/crd-all.gen.yaml', import.meta.url))

const hasKubectl = (() => {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe.skipIf(!hasKubectl)('kubectl (skipped where it is not installed)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandbox-'))
  const cluster = createCluster({
    clock: systemClock,
    runtime: { start: () => systemClock.sleep(50).then(() => ({ ip: '10.0.0.1' })), stop: () => systemClock.sleep(50) },
  })
  let listener: Awaited<ReturnType<typeof listen>>
  const config = join(folder, 'kubeconfig')

  /** What kubectl prints, warnings and errors included, after its exit code where that is not 0. */
  const kubectl = (...args: readonly string[]) =>
    new Promise<string>((resolve) => {
      const env = { ...process.env, KUBECONFIG: config, HOME: folder }
      execFile('kubectl', args, { env }, (error, out, err) =>
        resolve(`${error === null ? '' : `${String(error.code)}: `}${out}${err}`.trim()),
      )
    })
  const file = (name: string, object: object) => {
    const path = join(folder, `${name}.json`)
    writeFileSync(path, JSON.stringify(object))
    return path
  }

  beforeAll(async () => {
    listener = await listen(cluster)
    writeFileSync(config, kubeconfig(listener.url))
  })
  afterAll(async () => {
    cluster.close()
    await listener.close()
    rmSync(folder, { recursive: true })
  })

  it.skipIf(!existsSync(happyIstio))(
    'applies the demo manifests unmodified, twice, without a word of warning (skipped where ../shared/happy-istio is missing)',
    async () => {
      expect(
        await kubectl(
          'apply',
          '-f',
          file('namespace', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istioinaction' } }),
        ),
      ).toBe('namespace/istioinaction created')
      const files = readdirSync(happyIstio)
        .filter((name) => name !== 'service-c-mirror.yaml')
        .flatMap((name) => ['-f', join(happyIstio, name)])
      const first = (await kubectl('apply', '-n', 'istioinaction', ...files)).split('\n')
      expect(first).toHaveLength(18)
      expect(first.filter((line) => !/^\S+ created$/.test(line))).toEqual([])
      const second = (await kubectl('apply', '-n', 'istioinaction', ...files)).split('\n')
      expect(second.filter((line) => !/^\S+ unchanged$/.test(line))).toEqual([])
      expect(await kubectl('apply', '-n', 'istioinaction', '-f', join(happyIstio, 'service-c-mirror.yaml'))).toMatch(
        /service-c configured$/,
      )
      expect(
        await kubectl('-n', 'istioinaction', 'wait', '--for=condition=Available', 'deploy', '--all', '--timeout=20s'),
      ).toMatch(/service-c-v2 condition met$/)
    },
  )

  it('gets, watches and describes what a rollout touches', async () => {
    const watching = kubectl('-n', 'istioinaction', 'get', 'virtualservices', '-w', '--request-timeout=3s')
    expect(await kubectl('-n', 'istioinaction', 'get', 'vs')).toMatch(
      /NAME +GATEWAYS +HOSTS +AGE\nservice-a-routing +\["service-a-gateway"\] +\["\*"\]/,
    )
    expect(await kubectl('-n', 'istioinaction', 'get', 'deploy,svc,dr,po,rs,endpointslices,sa')).toContain(
      'destinationrule.networking.istio.io/service-c',
    )
    expect(await kubectl('-n', 'istioinaction', 'describe', 'deploy', 'service-a')).toMatch(
      /1 desired \| 1 updated \| 1 total \| 1 available/,
    )
    expect(await kubectl('-n', 'istioinaction', 'describe', 'svc', 'service-a')).toMatch(/Endpoints: +10\.0\.0\.1:8080/)
    const uid = await kubectl('-n', 'istioinaction', 'get', 'vs', 'service-c', '-o', 'jsonpath={.metadata.uid}')
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'istioinaction' },
      regarding: { kind: 'VirtualService', name: 'service-c', namespace: 'istioinaction', uid },
      type: 'Normal',
      reason: 'Tested',
      note: 'all is well',
      action: 'Test',
      reportingController: 'tests',
      reportingInstance: 'one',
      eventTime: '2026-01-01T00:00:00.000000Z',
    }
    expect(await kubectl('create', '-f', file('event', event))).toBe('event.events.k8s.io/e created')
    expect(await kubectl('-n', 'istioinaction', 'get', 'events')).toMatch(
      /Normal +Tested +virtualservice\/service-c +all is well/,
    )
    expect(await kubectl('-n', 'istioinaction', 'describe', 'vs', 'service-c')).toMatch(/Normal +Tested.*all is well/)
    await kubectl('-n', 'istioinaction', 'label', 'vs', 'service-c', 'a=b')
    expect((await watching).split('\n').filter((line) => line.startsWith('service-c '))).toHaveLength(2)
  })

  it('patches, scales and rolls', async () => {
    const on = (...args: readonly string[]) => kubectl('-n', 'istioinaction', ...args)
    const route = '{"spec":{"http":[{"route":[{"destination":{"host":"service-c"},"weight":100}]}]}}'
    expect(await on('patch', 'vs', 'service-c', '--type=merge', '-p', route)).toMatch(/patched$/)
    expect(
      await on(
        'patch',
        'vs',
        'service-c',
        '--type=json',
        '-p',
        '[{"op":"replace","path":"/metadata/resourceVersion","value":"1"}]',
      ),
    ).toMatch(/^1: Error from server \(Conflict\)/)
    expect(await on('patch', 'vs', 'service-c', '-p', route)).toMatch(
      /^1: error: application\/strategic-merge-patch\+json is not supported/,
    )
    expect(await on('patch', 'vs', 'service-c', '--type=merge', '-p', route.replace('100', '"a"'))).toContain(
      'spec.http[0].route[0].weight in body must be of type integer',
    )
    expect(
      await on(
        'patch',
        'deploy',
        'service-b',
        '-p',
        '{"spec":{"template":{"spec":{"containers":[{"name":"service-b","image":"other:1"}]}}}}',
      ),
    ).toMatch(/patched$/)
    expect(await on('rollout', 'status', 'deploy/service-b', '--timeout=10s')).toMatch(/successfully rolled out$/)
    expect(await on('scale', 'deploy/service-b', '--replicas=3')).toMatch(/scaled$/)
    expect(
      await on('get', 'deploy', 'service-b', '-o', 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}'),
    ).toBe('3 other:1')
    expect(
      await on('apply', '--server-side', '-f', file('cm', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' } })),
    ).toMatch(/server-side apply is not part of the sandbox/)
  })

  it('merges strategically as kubectl itself does', async () => {
    const names = fc.subarray(['A', 'B', 'C'])
    const variables = (values: readonly string[]) => values.map((name) => ({ name, value: name.toLowerCase() }))
    const holds = fc.subarray(['test.dev/a', 'test.dev/b', 'test.dev/c'])
    const arbitrary = fc.record({
      env: names,
      patched: names,
      gone: names,
      image: fc.boolean(),
      holds,
      added: holds,
      freed: holds,
    })
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ env, patched, gone, image, holds, added, freed }) => {
        // Of a value that a patch both adds and frees, Go's random order of maps decides.
        const free = freed.filter((each) => !added.includes(each))
        const stored = deployment('web', {}, { env: variables(env) })
        const before = { ...stored, metadata: { ...stored.metadata, finalizers: holds } }
        const changes = [
          ...variables(patched).map((each) => ({ ...each, value: 'new' })),
          ...gone.filter((each) => !patched.includes(each)).map((each) => ({ name: each, $patch: 'delete' })),
        ]
        const containers = [
          { name: 'other', image: 'x' },
          { name: 'main', env: changes, ...(image && { image: null }) },
        ]
        const patch = JSON.stringify({
          metadata: { finalizers: added, '$deleteFromPrimitiveList/finalizers': free },
          spec: { template: { spec: { containers } } },
        })
        const wanted = JSON.parse(
          await kubectl('patch', '--local', '-f', file('before', before), '-p', patch, '-o', 'json'),
        ) as typeof before
        const made = parsePatch('application/strategic-merge-patch+json', patch, true)(structuredClone(before)) as typeof before
        const shown = ({ metadata, spec }: typeof before) => [
          metadata.finalizers,
          ...spec.template.spec.containers.map((each) => ({ env: [], resources: {}, ...each })),
        ]
        expect(shown(withoutNulls(made))).toEqual(shown(wanted))
      }),
      { numRuns: 10 },
    )
  })

  it('works with a definition of the user, from its creation to its end', async () => {
    expect(await kubectl('apply', '-f', file('crd', shirtCrd()))).toMatch(/created$/)
    expect(await kubectl('wait', '--for=condition=Established', 'crd/shirts.test.dev', '--timeout=5s')).toMatch(/condition met$/)
    const one = file('one', shirt('one'))
    expect(await kubectl('apply', '-f', one)).toBe('shirt.test.dev/one created')
    expect(await kubectl('apply', '-f', one)).toBe('shirt.test.dev/one unchanged')
    expect(await kubectl('apply', '-f', file('wrong', shirt('one', { colour: 'red' })))).toContain(
      'strict decoding error: unknown field "spec.colour"',
    )
    const waiting = kubectl('wait', '--for=condition=Ready', 'shirt/one', '--timeout=10s')
    expect(
      await kubectl(
        'patch',
        'shirt',
        'one',
        '--subresource=status',
        '--type=merge',
        '-p',
        '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
      ),
    ).toMatch(/patched$/)
    expect(await waiting).toBe('shirt.test.dev/one condition met')
    expect(await kubectl('scale', 'shirt', 'one', '--replicas=4')).toMatch(/scaled$/)
    expect(await kubectl('get', 'sh')).toMatch(/NAME +SIZE +READY +TAGS +AGE\none +S +True/)
    expect(await kubectl('delete', '-f', one)).toBe('shirt.test.dev "one" deleted')
    expect(await kubectl('delete', 'crd', 'shirts.test.dev')).toMatch(/deleted$/)
    expect(await kubectl('delete', 'ns', 'istioinaction', '--timeout=10s')).toBe('namespace "istioinaction" deleted')
    expect(await kubectl('get', 'all,vs,dr', '-A')).toMatch(/^No resources found$/)
  })

  it.skipIf(!existsSync(istioCrds))(
    'puts the real Istio definitions over the built-in ones, twice (skipped where ../shared/istio-crds is missing)',
    async () => {
      const first = (await kubectl('apply', '-f', istioCrds)).split('\n')
      expect(first.filter((line) => !/ (created|configured)$/.test(line))).toEqual([])
      const second = (await kubectl('apply', '-f', istioCrds)).split('\n')
      expect(second.filter((line) => !line.endsWith(' unchanged'))).toEqual([])
    },
  )

  it('has no quarrel with the JavaScript client, nor with names of the loopback, but with all others', async () => {
    const kube = new KubeConfig()
    kube.loadFromFile(config)
    expect((await kube.makeApiClient(AppsV1Api).listDeploymentForAllNamespaces()).items).toEqual([])
    const one = {
      group: 'networking.istio.io',
      version: 'v1',
      namespace: 'default',
      plural: 'destinationrules',
      body: { metadata: { name: 'one' }, spec: { host: 'a' } },
    }
    expect(await kube.makeApiClient(CustomObjectsApi).createNamespacedCustomObject(one)).toMatchObject({
      metadata: { name: 'one' },
    })
    const { request } = await import('node:http')
    const status = (host: string) =>
      new Promise((resolve) =>
        request(`${listener.url}/version`, { headers: { host } }, (response) => resolve(response.resume().statusCode)).end(),
      )
    expect(await Promise.all([status('localhost:1'), status('evil.example')])).toEqual([200, 403])
  })
})
