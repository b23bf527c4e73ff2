import { describe, expect, it } from 'vitest'
import type { HTTPMatch } from '../api/canary.ts'
import { isContradicted } from './delegate-refusals.ts'
import type { Json } from './json.ts'

describe('a match of a delegate beside one of its root', () => {
  it.each<[boolean, string, Json, HTTPMatch]>([
    [false, 'of another field', { uri: { prefix: '/api' } }, { headers: { x: { exact: '1' } } }],
    [false, 'within the prefix', { uri: { prefix: '/api' } }, { uri: { prefix: '/api/v2' } }],
    [false, 'a text within the prefix', { headers: { x: { prefix: 'a' } } }, { headers: { x: { exact: 'ab' } } }],
    [true, 'wider than the prefix', { uri: { prefix: '/api/v2' } }, { uri: { prefix: '/api' } }],
    [true, 'beside the prefix', { uri: { prefix: '/api' } }, { uri: { exact: '/beta' } }],
    [false, 'the same text', { method: { exact: 'GET' } }, { method: { exact: 'GET' } }],
    [true, 'another text', { method: { exact: 'GET' } }, { method: { exact: 'PUT' } }],
    [true, 'a prefix of the text', { uri: { exact: '/a' } }, { uri: { prefix: '/a' } }],
    [true, 'the same regular expression: Istio joins no two', { uri: { regex: '/a.*' } }, { uri: { regex: '/a.*' } }],
    [true, 'a regular expression beside a text', { queryParams: { q: { exact: '1' } } }, { queryParams: { q: { regex: '\\d' } } }],
    [true, 'a text beside a regular expression', { withoutHeaders: { x: { regex: '.*' } } }, { withoutHeaders: { x: { exact: '1' } } }],
    [true, 'a namespace that the match does not repeat', { sourceNamespace: 'a' }, { method: { exact: 'GET' } }],
    [false, 'a namespace that it does', { sourceNamespace: 'a' }, { sourceNamespace: 'a' }],
    [true, 'another value of a label', { sourceLabels: { app: 'a' } }, { sourceLabels: { app: 'b' } }],
    [false, 'another label', { sourceLabels: { app: 'a' } }, { sourceLabels: { tier: 'b' } }],
    [true, 'without ignoreUriCase, which the root has', { uri: { prefix: '/' }, ignoreUriCase: true }, { uri: { prefix: '/a' } }],
  ])('%s: %s', (expected, _what, root, ours) => {
    expect(isContradicted(root, ours)).toBe(expected)
  })
})
