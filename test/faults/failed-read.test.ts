import { describe, expect, it } from 'vitest'
import type { Harness } from '../harness.ts'
import { endAsUndisturbed, MOST_MS } from './every-write.ts'
import { shortStory, type Story } from './short-story.ts'

/** Longer than a read is repeated. */
const AWAY_MS = 4000

/** A read of one object, by a pass; lists and watches fill caches. */
const isRead = ({ method, path }: { readonly method: string; readonly path: string }): boolean => method === 'GET' && !/[?&](limit|watch)=|\/leases\/|\/customresourcedefinitions\/canary/.test(path)

/** Calls back at each of them, with their number: true refuses it. */
const atReads = (isRefused: (read: number, harness: Harness) => boolean) => (harness: Harness) => {
  let reads = 0
  harness.sandbox.cluster.faults.intercept = (request) => (isRead(request) && isRefused(reads++, harness) ? { status: 500 } : 'pass')
}

/** From the read of this number on none is answered, for a while. */
function awayFrom(from: number) {
  let untilMs = -Infinity
  return atReads((read, { clock }) => {
    if (read === from) untilMs = clock.monotonic() + AWAY_MS
    return clock.monotonic() < untilMs
  })
}

/** Once for each moment at which something is read: what is read together fails together. */
async function refuseEveryRead(of: Story): Promise<void> {
  const moments = new Map<number, number>()
  await shortStory({ of, trouble: atReads((read, { clock }) => {
    if (!moments.has(clock.monotonic())) moments.set(clock.monotonic(), read)
    return false
  }) })
  expect(moments.size).toBeGreaterThan(8)
  await endAsUndisturbed([...moments.values()].map((read) => ({ name: `from read ${read} on`, trouble: awayFrom(read) })), { of })
  process.stdout.write(`reads of ${of}: ${moments.size} plans ran\n`)
}

describe('a read that fails, whichever it is, is no answer: the story ends as if nothing had been', () => {
  it('of a plain Deployment that is released', () => refuseEveryRead('target'), MOST_MS)
  it('of one whose Canary is deleted', () => refuseEveryRead('target-deleted'), MOST_MS)
})
