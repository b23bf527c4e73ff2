import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import { statusChange } from './status-change.ts'
import { checkOf, rollingWorld } from './world.fixture.ts'
import { NO_EVIDENCE } from './world.ts'

const statusWith = (observedMs: number, verdict: 'Pass' | 'NotEnoughEvidence') =>
  decide(rollingWorld(1, { evidence: { ...NO_EVIDENCE, observedMs, checks: [checkOf(verdict)] } })).status

describe('whether status is worth a write', () => {
  it('says nothing new where only the time of a look moved', () => {
    const before = statusWith(1000, 'NotEnoughEvidence')
    expect(statusChange(before, { ...before, checks: before.checks.map((check) => ({ ...check, time: '2026-01-02T00:00:00Z' })) })).toBe('none')
  })

  it('may wait where a step only goes on', () => {
    expect(statusChange(statusWith(1000, 'NotEnoughEvidence'), statusWith(31_000, 'NotEnoughEvidence'))).toBe('minor')
  })

  it('is written at once for a verdict, a step, a weight, a first status', () => {
    expect(statusChange(statusWith(1000, 'NotEnoughEvidence'), statusWith(1000, 'Pass'))).toBe('major')
    expect(statusChange(undefined, statusWith(1000, 'Pass'))).toBe('major')
    expect(statusChange(decide(rollingWorld(0)).status, decide(rollingWorld(1)).status)).toBe('major')
  })
})
