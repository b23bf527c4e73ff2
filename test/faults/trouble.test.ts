import { describe, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import type { Transport } from '../../src/runtime/transport.ts'
import type { Harness } from '../harness.ts'
import { befallEveryWrite, endAsUndisturbed, MOST_MS } from './every-write.ts'
import type { Fault } from './saboteur.ts'

const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1)
const FAULTS: readonly Fault[] = ['crash-before', 'crash-after', '409', '429', '500', 'lost-answer', 'stale-caches']

const every = (ms: number, act: (harness: Harness) => void) => (harness: Harness) => {
  const again = (): Promise<void> => harness.clock.sleep(ms, harness.ended).then(() => act(harness)).then(again)
  again().catch(() => undefined)
}

/** Answers late, and writes late: up to `mostMs`, by chance. */
const slow = (mostMs: number, seed: string) => {
  const random = seededRandom(seed)
  return (transport: Transport, { clock }: Harness): Transport => async (request) => {
    if (!request.path.includes('watch=1')) await clock.sleep(random() * mostMs)
    return transport(request)
  }
}

describe('the story ends as if nothing had been', () => {
  it('while the caches are seconds behind, from any write of a route, rule or Deployment on', () =>
    befallEveryWrite('stale-caches', (write) => /virtualservices|destinationrules|deployments/.test(write)), MOST_MS)

  it('while every watch breaks every few seconds', () => endAsUndisturbed([1700, 3100].map((ms) => ({
    name: `every ${ms} ms`, trouble: every(ms, ({ sandbox }) => sandbox.cluster.faults.dropWatches()),
  }))), MOST_MS)

  it('while the API server forgets what it has told', () => endAsUndisturbed([7000, 11_000].map((ms) => ({
    name: `every ${ms} ms`,
    trouble: every(ms, ({ sandbox: { cluster: { faults } } }) => {
      faults.forgetHistory()
      faults.dropWatches()
    }),
  }))), MOST_MS)

  it('with two leaders at once, quick ones or slow ones', () => endAsUndisturbed([
    { name: 'quick', leaders: 2 },
    ...SEEDS.map((seed) => ({ name: `slow, seed ${seed}`, leaders: 2, through: slow(seed * 250, `leaders ${seed}`) })),
  ]), MOST_MS)

  it('when one write in eight goes wrong, one way or another', () => endAsUndisturbed(SEEDS.map((seed) => {
    const random = seededRandom(`swarm ${seed}`)
    return { name: `seed ${seed}`, fate: () => (random() < 1 / 8 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined) }
  })), MOST_MS)
})
