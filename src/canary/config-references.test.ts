import { describe, expect, it } from 'vitest'
import { configReferences, withReferences } from './config-references.ts'

const container = (more: object) => ({ containers: [{ name: 'web', ...more }] })
const mounted = (volume: object, mount: object = {}) => ({ ...container({ volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] }), volumes: [{ name: 'v', ...volume }] })
const map = (more: object = {}) => [{ kind: 'ConfigMap', name: 'a', unseen: true, optional: false, ...more }]
const secret = (more: object = {}) => map({ kind: 'Secret', ...more })

const CASES: readonly (readonly [string, object, readonly object[]])[] = [
  ['a variable from a key', container({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'a', key: 'k' } } }] }), map()],
  ['a variable from a Secret', container({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'k' } } }] }), secret()],
  ['an optional one', container({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'a', key: 'k', optional: true } } }] }), secret({ optional: true })],
  ['all variables', container({ envFrom: [{ prefix: 'P_', configMapRef: { name: 'a' } }] }), map()],
  ['all variables of a Secret', container({ envFrom: [{ secretRef: { name: 'a', optional: true } }] }), secret({ optional: true })],
  ['an init container', { initContainers: [{ envFrom: [{ configMapRef: { name: 'a' } }] }] }, map()],
  ['an ephemeral container', { ephemeralContainers: [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'a', key: 'k' } } }] }] }, map()],
  ['a mounted volume, which kubelets refresh', mounted({ configMap: { name: 'a' } }), map({ unseen: false })],
  ['a mounted Secret', mounted({ secret: { secretName: 'a', optional: true } }), secret({ unseen: false, optional: true })],
  ['a file mounted by its path', mounted({ configMap: { name: 'a' } }, { subPath: 'k' }), map()],
  ['a file mounted by a path with variables', mounted({ secret: { secretName: 'a' } }, { subPathExpr: '$(A)' }), secret()],
  ['an empty path, which is none', mounted({ configMap: { name: 'a' } }, { subPath: '' }), map({ unseen: false })],
  ['a path into another volume', mounted({ configMap: { name: 'a' } }, { name: 'other', subPath: 'k' }), map({ unseen: false })],
  ['a volume that nothing mounts', { volumes: [{ name: 'v', configMap: { name: 'a' } }] }, map({ unseen: false })],
  ['a projected volume', mounted({ projected: { sources: [{ configMap: { name: 'a' } }, { secret: { name: 'a', optional: true } }, { serviceAccountToken: { path: 't' } }] } }, { subPath: 'k' }), [...map(), ...secret({ optional: true })]],
  ['one object twice: seen and unseen, optional and not', { ...mounted({ configMap: { name: 'a', optional: true } }), initContainers: [{ envFrom: [{ configMapRef: { name: 'a' } }] }] }, map()],
  ['one object twice, both optional', container({ envFrom: [{ configMapRef: { name: 'a', optional: true } }, { configMapRef: { name: 'a', optional: true } }] }), map({ optional: true })],
  ['fields of the pod, resources, and registries\' Secrets', { ...container({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }] }), imagePullSecrets: [{ name: 'a' }] }, []],
  ['other volumes', mounted({ csi: { driver: 'd', nodePublishSecretRef: { name: 'a' } } }), []],
  ['what is no name', container({ envFrom: [{ configMapRef: {} }, { secretRef: { name: '' } }] }), []],
]

describe('the references of a pod spec', () => {
  it.each(CASES)('%s', (_, spec, expected) => {
    expect(configReferences(spec)).toEqual(expected)
  })

  it('are none where there is no spec', () => {
    expect([undefined, null, {}, [], 'x'].map(configReferences)).toEqual([[], [], [], [], []])
  })

  it('come by kind and name, whatever their order in the spec', () => {
    const spec = container({ envFrom: ['b', 'a'].flatMap((name) => [{ secretRef: { name } }, { configMapRef: { name } }]) })
    expect(configReferences(spec).map(({ kind, name }) => `${kind} ${name}`)).toEqual(['ConfigMap a', 'ConfigMap b', 'Secret a', 'Secret b'])
  })
})

describe('renamed references', () => {
  it.each(CASES)('%s: every one is renamed, and nothing else', (_, spec) => {
    const renamed = withReferences(spec, ({ name }) => `${name}-copy`)
    expect(configReferences(renamed).map(({ name }) => name)).toEqual(configReferences(spec).map(({ name }) => `${name}-copy`))
    expect(withReferences(renamed, ({ name }) => name.replace(/-copy$/, ''))).toEqual(spec)
  })

  it('leave the spec as it was where no name changes', () => {
    for (const [, spec] of CASES) expect(withReferences(spec, ({ name }) => name)).toEqual(spec)
  })
})
