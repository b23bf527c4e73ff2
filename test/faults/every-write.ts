import { expect } from 'vitest'
import { LATE_MS, type Fault } from './saboteur.ts'
import { shortStory, type StoryOptions } from './short-story.ts'

type Setting = Pick<StoryOptions, 'objects' | 'of'>

/** Runs the short story once for each plan: all must end as it ends when nothing goes wrong. */
export async function endAsUndisturbed(plans: readonly (StoryOptions & { readonly name: string })[], { objects = [], of = 'versions' }: Setting = {}): Promise<void> {
  const undisturbed = await shortStory({ objects, of })
  expect(undisturbed.violations).toEqual([])
  for (const { name, ...options } of plans) {
    const { end, violations } = await shortStory({ objects, of, ...options }).catch((cause: unknown) => {
      throw new Error(name, { cause })
    })
    expect({ name, end, violations }).toEqual({ name, end: undisturbed.end, violations: [] })
  }
}

/** Lets the fault befall each write of the short story in turn, a whole run for each. */
export async function befallEveryWrite(fault: Fault, wanted = (_write: string) => true, setting: Setting = {}): Promise<void> {
  const { writes } = await shortStory(setting)
  const plans = [...writes.entries()].filter(([, name]) => wanted(name)).map(([write, name]) => ({
    name: `${fault} at write ${write}, ${name}`,
    fate: (number: number) => (number === write ? fault : undefined),
    ...(fault === 'lands-late' ? { afterMs: LATE_MS } : {}),
  }))
  expect(plans.length).toBeGreaterThan(10)
  await endAsUndisturbed(plans, setting)
  process.stdout.write(`${fault}: ${plans.length} plans ran\n`)
}

/** For all of its runs, on a slow machine. */
export const MOST_MS = 240_000

/** Events are written apart from the decisions, and again until they are taken: none of them holds anything up. */
export const isNoEvent = (write: string): boolean => !write.startsWith('POST events')
