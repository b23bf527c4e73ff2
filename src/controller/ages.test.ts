import { describe, expect, it } from 'vitest'
import { Ages } from './ages.ts'

describe('an age', () => {
  const seen = (content: string, generation = 1) => ({ content, generation })

  it('grows while the content stands, and starts anew with it', () => {
    const ages = new Ages()
    expect([ages.observe('routes', seen('a'), 0), ages.observe('routes', seen('a'), 5), ages.observe('routes', seen('b'), 7), ages.observe('routes', seen('b'), 9)]).toEqual([0, 5, 0, 2])
  })

  it('starts anew when content that left comes back', () => {
    const ages = new Ages()
    ages.observe('routes', seen('a'), 0)
    ages.observe('routes', seen('open'), 10)
    expect(ages.observe('routes', seen('a'), 11)).toBe(0)
  })

  it('outlives one unrelated edit, but not two writes between two looks: something else may have stood there', () => {
    const ages = new Ages()
    ages.observe('routes', seen('a', 1), 0)
    expect(ages.observe('routes', seen('a', 2), 10)).toBe(10)
    expect(ages.observe('routes', seen('a', 4), 20)).toBe(0)
  })
})
