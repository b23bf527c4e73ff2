import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HTTPMatch, StringMatch } from '../api/canary.ts'
import { jsonOf, type Json } from './json.ts'
import { matchProduct } from './match-product.ts'

describe('the product of a match of the user’s and one of a step', () => {
  it.each<[string, Json, HTTPMatch, unknown]>([
    ['different fields stand side by side, unknown ones stay', { port: 80, uri: { prefix: '/a' } }, { method: { exact: 'GET' } }, { port: 80, uri: { prefix: '/a' }, method: { exact: 'GET' } }],
    ['headers of both hold', { headers: { a: { exact: '1' } } }, { headers: { b: { regex: '.' } } }, { headers: { a: { exact: '1' }, b: { regex: '.' } } }],
    ['the narrower path wins', { uri: { prefix: '/' } }, { uri: { prefix: '/api' } }, { uri: { prefix: '/api' } }],
    ['the narrower path wins, whoever wrote it', { uri: { exact: '/api/x' } }, { uri: { prefix: '/' } }, { uri: { exact: '/api/x' } }],
    ['a header that is only asked to be there is asked for its value', { headers: { a: {} } }, { headers: { a: { regex: 'x' } } }, { headers: { a: { regex: 'x' } } }],
    ['of two exclusions the wider one stands', { withoutHeaders: { a: { prefix: 'x' } } }, { withoutHeaders: { a: { exact: 'xy' } } }, { withoutHeaders: { a: { prefix: 'x' } } }],
    ['different methods contradict', { method: { exact: 'GET' } }, { method: { exact: 'POST' } }, 'never'],
    ['different paths contradict', { uri: { prefix: '/a' } }, { uri: { prefix: '/b' } }, 'never'],
    ['different namespaces contradict', { sourceNamespace: 'a' }, { sourceNamespace: 'b' }, 'never'],
    ['a regex and a path cannot be joined', { uri: { regex: '/a.*' } }, { uri: { prefix: '/b' } }, 'uri'],
    ['two patterns of one header cannot be joined', { headers: { cookie: { regex: '.*a.*' } } }, { headers: { cookie: { regex: '.*b.*' } } }, 'headers.cookie'],
    ['two exclusions of one header cannot be joined', { withoutHeaders: { a: { exact: 'x' } } }, { withoutHeaders: { a: { exact: 'y' } } }, 'withoutHeaders.a'],
    ['a case-blind match would widen the step’s path', { ignoreUriCase: true }, { uri: { exact: '/a' } }, 'uri'],
    ['Istio ignores the caller beside a match’s own gateways', { gateways: ['mesh'] }, { sourceLabels: { app: 'a' } }, 'sourceLabels'],
  ])('%s', (_, theirs, ours, expected) => {
    const product = matchProduct(theirs, ours)
    expect(product.kind === 'both' ? product.match : product.kind === 'clash' ? product.field : product.kind).toEqual(expected)
  })

  it('holds for exactly the texts that meet both', () => {
    const texts = ['', '/', '/a', '/ab', '/b']
    const condition = fc.oneof(fc.constantFrom(...texts).map((exact): StringMatch => ({ exact })), fc.constantFrom('/', '/a', '/ab').map((prefix): StringMatch => ({ prefix })))
    const meets = (text: string, { exact, prefix }: StringMatch) => (exact === undefined ? text.startsWith(prefix ?? '') : text === exact)
    fc.assert(fc.property(condition, condition, (theirs, ours) => {
      const product = matchProduct({ uri: theirs }, { uri: ours })
      for (const text of texts) {
        const joined = product.kind === 'both' && meets(text, jsonOf(product.match['uri']) as StringMatch)
        expect(joined).toBe(meets(text, theirs) && meets(text, ours))
      }
    }))
  })
})
