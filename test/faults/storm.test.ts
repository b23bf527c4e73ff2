import { expect, it } from 'vitest'
import { MOST_MS } from './every-write.ts'
import { Storm } from './storm.ts'

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1)

it('whatever happens, in whatever order: no user is dropped, no failed version comes back, and all comes to rest', async () => {
  for (const seed of SEEDS) {
    const storm = new Storm(seed)
    const { wrong, history } = await storm.rage()
    storm.end()
    expect({ seed, wrong, history: wrong.length === 0 ? [] : history }).toEqual({ seed, wrong: [], history: [] })
  }
  process.stdout.write(`storms: ${SEEDS.length} ran\n`)
}, MOST_MS)
