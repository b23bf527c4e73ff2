import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseCanaryAction } from './canary-action.ts'
import { canaryActionCrd } from './canary-action-crd.ts'
import type { StructuralSchema } from './structural.ts'

const crd = canaryActionCrd() as { metadata: { annotations: Record<string, string> }; spec: { versions: { schema: { openAPIV3Schema: StructuralSchema } }[] } }
const { spec, status } = crd.spec.versions[0]!.schema.openAPIV3Schema['properties'] as Record<string, { properties: Record<string, StructuralSchema>; required?: string[] } & StructuralSchema>

const parsed = (over: object) => parseCanaryAction({
  apiVersion: 'serin.dev/v1beta1', kind: 'CanaryAction', metadata: { name: 'a', namespace: 'test' },
  spec: { canaryRef: { name: 'web' }, action: 'Abort', revision: 'v2', requester: 'ada', ...over },
})
const problems = (over: object) => {
  const result = parsed(over)
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`)
}

describe('the CRD of CanaryAction', () => {
  it('is the one that is checked in, and carries the hash of its own content', () => {
    expect(parse(readFileSync(new URL('../../crds/serin.dev_canaryactions.yaml', import.meta.url), 'utf8'))).toEqual(crd)
    expect(crd.metadata.annotations['serin.dev/schema']).toMatch(/^[0-9a-f]{16}$/)
  })

  it('describes every field, bounds every text, and requires whose name it is', () => {
    const fields = [...Object.entries(spec!.properties), ...Object.entries(status!.properties)]
    expect(fields.filter(([, field]) => !/^[A-Z].*\.$/s.test(String(field['description']))).map(([name]) => name)).toEqual([])
    expect(fields.filter(([, field]) => field['type'] === 'string' && field['maxLength'] === undefined && field['enum'] === undefined && field['format'] === undefined).map(([name]) => name)).toEqual([])
    expect(spec!.required).toEqual(['canaryRef', 'action', 'requester'])
  })

  it('lets nothing of its spec change', () => {
    expect((spec!['x-kubernetes-validations'] as { rule: string }[]).map(({ rule }) => rule)).toEqual([
      'self == oldSelf', "self.action in ['Pause', 'Resume'] || has(self.revision)", "!has(self.step) || self.action in ['Approve', 'Skip']",
    ])
  })
})

describe('a CanaryAction', () => {
  it('may be acted on for an hour where it does not say', () => {
    expect(parsed({})).toMatchObject({ ok: true, spec: { action: 'Abort', expiresAfter: '1h' } })
  })

  it.each([
    [{ action: 'Pause', revision: undefined }], [{ action: 'Resume', revision: undefined }], [{ action: 'Approve', step: 'few' }], [{ action: 'Skip', step: 'few' }],
    [{ action: 'Retry', reason: 'x'.repeat(256), expiresAfter: '168h' }], [{ action: 'Promote' }],
  ])('is taken with %j', (over) => {
    expect(problems(over)).toEqual([])
  })

  it.each([
    [{ revision: undefined }, 'spec.revision: is missing: write the revision that is meant, as in status.canaryRevision of the Canary'],
    [{ step: 'few' }, 'spec.step: is only for Approve and Skip: leave it out'],
    [{ action: 'Undo' }, 'spec.action: must be Approve, Promote, Skip, Pause, Resume, Abort or Retry'],
    [{ requester: undefined }, 'spec.requester: is missing: write a string'],
    [{ requester: '' }, 'spec.requester: must not be empty'],
    [{ expiresAfter: '169h' }, 'spec.expiresAfter: must be between 1s and 168h'],
    [{ canaryRef: {} }, 'spec.canaryRef.name: is missing: write a string'],
    [{ force: true }, 'spec.force: is not a field here: write one of canaryRef, action, revision, step, reason, requester, expiresAfter'],
  ])('is refused with %j: %s', (over, problem) => {
    expect(problems(over)).toEqual([problem])
  })
})
