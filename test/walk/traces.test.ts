import { describe, expect, it } from 'vitest'
import type { Mutation } from './mutation.ts'
import { Broken } from './objects.ts'
import { Script } from './script.ts'
import { FENCES } from './traces/fences.ts'
import { LEDGERS } from './traces/ledgers.ts'
import { ORDER } from './traces/order.ts'
import { READINGS } from './traces/readings.ts'
import type { Trace } from './traces/trace.ts'
import { WAITS } from './traces/waits.ts'

const TRACES: readonly Trace[] = [...FENCES, ...LEDGERS, ...WAITS, ...ORDER, ...READINGS]

function play({ style = {}, play: schedule }: Trace, mutation?: Mutation): void {
  const script = new Script(style, mutation)
  try {
    schedule(script)
  } catch (thrown) {
    if (thrown instanceof Broken) throw new Broken(`${thrown.message}\n${script.cluster.trace.join('\n')}`)
    throw thrown
  }
}

describe('a trace of the protocol', () => {
  it.each(TRACES.map((trace) => [trace.rule, trace] as const))('%s', (_rule, trace) => {
    play(trace)
  })
})

describe('without its rule a trace ends badly', () => {
  it.each(TRACES.filter(({ without }) => without !== undefined).map((trace) => [trace.rule, trace] as const))('%s', (_rule, trace) => {
    const first = (message: string) => message.split('\n')[0] ?? ''
    let broken = 'it ends well'
    try {
      play(trace, trace.without)
    } catch (thrown) {
      if (!(thrown instanceof Broken)) throw thrown
      broken = first(thrown.message)
    }
    expect(broken).toMatch(trace.breaks ?? /^$/)
  })
})
