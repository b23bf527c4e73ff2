import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashOfParts, templateDigest, templateHash } from './template-hash.ts'

const template = {
  metadata: { labels: { app: 'web', version: 'v1' } },
  spec: { containers: [{ name: 'web', image: 'web:1', env: [{ name: 'A', value: '1' }, { name: 'B', value: '2' }], ports: [{ containerPort: 8080 }] }] },
}
const container = template.spec.containers[0]

describe('the name of a pod template', () => {
  it('is the same for ever: a later Serin must not make releases of templates that nobody changed', () => {
    expect(templateHash(template)).toBe('h1:26b9bd2a13cff9caa086')
  })

  it('is the same for ever with what the pods are configured with, too, and without any the template\'s own', () => {
    const parts = [templateDigest(template), {}, []] as const
    expect(hashOfParts(...parts, {})).toBe(templateHash(template))
    const configured = hashOfParts(...parts, { 'ConfigMap app': '1', 'Secret app': '2' })
    expect(configured).toBe('h1:663c4b2c476a4ebe8c01')
    expect(hashOfParts(...parts, { 'Secret app': '2', 'ConfigMap app': '1' })).toBe(configured)
    const others = [{ 'ConfigMap app': '1' }, { 'ConfigMap app': '2', 'Secret app': '2' }, { 'ConfigMap app': '1', 'Secret other': '2' }].map((config) => hashOfParts(...parts, config))
    expect(new Set([configured, templateHash(template), ...others]).size).toBe(5)
  })

  it('does not see the order of keys, defaults, empty fields, restarts or our own annotations', () => {
    const defaulted = {
      spec: { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', schedulerName: 'default-scheduler', securityContext: {}, terminationGracePeriodSeconds: 30,
        containers: [{ ...container, imagePullPolicy: 'IfNotPresent', terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', resources: {}, ports: [{ protocol: 'TCP', containerPort: 8080 }] }] },
      metadata: { creationTimestamp: null, annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01', 'serin.dev/x': 'y' }, labels: { version: 'v1', app: 'web' } },
    }
    expect(templateHash(defaulted)).toBe(templateHash(template))
  })

  it.each([
    ['web', 'Always', true], ['web:latest', 'Always', true], ['registry:5000/team/web', 'Always', true], ['web@sha256:0', 'IfNotPresent', true], ['web:1', 'IfNotPresent', true],
    ['web', 'IfNotPresent', false], ['web:1', 'Always', false], ['registry:5000/team/web:2', 'Always', false],
  ])('knows what an image of %s implies: %s is no change, %s', (image, imagePullPolicy, same) => {
    const hash = (more: object) => templateHash({ spec: { containers: [{ name: 'web', image, ...more }] } })
    expect(hash({ imagePullPolicy }) === hash({})).toBe(same)
  })

  it('ignores the annotations that it is told to, instead', () => {
    const annotated = (annotations: object) => templateHash({ ...template, metadata: { ...template.metadata, annotations } }, ['team'])
    expect(annotated({ team: 'a' })).toBe(annotated({}))
    expect(annotated({ 'kubectl.kubernetes.io/restartedAt': '2026-01-01' })).not.toBe(annotated({}))
  })

  it('sees every other change, and the order of lists', () => {
    const changes = [
      { ...template, metadata: { labels: { app: 'web', version: 'v2' } } },
      { ...template, metadata: { ...template.metadata, annotations: { team: 'a' } } },
      { ...template, spec: { containers: [{ ...container, image: 'web:2' }] } },
      { ...template, spec: { containers: [{ ...container, env: [...(container?.env ?? [])].reverse() }] } },
      { ...template, spec: { ...template.spec, terminationGracePeriodSeconds: 31 } },
    ]
    expect(new Set([template, ...changes].map((one) => templateHash(one))).size).toBe(changes.length + 1)
  })

  it('is sensitive to any string value', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => {
      const hash = (value: string) => templateHash({ spec: { containers: [{ name: 'web', env: [{ name: 'A', value }] }] } })
      expect(hash(a) === hash(b)).toBe(a === b)
    }))
  })
})
