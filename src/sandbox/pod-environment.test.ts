import { expect, it } from 'vitest'
import type { KubeObject } from './objects.ts'
import { withEnvironment } from './pod-environment.ts'

const objects: Readonly<Record<string, object>> = {
  'configmaps app': { a: '1', b: '2' },
  'secrets app': { c: btoa('3') },
}
const find = (resource: string, name: string): KubeObject | undefined => {
  const data = objects[`${resource} ${name}`]
  return data && { apiVersion: 'v1', kind: '', metadata: { name }, data }
}
const pod = (container: object): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [{ name: 'web', ...container }] } })
const key = (field: string, name: string, of: string, optional?: boolean) => ({ [field]: { name, key: of, ...(optional === undefined ? {} : { optional }) } })

it.each<[string, object, unknown]>([
  ['plain values as they are', { env: [{ name: 'A', value: 'x' }] }, { A: 'x' }],
  ['a key of a ConfigMap', { env: [{ name: 'A', valueFrom: key('configMapKeyRef', 'app', 'a') }] }, { A: '1' }],
  ['a key of a Secret, decoded', { env: [{ name: 'A', valueFrom: key('secretKeyRef', 'app', 'c') }] }, { A: '3' }],
  ['whole objects, under a prefix, and what the container names itself over them', { envFrom: [{ configMapRef: { name: 'app' } }, { prefix: 'S_', secretRef: { name: 'app' } }], env: [{ name: 'b', value: 'own' }] }, { a: '1', b: 'own', S_c: '3' }],
  ['nothing of an optional object or key that is missing', { envFrom: [{ secretRef: { name: 'none', optional: true } }], env: [{ name: 'A', valueFrom: key('configMapKeyRef', 'none', 'a', true) }, { name: 'B', valueFrom: key('configMapKeyRef', 'app', 'none', true) }] }, {}],
  ['no container without an object', { envFrom: [{ configMapRef: { name: 'none' } }] }, 'configmap "none" not found'],
  ['no container without a key', { env: [{ name: 'A', valueFrom: key('secretKeyRef', 'app', 'none') }] }, "couldn't find key none in secret app"],
])('gives a pod %s', (_, container, expected) => {
  const given = withEnvironment(pod(container), find)
  if ('lack' in given) return expect(given.lack).toBe(expected)
  const { containers: [first] } = given['spec'] as { containers: { env: { name: string; value: string }[] }[] }
  expect(Object.fromEntries(first!.env.map(({ name, value }) => [name, value]))).toEqual(expected)
})
