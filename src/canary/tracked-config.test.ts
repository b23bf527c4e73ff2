import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyName, isObserved, movedConfig } from './tracked-config.ts'

describe('what moved', () => {
  it.each<[string, Readonly<Record<string, string>> | undefined, Readonly<Record<string, string>> | undefined, readonly string[]]>([
    ['another content', { 'ConfigMap a': '1', 'Secret b': '1' }, { 'ConfigMap a': '2', 'Secret b': '1' }, ['ConfigMap a']],
    ['one that is missing now', { 'ConfigMap a': '1' }, { 'ConfigMap a': 'missing' }, ['ConfigMap a']],
    ['not one that is tracked from now on', { 'ConfigMap a': '1' }, { 'ConfigMap a': '1', 'ConfigMap b': '1' }, []],
    ['not one that is tracked no longer', { 'ConfigMap a': '1', 'ConfigMap b': '1' }, { 'ConfigMap a': '1' }, []],
    ['nothing where nothing was recorded', undefined, { 'ConfigMap a': '1' }, []],
    ['nothing where nothing is known', { 'ConfigMap a': '1' }, undefined, []],
  ])('is %s', (_, before, after, expected) => {
    expect(movedConfig(before, after)).toEqual(expected)
  })
})

describe('a target that status speaks of', () => {
  const known = { name: 'web', uid: 'u', generation: 3, revision: 'r', hash: 'h1:a' }
  it.each([
    ['is the same generation, whatever hashing makes of it', known, { uid: 'u', generation: 3, hash: 'h2:b' }, true],
    ['is a later generation with the same template', known, { uid: 'u', generation: 4, hash: 'h1:a' }, true],
    ['is no later generation with another template', known, { uid: 'u', generation: 4, hash: 'h1:b' }, false],
    ['is no other object', known, { uid: 'v', generation: 3, hash: 'h1:a' }, false],
    ['is none where nothing was recorded', undefined, { uid: 'u', generation: 3, hash: 'h1:a' }, false],
    ['is no later generation where no hash was recorded', { ...known, hash: undefined }, { uid: 'u', generation: 4, hash: undefined }, false],
  ])('%s', (_, before, now, expected) => {
    expect(isObserved(before, now)).toBe(expected)
  })
})

describe('the name of a copy', () => {
  const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?$/)

  it('says whose it is', () => {
    expect(copyName('app', 'web-6d4cf56db6')).toBe('app-web-6d4cf56db6')
  })

  it('is a name, however long both are', () => {
    fc.assert(fc.property(name, name, (object, deployment) => {
      expect(copyName(object, deployment)).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
      expect(copyName(object, deployment).length).toBeLessThanOrEqual(253)
    }))
  })

  it('is another for each object and each revision, cut or not', () => {
    const long = 'a'.repeat(240)
    const names = [['a', 'web-1'], ['b', 'web-1'], ['a', 'web-2'], [long, 'web-0000000001'], [long, 'web-0000000002'], [`${long}b`, 'web-0000000001']].map(([object = '', deployment = '']) => copyName(object, deployment))
    expect(new Set(names).size).toBe(names.length)
  })
})
