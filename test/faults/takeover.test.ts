import { expect, it } from 'vitest'
import { caller, canary, faulty, namespace, service, version } from '../fixtures.ts'
import { Harness, uncheckedCrd } from '../harness.ts'
import { startReplica, type Replica, type ReplicaOptions } from '../replica.ts'
import { MOST_MS } from './every-write.ts'
import { rests } from './short-story.ts'

/** A bad version and then a good one, with two replicas; what the first is told to do befalls it. */
async function story(first: (die: () => void) => ReplicaOptions): Promise<{ readonly leader: Replica; readonly wrong: readonly unknown[] }> {
  const harness = new Harness()
  try {
    await harness.apply(uncheckedCrd(), namespace(), service(), caller(), version('v1', { replicas: 2 }))
    await harness.clock.advance(500)
    harness.users(10, { host: 'service-c', from: harness.insider })
    const leader: Replica = startReplica(harness, first(() => {
      leader.kill()
      throw new Error('killed at this write')
    }))
    await harness.clock.advance(100)
    const second = startReplica(harness)
    const chapters = [[canary(), 'v1', 'Idle'], [faulty('v2', { replicas: 0 }), 'v1', 'Failed'], [version('v3', { replicas: 0 }), 'v3', 'Idle']] as const
    for (const [object, revision, phase] of chapters) {
      await harness.apply(object)
      await harness.until(() => rests(harness, revision, phase), 120_000)
    }
    await harness.clock.advance(3000)
    const died = leader.sent.at(-1)?.at ?? NaN
    return { leader, wrong: [...harness.oracle.violations, ...harness.meshMade(), ...second.writes().filter(({ at }) => at <= died)] }
  } finally {
    harness.stop()
  }
}

it.each(['beforeWrite', 'afterWrite'] as const)('a leader that dies %s, whichever write it is, is followed by the one on standby, which ends where it would have', async (moment) => {
  const { leader, wrong } = await story(() => ({}))
  expect(wrong).toEqual([])
  const writes = leader.writes().map(({ name }, number) => ({ name, number })).filter(({ name }) => /virtualservices|destinationrules|deployments/.test(name))
  expect(writes.length).toBeGreaterThan(15)
  for (const { name, number } of writes) {
    const plan = `${number} ${name}`
    const { wrong: found } = await story((die) => ({ [moment]: (write: number) => (write === number ? die() : undefined) })).catch((cause: unknown) => {
      throw new Error(plan, { cause })
    })
    expect({ plan, found }).toEqual({ plan, found: [] })
  }
  process.stdout.write(`takeover ${moment}: ${writes.length} plans ran\n`)
}, MOST_MS)
