import { describe, expect, it } from 'vitest'
import { canary, version } from '../fixtures.ts'
import { MOST_MS } from './every-write.ts'
import { rests, shortStory, type StoryOptions } from './short-story.ts'

/** What somebody may want while the last write of a dead leader is still under way. */
const WISHES: Readonly<Record<string, NonNullable<StoryOptions['meanwhile']>>> = {
  'a new version': { act: (harness) => harness.apply(version('v4', { replicas: 0 })), until: (harness) => rests(harness, 'v4') },
  'the first version again': {
    act: (harness) => harness.patch(canary(), { spec: { versions: { desired: 'v1' } } }), until: (harness) => rests(harness, 'v1'),
  },
}

describe('a write that lands seconds after its leader died', () => {
  it.each(Object.entries(WISHES))('breaks nothing, whichever it is, where %s was wanted meanwhile', async (_wish, meanwhile) => {
    const { writes } = await shortStory()
    const adopted = writes.indexOf('POST events Adopted')
    const serving = [...writes.entries()].filter(([write, name]) => write > adopted && /virtualservices|destinationrules|deployments/.test(name))
    expect(serving.length).toBeGreaterThan(15)
    for (const [write, name] of serving) {
      const { violations } = await shortStory({ fate: (number) => (number === write ? 'orphaned' : undefined), meanwhile, afterMs: 5000 }).catch((cause: unknown) => {
        throw new Error(`at write ${write}, ${name}`, { cause })
      })
      expect({ write: `${write} ${name}`, violations }).toEqual({ write: `${write} ${name}`, violations: [] })
    }
    process.stdout.write(`overtaken: ${serving.length} plans ran\n`)
  }, MOST_MS)
})
