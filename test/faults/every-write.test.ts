import { describe, expect, it } from 'vitest'
import { shortStory } from './short-story.ts'

describe('x', () => {
  it('y', async () => {
    for (let i = 0; i < 4; i++) {
      const t = performance.now()
      const r = await shortStory()
      console.log(performance.now() - t)
      if (i === 3) { console.log(JSON.stringify(r, null, 1)); expect(r.violations).toEqual([]) }
    }
  })
})
