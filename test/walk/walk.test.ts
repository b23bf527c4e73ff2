import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import type { Mutation } from './mutation.ts'
import { MUTATIONS } from './mutations.ts'
import { Broken } from './objects.ts'
import { Walk } from './walk.ts'

type Counts = Record<string, number>

const SEED = process.env['SERIN_WALK_SEED'] ?? String(process.env['GITHUB_RUN_ID'] ?? '1')
const STEPS = Number(process.env['SERIN_WALK_STEPS'] ?? 100_000)
const EPISODE = 600

export function walk(seed: string, steps: number, mutation: Mutation = {}): Counts {
  const counts: Counts = {}
  for (let done = 0, episode = 0; done < steps; episode++) {
    const one = new Walk(seededRandom(`${seed}/${episode}`), mutation)
    try {
      for (let step = 0; step < EPISODE; step++, done++) one.step()
      one.heal()
    } catch (thrown) {
      if (thrown instanceof Broken) throw new Broken(`seed ${seed}/${episode}: ${thrown.message}\n${one.cluster.trace.join('\n')}`)
      throw thrown
    }
    for (const [name, count] of Object.entries(one.cluster.counts)) counts[name] = (counts[name] ?? 0) + count
  }
  return counts
}

describe('a random walk of two operators, users, Git, crashes, late writes and stale caches', () => {
  it(`breaks no invariant in ${STEPS} steps from seed ${SEED}, and comes to rest after each`, () => {
    const counts = walk(SEED, STEPS)
    process.stdout.write(`walk: seed ${SEED}, ${STEPS} steps: ${JSON.stringify(counts)}\n`)
    expect(counts['row 20']).toBeGreaterThan(50)
  }, 300_000)
})

describe('the same walk', () => {
  it('breaks nothing where a third of all writes land late, users change their mind all the time and two operators are the rule', () => {
    const counts = walk(SEED, STEPS / 4, { hangs: 0.3, weights: { desired: 3, second: 2 } })
    expect(counts['row 14']).toBeGreaterThan(50)
  }, 300_000)
})

describe('the walk finds what each rule is there for', () => {
  it.each(Object.entries(MUTATIONS))('without rule %s', (_rule, mutation) => {
    // Where nothing is about people, nobody asks for anything: a rollout that waits for somebody shows nothing.
    expect(() => walk(SEED, 300_000, { ...mutation, weights: { ask: 0, ...mutation.weights } })).toThrow(Broken)
  }, 300_000)
})
