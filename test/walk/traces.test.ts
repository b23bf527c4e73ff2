import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { TABLE } from '../../src/canary/table.ts'
import type { Mutation } from './mutation.ts'
import { Broken } from './objects.ts'
import { Script } from './script.ts'
import { DELETIONS } from './traces/deletions.ts'
import { ELSEWHERE } from './traces/elsewhere.ts'
import { FENCES } from './traces/fences.ts'
import { LEDGERS } from './traces/ledgers.ts'
import { ORDER } from './traces/order.ts'
import { READINGS } from './traces/readings.ts'
import type { Trace } from './traces/trace.ts'
import { WAITS } from './traces/waits.ts'

const TRACES: readonly Trace[] = [...FENCES, ...LEDGERS, ...WAITS, ...ORDER, ...DELETIONS, ...READINGS]

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

function play({ style = {}, play: schedule }: Trace, mutation?: Mutation): void {
  const script = new Script(style, mutation)
  try {
    schedule(script)
  } catch (thrown) {
    if (thrown instanceof Broken) throw new Broken(`${thrown.message}\n${script.cluster.trace.join('\n')}`)
    throw thrown
  }
}

function endOf(trace: Trace): string {
  try {
    play(trace, trace.without)
    return 'it ends well'
  } catch (thrown) {
    if (!(thrown instanceof Broken)) throw thrown
    return thrown.message.split('\n')[0] ?? ''
  }
}

describe('a trace of the protocol', () => {
  it.each(TRACES.map((trace) => [trace.rule, trace] as const))('%s', (_rule, trace) => {
    play(trace)
  })
})

describe('without its rule a trace ends badly', () => {
  it.each(TRACES.map((trace) => [trace.rule, trace] as const))('%s', (_rule, trace) => {
    expect(endOf(trace)).toMatch(trace.breaks)
  })
})

describe('the page of the protocol', () => {
  const section = (title: string) => read('docs/protocol.md').split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
  const named = (title: string, pattern: RegExp) => [...section(title).matchAll(pattern)].map(([, name = '']) => name)
  const rules = named('Rules', /^(\d+)\. \*\*/gm)
  const readings = named('Readings', /^- \*\*(\w)\*\* /gm)
  const shown = TRACES.map(({ rule }) => rule.split(',')[0] ?? '')

  it('has no rule and no reading that no trace shows', () => {
    expect(rules.length * readings.length).toBeGreaterThan(0)
    expect([...rules, ...readings].filter((name) => !shown.includes(name))).toEqual([])
  })

  it('has a number for every rule, and a letter for every reading', () => {
    expect(named('Rules', /^(\d+\.|[-*]) /gm)).toEqual(rules.map((_, index) => `${index + 1}.`))
    expect(named('Readings', /^(\d+\.|[-*]) /gm)).toHaveLength(readings.length)
    expect(new Set(readings).size).toBe(readings.length)
  })

  it('has every rule, reading and row that a trace or another test names', () => {
    const rows = TABLE.map(({ row }) => `row ${row}`)
    expect([...shown, ...ELSEWHERE.map(({ rule }) => rule)].filter((name) => ![...rules, ...readings, ...rows].includes(name))).toEqual([])
  })

  it('is right about what is shown elsewhere', () => {
    expect(ELSEWHERE.filter(({ file, test }) => !read(file).includes(`it('${test}'`))).toEqual([])
  })
})
