import { describe, expect, it } from 'vitest'
import { selectorText } from './selector-text.ts'

describe('a selector as a text', () => {
  it.each<[object, string]>([
    [{ matchLabels: { app: 'web', 'serin.dev/revision': 'a' } }, 'app=web,serin.dev/revision=a'],
    [{ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }, { key: 'job', operator: 'NotIn', values: ['c'] }] }, 'app=web,tier in (a,b),job notin (c)'],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists' }, { key: 'job', operator: 'DoesNotExist' }] }, 'app,!job'],
  ])('%j is %s', (selector, text) => {
    expect(selectorText(selector)).toBe(text)
  })
})
