import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../runtime/object.ts'
import { contentHash, isBehind, isDoubted } from './config-content.ts'
import { pruneConfig } from './prune.ts'

const object = (more: object = {}): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app', namespace: 'shop', uid: 'u', resourceVersion: '7' }, ...more })

describe('the hash of a content', () => {
  it.each([
    ['sees data', { data: { a: '1' } }, { data: { a: '2' } }, false],
    ['sees binary data', { binaryData: { a: 'AA==' } }, {}, false],
    ['tells binary data from data', { binaryData: { a: 'AA==' } }, { data: { a: 'AA==' } }, false],
    ['does not see the order of keys', { data: { a: '1', b: '2' } }, { data: { b: '2', a: '1' } }, true],
    ['does not see what is no content', { data: { a: '1' }, immutable: true, type: 'Opaque' }, { data: { a: '1' }, metadata: { ...object().metadata, labels: { a: 'b' } } }, true],
    ['takes no data for empty data', {}, { data: {}, binaryData: {} }, true],
  ])('%s', (_, one, other, same) => {
    expect(contentHash(object(one)) === contentHash(object(other))).toBe(same)
  })

  it('is the same for ever: a later Serin must not make releases of what nobody changed', () => {
    expect(contentHash(object({ data: { a: '1' }, binaryData: { b: 'AA==' } }))).toBe('f224acafab527a12')
  })
})

describe('what was read', () => {
  const content = { hash: 'h', resourceVersion: '10', track: undefined, seen: '8', since: new Set(['before']) }

  it.each<[string, Partial<typeof content> & { isGone?: true }, string | undefined, boolean]>([
    ['is not behind what the watch had told by then', {}, '8', false],
    ['is not behind itself', {}, '10', false],
    ['is not behind a watch that is behind', {}, '9', false],
    ['is behind what the watch tells later', {}, '11', true],
    ['is not behind where the watch has told of nothing yet', {}, undefined, false],
    ['is behind its deletion', { isGone: true }, undefined, true],
    ['was missing, and is behind what the watch tells later', { resourceVersion: undefined as never }, '9', true],
    ['was missing, and is not behind what the watch had not taken back yet', { resourceVersion: undefined as never }, '8', false],
  ])('%s', (_, more, version, expected) => {
    expect(isBehind({ ...content, ...more }, version)).toBe(expected)
  })

  it.each([
    ['nothing was recorded', undefined, false], ['it is what was recorded', 'h', false], ['it was read after that was recorded', 'before', false], ['something else was recorded since', 'later', true],
  ])('is doubted or not where %s', (_, recorded, expected) => {
    expect(isDoubted(content, recorded)).toBe(expected)
  })
})

it('of an object nothing is kept that tells what it says, nor another tool\'s notes of that', () => {
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{"data":{"a":"told"}}', 'serin.dev/track': 'true' }
  const kept = pruneConfig(object({ data: { a: 'told' }, binaryData: { b: 'told' }, metadata: { ...object().metadata, annotations, labels: { told: 'told' }, managedFields: [{ told: 1 }], ownerReferences: [{ apiVersion: 'v1', kind: 'Deployment', name: 'web', uid: 'd' }] } }))
  expect(JSON.stringify(kept)).not.toContain('told')
  expect(kept.metadata).toMatchObject({ name: 'app', namespace: 'shop', uid: 'u', resourceVersion: '7', annotations: { 'serin.dev/track': 'true' }, ownerReferences: [{ uid: 'd' }] })
})
