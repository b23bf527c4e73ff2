import { afterEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/sandbox/objects.ts'
import { caller, namespace } from '../fixtures.ts'
import { crd, Harness, manifests, NAMESPACE } from '../harness.ts'

let harness: Harness
afterEach(() => {
  harness.stop()
  expect(harness.oracle.violations).toEqual([])
})

/** The objects of an example, in the namespace that the harness looks at. */
const example = (name: string): readonly KubeObject[] =>
  manifests(`examples/target/${name}.yaml`).map((object) => ({ ...object, metadata: { ...object.metadata, namespace: NAMESPACE } }))

describe('the example of a plain Deployment', () => {
  it.each(['canary', 'sized'])('%s.yaml is adopted, and a new image released to its end', async (canary) => {
    harness = new Harness()
    await harness.apply(crd(), namespace(), caller(), ...example('podinfo'))
    await harness.clock.advance(1000)
    harness.users(10, { host: 'podinfo', from: harness.insider })
    harness.startOperator({ settings: { propagationMs: 15_000 } })
    await harness.apply(...example(canary))
    await harness.until(() => harness.status('podinfo').phase === 'Idle' && harness.replicas('podinfo') === 0, 200_000, 1000)
    const first = harness.status('podinfo').stableRevision
    const { ignoreAnnotations } = harness.canary('podinfo')['spec'] as { ignoreAnnotations?: readonly string[] }
    if (ignoreAnnotations?.includes('example.com/note') === true) {
      await harness.patch(harness.object('deployments.apps', 'podinfo'), { spec: { template: { metadata: { annotations: { 'example.com/note': 'ask the team shop' } } } } })
      await harness.clock.advance(60_000)
      expect(harness.status('podinfo')).toMatchObject({ phase: 'Idle', stableRevision: first, history: [] })
      expect(JSON.stringify(harness.object('deployments.apps', `podinfo-${first ?? ''}`)['spec'])).toContain('ask the team shop')
      // Its pods were replaced in place, and those of the sandbox end abruptly.
      harness.answers.splice(0)
    }
    await harness.patch(harness.object('deployments.apps', 'podinfo'), { spec: { template: { spec: { containers: [{ name: 'podinfo', image: 'podinfo:6.7.1' }] } } } })
    await harness.until(() => harness.status('podinfo').phase === 'Idle' && harness.status('podinfo').stableRevision !== first, 1_800_000, 1000)
    expect(harness.status('podinfo').history?.[0]?.result).toBe('Promoted')
    const standing = harness.find('virtualservices.networking.istio.io', 'serin-podinfo')
    const orphaned = (harness.canary('podinfo')['spec'] as { onDelete?: string }).onDelete === 'Orphan'
    const size = Number((harness.canary('podinfo')['spec'] as { replicas?: number }).replicas)
    await harness.delete(harness.canary('podinfo'))
    await harness.until(() => harness.find('canaries.serin.dev', 'podinfo') === undefined, 300_000, 1000)
    expect(harness.replicas('podinfo')).toBe(orphaned ? 0 : size)
    expect(harness.find('virtualservices.networking.istio.io', 'serin-podinfo')?.['spec']).toEqual(orphaned ? standing?.['spec'] : undefined)
    expect(harness.answers.filter(({ status }) => status !== 200)).toEqual([])
  })
})
