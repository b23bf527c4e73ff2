import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256 } from './sha256.ts'

describe('sha256', () => {
  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
  ])('gives the vector of FIPS 180-4 for "%s"', (text, digest) => {
    expect(sha256(text)).toBe(digest)
  })

  it('equals the platform’s own for every text, whole blocks and lone surrogates included', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom('', '\ud800', 'x'.repeat(55), 'é'.repeat(32)), (text, more) => {
      expect(sha256(text + more)).toBe(createHash('sha256').update(text + more).digest('hex'))
    }))
  })
})
