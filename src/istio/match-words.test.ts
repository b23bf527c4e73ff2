import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HTTPMatch } from '../api/canary.ts'
import { jsonOf } from './json.ts'
import { istioMatch, writtenAs } from './match-words.ts'

const regexOf = (match: HTTPMatch): RegExp => new RegExp(`^(?:${String(jsonOf(jsonOf(istioMatch(match)['headers'])['cookie'])['regex'])})$`)

describe('a match in Istio’s words', () => {
  it.each<[HTTPMatch, unknown]>([
    [{ uri: { prefix: '/' }, headers: { a: { exact: '1' } } }, { uri: { prefix: '/' }, headers: { a: { exact: '1' } } }],
    [{ claims: { group: { exact: 'staff' } } }, { headers: { '@request.auth.claims.group': { exact: 'staff' } } }],
    [{ claims: { 'realm.group': { prefix: 's' } }, headers: { a: { exact: '1' } } }, { headers: { a: { exact: '1' }, '@request.auth.claims.realm.group': { prefix: 's' } } }],
    [{ claims: { '[https://shop.example/role]': { exact: 'a' } } }, { headers: { '@request.auth.claims[https://shop.example/role]': { exact: 'a' } } }],
    [{ cookies: { 'a.b': { exact: '1+1' } } }, { headers: { cookie: { regex: '(.*;\\s*)?a\\.b=1\\+1(;.*)?' } } }],
  ])('%j', (match, expected) => {
    expect(istioMatch(match)).toEqual(expected)
  })

  it('finds a cookie among any others, by its whole name and value', () => {
    const name = fc.stringMatching(/^[a-z.*+$|^]{1,4}$/)
    const value = fc.stringMatching(/^[a-z0-9.()[\]\\+?%-]{0,5}$/)
    fc.assert(fc.property(name, value, fc.array(fc.tuple(name, value), { maxLength: 4 }), (wanted, content, cookies) => {
      const header = cookies.map(([other, text]) => `${other}=${text}`).join('; ')
      expect(regexOf({ cookies: { [wanted]: { exact: content } } }).test(header)).toBe(cookies.some(([other, text]) => other === wanted && text === content))
      expect(regexOf({ cookies: { [wanted]: { prefix: content } } }).test(header)).toBe(cookies.some(([other, text]) => other === wanted && text.startsWith(content)))
    }))
  })

  it('is told of in the words in which it was written', () => {
    const match: HTTPMatch = { cookies: { beta: { exact: '1' } }, claims: { 'a.b': { exact: '1' } } }
    expect(['headers.cookie', 'headers.@request.auth.claims.a.b', 'uri'].map((field) => writtenAs(match, field))).toEqual(['cookies.beta', 'claims.a.b', 'uri'])
    expect(writtenAs({ headers: { cookie: { regex: 'a' } } }, 'headers.cookie')).toBe('headers.cookie')
  })
})
